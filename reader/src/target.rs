//! A target: for whom its modules are, and how to find them.

use crate::{
    error::{Error, ErrorKind, Result},
    index::Index,
    module::Module,
    resource::Resource,
    view::View,
};
use permacode_format::{
    ExceptionEncoding, LineEncoding, MAX_NAME_LEN, ModuleRecord, ResourceRecord, Rule, SectionKind, TargetRecord,
    target_flag,
};

/// One target of an archive: a virtual machine, a bytecode version and an optimisation level (spec.md 5.4).
#[derive(Debug, Clone, Copy)]
pub struct Target<'a> {
    view: View<'a>,
    record: &'a TargetRecord,
    index: usize,
}

impl<'a> Target<'a> {
    pub(crate) fn new(view: View<'a>, record: &'a TargetRecord, index: usize) -> Self {
        Target { view, record, index }
    }

    /// Name of the virtual machine, for example `cpython`.
    ///
    /// # Errors
    /// `[T-1]`
    pub fn vm(&self) -> Result<&'a str> {
        let len = self.record.vm.iter().position(|byte| *byte == 0).unwrap_or(self.record.vm.len());
        let (name, rest) = self.record.vm.split_at_checked(len).unwrap_or_default();
        let text = core::str::from_utf8(name)
            .ok()
            .filter(|text| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic()));
        match text {
            Some(text) if rest.iter().all(|byte| *byte == 0) => Ok(text),
            _ => Err(Error::value(Rule::T1, self.offset(), "the length of the name of a machine", len as u64)),
        }
    }

    /// The number by which the machine tells bytecode versions apart.
    #[must_use]
    pub fn bytecode_magic(&self) -> u32 {
        self.record.bytecode_magic.get()
    }

    /// Exact version of the machine (CPython: `sys.hexversion`).
    #[must_use]
    pub fn vm_version(&self) -> u32 {
        self.record.vm_version.get()
    }

    /// Optimisation level.
    #[must_use]
    pub fn optimization(&self) -> u8 {
        self.record.optimization
    }

    /// Size of a bytecode unit in bytes.
    #[must_use]
    pub fn unit_size(&self) -> u8 {
        self.record.unit_size
    }

    /// Whether the files that its modules were made from do not change, so that nobody need look at them.
    #[must_use]
    pub fn is_sealed(&self) -> bool {
        self.record.flags.get() & target_flag::SEALED != 0
    }

    /// How its line tables are encoded.
    ///
    /// # Errors
    /// `[T-4]`
    pub fn line_encoding(&self) -> Result<LineEncoding> {
        let number = self.record.line_encoding;
        LineEncoding::from_number(number).ok_or_else(|| {
            Error::value(Rule::T4, self.offset().saturating_add(26), "the encoding of line tables", number)
        })
    }

    /// How its exception tables are encoded.
    ///
    /// # Errors
    /// `[T-4]`
    pub fn exception_encoding(&self) -> Result<ExceptionEncoding> {
        let number = self.record.exception_encoding;
        ExceptionEncoding::from_number(number).ok_or_else(|| {
            Error::value(Rule::T4, self.offset().saturating_add(27), "the encoding of exception tables", number)
        })
    }

    /// The tag in the names of compiled files, for example `cpython-311`; may be empty.
    ///
    /// # Errors
    /// `[T-5]`
    pub fn cache_tag(&self) -> Result<&'a str> {
        let range = (self.record.cache_tag_offset.get().into(), self.record.cache_tag_len.get().into());
        let bytes = self.view.range(SectionKind::Names, range.0, range.1, Rule::T5)?;
        if range.1 > u64::from(MAX_NAME_LEN) {
            return Err(Error::value(Rule::T5, self.offset().saturating_add(32), "the length of a cache tag", range.1));
        }
        core::str::from_utf8(bytes.data()).map_err(|error| {
            Error::value(Rule::T5, bytes.offset(), "the length of the part that is UTF-8", error.valid_up_to() as u64)
        })
    }

    /// Number of modules.
    #[must_use]
    pub fn module_count(&self) -> u32 {
        self.record.module_count.get()
    }

    /// Number of resources.
    #[must_use]
    pub fn resource_count(&self) -> u32 {
        self.record.resource_count.get()
    }

    /// The module of this name.
    ///
    /// # Errors
    /// If the index or the record it leads to breaks a rule.
    #[inline]
    pub fn find(&self, name: &str) -> Result<Option<Module<'a>>> {
        let found = Index::find(self.view, &self.record.module_index, self.module_count(), name.as_bytes())?;
        let Some(number) = found else { return Ok(None) };
        let module = self.module(number)?;
        Ok((module.name_bytes()?.data() == name.as_bytes()).then_some(module))
    }

    /// The module at this place in the order of names.
    ///
    /// # Errors
    /// `[T-6]`
    #[inline]
    pub fn module(&self, number: u32) -> Result<Module<'a>> {
        let available = self.view.count::<ModuleRecord>(SectionKind::Modules);
        let (first, count) = (self.record.first_module.get(), self.record.module_count.get());
        let index = self.checked_index(number, first, count, available, 36)?;
        match self.view.record(SectionKind::Modules, index)? {
            Some(record) => Ok(Module::new(self.view, record, index)),
            None => Err(self.out_of_records(number, count, 36)),
        }
    }

    /// All modules in the order of their names, byte by byte.
    pub fn modules(&self) -> impl Iterator<Item = Result<Module<'a>>> + use<'a> {
        self.modules_from(0)
    }

    fn modules_from(&self, first: u32) -> impl Iterator<Item = Result<Module<'a>>> + use<'a> {
        let target = *self;
        let available = self.view.count::<ModuleRecord>(SectionKind::Modules) as usize;
        // One more than there are gives the error of a count that is too large.
        (first..self.module_count()).take(available.saturating_add(1)).map(move |number| target.module(number))
    }

    /// The modules directly in a package; those of the top level for the empty name.
    pub fn children(&self, package: &'a str) -> impl Iterator<Item = Result<Module<'a>>> + use<'a> {
        let first = if package.is_empty() { 0 } else { self.first_not_before(package) };
        self.modules_from(first)
            .map_while(move |module| {
                let name = match module.as_ref().map(Module::name_bytes) {
                    Ok(Ok(name)) => name.data(),
                    Ok(Err(error)) => return Some(Some(Err(error))),
                    Err(_) => return Some(Some(module)),
                };
                match below(name, package.as_bytes()) {
                    Some(rest) => Some((!rest.contains(&b'.')).then_some(module)),
                    // Names that only begin alike, such as `a-b` between `a` and `a.b`, lie in between.
                    None if name.starts_with(package.as_bytes()) => Some(None),
                    None => None,
                }
            })
            .flatten()
    }

    /// The first module whose name is not less than `name`, by binary search; in an archive that breaks [M-1], any.
    fn first_not_before(&self, name: &str) -> u32 {
        let (mut low, mut high) = (0, self.module_count());
        while low < high {
            let middle = low.midpoint(high);
            let is_before = self
                .module(middle)
                .and_then(|module| module.name_bytes())
                .is_ok_and(|found| found.data() < name.as_bytes());
            if is_before {
                low = middle.saturating_add(1);
            } else {
                high = middle;
            }
        }
        low
    }

    /// The resource of this name: its root, a slash, and its path below the root.
    ///
    /// # Errors
    /// If the index or the record it leads to breaks a rule.
    pub fn find_resource(&self, name: &[u8]) -> Result<Option<Resource<'a>>> {
        let found = Index::find(self.view, &self.record.resource_index, self.resource_count(), name)?;
        let Some(number) = found else { return Ok(None) };
        let resource = self.resource(number)?;
        Ok((resource.name()? == *name).then_some(resource))
    }

    /// The resource at this place in the order of names.
    ///
    /// # Errors
    /// `[T-6]`
    pub fn resource(&self, number: u32) -> Result<Resource<'a>> {
        let available = self.view.count::<ResourceRecord>(SectionKind::Resources);
        let (first, count) = (self.record.first_resource.get(), self.record.resource_count.get());
        let index = self.checked_index(number, first, count, available, 44)?;
        match self.view.record(SectionKind::Resources, index)? {
            Some(record) => Ok(Resource::new(self.view, record, index)),
            None => Err(self.out_of_records(number, count, 44)),
        }
    }

    /// All resources in the order of their names, byte by byte.
    pub fn resources(&self) -> impl Iterator<Item = Result<Resource<'a>>> + use<'a> {
        let target = *self;
        let available = self.view.count::<ResourceRecord>(SectionKind::Resources) as usize;
        (0..self.resource_count()).take(available.saturating_add(1)).map(move |number| target.resource(number))
    }

    fn checked_index(&self, number: u32, first: u32, count: u32, available: u64, field: u64) -> Result<usize> {
        let index = first.checked_add(number).filter(|index| number < count && u64::from(*index) < available);
        index.map(|index| index as usize).ok_or_else(|| self.out_of_records(number, count, field))
    }

    #[cold]
    fn out_of_records(&self, number: u32, count: u32, field: u64) -> Error {
        let kind = ErrorKind::OutOfBounds { start: number.into(), len: 1, available: count.into() };
        Error::new(kind, Rule::T6, self.offset().saturating_add(field))
    }

    /// Offset of the record in the archive.
    pub(crate) fn offset(&self) -> u64 {
        self.view.offset_of(SectionKind::Targets, self.index as u64)
    }

    pub(crate) fn record(&self) -> &'a TargetRecord {
        self.record
    }

    pub(crate) fn module_index(&self) -> Result<Index<'a>> {
        Index::new(self.view, &self.record.module_index)
    }

    pub(crate) fn resource_index(&self) -> Result<Index<'a>> {
        Index::new(self.view, &self.record.resource_index)
    }
}

/// What follows the name of the package and its dot.
fn below<'n>(name: &'n [u8], package: &[u8]) -> Option<&'n [u8]> {
    match name.strip_prefix(package)? {
        rest if package.is_empty() => Some(rest),
        [b'.', rest @ ..] => Some(rest),
        _ => None,
    }
}
