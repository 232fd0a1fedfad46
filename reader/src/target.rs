//! A target: the modules and resources for one virtual machine.

use crate::{error::Result, iter::indexed, module::Module, resource::Resource, table::Table, view::At};
use core::mem::offset_of;
use permacode_format::{
    ExceptionEncoding, LineEncoding, MAX_NAME_LEN, ModuleRecord, ResourceRecord, Rule, SectionKind, Strip,
    TargetRecord, target_flag,
};

/// One target of an archive: a virtual machine, a bytecode version and an optimisation level (spec.md 5.4).
///
/// Making a `Target` resolves the ranges of its records and indexes. For many lookups, make it once.
///
/// ```
/// # use permacode_model::*;
/// # use permacode_writer::{Options, Writer};
/// # let mut writer = Writer::new(Options::default());
/// # let target = writer.add_target(&Target::new("toy", 1, 1, 2))?;
/// # for name in ["pkg", "pkg.a", "pkg.a.b"] {
/// #     writer.add_module(target, &Module::namespace(name))?;
/// # }
/// # let bytes = writer.plan()?.to_bytes();
/// let archive = permacode_reader::Archive::open(&bytes)?;
/// let target = archive.target(0).unwrap();
/// assert_eq!((target.vm()?, target.module_count()), ("toy", 3));
/// assert_eq!(target.find("pkg.a")?.unwrap().name()?, "pkg.a");
/// assert_eq!(target.children("pkg").count(), 1);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Copy)]
pub struct Target<'a> {
    at: At<'a, TargetRecord>,
    modules: Table<'a, ModuleRecord>,
    resources: Table<'a, ResourceRecord>,
}

impl<'a> Target<'a> {
    pub(crate) fn new(at: At<'a, TargetRecord>) -> Self {
        Target { at, modules: Table::of(at), resources: Table::of(at) }
    }

    /// Name of the virtual machine, for example `cpython`.
    ///
    /// # Errors
    /// `[T-1]`
    pub fn vm(&self) -> Result<&'a str> {
        let vm = &self.at.record().vm;
        let len = vm.iter().position(|byte| *byte == 0).unwrap_or(vm.len());
        let (name, rest) = vm.split_at_checked(len).unwrap_or_default();
        let text = core::str::from_utf8(name)
            .ok()
            .filter(|text| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic()));
        match text {
            Some(text) if rest.iter().all(|byte| *byte == 0) => Ok(text),
            _ => {
                let what = "the length of a machine name that breaks the rule";
                Err(self.at.error(Rule::T1, offset_of!(TargetRecord, vm), what, len as u64))
            }
        }
    }

    /// The number that identifies the bytecode version (CPython: the first four bytes of a `.pyc` file).
    #[must_use]
    pub fn bytecode_magic(&self) -> u32 {
        self.at.bytecode_magic.get()
    }

    /// Exact version of the machine (CPython: `sys.hexversion`).
    #[must_use]
    pub fn vm_version(&self) -> u32 {
        self.at.vm_version.get()
    }

    /// Optimisation level.
    #[must_use]
    pub fn optimization(&self) -> u8 {
        self.at.optimization
    }

    /// Size of a bytecode unit in bytes.
    #[must_use]
    pub fn unit_size(&self) -> u8 {
        self.at.unit_size
    }

    /// Whether the target is sealed: its source files never change, so nothing needs to check whether they did.
    #[must_use]
    pub fn is_sealed(&self) -> bool {
        self.at.flags.get() & target_flag::SEALED != 0
    }

    /// The parts of modules that the writer left out on purpose, in the order of [`Strip::ALL`].
    pub fn stripped(&self) -> impl Iterator<Item = Strip> + use<> {
        let flags = self.at.flags.get();
        Strip::ALL.iter().copied().filter(move |part| flags & part.flag() != 0)
    }

    /// The encoding of its line tables.
    ///
    /// # Errors
    /// `[T-4]`
    pub fn line_encoding(&self) -> Result<LineEncoding> {
        let number = self.at.line_encoding;
        LineEncoding::from_number(number).ok_or_else(|| {
            let field = offset_of!(TargetRecord, line_encoding);
            self.at.error(Rule::T4, field, "the encoding of line tables", number)
        })
    }

    /// The encoding of its exception tables.
    ///
    /// # Errors
    /// `[T-4]`
    pub fn exception_encoding(&self) -> Result<ExceptionEncoding> {
        let number = self.at.exception_encoding;
        ExceptionEncoding::from_number(number).ok_or_else(|| {
            let field = offset_of!(TargetRecord, exception_encoding);
            self.at.error(Rule::T4, field, "the encoding of exception tables", number)
        })
    }

    /// The tag in the names of compiled files, for example `cpython-311`. It may be empty.
    ///
    /// # Errors
    /// `[T-5]`
    pub fn cache_tag(&self) -> Result<&'a str> {
        let (start, len) = (self.at.cache_tag_offset.get(), self.at.cache_tag_len.get());
        let bytes = self.at.view.range(SectionKind::Names, start.into(), len.into(), Rule::T5)?;
        if len > MAX_NAME_LEN {
            let field = offset_of!(TargetRecord, cache_tag_len);
            return Err(self.at.error(Rule::T5, field, "the length of a cache tag", len));
        }
        bytes.utf8(Rule::T5)
    }

    /// Number of modules.
    #[must_use]
    pub fn module_count(&self) -> u32 {
        self.at.module_count.get()
    }

    /// Number of resources.
    #[must_use]
    pub fn resource_count(&self) -> u32 {
        self.at.resource_count.get()
    }

    /// The module with this name.
    ///
    /// # Errors
    /// The rule that the index or the record breaks.
    #[inline]
    pub fn find(&self, name: &str) -> Result<Option<Module<'a>>> {
        match self.modules.find(name.as_bytes()) {
            Ok(Some(found)) => Ok(Some(Module::new(self.modules.at(found)))),
            Ok(None) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Module `number` in the order of names.
    ///
    /// # Errors
    /// `[T-6]`
    #[inline]
    pub fn module(&self, number: u32) -> Result<Module<'a>> {
        self.modules.get(number).map(Module::new)
    }

    /// All modules in the order of their names, which are compared as bytes.
    ///
    /// If the archive states more modules than it has, the iterator yields one error.
    #[must_use]
    pub fn modules(&self) -> Modules<'a> {
        Modules::new(*self, 0..self.modules.len() as usize)
    }

    fn module_at(&self, index: usize) -> Result<Module<'a>> {
        self.module(u32::try_from(index).unwrap_or(u32::MAX))
    }

    /// The modules directly in a package. For the empty name, the modules of the top level.
    pub fn children(&self, package: &'a str) -> impl Iterator<Item = Result<Module<'a>>> + use<'a> {
        let first = if package.is_empty() { 0 } else { self.modules.first_not_before(package.as_bytes()) };
        Modules::new(*self, first as usize..self.modules.len() as usize)
            .map_while(move |module| {
                let name = match module.as_ref().map(Module::name_bytes) {
                    Ok(Ok(name)) => name.as_slice(),
                    Ok(Err(error)) => return Some(Some(Err(error))),
                    Err(_) => return Some(Some(module)),
                };
                match below(name, package.as_bytes()) {
                    Some(rest) => Some((!rest.contains(&b'.')).then_some(module)),
                    // `a-b` sorts between `a` and `a.b`: skip it.
                    None if name.starts_with(package.as_bytes()) => Some(None),
                    None => None,
                }
            })
            .flatten()
    }

    /// The resource with the name `ROOT/PATH`.
    ///
    /// # Errors
    /// The rule that the index or the record breaks.
    pub fn find_resource(&self, name: &[u8]) -> Result<Option<Resource<'a>>> {
        Ok(self.resources.find(name)?.map(|found| Resource::new(self.resources.at(found))))
    }

    /// Resource `number` in the order of names.
    ///
    /// # Errors
    /// `[T-6]`
    pub fn resource(&self, number: u32) -> Result<Resource<'a>> {
        self.resources.get(number).map(Resource::new)
    }

    /// All resources in the order of their names, which are compared as bytes.
    ///
    /// If the archive states more resources than it has, the iterator yields one error.
    #[must_use]
    pub fn resources(&self) -> Resources<'a> {
        Resources::new(*self, 0..self.resources.len() as usize)
    }

    fn resource_at(&self, index: usize) -> Result<Resource<'a>> {
        self.resource(u32::try_from(index).unwrap_or(u32::MAX))
    }

    pub(crate) fn at(&self) -> At<'a, TargetRecord> {
        self.at
    }
}

indexed! {
    /// The modules of a target in the order of their names; see [`Target::modules`].
    Modules of Target yields Result<Module<'a>>, module_at;
}

indexed! {
    /// The resources of a target in the order of their names; see [`Target::resources`].
    Resources of Target yields Result<Resource<'a>>, resource_at;
}

impl PartialEq for Target<'_> {
    /// Whether both are the same target of the same archive.
    fn eq(&self, other: &Self) -> bool {
        self.at.is_same(&other.at)
    }
}

impl Eq for Target<'_> {}

/// The rest of a module name after `package` and a dot. `None` if the module is not in the package.
fn below<'n>(name: &'n [u8], package: &[u8]) -> Option<&'n [u8]> {
    match name.strip_prefix(package)? {
        rest if package.is_empty() => Some(rest),
        [b'.', rest @ ..] => Some(rest),
        _ => None,
    }
}
