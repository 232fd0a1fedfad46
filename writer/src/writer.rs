//! Collecting targets, modules and resources.

use crate::{
    collect::{CollectedCode, collect, intern_str},
    error::{Error, ErrorKind},
    intern::{Blobs, Handle, Interner, Item},
};
use hashbrown::HashSet;
use permacode_format::{
    LOCAL_SEPARATOR, MAX_NAME_LEN, MAX_QUALNAME_LEN, MEMBER_SEPARATOR, NONE, QualnameForm, code_form, digest,
    is_module_name, is_resource_name, module_flag, resource_flag,
};
use permacode_model::{Code, Leaf, Module, ModuleKind, Object, Path, Qualname, Resource, Str, Target};

/// How an archive is laid out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    /// Bytecode is aligned to this power of two of bytes, at most a page: 3, for 8 bytes, unless told otherwise.
    pub code_align_log2: u8,
    /// What lies beside what within a section.
    pub placement: Placement,
}

impl Default for Options {
    fn default() -> Self {
        Options { code_align_log2: 3, placement: Placement::default() }
    }
}

/// What lies beside what within a section. It changes no id, only which pages a process touches.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Placement {
    /// What several modules use before what one module alone has, which lies module by module in the order of names.
    #[default]
    SharedFirst,
    /// Everything where the first module is, in the order of names, that uses it.
    FirstUse,
    /// What the bodies of modules use before what only their functions do.
    BodiesFirst,
}

/// A target of a [`Writer`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct TargetId(pub(crate) usize);

/// Takes modules and resources and merges what is equal; [`Writer::plan`] lays the archive out.
///
/// Memory is bounded by a small multiple of what is distinct in the input: a module can be dropped as soon as it has
/// been handed over. The order in which things are handed over does not show in the archive.
///
/// ```
/// use permacode_model::*;
/// use permacode_writer::{Options, Writer};
///
/// let mut writer = Writer::new(Options::default());
/// let target = writer.target(&Target {
///     vm: "toy".into(), bytecode_magic: 1, vm_version: 0x0100, optimization: 0, tag: "toy-1".into(),
///     unit_size: 2, line_encoding: LineEncoding::Private, exception_encoding: ExceptionEncoding::Private,
///     sealed: false,
/// })?;
/// writer.module(target, &Module {
///     name: "empty".into(), kind: ModuleKind::Namespace, objects: vec![], codes: vec![],
///     root: None, filename: None, source: None,
/// })?;
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

/// A target and what belongs to it.
#[derive(Debug)]
pub(crate) struct TargetEntry {
    pub(crate) target: Target,
    pub(crate) modules: Vec<ModuleEntry>,
    pub(crate) resources: Vec<ResourceEntry>,
    module_names: HashSet<String>,
    resource_names: HashSet<Vec<u8>>,
}

/// A module whose values have been merged.
#[derive(Debug)]
pub(crate) struct ModuleEntry {
    pub(crate) name: String,
    pub(crate) flags: u32,
    pub(crate) objects: Vec<Handle>,
    pub(crate) hot: Vec<Handle>,
    /// Children first.
    pub(crate) codes: Vec<CodeEntry>,
    /// Indexes into `codes`, parents first.
    pub(crate) first_use: Vec<u32>,
    pub(crate) filename: Option<PathEntry>,
    pub(crate) source: Option<SourceEntry>,
}

/// A path and its root.
#[derive(Debug, Clone, Copy)]
pub(crate) struct PathEntry {
    pub(crate) path: Handle,
    pub(crate) root: Option<Handle>,
}

/// A source.
#[derive(Debug)]
pub(crate) struct SourceEntry {
    pub(crate) path: PathEntry,
    pub(crate) size: u64,
    pub(crate) digest: [u8; 16],
    pub(crate) mtime: Option<i64>,
    pub(crate) text: Option<u32>,
}

/// A code object whose values have been merged.
#[derive(Debug)]
pub(crate) struct CodeEntry {
    pub(crate) parent: Option<u32>,
    pub(crate) list: Vec<Item>,
    pub(crate) bytecode: u32,
    pub(crate) bytecode_len: u32,
    pub(crate) tables: u32,
    pub(crate) line_len: u32,
    pub(crate) exception_len: u32,
    pub(crate) signature: Option<u32>,
    /// Bits of [`code_form`] that say something about the model.
    pub(crate) form: u8,
    pub(crate) constant_count: u32,
    pub(crate) name_count: u32,
    pub(crate) local_count: u32,
    pub(crate) stated_local_count: Option<u32>,
    pub(crate) stack_size: u32,
    pub(crate) arg_count: u32,
    pub(crate) posonly_count: u32,
    pub(crate) kwonly_count: u32,
    pub(crate) flags: u32,
    pub(crate) first_line: i32,
    pub(crate) docstring: Option<u32>,
}

/// A resource whose bytes have been merged.
#[derive(Debug)]
pub(crate) struct ResourceEntry {
    /// Root, slash, path.
    pub(crate) name: Vec<u8>,
    pub(crate) root_len: u32,
    pub(crate) flags: u32,
    pub(crate) data: u32,
    pub(crate) len: u64,
}

impl Writer {
    /// A writer that has seen nothing yet.
    #[must_use]
    pub fn new(options: Options) -> Self {
        Writer { options, ..Writer::default() }
    }

    /// Adds a target.
    ///
    /// # Errors
    /// If one with the same machine, magic, version and optimisation level is there already, or a field is not as
    /// the format wants it.
    pub fn target(&mut self, target: &Target) -> Result<TargetId, Error> {
        let name = &target.vm;
        if name.is_empty() || name.len() > 16 || !name.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(Error::invalid(name, "the name of a machine is 1 to 16 printable ASCII characters"));
        }
        if target.unit_size == 0 {
            return Err(Error::invalid(name, "a bytecode unit has at least one byte"));
        }
        if target.tag.len() as u64 > u64::from(MAX_NAME_LEN) {
            return Err(Error::limit(name, "bytes of its tag", target.tag.len() as u64, MAX_NAME_LEN.into()));
        }
        let key = |target: &Target| (target.vm.clone(), target.bytecode_magic, target.vm_version, target.optimization);
        if self.targets.iter().any(|other| key(&other.target) == key(target)) {
            return Err(ErrorKind::DuplicateTarget(format!(
                "{} {:#010x} -O{}",
                target.vm, target.vm_version, target.optimization
            ))
            .into());
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

    /// Adds a module. Objects and code objects that its root does not reach are left out.
    ///
    /// # Errors
    /// If the target has a module of that name, the module does not hold together, or a limit is exceeded. The writer
    /// must not be used any more after that.
    pub fn module(&mut self, target: TargetId, module: &Module<'_>) -> Result<(), Error> {
        check_module_name(&module.name)?;
        let is_namespace = module.kind == ModuleKind::Namespace;
        if is_namespace != module.root.is_none() {
            return Err(Error::invalid(&module.name, "a namespace package has no code, and all else has"));
        }
        if !is_namespace && module.filename.is_none() {
            return Err(Error::invalid(&module.name, "it has code and no file name"));
        }
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
        check_qualnames(module, &collected.codes)?;
        for code in collected.codes {
            let model = &module.codes[code.model as usize];
            entry.codes.push(self.code(&module.name, model, code.parent, code.list)?);
        }
        if let Some(filename) = &module.filename {
            entry.filename = Some(self.path(&module.name, filename)?);
        }
        if let Some(source) = &module.source {
            if source.text.as_ref().is_some_and(|text| text.len() as u64 != source.size) {
                return Err(Error::invalid(&module.name, "the size of its source is not that of the text"));
            }
            if source.text.as_ref().is_some_and(|text| digest(text) != source.digest) {
                return Err(Error::invalid(&module.name, "the digest of its source is not that of the text"));
            }
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
            // Twice the same one does no harm.
            entry.hot.push(handle);
        }
        let target = &mut self.targets[target.0];
        if !target.module_names.insert(module.name.clone()) {
            return Err(ErrorKind::DuplicateModule(module.name.clone()).into());
        }
        target.modules.push(entry);
        Ok(())
    }

    /// Adds a resource. One that is given away with bytes of its own is not copied.
    ///
    /// # Errors
    /// If the target has a resource of that root and path, they are no names of files, or a limit is exceeded.
    pub fn resource<'r>(&mut self, target: TargetId, resource: impl Into<Resource<'r>>) -> Result<(), Error> {
        let resource = resource.into();
        let name = [resource.root.as_bytes(), b"/", &resource.path].concat();
        let shown = String::from_utf8_lossy(&name).into_owned();
        check_len(&shown, name.len())?;
        if resource.root.contains('/') || !is_resource_name(&name) {
            return Err(Error::invalid(&shown, "it is no relative path"));
        }
        let entry = ResourceEntry {
            root_len: resource.root.len() as u32,
            name,
            flags: if resource.executable { resource_flag::EXECUTABLE } else { 0 },
            len: resource.data.len() as u64,
            data: self.files.intern_cow(resource.data),
        };
        let target = &mut self.targets[target.0];
        if !target.resource_names.insert(entry.name.clone()) {
            return Err(ErrorKind::DuplicateResource(shown).into());
        }
        target.resources.push(entry);
        Ok(())
    }

    fn path(&mut self, owner: &str, path: &Path<'_>) -> Result<PathEntry, Error> {
        let root =
            path.root.as_deref().map(|root| intern_str(&mut self.interner, owner, &Str::plain(root))).transpose()?;
        Ok(PathEntry { path: intern_str(&mut self.interner, owner, &path.path)?, root })
    }

    fn code(&mut self, owner: &str, code: &Code<'_>, parent: Option<u32>, list: Vec<Item>) -> Result<CodeEntry, Error> {
        let qualname = match code.qualname {
            Qualname::Name => code_form::of_qualname(QualnameForm::Name),
            Qualname::Member { interned } => code_form::of_qualname(QualnameForm::Member) | qualname_flag(interned),
            Qualname::Local { interned } => code_form::of_qualname(QualnameForm::Local) | qualname_flag(interned),
            Qualname::Explicit(_) => code_form::of_qualname(QualnameForm::Explicit),
        };
        if parent.is_none() && matches!(code.qualname, Qualname::Member { .. } | Qualname::Local { .. }) {
            return Err(Error::invalid(owner, "the qualified name of its root follows from no parent"));
        }
        if code.signature.as_ref().is_some_and(|text| std::str::from_utf8(text).is_err()) {
            return Err(Error::invalid(owner, "a signature is not UTF-8"));
        }
        if code.local_count == Some(NONE) {
            return Err(Error::limit(owner, "stated local variables", NONE.into(), u64::from(NONE) - 1));
        }
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

/// Derived qualified names are no longer than a reader puts together [C-6].
fn check_qualnames(module: &Module<'_>, codes: &[CollectedCode]) -> Result<(), Error> {
    let len_of = |object: u32| match &module.objects[object as usize] {
        Object::Leaf(Leaf::Str(text)) => text.text.len() as u64,
        _ => 0,
    };
    let mut lens = vec![0u64; codes.len()];
    // Parents come behind their children.
    for (place, code) in codes.iter().enumerate().rev() {
        let model = &module.codes[code.model as usize];
        let before = code.parent.map_or(0, |parent| lens[parent as usize]);
        let name = len_of(model.name);
        let (len, is_derived) = match model.qualname {
            Qualname::Name => (name, false),
            Qualname::Explicit(object) => (len_of(object), false),
            Qualname::Member { .. } => (before + MEMBER_SEPARATOR.len() as u64 + name, true),
            Qualname::Local { .. } => (before + LOCAL_SEPARATOR.len() as u64 + name, true),
        };
        if is_derived && len > u64::from(MAX_QUALNAME_LEN) {
            return Err(Error::limit(&module.name, "bytes of a derived qualified name", len, MAX_QUALNAME_LEN.into()));
        }
        lens[place] = len;
    }
    Ok(())
}

fn qualname_flag(interned: bool) -> u8 {
    if interned { code_form::QUALNAME_INTERNED } else { 0 }
}

fn check_len(name: &str, len: usize) -> Result<(), Error> {
    if len as u64 > u64::from(MAX_NAME_LEN) {
        return Err(Error::limit(name, "bytes of its name", len as u64, MAX_NAME_LEN.into()));
    }
    Ok(())
}

fn check_module_name(name: &str) -> Result<(), Error> {
    check_len(name, name.len())?;
    if !is_module_name(name) {
        return Err(Error::invalid(name, "it is no module name"));
    }
    Ok(())
}
