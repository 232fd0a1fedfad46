//! CPython's `.pyc` files, to and from the model of Permacode.
#![forbid(unsafe_code)]

mod code;
mod docstring;
mod error;
mod header;
mod marshal;
mod pyc;
mod text;
mod version;

pub use error::{Error, ErrorKind};
pub use header::{HEADER_LEN, Header, Validation, source_hash};
pub use pyc::{Pyc, decode_pyc, encode_pyc};
pub use version::{Foreign, VM, Version, target_for};
