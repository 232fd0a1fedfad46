//! The writer: takes targets, modules and resources, and merges their values.

use crate::{
    check,
    collect::{collect, intern_str},
    entry::{CodeEntry, ModuleEntry, PathEntry, ResourceEntry, SourceEntry, TargetEntry},
    error::{Error, ErrorKind},
    intern::{Blobs, Handle, Interner, Item},
    options::Options,
};
use hashbrown::HashSet;
use permacode_format::{QualnameForm, code_form, module_flag, resource_flag};
use permacode_model::{Code, Module, ModuleKind, Path, Qualname, Resource, Target};
use permacode_reader::Archive;

/// Identifies a target of one [`Writer`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct TargetId(usize);

/// Takes modules and resources and merges equal values. [`Writer::plan`] lays out the archive.
///
/// The writer copies each distinct value once and keeps nothing else of a module, so the caller can drop a module as
/// soon as it has been added. The order of the calls does not change the archive. Except for [`Writer::copy_from`], a
/// call that fails does not change the writer.
///
/// ```
/// use permacode_model::{Module, Target};
/// use permacode_writer::{Options, Writer};
///
/// let mut writer = Writer::new(Options::default());
/// let target = writer.add_target(&Target::new("toy", 1, 0x0100, 2))?;
/// writer.add_module(target, &Module::namespace("empty"))?;
/// let plan = writer.plan()?;
/// let mut bytes = Vec::new();
/// plan.write_to(&mut bytes)?;
/// assert_eq!(bytes.len() as u64, plan.report().file_len);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Default)]
pub struct Writer {
    pub(crate) options: Options,
    pub(crate) interner: Interner,
    pub(crate) bytecode: Blobs,
    pub(crate) tables: Blobs,
    pub(crate) signatures: Blobs,
    pub(crate) sources: Blobs,
    pub(crate) files: Blobs,
    pub(crate) targets: Vec<TargetEntry>,
}

impl Writer {
    /// An empty writer.
    #[must_use]
    pub fn new(options: Options) -> Self {
        Writer { options, ..Writer::default() }
    }

    /// Adds a target.
    ///
    /// # Errors
    /// If the writer already has a target with the same machine, magic number, version and optimisation level, or if a
    /// field breaks a rule of the format.
    pub fn add_target(&mut self, target: &Target) -> Result<TargetId, Error> {
        check::target(target)?;
        let key = |target: &Target| (target.vm.clone(), target.bytecode_magic, target.vm_version, target.optimization);
        if self.targets.iter().any(|other| key(&other.target) == key(target)) {
            let shown = format!("{} {:#010x} -O{}", target.vm, target.vm_version, target.optimization);
            return Err(Error::new(ErrorKind::DuplicateTarget(shown)));
        }
        self.targets.push(TargetEntry {
            target: target.clone(),
            modules: Vec::new(),
            resources: Vec::new(),
            module_names: HashSet::new(),
            resource_names: HashSet::new(),
        });
        Ok(TargetId(self.targets.len() - 1))
    }

    /// Adds a module. The archive will hold only the objects and code objects that its body reaches.
    ///
    /// # Errors
    /// If the target already has a module of that name, if the module is inconsistent, or if it exceeds a limit of the
    /// format.
    pub fn add_module(&mut self, target: TargetId, module: &Module<'_>) -> Result<(), Error> {
        check::module(module)?;
        if self.target(target)?.module_names.contains(&module.name) {
            return Err(Error::new(ErrorKind::DuplicateModule(module.name.clone())));
        }
        let mark = self.interner.mark();
        let blob_marks = self.blobs_of_modules().map(|blobs| blobs.mark());
        match self.merge(module) {
            Ok(entry) => {
                let target = self.target(target)?;
                target.module_names.insert(module.name.clone());
                target.modules.push(entry);
                Ok(())
            }
            Err(error) => {
                self.interner.undo(mark);
                self.blobs_of_modules().into_iter().zip(blob_marks).for_each(|(blobs, mark)| blobs.undo(mark));
                Err(error)
            }
        }
    }

    /// Adds a resource. If the resource owns its bytes, large ones are moved and not copied.
    ///
    /// # Errors
    /// If the target already has a resource with that root and path, if root or path break a rule of the format, or if
    /// the name exceeds a limit.
    pub fn add_resource<'r>(&mut self, target: TargetId, resource: impl Into<Resource<'r>>) -> Result<(), Error> {
        let resource = resource.into();
        let name = [resource.root.as_bytes(), b"/", &resource.path].concat();
        check::resource(&resource, &name)?;
        if !self.target(target)?.resource_names.insert(name.clone()) {
            return Err(Error::new(ErrorKind::DuplicateResource(String::from_utf8_lossy(&name).into_owned())));
        }
        let entry = ResourceEntry {
            // `check` has limited the whole name to 65,535 bytes [N-2].
            root_len: resource.root.len() as u16,
            name,
            flags: if resource.executable { resource_flag::EXECUTABLE } else { 0 },
            len: resource.data.len() as u64,
            data: self.files.intern_cow(resource.data),
        };
        self.target(target)?.resources.push(entry);
        Ok(())
    }

    /// Adds all targets, modules and resources of an archive.
    ///
    /// # Errors
    /// If the archive breaks a rule of the format, or if the writer already has one of its targets. Targets, modules
    /// and resources that were added before the error stay.
    ///
    /// ```
    /// use permacode_model::{Module, Target};
    /// use permacode_reader::Archive;
    /// use permacode_writer::{Options, Writer};
    ///
    /// let mut writer = Writer::new(Options::default());
    /// let target = writer.add_target(&Target::new("toy", 1, 0x0100, 2))?;
    /// writer.add_module(target, &Module::namespace("empty"))?;
    /// let bytes = writer.plan()?.to_bytes();
    ///
    /// let mut copy = Writer::new(Options::default());
    /// copy.copy_from(&Archive::open(&bytes)?)?;
    /// assert_eq!(copy.plan()?.to_bytes(), bytes);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn copy_from<D: AsRef<[u8]>>(&mut self, archive: &Archive<D>) -> Result<(), Error> {
        for target in archive.targets() {
            let id = self.add_target(&Target::try_from(&target)?)?;
            for module in target.modules() {
                self.add_module(id, &Module::try_from(&module?)?)?;
            }
            for resource in target.resources() {
                self.add_resource(id, Resource::try_from(&resource?)?)?;
            }
        }
        Ok(())
    }

    fn target(&mut self, id: TargetId) -> Result<&mut TargetEntry, Error> {
        let missing = || Error::invalid(&format!("target {}", id.0), "the target belongs to another writer");
        self.targets.get_mut(id.0).ok_or_else(missing)
    }

    /// The blobs that `add_module` may change.
    fn blobs_of_modules(&mut self) -> [&mut Blobs; 4] {
        [&mut self.bytecode, &mut self.tables, &mut self.signatures, &mut self.sources]
    }

    fn merge(&mut self, module: &Module<'_>) -> Result<ModuleEntry, Error> {
        let collected = collect(module, &mut self.interner)?;
        let mut entry = ModuleEntry {
            name: module.name.clone(),
            flags: match module.kind {
                ModuleKind::Module => 0,
                ModuleKind::Package => module_flag::PACKAGE,
                ModuleKind::Namespace => module_flag::PACKAGE | module_flag::NAMESPACE,
            },
            objects: collected.objects,
            hot: collected.hot,
            codes: Vec::with_capacity(collected.codes.len()),
            first_use: collected.first_use,
            filename: None,
            source: None,
        };
        check::qualnames(module, &collected.codes)?;
        for code in collected.codes {
            let model = &module.codes[code.model as usize];
            entry.codes.push(self.code(&module.name, model, code.parent, code.list)?);
        }
        if let Some(filename) = &module.filename {
            entry.filename = Some(self.path(&module.name, filename)?);
        }
        if let Some(source) = &module.source {
            let path = self.path(&module.name, &source.path)?;
            let text = source.text.as_ref().map(|text| self.sources.intern(&[text]));
            entry.flags |= if text.is_some() { module_flag::SOURCE_TEXT } else { 0 };
            entry.flags |= if source.mtime.is_some() { module_flag::SOURCE_MTIME } else { 0 };
            entry.flags |= if source.executable { module_flag::SOURCE_EXECUTABLE } else { 0 };
            entry.source =
                Some(SourceEntry { path, size: source.size, digest: source.digest, mtime: source.mtime, text });
        }
        let paths = entry.filename.into_iter().chain(entry.source.as_ref().map(|source| source.path));
        let mut seen: HashSet<Handle> = entry.objects.iter().copied().collect();
        for handle in paths.flat_map(|path| [Some(path.path), path.root]).flatten() {
            if seen.insert(handle) {
                entry.objects.push(handle);
            }
            entry.hot.push(handle);
        }
        Ok(entry)
    }

    fn path(&mut self, owner: &str, path: &Path<'_>) -> Result<PathEntry, Error> {
        let root = path.root.as_ref().map(|root| intern_str(&mut self.interner, owner, root)).transpose()?;
        Ok(PathEntry { path: intern_str(&mut self.interner, owner, &path.path)?, root })
    }

    fn code(&mut self, owner: &str, code: &Code<'_>, parent: Option<u32>, list: Vec<Item>) -> Result<CodeEntry, Error> {
        check::code(owner, code, parent)?;
        let qualname_flag = |interned| if interned { code_form::QUALNAME_INTERNED } else { 0 };
        let qualname = match code.qualname {
            Qualname::Name => code_form::of_qualname(QualnameForm::Name),
            Qualname::Member { interned } => code_form::of_qualname(QualnameForm::Member) | qualname_flag(interned),
            Qualname::Local { interned } => code_form::of_qualname(QualnameForm::Local) | qualname_flag(interned),
            Qualname::Explicit(_) => code_form::of_qualname(QualnameForm::Explicit),
        };
        let count =
            |what, len: usize| u32::try_from(len).map_err(|_| Error::limit(owner, what, len as u64, u32::MAX.into()));
        Ok(CodeEntry {
            parent,
            list,
            bytecode_len: count("bytes of bytecode", code.bytecode.len())?,
            bytecode: self.bytecode.intern(&[&code.bytecode]),
            line_len: count("bytes of a line table", code.line_table.len())?,
            exception_len: count("bytes of an exception table", code.exception_table.len())?,
            tables: self.tables.intern(&[&code.line_table, &code.exception_table]),
            signature: code.signature.as_ref().map(|text| self.signatures.intern(&[text])),
            form: qualname | if code.filename.is_some() { code_form::FILENAME } else { 0 },
            constant_count: count("constants", code.constants.len())?,
            name_count: count("names", code.names.len())?,
            local_count: count("local variables", code.locals.len())?,
            stated_local_count: code.local_count,
            stack_size: code.stack_size,
            arg_count: code.arg_count,
            posonly_count: code.posonly_count,
            kwonly_count: code.kwonly_count,
            flags: code.flags,
            first_line: code.first_line,
            docstring: code.docstring,
        })
    }
}
