//! Checks the types of the fields of marshalled code objects, and gives the two layouts (up to 3.10, and from 3.11 on)
//! one form.

#![deny(clippy::indexing_slicing, clippy::arithmetic_side_effects)]

use permacode_model::{Leaf, Str};
use std::borrow::Cow;

use permacode_format::{Container, local_kind};

use super::flag;
use crate::{
    HEADER_LEN, Version, docstring,
    error::{Error, ErrorKind},
    marshal::{Code, Items, NodeId, Value, Values, field},
};

/// The most entries that the lists of all code objects may have together, for each byte of the file.
///
/// A file can share one long list between many code objects, but the model copies it for each. Without a limit, a small
/// file could fill the memory. Standard libraries have less than one entry for ten bytes.
const ENTRIES_PER_BYTE: usize = 16;

pub(super) fn wrong_type(field: &'static str, expected: &'static str, found: &'static str, offset: usize) -> Error {
    Error::new(ErrorKind::WrongType { field, expected, found }, offset)
}

/// A code object whose fields have the right types. The values of `filename`, `name`, `qualname`, `names` and `locals`
/// are strings.
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
    /// From 3.11 on, one list and two empty ones. Up to 3.10, local variables, cells and free variables.
    pub(super) locals: [Items; 3],
    pub(super) local_kinds: Cow<'a, [u8]>,
    pub(super) filename: NodeId,
    pub(super) name: NodeId,
    pub(super) qualname: Option<NodeId>,
    pub(super) line_table: Cow<'a, [u8]>,
    pub(super) exception_table: Cow<'a, [u8]>,
}

/// Checks all code objects, and returns them in the order of their numbers. `size` is the size of the file in bytes.
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

/// The local kinds that 3.11 would state for these numbers of local variables, cells and free variables. Most code
/// objects have a few local variables and nothing else, so those kinds are borrowed.
fn old_kinds<'a>([locals, cells, free]: [usize; 3]) -> Cow<'a, [u8]> {
    static LOCALS: [u8; 32] = [local_kind::LOCAL; 32];
    if let (0, 0, Some(kinds)) = (cells, free, LOCALS.get(..locals)) {
        return Cow::Borrowed(kinds);
    }
    let kinds = [(local_kind::LOCAL, locals), (local_kind::CELL, cells), (local_kind::FREE, free)];
    Cow::Owned(kinds.iter().flat_map(|&(kind, count)| std::iter::repeat_n(kind, count)).collect())
}

/// Typed access to the fields of a code object. A field has a number ([`field`]) and a name for errors.
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

/// The text of a string and whether it is interned. `None` for a value of another type.
pub(super) fn string<'v>(value: &'v Value<'_>) -> Option<(&'v [u8], bool)> {
    match value {
        Value::Leaf(Leaf::Str(Str { text, interned })) => Some((text, *interned)),
        _ => None,
    }
}

/// The text of a string and whether it is interned. A value of another type is an error.
pub(super) fn text<'v>(values: &'v Values<'_>, id: NodeId) -> Result<(&'v [u8], bool), Error> {
    let value = values.value(id);
    string(value).ok_or_else(|| wrong_type("a name", "a str", value.type_name(), HEADER_LEN))
}

impl Checked<'_> {
    /// Index of the docstring among the constants.
    pub(super) fn docstring(
        &self,
        values: &Values<'_>,
        codes: &[Checked<'_>],
        parent: Option<u32>,
        version: Version,
    ) -> Result<Option<u32>, Error> {
        let constants = values.items(self.constants);
        let is_function = self.flags & flag::OPTIMIZED != 0;
        let is_doc = |id: NodeId| string(values.value(id)).is_some_and(|(text, _)| text == b"__doc__");
        let doc_name = || values.items(self.names).iter().position(|&id| is_doc(id));
        let parent = parent.and_then(|parent| codes.get(parent as usize));
        let facts = docstring::Facts {
            flags: self.flags,
            name: text(values, self.name)?.0,
            parent: parent.map(|code| text(values, code.name)).transpose()?.map(|(name, _)| name),
            bytecode: &self.bytecode,
            doc_name: if is_function { None } else { doc_name() },
            constants: constants.len(),
        };
        Ok(docstring::docstring(version, &facts, |index| {
            constants.get(index).is_some_and(|&id| string(values.value(id)).is_some())
        }))
    }
}
