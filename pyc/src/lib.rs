//! Converts `.pyc` files of CPython to the model of Permacode and back.
//!
//! ```text
//!                header                        model::Module
//!   .pyc  ──►  marshal values (an arena)  ──►  objects and code objects
//!         ◄──   of 3.8-3.10 or 3.11+      ◄──  of any version
//! ```
//!
//! [`decode_pyc`] reads the files that CPython 3.8 to 3.15 write. [`encode_pyc`] writes such a file:
//!
//! ```
//! use permacode_pyc::{Validation, decode_pyc, encode_pyc};
//!
//! let file = concat!(env!("CARGO_MANIFEST_DIR"), "/../testdata/pyc/3.14/features_314.pyc");
//! let bytes = std::fs::read(file)?;
//! let mut pyc = decode_pyc(&bytes)?;
//! assert_eq!(pyc.header.version.to_string(), "CPython 3.14");
//! assert_eq!(pyc.module.codes.len(), 6);
//!
//! // The same module with another path of its source, and without a check against the source.
//! pyc.header.validation = Validation::UncheckedHash([0; 8]);
//! let again = encode_pyc(&pyc.module, &pyc.header, b"/usr/lib/python3.14/features_314.py")?;
//! assert_eq!(decode_pyc(&again)?.module.codes.len(), 6);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # What is kept
//!
//! The conversion keeps everything that a program can observe: every field of every code object, the types and bits of
//! constants, the order of the items of a frozenset, whether a string is interned, and the identity of objects. One
//! object stays one object. Equal immutable objects may be merged, for example bytes and tuples. Mutable objects never
//! are.
//!
//! The model derives most qualified names from the name and the parent, and does not store them. Up to 3.10, qualified
//! names are constants of the parent. They become [`Leaf::Qualname`](permacode_model::Leaf::Qualname).
//!
//! # Hostile files
//!
//! Any bytes yield a module or an [`Error`] with its offset. Values are decoded without recursion. The memory is at
//! most a constant multiple of the size of the file. A value that contains itself is an error. The module borrows bytes
//! and strings from the file.
//!
//! Bytecode is not checked. CPython trusts it, so harmful bytecode stays harmful.
#![forbid(unsafe_code)]

mod cache;
mod code;
mod docstring;
mod error;
mod flags;
mod header;
mod hexversion;
mod marshal;
mod packages;
mod pyc;
mod strip;
mod text;
mod version;

pub use cache::{cache_suffix, optimization_suffix};
pub use docstring::TYPE_PARAMETERS;
pub use error::{Error, ErrorKind};
pub use flags::{flag_names, is_function};
pub use header::{HEADER_LEN, Header, Validation, source_hash};
pub use hexversion::HexVersion;
pub use packages::PackagesFolders;
pub use pyc::{Pyc, decode_pyc, encode_pyc};
pub use strip::{StrippedDocstrings, strip_docstrings, strip_lines};
pub use version::{Foreign, VM, Version, magic_number, target_for};
