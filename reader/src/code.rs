//! A code object (spec.md 5.8, 5.9).

use crate::{
    bytes::Bytes,
    error::{Error, ErrorKind, Result},
    items::{Items, List},
    module::Module,
    object::{Item, Object},
    perma_bytes::PermaBytes,
    qualname::Qualname,
    string::Str,
    view::View,
};
use alloc::collections::BTreeMap;
use permacode_format::{
    CodeDetail, CodeRecord, NO_DOCSTRING, NONE, QualnameForm, Rule, SectionKind, SignatureRecord, WideCode, code_form,
    local_kind,
};

/// One code object of a module. Making one touches its own record only; everything else is read when asked for.
#[derive(Clone, Copy)]
pub struct Code<'a> {
    module: Module<'a>,
    id: u32,
    record: &'a CodeRecord,
    wide: Option<&'a WideCode>,
}

/// What of a code object is not touched before something is raised or asked for.
#[derive(Debug, Clone, Copy)]
pub struct Cold<'a> {
    /// First line in the source.
    pub first_line: i32,
    /// Encoded as [`crate::Target::line_encoding`] says.
    pub line_table: PermaBytes<'a>,
    /// Encoded as [`crate::Target::exception_encoding`] says.
    pub exception_table: PermaBytes<'a>,
}

impl<'a> Code<'a> {
    #[inline]
    pub(crate) fn new(view: View<'a>, module: Module<'a>, id: u32) -> Result<Self> {
        let Some(record) = view.record::<CodeRecord>(SectionKind::Code, id as usize)? else {
            let available = view.count::<CodeRecord>(SectionKind::Code);
            let kind = ErrorKind::OutOfBounds { start: id.into(), len: 1, available };
            return Err(Error::new(kind, Rule::M3, module.offset().saturating_add(12)));
        };
        let mut code = Code { module, id, record, wide: None };
        if record.form & code_form::WIDE_RECORD != 0 {
            let index = u32::from(record.constant_count.get()).wrapping_shl(16) | u32::from(record.bytecode_len.get());
            match view.record::<WideCode>(SectionKind::Wide, index as usize)? {
                Some(wide) => code.wide = Some(wide),
                None => {
                    let available = view.count::<WideCode>(SectionKind::Wide);
                    let kind = ErrorKind::OutOfBounds { start: index.into(), len: 1, available };
                    return Err(Error::new(kind, Rule::C3, code.offset().saturating_add(12)));
                }
            }
        }
        Ok(code)
    }

    fn view(&self) -> View<'a> {
        self.module.view()
    }

    /// Offset of its record in the archive.
    #[must_use]
    pub fn offset(&self) -> u64 {
        self.view().offset_of(SectionKind::Code, self.id.into())
    }

    /// Its id: which code object of the archive it is. Its children have lower ones.
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

    /// Number of positional parameters, positional-only ones included.
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

    /// Slots of the operand stack.
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

    /// Number of locals that the machine states, if that differs from what the kinds of its locals say.
    #[must_use]
    pub fn stated_local_count(&self) -> Option<u32> {
        self.wide.map(|wide| wide.stated_local_count.get()).filter(|count| *count != NONE)
    }

    /// Its instructions, aligned as the header says.
    ///
    /// # Errors
    /// `[C-2]`
    #[inline]
    pub fn bytecode(&self) -> Result<PermaBytes<'a>> {
        let len = self.wide.map_or(self.record.bytecode_len.get().into(), |wide| wide.bytecode_len.get());
        let offset = self.record.bytecode_offset.get();
        let align_log2 = self.view().layout.code_align_log2;
        if offset.trailing_zeros() < align_log2.into() {
            return Err(Error::value(Rule::C2, self.offset(), "the offset of instructions", offset));
        }
        self.view().range(SectionKind::Bytecode, offset.into(), len.into(), Rule::C2).map(PermaBytes::new)
    }

    /// Its list: what it has of locals, constants and names.
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

    /// How its qualified name is given, and whether a derived one is interned.
    #[must_use]
    pub fn qualname_form(&self) -> (QualnameForm, bool) {
        (code_form::qualname(self.record.form), self.record.form & code_form::QUALNAME_INTERNED != 0)
    }

    /// Its qualified name as an object, where it is no derived one.
    ///
    /// # Errors
    /// `[C-4]`
    pub fn qualname_object(&self) -> Result<Option<Object<'a>>> {
        if code_form::qualname(self.record.form) == QualnameForm::Name {
            return self.name_object().map(Some);
        }
        let list = self.list()?;
        list.qualname_index().map(|index| list.object(index, Rule::C10)).transpose()
    }

    /// Its qualified name, put together when it is shown.
    #[must_use]
    pub fn qualname(&self) -> Qualname<'a> {
        Qualname::new(*self)
    }

    /// Whether its qualified name is this one.
    ///
    /// # Errors
    /// `[C-4]`, `[C-6]`, `[C-10]`
    pub fn has_qualname(&self, qualname: &[u8]) -> Result<bool> {
        self.qualname().is(qualname)
    }

    /// Its file name as an object, if it is not that of the module.
    ///
    /// # Errors
    /// `[C-4]`
    pub fn filename_object(&self) -> Result<Option<Object<'a>>> {
        let list = self.list()?;
        list.filename_index().map(|index| list.object(index, Rule::C10)).transpose()
    }

    /// Its file name, if it is not that of the module.
    ///
    /// # Errors
    /// `[C-4]`, `[C-10]`
    pub fn filename(&self) -> Result<Option<Str<'a>>> {
        self.filename_object()?.map(|object| object.as_str(Rule::C10)).transpose()
    }

    /// Its local variables, cells and free variables, in the order in which instructions number them.
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

    /// What kind of variable each of its locals is: bits of [`permacode_format::local_kind`].
    ///
    /// # Errors
    /// `[C-4]`, `[C-8]`
    pub fn local_kinds(&self) -> Result<PermaBytes<'a>> {
        let kinds = self.local_kinds_object()?.as_bytes(Rule::C8)?;
        if kinds.len() as u64 != u64::from(self.local_count()) {
            return Err(Error::value(Rule::C8, kinds.offset(), "the number of local kinds", kinds.len() as u64));
        }
        Ok(kinds)
    }

    /// Its constants, in the order in which instructions number them.
    ///
    /// # Errors
    /// `[C-4]`
    #[inline]
    pub fn constants(&self) -> Result<Items<'a>> {
        self.list().map(|list| list.constants())
    }

    /// Its names of globals and attributes, in the order in which instructions number them.
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

    /// The code object in whose body it was defined; the root of a module has none.
    ///
    /// # Errors
    /// `[C-1]`, `[C-6]`
    pub fn parent(&self) -> Result<Option<Code<'a>>> {
        self.parent_id()?.map(|parent| Code::new(self.view(), self.module, parent)).transpose()
    }

    /// The id of its parent; the root of a module has none.
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
            None => Err(Error::value(
                Rule::C6,
                self.detail_offset().saturating_add(10),
                "the distance of the parent",
                delta,
            )),
        }
    }

    fn detail(&self) -> Result<&'a CodeDetail> {
        self.view().record::<CodeDetail>(SectionKind::Details, self.id as usize)?.ok_or_else(|| {
            let available = self.view().count::<CodeDetail>(SectionKind::Details);
            let kind = ErrorKind::OutOfBounds { start: self.id.into(), len: 1, available };
            Error::new(kind, Rule::C1, self.detail_offset())
        })
    }

    fn detail_offset(&self) -> u64 {
        self.view().offset_of(SectionKind::Details, self.id.into())
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

    /// First line, line table and exception table at once, for who wants all of them.
    ///
    /// # Errors
    /// `[C-1]`, `[C-5]`
    pub fn cold(&self) -> Result<Cold<'a>> {
        let detail = self.detail()?;
        let (first_line, line_len, exception_len) = match self.wide {
            Some(wide) => (wide.first_line.get(), wide.line_len.get(), wide.exception_len.get()),
            None => (detail.first_line.get().into(), detail.line_len.get().into(), detail.exception_len.get().into()),
        };
        let offset = u64::from(detail.tables_offset.get());
        let line_table = self.view().range(SectionKind::Tables, offset, line_len.into(), Rule::C5)?;
        let after = offset.saturating_add(line_len.into());
        let exception_table = self.view().range(SectionKind::Tables, after, exception_len.into(), Rule::C5)?;
        let (line_table, exception_table) = (PermaBytes::new(line_table), PermaBytes::new(exception_table));
        Ok(Cold { first_line, line_table, exception_table })
    }

    /// Its line table, encoded as [`crate::Target::line_encoding`] says.
    ///
    /// # Errors
    /// `[C-1]`, `[C-5]`
    pub fn line_table(&self) -> Result<PermaBytes<'a>> {
        self.cold().map(|cold| cold.line_table)
    }

    /// Its exception table, encoded as [`crate::Target::exception_encoding`] says.
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
            _ => Err(Error::value(Rule::C7, self.offset().saturating_add(26), "the index of a docstring", index)),
        }
    }

    /// What is known of its signature beside what the code object itself says: UTF-8, meant to be JSON.
    ///
    /// # Errors
    /// `[G-2]`
    pub fn signature(&self) -> Result<Option<PermaBytes<'a>>> {
        let records = self.view().records::<SignatureRecord>(SectionKind::Signatures)?;
        let found = records.binary_search_by_key(&self.id, |record| record.code.get());
        let Some(record) = found.ok().and_then(|index| records.get(index)) else { return Ok(None) };
        let (start, len) = (record.offset.get().into(), record.len.get().into());
        let text = self.view().range(SectionKind::SignatureText, start, len, Rule::G2)?;
        check_signature(text)?;
        Ok(Some(PermaBytes::new(text)))
    }

    /// Checks the two records by themselves.
    pub(crate) fn verify_record(&self) -> Result<()> {
        let record = self.record;
        if record.form & !code_form::KNOWN != 0 || record.reserved != 0 {
            return Err(Error::value(
                Rule::C3,
                self.offset().saturating_add(25),
                "the form of a code object",
                record.form,
            ));
        }
        let derived = matches!(self.qualname_form().0, QualnameForm::Member | QualnameForm::Local);
        let detail = self.detail()?;
        if self.wide.is_some() {
            let narrow =
                [record.name_count.get(), record.local_count.get(), record.stack_size.get(), detail.line_len.get()];
            let rest = [detail.exception_len.get(), detail.first_line.get(), detail.parent_delta.get()];
            let small = [record.arg_count, record.posonly_count, record.kwonly_count, record.docstring];
            if narrow.iter().chain(&rest).any(|field| *field != 0) || small.iter().any(|field| *field != 0) {
                return Err(Error::value(Rule::C3, self.offset(), "a field beside a wide form, id", self.id));
            }
        }
        if derived && self.parent()?.is_none() {
            return Err(Error::value(Rule::C6, self.detail_offset(), "a derived name without a parent, id", self.id));
        }
        self.bytecode()?;
        self.line_table()?;
        self.exception_table()?;
        Ok(())
    }

    /// Checks that each item of its list is what its place says.
    ///
    /// `first_codes` says for containers through which code objects can be reached which one is the first of them.
    pub(crate) fn verify_list(&self, first_codes: &BTreeMap<u32, u32>) -> Result<()> {
        self.local_kinds()?;
        self.name()?;
        if let Some(object) = self.qualname_object()? {
            object.as_str(Rule::C10)?;
        }
        self.filename()?;
        for text in self.locals()?.strings().chain(self.names()?.strings()) {
            text?;
        }
        let constants = self.constants()?;
        for item in constants.iter() {
            let item = item?;
            if let Item::Object(object) = item
                && let Some(first) = first_codes.get(&object.id()).filter(|first| **first < self.module.first_code())
            {
                let at = object.own_bytes()?.offset();
                return Err(Error::value(Rule::C11, at, "a code object of another module, id", *first));
            }
            if let crate::object::Constant::Qualname { constant, .. } = item.constant()? {
                match constants.get(constant as usize).transpose()? {
                    Some(Item::Code(_)) => {}
                    _ => {
                        return Err(Error::value(
                            Rule::O5,
                            self.offset(),
                            "the constant that a qualified name names",
                            constant,
                        ));
                    }
                }
            }
        }
        self.docstring()?;
        Ok(())
    }
}

impl core::fmt::Debug for Code<'_> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Code")
            .field("id", &self.id)
            .field("record", &self.record)
            .field("wide", &self.wide)
            .finish_non_exhaustive()
    }
}

/// A signature is UTF-8 [G-2].
pub(crate) fn check_signature(text: Bytes<'_>) -> Result<()> {
    core::str::from_utf8(text.data()).map(|_| ()).map_err(|error| {
        let valid = error.valid_up_to() as u64;
        Error::value(Rule::G2, text.offset(), "the length of the part that is UTF-8", valid)
    })
}

/// Whether a local of this kind is a variable or parameter of the code object itself, not a mere cell or free variable.
#[must_use]
pub const fn is_local(kind: u8) -> bool {
    kind & local_kind::LOCAL != 0
}
