//! The constructors of CPython for code objects, which differ between its versions.
//!
//! | version    | constructor                                                                                        |
//! |------------|----------------------------------------------------------------------------------------------------|
//! | 3.9, 3.10  | `PyCode_NewWithPosOnlyArgs`, public                                                                |
//! | 3.11, 3.12 | `_PyCode_New`, what that one calls; where it is not exported, as 3.13                              |
//! | from 3.13  | `PyUnstable_Code_NewWithPosOnlyArgs`, public; it cannot say what kinds of locals there are, so these fields are set afterwards |

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

/// What a code object is made of. Objects are held by the caller.
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

/// The kinds of the locals of a code object, one byte for each.
///
/// What is captured from outside is nothing else besides: CPython would count it once, and show it in two tuples.
fn local_kinds<'a>(kinds: &'a Held, names: &[Held], code: &Code<'_>) -> Result<&'a [u8]> {
    match raw::content(kinds) {
        Some(kinds) if kinds.len() == names.len() && kinds.iter().all(|kind| is_kind(*kind)) => Ok(kinds),
        // The reader says what is wrong.
        _ => Err(code
            .local_kinds()
            .map_or_else(Error::Archive, |kinds| Error::unsupported("such kinds of locals", kinds.offset()))),
    }
}

fn is_kind(kind: u8) -> bool {
    kind & local_kind::FREE == 0 || kind & (local_kind::LOCAL | local_kind::CELL) == 0
}
