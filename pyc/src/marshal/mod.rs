//! Decodes and encodes marshal, the serialisation in `.pyc` files (`Python/marshal.c`). Values are in an arena.

mod decode;
mod encode;
mod value;

pub(crate) use decode::decode;
pub(crate) use encode::encode;
pub(crate) use value::{Code, Items, NodeId, Value, Values, field};

/// The greatest depth of nested values (`MAX_MARSHAL_STACK_DEPTH`).
pub(crate) const MAX_DEPTH: u32 = 2000;

/// The bit of a type byte that gives the value a number, so that `TYPE_REF` can refer to it.
const FLAG_REF: u8 = 0x80;

/// Type bytes (`TYPE_NULL` and so on).
mod tag {
    pub(super) const NULL: u8 = b'0';
    pub(super) const NONE: u8 = b'N';
    pub(super) const FALSE: u8 = b'F';
    pub(super) const TRUE: u8 = b'T';
    pub(super) const STOP_ITERATION: u8 = b'S';
    pub(super) const ELLIPSIS: u8 = b'.';
    pub(super) const INT: u8 = b'i';
    /// CPython 3.8 to 3.15 read this type but never write it.
    pub(super) const INT64: u8 = b'I';
    pub(super) const LONG: u8 = b'l';
    pub(super) const FLOAT: u8 = b'f';
    pub(super) const BINARY_FLOAT: u8 = b'g';
    pub(super) const COMPLEX: u8 = b'x';
    pub(super) const BINARY_COMPLEX: u8 = b'y';
    pub(super) const BYTES: u8 = b's';
    pub(super) const INTERNED: u8 = b't';
    pub(super) const UNICODE: u8 = b'u';
    pub(super) const ASCII: u8 = b'a';
    pub(super) const ASCII_INTERNED: u8 = b'A';
    pub(super) const SHORT_ASCII: u8 = b'z';
    pub(super) const SHORT_ASCII_INTERNED: u8 = b'Z';
    pub(super) const REF: u8 = b'r';
    pub(super) const TUPLE: u8 = b'(';
    pub(super) const SMALL_TUPLE: u8 = b')';
    pub(super) const LIST: u8 = b'[';
    pub(super) const DICT: u8 = b'{';
    /// Since 3.15 (marshal version 6).
    pub(super) const FROZEN_DICT: u8 = b'}';
    pub(super) const SET: u8 = b'<';
    pub(super) const FROZEN_SET: u8 = b'>';
    /// Since 3.14 (marshal version 5).
    pub(super) const SLICE: u8 = b':';
    pub(super) const CODE: u8 = b'c';
}

/// The first minor version that can marshal slices.
const SLICE_SINCE: u8 = 14;
/// The first minor version that can marshal frozen dictionaries.
const FROZEN_DICT_SINCE: u8 = 15;

/// Number of values in a code object of this version. The first line, a plain number, comes before value
/// [`field::LINE_TABLE`].
fn code_fields(version: crate::Version) -> usize {
    if version.has_exception_table() { field::EXCEPTION_TABLE + 1 } else { field::LINE_TABLE + 1 }
}

#[cfg(test)]
mod tests;
