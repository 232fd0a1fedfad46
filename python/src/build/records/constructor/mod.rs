//! The constructors of CPython for code objects. They differ between versions.
//!
//! | version    | constructor                                                                       |
//! |------------|-----------------------------------------------------------------------------------|
//! | 3.9, 3.10  | `PyCode_NewWithPosOnlyArgs`, which is public                                      |
//! | 3.11, 3.12 | `_PyCode_New`, which the public constructor calls; if it is not exported, as 3.13 |
//! | from 3.13  | `PyUnstable_Code_NewWithPosOnlyArgs`, which is public                             |
//!
//! From 3.11 on, the public constructor cannot express all kinds of locals. These fields are set afterwards.

#[cfg(Py_3_11)]
mod direct;
#[cfg(Py_3_11)]
mod fields;
#[cfg(not(Py_3_11))]
mod public;
#[cfg(Py_3_11)]
mod scratch;
#[cfg(Py_3_11)]
mod since_311;

use permacode_reader::{Code, local_kind};

use super::raw::{self, Held};
use crate::error::{Error, Result};

#[cfg(not(Py_3_11))]
pub(super) use public::{Constructor, Locals};
#[cfg(Py_3_11)]
pub(super) use since_311::{Constructor, Locals};

/// The values that a code object is made from. The caller keeps the objects alive.
pub(super) struct Fields<'a> {
    pub(super) arg_count: i32,
    pub(super) posonly_count: i32,
    pub(super) kwonly_count: i32,
    pub(super) stack_size: i32,
    pub(super) flags: i32,
    pub(super) first_line: i32,
    pub(super) bytecode: &'a [u8],
    pub(super) line_table: &'a [u8],
    /// Empty up to 3.10.
    #[cfg_attr(not(Py_3_11), expect(dead_code, reason = "code objects have none"))]
    pub(super) exception_table: &'a [u8],
    pub(super) constants: Held,
    pub(super) names: Held,
    pub(super) locals: Locals,
    pub(super) filename: Held,
    pub(super) name: Held,
    #[cfg_attr(not(Py_3_11), expect(dead_code, reason = "code objects have none"))]
    pub(super) qualname: Held,
}

/// Checks the kinds of the locals of a code object: there must be one byte for each name, and a free variable must not
/// be of another kind as well. CPython would count a local of two kinds once, but show it in two tuples.
fn local_kinds<'a>(kinds: &'a Held, names: &[Held], code: &Code<'_>) -> Result<&'a [u8]> {
    match raw::content(kinds) {
        Some(kinds) if kinds.len() == names.len() && kinds.iter().all(|kind| is_kind(*kind)) => Ok(kinds),
        // The reader has the better error if the kinds break a rule of the format.
        _ => Err(code
            .local_kinds()
            .map_or_else(Error::Archive, |kinds| Error::unsupported("locals of these kinds", kinds.offset()))),
    }
}

fn is_kind(kind: u8) -> bool {
    kind & local_kind::FREE == 0 || kind & (local_kind::LOCAL | local_kind::CELL) == 0
}
