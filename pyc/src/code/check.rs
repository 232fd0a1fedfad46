//! The fields of marshalled code objects: their types, and what the two layouts (up to 3.10, from 3.11 on) have in common.

#![deny(clippy::indexing_slicing, clippy::arithmetic_side_effects)]

use permacode_model::{Leaf, Str};
use std::borrow::Cow;

use permacode_format::{Container, local_kind};

use super::flag;
use crate::{
    Version, docstring,
    error::{Error, ErrorKind},
    marshal::{Code, Items, NodeId, Value, Values, field},
};

/// Lists of code objects may be shared in a file, but not in the model: this many entries for a byte of the file are allowed.
/// (In standard libraries there is less than one for ten bytes.)
const ENTRIES_PER_BYTE: usize = 16;

pub(super) fn wrong_type(field: &'static str, expected: &'static str, found: &'static str, offset: usize) -> Error {
    Error::new(ErrorKind::WrongType { field, expected, found }, offset)
}

/// A code object whose fields have been found to have the right types.
pub(super) struct Checked<'a> {
    pub(super) arg_count: u32,
    pub(super) posonly_count: u32,
    pub(super) kwonly_count: u32,
    pub(super) local_count: Option<u32>,
    pub(super) stack_size: u32,
    pub(super) flags: u32,
    pub(super) first_line: i32,
    pub(super) bytecode: Cow<'a, [u8]>,
    pub(super) constants: Items,
    pub(super) names: Items,
    /// One list from 3.11 on; before, local variables, cells and free variables.
    pub(super) locals: [Items; 3],
    pub(super) local_kinds: Cow<'a, [u8]>,
    pub(super) filename: NodeId,
    pub(super) name: NodeId,
    pub(super) qualname: Option<NodeId>,
    pub(super) line_table: Cow<'a, [u8]>,
    pub(super) exception_table: Cow<'a, [u8]>,
}

/// Checks all code objects, in the order of their numbers. `size` is that of the file.
pub(super) fn check<'a>(values: &Values<'a>, size: usize, version: Version) -> Result<Vec<Checked<'a>>, Error> {
    let mut budget = size.saturating_mul(ENTRIES_PER_BYTE);
    let mut codes = Vec::new();
    for id in values.ids() {
        let &Value::Code(number) = values.value(id) else { continue };
        let code = values.code(number);
        let checked = check_code(values, code, version)?;
        let [locals, cells, free] = checked.locals;
        for list in [checked.constants, checked.names, locals, cells, free] {
            budget = budget.checked_sub(list.len()).ok_or_else(|| {
                Error::new(ErrorKind::TooLarge { what: "names and constants of code objects are" }, code.offset)
            })?;
        }
        codes.push(checked);
    }
    Ok(codes)
}

/// Reads the fields of one code object (`r_object`, `_PyCode_Validate` in `Objects/codeobject.c`).
fn check_code<'a>(values: &Values<'a>, code: &Code, version: Version) -> Result<Checked<'a>, Error> {
    let fields = Fields { values, ids: values.items(code.fields), offset: code.offset };
    let (name, filename, qualname);
    let (locals, local_kinds, exception_table, local_count);
    if version.has_exception_table() {
        let names = fields.strings(field::LOCALS, "co_localsplusnames")?;
        local_kinds = fields.bytes(field::LOCAL_KINDS, "co_localspluskinds")?;
        let (names_len, kinds_len) = (names.len() as u64, local_kinds.len() as u64);
        if names_len != kinds_len {
            return Err(Error::new(ErrorKind::LocalKinds { names: names_len, kinds: kinds_len }, code.offset));
        }
        locals = [names, Items::EMPTY, Items::EMPTY];
        local_count = None;
        filename = fields.string(field::FILENAME, "co_filename")?;
        name = fields.string(field::NAME, "co_name")?;
        qualname = Some(fields.string(field::QUALNAME, "co_qualname")?);
        exception_table = fields.bytes(field::EXCEPTION_TABLE, "co_exceptiontable")?;
    } else {
        let names = fields.strings(field::LOCALS, "co_varnames")?;
        let cells = fields.strings(field::CELL_NAMES, "co_cellvars")?;
        let free = fields.strings(field::FREE_NAMES, "co_freevars")?;
        locals = [names, cells, free];
        local_kinds = old_kinds(locals.map(Items::len));
        let count = fields.number(code.local_count, "co_nlocals")?;
        local_count = (count as usize != names.len()).then_some(count);
        filename = fields.string(field::OLD_FILENAME, "co_filename")?;
        name = fields.string(field::OLD_NAME, "co_name")?;
        qualname = None;
        exception_table = Cow::Borrowed(&[][..]);
    }
    Ok(Checked {
        arg_count: fields.number(code.arg_count, "co_argcount")?,
        posonly_count: fields.number(code.posonly_count, "co_posonlyargcount")?,
        kwonly_count: fields.number(code.kwonly_count, "co_kwonlyargcount")?,
        local_count,
        stack_size: fields.number(code.stack_size, "co_stacksize")?,
        flags: code.flags.cast_unsigned(),
        first_line: code.first_line,
        bytecode: fields.bytes(field::BYTECODE, "co_code")?,
        constants: fields.tuple(field::CONSTANTS, "co_consts")?,
        names: fields.strings(field::NAMES, "co_names")?,
        locals,
        local_kinds,
        filename,
        name,
        qualname,
        line_table: fields.bytes(field::LINE_TABLE, "co_linetable")?,
        exception_table,
    })
}

/// Kinds of local variables, cells and free variables, so many of each. Most code objects have only local variables, and few.
fn old_kinds<'a>([locals, cells, free]: [usize; 3]) -> Cow<'a, [u8]> {
    static LOCALS: [u8; 32] = [local_kind::LOCAL; 32];
    if let (0, 0, Some(kinds)) = (cells, free, LOCALS.get(..locals)) {
        return Cow::Borrowed(kinds);
    }
    let kinds = [(local_kind::LOCAL, locals), (local_kind::CELL, cells), (local_kind::FREE, free)];
    Cow::Owned(kinds.iter().flat_map(|&(kind, count)| std::iter::repeat_n(kind, count)).collect())
}

/// The fields of a code object by number and name.
struct Fields<'v, 'a> {
    values: &'v Values<'a>,
    ids: &'v [NodeId],
    offset: usize,
}

impl<'a> Fields<'_, 'a> {
    fn get(&self, number: usize, name: &'static str) -> Result<NodeId, Error> {
        self.ids.get(number).copied().ok_or_else(|| wrong_type(name, "a value", "nothing", self.offset))
    }

    fn wrong(&self, name: &'static str, expected: &'static str, id: NodeId) -> Error {
        wrong_type(name, expected, self.values.value(id).type_name(), self.offset)
    }

    fn tuple(&self, number: usize, name: &'static str) -> Result<Items, Error> {
        let id = self.get(number, name)?;
        match *self.values.value(id) {
            Value::Container(Container::Tuple, items) => Ok(items),
            _ => Err(self.wrong(name, "a tuple", id)),
        }
    }

    fn strings(&self, number: usize, name: &'static str) -> Result<Items, Error> {
        let items = self.tuple(number, name)?;
        for &id in self.values.items(items) {
            if !matches!(self.values.value(id), Value::Leaf(Leaf::Str(..))) {
                return Err(self.wrong(name, "a tuple of str", id));
            }
        }
        Ok(items)
    }

    fn string(&self, number: usize, name: &'static str) -> Result<NodeId, Error> {
        let id = self.get(number, name)?;
        match self.values.value(id) {
            Value::Leaf(Leaf::Str(..)) => Ok(id),
            _ => Err(self.wrong(name, "a str", id)),
        }
    }

    fn bytes(&self, number: usize, name: &'static str) -> Result<Cow<'a, [u8]>, Error> {
        let id = self.get(number, name)?;
        match self.values.value(id) {
            // Borrowed from the file, so this copies nothing.
            Value::Leaf(Leaf::Bytes(bytes)) => Ok(bytes.clone()),
            _ => Err(self.wrong(name, "bytes", id)),
        }
    }

    fn number(&self, value: i32, field: &'static str) -> Result<u32, Error> {
        u32::try_from(value).map_err(|_| Error::new(ErrorKind::NegativeField { field, value }, self.offset))
    }
}

/// The text of a string, and whether it is interned.
pub(super) fn text<'v>(values: &'v Values<'_>, id: NodeId) -> (&'v [u8], bool) {
    match values.value(id) {
        Value::Leaf(Leaf::Str(Str { text, interned })) => (text, *interned),
        _ => (&[], false),
    }
}

impl Checked<'_> {
    /// Index of the docstring among the constants.
    pub(super) fn docstring(
        &self,
        values: &Values<'_>,
        codes: &[Checked<'_>],
        parent: Option<u32>,
        version: Version,
    ) -> Option<u32> {
        let constants = values.items(self.constants);
        let is_function = self.flags & flag::OPTIMIZED != 0;
        let doc_name = || values.items(self.names).iter().position(|&id| text(values, id).0 == b"__doc__");
        let facts = docstring::Facts {
            flags: self.flags,
            name: text(values, self.name).0,
            parent: parent.and_then(|parent| codes.get(parent as usize)).map(|code| text(values, code.name).0),
            bytecode: &self.bytecode,
            doc_name: if is_function { None } else { doc_name() },
            constants: constants.len(),
        };
        docstring::docstring(version, &facts, |index| {
            constants.get(index).is_some_and(|&id| matches!(values.value(id), Value::Leaf(Leaf::Str(..))))
        })
    }
}
