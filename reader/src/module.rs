//! A module: its code objects and its source.

use crate::{
    bytes::Bytes,
    code::Code,
    error::{Error, ErrorKind, Result},
    index::name_in_section,
    object::{Object, Owner},
    perma_bytes::PermaBytes,
    string::Str,
    view::View,
};
use permacode_format::{CodeRecord, ModuleRecord, NONE, Rule, SectionKind, U32, is_module_name, module_flag};

/// One module of a target (spec.md 5.5).
#[derive(Debug, Clone, Copy)]
pub struct Module<'a> {
    view: View<'a>,
    record: &'a ModuleRecord,
    index: usize,
}

/// A path below a named root, or as it stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Path<'a> {
    /// Name of the root; `None`: the path is verbatim.
    pub root: Option<Str<'a>>,
    /// The path.
    pub path: Str<'a>,
}

/// What is known of the source of a module.
#[derive(Debug, Clone, Copy)]
pub struct Source<'a> {
    /// Where it was found.
    pub path: Path<'a>,
    /// Its size in bytes.
    pub size: u64,
    /// XXH3-128 of its bytes, little-endian.
    pub digest: [u8; 16],
    /// Modification time in seconds since 1970, if it was kept.
    pub mtime: Option<i64>,
    /// Whether the owner of the file may execute it.
    pub executable: bool,
    /// Whether its text was kept: [`Module::source_text`].
    pub has_text: bool,
}

impl<'a> Module<'a> {
    pub(crate) fn new(view: View<'a>, record: &'a ModuleRecord, index: usize) -> Self {
        Module { view, record, index }
    }

    /// The same module of the same archive, seen through another view of it.
    pub(crate) fn in_view<'b>(&self, view: View<'b>) -> Result<Module<'b>>
    where
        'a: 'b,
    {
        let record = view.record(SectionKind::Modules, self.index)?.unwrap_or(self.record);
        Ok(Module::new(view, record, self.index))
    }

    pub(crate) fn view(&self) -> View<'a> {
        self.view
    }

    pub(crate) fn name_bytes(&self) -> Result<Bytes<'a>> {
        name_in_section(self.view, self.record.name_offset, self.record.name_len)
    }

    /// Full dotted name: components without NUL, none of them empty, between dots.
    ///
    /// # Errors
    /// `[N-1]`, `[N-3]`
    pub fn name(&self) -> Result<&'a str> {
        let bytes = self.name_bytes()?;
        let name = core::str::from_utf8(bytes.data()).map_err(|error| {
            Error::value(Rule::N3, bytes.offset(), "the length of the part that is UTF-8", error.valid_up_to() as u64)
        })?;
        if !is_module_name(name) {
            let what = "the length of a module name that is none";
            return Err(Error::value(Rule::N3, bytes.offset(), what, bytes.len()));
        }
        Ok(name)
    }

    /// Whether it is a package, with or without code.
    #[must_use]
    pub fn is_package(&self) -> bool {
        self.record.flags.get() & module_flag::PACKAGE != 0
    }

    /// Whether it is a package without code.
    #[must_use]
    pub fn is_namespace(&self) -> bool {
        self.record.flags.get() & module_flag::NAMESPACE != 0
    }

    /// Number of its code objects.
    #[must_use]
    pub fn code_count(&self) -> u32 {
        self.record.code_count.get()
    }

    /// Id of its first code object.
    #[must_use]
    pub fn first_code(&self) -> u32 {
        self.record.first_code.get()
    }

    /// The code object that runs when the module is loaded; a namespace package has none.
    ///
    /// # Errors
    /// `[M-3]`, `[C-*]`
    pub fn body(&self) -> Result<Option<Code<'a>>> {
        match self.code_count().checked_sub(1) {
            Some(last) => self.code(last).map(Some),
            None => Ok(None),
        }
    }

    /// The code object at this place; children come before their parents, the body last.
    ///
    /// # Errors
    /// `[M-3]`, `[C-*]`
    pub fn code(&self, number: u32) -> Result<Code<'a>> {
        let id = self.first_code().checked_add(number).filter(|_| number < self.code_count());
        match id {
            Some(id) => Code::new(self.view, *self, id),
            None => {
                let available = self.code_count().into();
                let kind = ErrorKind::OutOfBounds { start: number.into(), len: 1, available };
                Err(Error::new(kind, Rule::M3, self.offset().saturating_add(16)))
            }
        }
    }

    /// All code objects, children before their parents, the body last.
    pub fn codes(&self) -> impl DoubleEndedIterator<Item = Result<Code<'a>>> + ExactSizeIterator + use<'a> {
        let module = *self;
        let available = self.view.count::<CodeRecord>(SectionKind::Code).saturating_add(1);
        // One more than there are gives the error of a count that is too large.
        let count = self.code_count().min(u32::try_from(available).unwrap_or(u32::MAX));
        (0..count).map(move |number| module.code(number))
    }

    /// The code object with this qualified name, for example `JSONDecoder.decode`; of several the one with the lowest id,
    /// which stands first in the source (see [`Module::find_codes`]).
    ///
    /// It takes one comparison of a name for each code object of the module.
    ///
    /// # Errors
    /// `[M-3]`, `[C-*]`
    pub fn find_code(&self, qualname: &str) -> Result<Option<Code<'a>>> {
        self.find_codes(qualname).next().transpose()
    }

    /// All code objects with this qualified name, in the order of their ids.
    pub fn find_codes(&self, qualname: &str) -> impl Iterator<Item = Result<Code<'a>>> {
        self.codes().filter_map(move |code| {
            let is_match = code.as_ref().map(|code| code.has_qualname(qualname.as_bytes()));
            match is_match {
                Ok(Ok(true)) | Err(_) => Some(code),
                Ok(Ok(false)) => None,
                Ok(Err(error)) => Some(Err(error)),
            }
        })
    }

    /// File name that its code objects report, unless they have one of their own; `None` for a namespace package.
    ///
    /// # Errors
    /// `[M-5]`
    pub fn filename(&self) -> Result<Option<Path<'a>>> {
        self.path(self.record.filename, self.record.filename_root, Rule::M5, 24)
    }

    /// What is known of its source.
    ///
    /// # Errors
    /// `[M-6]`
    pub fn source(&self) -> Result<Option<Source<'a>>> {
        let Some(path) = self.path(self.record.source_path, self.record.source_root, Rule::M6, 32)? else {
            return Ok(None);
        };
        let flags = self.record.flags.get();
        let mtime = (flags & module_flag::SOURCE_MTIME != 0).then(|| self.record.source_mtime.get());
        let executable = flags & module_flag::SOURCE_EXECUTABLE != 0;
        let (size, digest) = (self.record.source_size.get(), self.record.source_digest);
        Ok(Some(Source { path, size, digest, mtime, executable, has_text: flags & module_flag::SOURCE_TEXT != 0 }))
    }

    /// Text of the source, if it was kept. It is touched here and not by [`Module::source`], which an importer asks for each module.
    ///
    /// # Errors
    /// `[M-6]`
    pub fn source_text(&self) -> Result<Option<PermaBytes<'a>>> {
        if !self.source()?.is_some_and(|source| source.has_text) {
            return Ok(None);
        }
        let (start, len) = (self.record.source_offset.get(), self.record.source_size.get());
        self.view.range(SectionKind::Sources, start, len, Rule::M6).map(|text| Some(PermaBytes::new(text)))
    }

    fn path(&self, path: U32, root: U32, rule: Rule, field: u64) -> Result<Option<Path<'a>>> {
        let string = |id: U32, field: u64| match id.get() {
            NONE => Ok(None),
            id => {
                let object = Object::checked(self.view, id, Owner::None, rule, self.offset().saturating_add(field))?;
                object.as_str(rule).map(Some)
            }
        };
        let root = string(root, field.saturating_add(4))?;
        Ok(string(path, field)?.map(|path| Path { root, path }))
    }

    /// Ids of the objects that its record names.
    pub(crate) fn objects(&self) -> impl Iterator<Item = u32> {
        let ModuleRecord { filename, filename_root, source_path, source_root, .. } = self.record;
        [filename, filename_root, source_path, source_root].map(|id| id.get()).into_iter().filter(|id| *id != NONE)
    }

    /// First object id of the window that the two-byte items of its lists reach.
    #[must_use]
    pub fn object_base(&self) -> u32 {
        self.record.object_base.get()
    }

    /// Offset of its record in the archive.
    #[must_use]
    pub fn offset(&self) -> u64 {
        self.view.offset_of(SectionKind::Modules, self.index as u64)
    }

    /// Checks the record, and all but the code objects.
    pub(crate) fn verify_record(&self) -> Result<()> {
        let flags = self.record.flags.get();
        let is_consistent = !self.is_namespace() || self.is_package();
        if flags & !module_flag::KNOWN != 0 || !is_consistent {
            return Err(Error::value(Rule::M2, self.offset().saturating_add(8), "the flags of a module", flags));
        }
        let (first, count) = (u64::from(self.first_code()), u64::from(self.code_count()));
        let available = self.view.count::<CodeRecord>(SectionKind::Code);
        if self.is_namespace() != (count == 0) || first.saturating_add(count) > available {
            return Err(Error::value(Rule::M3, self.offset().saturating_add(16), "the number of code objects", count));
        }
        let objects = self.view.count::<U32>(SectionKind::Objects);
        if u64::from(self.object_base()) > objects {
            return Err(Error::value(
                Rule::M4,
                self.offset().saturating_add(20),
                "the object base",
                self.object_base(),
            ));
        }
        if self.filename()?.is_none() && !self.is_namespace() {
            return Err(Error::value(Rule::M5, self.offset().saturating_add(24), "the file name", NONE));
        }
        self.source_text()?;
        Ok(())
    }

    /// Checks the digest of the source against that of its text.
    pub(crate) fn verify_digest(&self, computed: [u8; 16]) -> Result<()> {
        if self.record.source_digest != computed {
            let at = self.offset().saturating_add(56);
            return Err(Error::value(Rule::M7, at, "the first byte of the digest", self.record.source_digest[0]));
        }
        Ok(())
    }
}
