//! A module: its name, code objects, file name and source.

use crate::{
    code::Code,
    error::{Error, Result},
    iter::indexed,
    leaf::Leaves,
    object::{Object, Owner},
    perma_bytes::PermaBytes,
    string::Str,
    table::name_of,
    target::Target,
    view::{At, View},
};
use core::mem::offset_of;
use permacode_format::{
    CodeRecord, ModuleRecord, NONE, Rule, SectionKind, TargetRecord, U32, is_module_name, module_flag,
};

/// One module of a target (spec.md 5.5).
///
/// ```
/// # use permacode_model::*;
/// # use permacode_writer::{Options, Writer};
/// # let mut writer = Writer::new(Options::default());
/// # let target = writer.add_target(&Target::new("toy", 1, 1, 2))?;
/// # let code = Code { name: 0, bytecode: (&b"run\0"[..]).into(), ..Code::default() };
/// # writer.add_module(target, &Module { name: "tool".into(), kind: ModuleKind::Module,
/// #     objects: vec![Object::Leaf(Leaf::Str(Str::interned("<module>")))], codes: vec![code], body: Some(0),
/// #     filename: Some(Path { root: Some("app".into()), path: Str::plain("tool.py") }), source: None })?;
/// # let bytes = writer.plan()?.to_bytes();
/// let archive = permacode_reader::Archive::open(&bytes)?;
/// let module = archive.target(0).unwrap().find("tool")?.unwrap();
/// let path = module.filename()?.unwrap();
/// assert_eq!((path.root.unwrap().to_str(), path.path.to_str()), (Some("app"), Some("tool.py")));
/// assert_eq!(module.body()?.unwrap().bytecode()?, b"run\0");
/// assert!(module.source()?.is_none());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Copy)]
pub struct Module<'a> {
    at: At<'a, ModuleRecord>,
}

/// A path, either relative to a named root or verbatim.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Path<'a> {
    /// Name of the root, for example `stdlib`. `None` if the path is verbatim.
    pub root: Option<Str<'a>>,
    /// The path. With a root, it is relative and has `/` between its components.
    pub path: Str<'a>,
}

/// Facts about the source file of a module.
#[derive(Debug, Clone, Copy)]
pub struct Source<'a> {
    /// Path of the source file.
    pub path: Path<'a>,
    /// Its size in bytes.
    pub size: u64,
    /// XXH3-128 of its bytes, little-endian.
    pub digest: [u8; 16],
    /// Modification time in seconds since 1970. `None` if the archive does not record it.
    pub mtime: Option<i64>,
    /// Whether the owner of the file may execute it.
    pub executable: bool,
    /// Whether the archive holds its text, which [`Module::source_text`] returns.
    pub has_text: bool,
}

impl<'a> Module<'a> {
    #[inline]
    pub(crate) fn new(at: At<'a, ModuleRecord>) -> Self {
        Module { at }
    }

    #[inline]
    pub(crate) fn view(&self) -> View<'a> {
        self.at.view
    }

    pub(crate) fn at(&self) -> At<'a, ModuleRecord> {
        self.at
    }

    /// The target that it belongs to.
    ///
    /// # Errors
    /// `[T-6]`
    pub fn target(&self) -> Result<Target<'a>> {
        let (view, number) = (self.view(), self.at.index);
        let targets: &[TargetRecord] = view.section(SectionKind::Targets).records();
        // By [T-6] the modules of targets follow each other. Only the last of the targets that start at the same module
        // has modules.
        let after = targets.partition_point(|target| target.first_module.get() <= number);
        let found = after.checked_sub(1).and_then(|index| Some((targets.get(index)?, u32::try_from(index).ok()?)));
        match found {
            Some((record, index)) if number.wrapping_sub(record.first_module.get()) < record.module_count.get() => {
                Ok(Target::new(At::new(view, record, index)))
            }
            _ => Err(Error::value(Rule::T6, self.offset(), "the number of a module without a target", number)),
        }
    }

    pub(crate) fn name_bytes(&self) -> Result<PermaBytes<'a>> {
        name_of(self.at)
    }

    /// Full dotted name. It has no empty component and no NUL character.
    ///
    /// # Errors
    /// `[N-1]`, `[N-3]`
    pub fn name(&self) -> Result<&'a str> {
        let bytes = self.name_bytes()?;
        let name = bytes.utf8(Rule::N3)?;
        if !is_module_name(name) {
            let what = "the length of a module name that breaks the rule";
            return Err(Error::value(Rule::N3, bytes.offset(), what, bytes.len_u64()));
        }
        Ok(name)
    }

    /// Whether it is a package, with or without code.
    #[must_use]
    pub fn is_package(&self) -> bool {
        self.at.flags.get() & module_flag::PACKAGE != 0
    }

    /// Whether it is a namespace package: a package without code.
    #[must_use]
    pub fn is_namespace(&self) -> bool {
        self.at.flags.get() & module_flag::NAMESPACE != 0
    }

    /// Number of its code objects.
    #[must_use]
    #[inline]
    pub fn code_count(&self) -> u32 {
        self.at.code_count.get()
    }

    /// Id of its first code object.
    #[must_use]
    #[inline]
    pub fn first_code(&self) -> u32 {
        self.at.first_code.get()
    }

    /// Its body: the code object that runs when the module is loaded. A namespace package has none.
    ///
    /// # Errors
    /// `[M-3]`, `[C-*]`
    pub fn body(&self) -> Result<Option<Code<'a>>> {
        match self.code_count().checked_sub(1) {
            Some(last) => self.code(last).map(Some),
            None => Ok(None),
        }
    }

    /// Code object `number` of the module. Children come before their parents, the body comes last.
    ///
    /// # Errors
    /// `[M-3]`, `[C-*]`
    #[inline]
    pub fn code(&self, number: u32) -> Result<Code<'a>> {
        match self.first_code().checked_add(number).filter(|_| number < self.code_count()) {
            Some(id) => Code::new(*self, id),
            None => Err(self.at.no_item(Rule::M3, offset_of!(ModuleRecord, code_count), number, self.code_count())),
        }
    }

    /// All code objects. Children come before their parents, the body comes last.
    #[must_use]
    pub fn codes(&self) -> Codes<'a> {
        // A module may state more code objects than the archive has. The first one that does not exist yields the
        // error, and then the iterator ends.
        let available = self.view().count::<CodeRecord>().saturating_add(1);
        Codes::new(*self, 0..self.code_count().min(available) as usize)
    }

    #[inline]
    fn code_at(&self, index: usize) -> Result<Code<'a>> {
        self.code(u32::try_from(index).unwrap_or(u32::MAX))
    }

    /// The code object with this qualified name, for example `JSONDecoder.decode`. If there are several, the one with
    /// the lowest id. [`Module::find_codes`] returns all.
    ///
    /// The search compares one name for each code object of the module.
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

    /// A fast lookup of the leaves of its archive by id.
    #[must_use]
    pub fn leaves(&self) -> Leaves<'a> {
        Leaves::of(self.view())
    }

    /// The file name of its code objects, except for those with a file name of their own. `None` for a namespace
    /// package.
    ///
    /// # Errors
    /// `[M-5]`
    pub fn filename(&self) -> Result<Option<Path<'a>>> {
        let fields = [offset_of!(ModuleRecord, filename), offset_of!(ModuleRecord, filename_root)];
        self.path([self.at.filename, self.at.filename_root], Rule::M5, fields)
    }

    /// Facts about its source file. `None` if the archive does not record them.
    ///
    /// # Errors
    /// `[M-6]`
    pub fn source(&self) -> Result<Option<Source<'a>>> {
        let fields = [offset_of!(ModuleRecord, source_path), offset_of!(ModuleRecord, source_root)];
        let Some(path) = self.path([self.at.source_path, self.at.source_root], Rule::M6, fields)? else {
            return Ok(None);
        };
        let flags = self.at.flags.get();
        let mtime = (flags & module_flag::SOURCE_MTIME != 0).then(|| self.at.source_mtime.get());
        let executable = flags & module_flag::SOURCE_EXECUTABLE != 0;
        let (size, digest) = (self.at.source_size.get(), self.at.source_digest);
        Ok(Some(Source { path, size, digest, mtime, executable, has_text: flags & module_flag::SOURCE_TEXT != 0 }))
    }

    /// The text of its source. `None` if the archive does not hold it. [`Module::source`] does not read the text,
    /// because importers call it for each module.
    ///
    /// # Errors
    /// `[M-6]`
    pub fn source_text(&self) -> Result<Option<PermaBytes<'a>>> {
        if !self.source()?.is_some_and(|source| source.has_text) {
            return Ok(None);
        }
        let (start, len) = (self.at.source_offset.get(), self.at.source_size.get());
        self.view().range(SectionKind::Sources, start, len, Rule::M6).map(Some)
    }

    /// Builds a path from the ids of two strings: the path and its root. `fields` are the offsets of the two ids in the
    /// record, for errors.
    fn path(&self, ids: [U32; 2], rule: Rule, fields: [usize; 2]) -> Result<Option<Path<'a>>> {
        let string = |id: U32, field: usize| match id.get() {
            NONE => Ok(None),
            id => {
                let object = Object::checked(self.view(), id, Owner::UNKNOWN, rule, self.at.field(field))?;
                object.as_str(rule).map(Some)
            }
        };
        let ([path, root], [path_field, root_field]) = (ids, fields);
        let root = string(root, root_field)?;
        Ok(string(path, path_field)?.map(|path| Path { root, path }))
    }

    /// Object base: the first object id of the window that the two-byte items of its lists reach.
    #[must_use]
    #[inline]
    pub fn object_base(&self) -> u32 {
        self.at.object_base.get()
    }

    /// Offset of its record in the archive.
    #[must_use]
    pub fn offset(&self) -> u64 {
        self.at.offset()
    }
}

indexed! {
    /// The code objects of a module; see [`Module::codes`].
    Codes of Module yields Result<Code<'a>>, code_at;
}

impl PartialEq for Module<'_> {
    /// Whether both are the same module of the same archive.
    fn eq(&self, other: &Self) -> bool {
        self.at.is_same(&other.at)
    }
}

impl Eq for Module<'_> {}
