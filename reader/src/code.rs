//! A code object (spec.md 5.8, 5.9).

use crate::{
    error::{Error, Result},
    items::{Items, List},
    module::Module,
    object::{Item, Object},
    perma_bytes::PermaBytes,
    qualname::Qualname,
    signature::Signature,
    string::Str,
    view::{At, View},
};
use core::mem::offset_of;
use permacode_format::{
    CodeDetail, CodeRecord, NO_DOCSTRING, NONE, QualnameForm, Rule, SectionKind, SignatureRecord, TargetRecord,
    WideCode, code_form,
};

/// One code object of a module. Making a `Code` reads only its record. Each method reads what it returns.
///
/// ```
/// # use permacode_model::{Code, Module, ModuleKind, Object, Path, Ref, Str, Target};
/// # use permacode_writer::{Options, Writer};
/// # let mut writer = Writer::new(Options::default());
/// # let target = writer.add_target(&Target::new("toy", 1, 1, 2))?;
/// # let text = |text: &'static str| Object::Leaf(permacode_model::Leaf::Str(Str::interned(text)));
/// # let double = Code { name: 1, bytecode: (&b"double\0\0"[..]).into(), first_line: 3, docstring: Some(0),
/// #     constants: vec![Ref::Object(3), Ref::Object(4)], names: vec![2], ..Code::default() };
/// # let body = Code { name: 0, bytecode: (&b"run\0"[..]).into(), constants: vec![Ref::Code(0)], ..Code::default() };
/// # writer.add_module(target, &Module { name: "tool".into(), kind: ModuleKind::Module, objects: vec![text("<module>"),
/// #     text("double"), text("len"), text("Twice the value."),
/// #     Object::Leaf(permacode_model::Leaf::Int((&[2u8][..]).into()))],
/// #     codes: vec![double, body], body: Some(1),
/// #     filename: Some(Path { root: None, path: Str::plain("tool.py") }), source: None })?;
/// # let bytes = writer.plan()?.to_bytes();
/// use permacode_reader::{Archive, Constant, Leaf};
///
/// let archive = Archive::open(&bytes)?;
/// let module = archive.target(0).unwrap().find("tool")?.unwrap();
/// let code = module.body()?.unwrap().children()?.next().unwrap()?;
/// assert_eq!((code.name()?, code.first_line()?), (module.find_code("double")?.unwrap().name()?, 3));
/// assert!(code.name()? == "double" && code.docstring()?.unwrap() == "Twice the value.");
///
/// // What an interpreter loop needs: instructions, constants and names.
/// assert_eq!(code.bytecode()?, b"double\0\0");
/// let two = code.constants()?.get(1).unwrap()?.object().unwrap();
/// let Constant::Leaf(Leaf::Int(two)) = two.constant()? else { panic!() };
/// assert_eq!(two, [2]);
/// assert!(code.names()?.strings().next().unwrap()? == "len");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy)]
pub struct Code<'a> {
    module: Module<'a>,
    id: u32,
    record: &'a CodeRecord,
    wide: Option<&'a WideCode>,
}

/// The parts of a code object that are needed only for tracebacks, exceptions and introspection.
#[derive(Debug, Clone, Copy)]
pub struct Cold<'a> {
    /// First line in the source.
    pub first_line: i32,
    /// The line table in the encoding of [`crate::Target::line_encoding`].
    pub line_table: PermaBytes<'a>,
    /// The exception table in the encoding of [`crate::Target::exception_encoding`].
    pub exception_table: PermaBytes<'a>,
}

impl<'a> Code<'a> {
    #[inline]
    pub(crate) fn new(module: Module<'a>, id: u32) -> Result<Self> {
        let view = module.view();
        let Some(at) = view.record::<CodeRecord>(id)? else {
            let first_code = module.at().field(offset_of!(permacode_format::ModuleRecord, first_code));
            return Err(view.no_record::<CodeRecord>(id, Rule::M3, first_code));
        };
        let record = at.record();
        let mut wide = None;
        if record.form & code_form::WIDE_RECORD != 0 {
            let index = u32::from(record.constant_count.get()).wrapping_shl(16) | u32::from(record.bytecode_len.get());
            match view.record::<WideCode>(index)? {
                Some(at) => wide = Some(at.record()),
                None => {
                    let field = at.field(offset_of!(CodeRecord, bytecode_len));
                    return Err(view.no_record::<WideCode>(index, Rule::C3, field));
                }
            }
        }
        Ok(Code { module, id, record, wide })
    }

    pub(crate) fn at(&self) -> At<'a, CodeRecord> {
        At::new(self.view(), self.record, self.id)
    }

    pub(crate) fn wide(&self) -> Option<&'a WideCode> {
        self.wide
    }

    fn view(&self) -> View<'a> {
        self.module.view()
    }

    /// Offset of its record in the archive.
    #[must_use]
    pub fn offset(&self) -> u64 {
        self.view().offset_of::<CodeRecord>(self.id)
    }

    /// Its id within the archive. Its children have lower ids.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.id
    }

    /// The module it belongs to.
    #[must_use]
    pub fn module(&self) -> Module<'a> {
        self.module
    }

    /// Flags of the machine (CPython: `co_flags`).
    #[must_use]
    pub fn flags(&self) -> u32 {
        self.record.flags.get()
    }

    /// Number of positional parameters, including positional-only ones.
    #[must_use]
    pub fn arg_count(&self) -> u32 {
        self.wide.map_or(self.record.arg_count.into(), |wide| wide.arg_count.get())
    }

    /// Number of positional-only parameters.
    #[must_use]
    pub fn posonly_count(&self) -> u32 {
        self.wide.map_or(self.record.posonly_count.into(), |wide| wide.posonly_count.get())
    }

    /// Number of keyword-only parameters.
    #[must_use]
    pub fn kwonly_count(&self) -> u32 {
        self.wide.map_or(self.record.kwonly_count.into(), |wide| wide.kwonly_count.get())
    }

    /// Number of slots of the operand stack.
    #[must_use]
    pub fn stack_size(&self) -> u32 {
        self.wide.map_or(self.record.stack_size.get().into(), |wide| wide.stack_size.get())
    }

    fn constant_count(&self) -> u32 {
        self.wide.map_or(self.record.constant_count.get().into(), |wide| wide.constant_count.get())
    }

    fn name_count(&self) -> u32 {
        self.wide.map_or(self.record.name_count.get().into(), |wide| wide.name_count.get())
    }

    fn local_count(&self) -> u32 {
        self.wide.map_or(self.record.local_count.get().into(), |wide| wide.local_count.get())
    }

    /// Number of local variables that the machine states. `None` if it is the number of locals of kind `LOCAL`.
    #[must_use]
    pub fn stated_local_count(&self) -> Option<u32> {
        self.wide.map(|wide| wide.stated_local_count.get()).filter(|count| *count != NONE)
    }

    fn bytecode_len(&self) -> u32 {
        self.wide.map_or(self.record.bytecode_len.get().into(), |wide| wide.bytecode_len.get())
    }

    /// Number of its units: whole pieces of [`crate::Target::unit_size`] bytes of bytecode.
    ///
    /// # Errors
    /// `[T-3]`, `[T-6]`
    pub fn unit_count(&self) -> Result<u32> {
        let target = self.module.target()?;
        self.bytecode_len().checked_div(target.unit_size().into()).ok_or_else(|| {
            target.at().error(Rule::T3, offset_of!(TargetRecord, unit_size), "the size of a unit", target.unit_size())
        })
    }

    /// Its instructions, aligned as the header says.
    ///
    /// # Errors
    /// `[C-2]`
    #[inline]
    pub fn bytecode(&self) -> Result<PermaBytes<'a>> {
        let len = self.bytecode_len();
        let offset = self.record.bytecode_offset.get();
        let align_log2 = self.view().layout.code_align_log2;
        if offset.trailing_zeros() < align_log2.into() {
            let field = offset_of!(CodeRecord, bytecode_offset);
            return Err(self.at().error(Rule::C2, field, "the offset of instructions that are not aligned", offset));
        }
        self.view().range(SectionKind::Bytecode, offset.into(), len.into(), Rule::C2)
    }

    /// Its list: head, locals, constants and names.
    ///
    /// # Errors
    /// `[C-4]`
    #[inline]
    pub fn list(&self) -> Result<List<'a>> {
        let form = self.record.form;
        let is_wide = form & code_form::WIDE_LIST != 0;
        let has_qualname = code_form::qualname(form) == QualnameForm::Explicit;
        let has_filename = form & code_form::FILENAME != 0;
        let (locals, constants) = (self.local_count(), self.constant_count());
        let count = u64::from(locals)
            .saturating_add(constants.into())
            .saturating_add(self.name_count().into())
            .saturating_add(2)
            .saturating_add(has_qualname.into())
            .saturating_add(has_filename.into());
        let len = count.saturating_mul(if is_wide { 4 } else { 2 });
        let start = u64::from(self.record.list_offset.get()).saturating_mul(2);
        let bytes = self.view().range(SectionKind::Lists, start, len, Rule::C4)?;
        Ok(List {
            module: self.module,
            code: self.id,
            narrow: if is_wide { &[] } else { bytes.records() },
            wide: if is_wide { bytes.records() } else { &[] },
            offset: bytes.offset(),
            has_qualname,
            has_filename,
            local_count: locals as usize,
            constant_count: constants as usize,
        })
    }

    fn object(&self, index: usize, rule: Rule) -> Result<Object<'a>> {
        self.list()?.object(index, rule)
    }

    /// Its name, as an object.
    ///
    /// # Errors
    /// `[C-4]`
    pub fn name_object(&self) -> Result<Object<'a>> {
        self.object(List::NAME, Rule::C10)
    }

    /// Its name.
    ///
    /// # Errors
    /// `[C-4]`, `[C-10]`
    pub fn name(&self) -> Result<Str<'a>> {
        self.name_object()?.as_str(Rule::C10)
    }

    /// How its qualified name is stored.
    #[must_use]
    pub fn qualname_form(&self) -> QualnameForm {
        code_form::qualname(self.record.form)
    }

    /// Whether a derived qualified name is interned.
    #[must_use]
    pub fn is_qualname_interned(&self) -> bool {
        self.record.form & code_form::QUALNAME_INTERNED != 0
    }

    /// Its qualified name as an object; `None` if the name is derived.
    ///
    /// # Errors
    /// `[C-4]`
    pub fn qualname_object(&self) -> Result<Option<Object<'a>>> {
        if self.qualname_form() == QualnameForm::Name {
            return self.name_object().map(Some);
        }
        let list = self.list()?;
        list.qualname_index().map(|index| list.object(index, Rule::C10)).transpose()
    }

    /// Its qualified name. The text of a derived one is assembled when it is used.
    #[must_use]
    pub fn qualname(&self) -> Qualname<'a> {
        Qualname::new(*self)
    }

    /// Whether its qualified name is `qualname`, which is generalised UTF-8. It allocates nothing.
    ///
    /// # Errors
    /// `[C-4]`, `[C-6]`, `[C-10]`
    pub fn has_qualname(&self, qualname: &[u8]) -> Result<bool> {
        self.qualname().is(qualname)
    }

    /// Its file name as an object; `None` if it has the file name of the module.
    ///
    /// # Errors
    /// `[C-4]`
    pub fn filename_object(&self) -> Result<Option<Object<'a>>> {
        let list = self.list()?;
        list.filename_index().map(|index| list.object(index, Rule::C10)).transpose()
    }

    /// Its file name; `None` if it has the file name of the module.
    ///
    /// # Errors
    /// `[C-4]`, `[C-10]`
    pub fn filename(&self) -> Result<Option<Str<'a>>> {
        self.filename_object()?.map(|object| object.as_str(Rule::C10)).transpose()
    }

    /// Its local variables, cells and free variables, in the order of their numbers in instructions.
    ///
    /// # Errors
    /// `[C-4]`
    pub fn locals(&self) -> Result<Items<'a>> {
        self.list().map(|list| list.locals())
    }

    /// The kinds of its locals, as an object.
    ///
    /// # Errors
    /// `[C-4]`
    pub fn local_kinds_object(&self) -> Result<Object<'a>> {
        self.object(List::KINDS, Rule::C8)
    }

    /// The kind of each local: bits of [`crate::local_kind`].
    ///
    /// # Errors
    /// `[C-4]`, `[C-8]`
    pub fn local_kinds(&self) -> Result<PermaBytes<'a>> {
        let kinds = self.local_kinds_object()?.as_bytes(Rule::C8)?;
        if kinds.len() as u64 != u64::from(self.local_count()) {
            return Err(Error::value(Rule::C8, kinds.offset(), "the number of kinds of locals", kinds.len_u64()));
        }
        Ok(kinds)
    }

    /// Its constants, in the order of their numbers in instructions.
    ///
    /// # Errors
    /// `[C-4]`
    #[inline]
    pub fn constants(&self) -> Result<Items<'a>> {
        self.list().map(|list| list.constants())
    }

    /// Its names of globals and attributes, in the order of their numbers in instructions.
    ///
    /// # Errors
    /// `[C-4]`
    pub fn names(&self) -> Result<Items<'a>> {
        self.list().map(|list| list.names())
    }

    /// The code objects directly among its constants.
    ///
    /// # Errors
    /// `[C-4]`
    pub fn children(&self) -> Result<impl Iterator<Item = Result<Code<'a>>> + use<'a>> {
        Ok(self.constants()?.iter().filter_map(|item| match item {
            Ok(Item::Code(code)) => Some(Ok(code)),
            Ok(Item::Object(_)) => None,
            Err(error) => Some(Err(error)),
        }))
    }

    /// The code object that defines it, such as the class of a method. The body of a module has none.
    ///
    /// # Errors
    /// `[C-1]`, `[C-6]`
    pub fn parent(&self) -> Result<Option<Code<'a>>> {
        self.parent_id()?.map(|parent| Code::new(self.module, parent)).transpose()
    }

    /// The id of its parent. The body of a module has none.
    ///
    /// # Errors
    /// `[C-1]`, `[C-6]`
    #[inline]
    pub fn parent_id(&self) -> Result<Option<u32>> {
        let delta = match self.wide {
            Some(wide) => wide.parent_delta.get(),
            None => self.detail()?.parent_delta.get().into(),
        };
        if delta == 0 {
            return Ok(None);
        }
        let end = self.module.first_code().saturating_add(self.module.code_count());
        match self.id.checked_add(delta).filter(|parent| *parent < end) {
            Some(parent) => Ok(Some(parent)),
            None => Err(Error::value(Rule::C6, self.parent_field(), "the distance to the parent", delta)),
        }
    }

    /// Offset in the archive of the field that states the parent.
    pub(crate) fn parent_field(&self) -> u64 {
        self.detail_offset().saturating_add(offset_of!(CodeDetail, parent_delta) as u64)
    }

    pub(crate) fn detail(&self) -> Result<&'a CodeDetail> {
        match self.view().record::<CodeDetail>(self.id)? {
            Some(at) => Ok(at.record()),
            None => Err(self.view().no_record::<CodeDetail>(self.id, Rule::C1, self.detail_offset())),
        }
    }

    fn detail_offset(&self) -> u64 {
        self.view().offset_of::<CodeDetail>(self.id)
    }

    /// First line in the source.
    ///
    /// # Errors
    /// `[C-1]`
    pub fn first_line(&self) -> Result<i32> {
        match self.wide {
            Some(wide) => Ok(wide.first_line.get()),
            None => Ok(self.detail()?.first_line.get().into()),
        }
    }

    /// First line, line table and exception table. One call is faster than three separate ones.
    ///
    /// # Errors
    /// `[C-1]`, `[C-5]`
    pub fn cold(&self) -> Result<Cold<'a>> {
        let detail = self.detail()?;
        let (first_line, line_len, exception_len) = match self.wide {
            Some(wide) => (wide.first_line.get(), wide.line_len.get(), wide.exception_len.get()),
            None => (detail.first_line.get().into(), detail.line_len.get().into(), self.record.exception_len.into()),
        };
        let offset = u64::from(detail.tables_offset.get());
        let line_table = self.view().range(SectionKind::Tables, offset, line_len.into(), Rule::C5)?;
        let after = offset.saturating_add(line_len.into());
        let exception_table = self.view().range(SectionKind::Tables, after, exception_len.into(), Rule::C5)?;
        Ok(Cold { first_line, line_table, exception_table })
    }

    /// Its line table in the encoding of [`crate::Target::line_encoding`].
    ///
    /// # Errors
    /// `[C-1]`, `[C-5]`
    pub fn line_table(&self) -> Result<PermaBytes<'a>> {
        self.cold().map(|cold| cold.line_table)
    }

    /// Its exception table in the encoding of [`crate::Target::exception_encoding`].
    ///
    /// # Errors
    /// `[C-1]`, `[C-5]`
    pub fn exception_table(&self) -> Result<PermaBytes<'a>> {
        self.cold().map(|cold| cold.exception_table)
    }

    /// Index of its docstring among its constants.
    #[must_use]
    pub fn docstring_index(&self) -> Option<u32> {
        match self.wide {
            Some(wide) => Some(wide.docstring.get()).filter(|index| *index != NONE),
            None => Some(self.record.docstring).filter(|index| *index != NO_DOCSTRING).map(u32::from),
        }
    }

    /// Its docstring.
    ///
    /// # Errors
    /// `[C-4]`, `[C-7]`
    pub fn docstring(&self) -> Result<Option<Str<'a>>> {
        let Some(index) = self.docstring_index() else { return Ok(None) };
        match self.constants()?.get(index as usize).transpose()? {
            Some(Item::Object(object)) => object.as_str(Rule::C7).map(Some),
            _ => Err(self.at().error(Rule::C7, offset_of!(CodeRecord, docstring), "the index of a docstring", index)),
        }
    }

    /// Its signature in a target of CPython: names and kinds of parameters from the code object, and defaults and
    /// annotations from the stored text (spec.md B.2).
    ///
    /// It gives [`Code::flags`] the meaning that they have in CPython. Ask [`crate::Target::vm`] first if the archive
    /// may have targets of another machine.
    ///
    /// # Errors
    /// `[C-4]`, `[G-2]`, and [`ErrorKind::Signature`](crate::ErrorKind::Signature)
    pub fn signature(&self) -> Result<Signature<'a>> {
        Signature::new(self)
    }

    /// The stored text of its signature: UTF-8, for CPython JSON (spec.md 5.12, B.2). `None` if it has neither defaults
    /// nor annotations, or if its source was not available.
    ///
    /// # Errors
    /// `[G-2]`
    pub fn signature_text(&self) -> Result<Option<PermaBytes<'a>>> {
        let records = self.view().records::<SignatureRecord>()?;
        let found = records.binary_search_by_key(&self.id, |record| record.code.get());
        let Some(record) = found.ok().and_then(|index| records.get(index)) else { return Ok(None) };
        let (start, len) = (record.offset.get().into(), record.len.get().into());
        let text = self.view().range(SectionKind::SignatureText, start, len, Rule::G2)?;
        text.utf8(Rule::G2)?;
        Ok(Some(text))
    }
}

impl PartialEq for Code<'_> {
    /// Whether both are the same code object of the same archive.
    fn eq(&self, other: &Self) -> bool {
        self.at().is_same(&other.at())
    }
}

impl Eq for Code<'_> {}

impl core::fmt::Debug for Code<'_> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Code")
            .field("id", &self.id)
            .field("record", &self.record)
            .field("wide", &self.wide)
            .finish_non_exhaustive()
    }
}
