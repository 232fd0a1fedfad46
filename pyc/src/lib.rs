//! CPython's `.pyc` files, to and from the model of Permacode.
//!
//! ```text
//!                header                        model::Module
//!   .pyc  ──►  marshal values (an arena)  ──►  objects and code objects
//!         ◄──   of 3.8-3.10 or 3.11+      ◄──  of any version
//! ```
//!
//! [`decode_pyc`] reads what CPython 3.8 to 3.15 write, [`encode_pyc`] writes it again:
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
//! // The same module for a source that lies elsewhere, and that nothing has to be compared with.
//! pyc.header.validation = Validation::UncheckedHash([0; 8]);
//! let again = encode_pyc(&pyc.module, &pyc.header, b"/usr/lib/python3.14/features_314.py")?;
//! assert_eq!(decode_pyc(&again)?.module.codes.len(), 6);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # What is kept
//!
//! Everything that an interpreter could tell: every field of every code object, types and bits of constants, the order in which
//! a frozenset was written, whether a string is interned, and which objects are one object. What was one object is one object
//! again; equal immutable ones that were several may become one (bytes and tuples above all), mutable ones never do.
//!
//! What a `.pyc` file stores although it follows from something else is derived: most qualified names from the name and the
//! parent. Up to 3.10 those are constants of the parent, which become [`Leaf::Qualname`](permacode_model::Leaf::Qualname).
//!
//! # Hostile files
//!
//! Any bytes give a module or an [`Error`] that says what is wrong and where. Nothing recurses by what is in the file, memory
//! is bounded by a multiple of its size, and a value that contains itself is an error. The module borrows its bytes and strings
//! from the file. This is no proof that the bytecode is harmless: CPython itself trusts it.
#![forbid(unsafe_code)]

mod cache;
mod code;
mod docstring;
mod error;
mod header;
mod hexversion;
mod marshal;
mod packages;
mod pyc;
mod text;
mod version;

pub use cache::{cache_suffix, optimization_suffix};
pub use error::{Error, ErrorKind};
pub use header::{HEADER_LEN, Header, Validation, source_hash};
pub use hexversion::HexVersion;
pub use packages::PackagesFolders;
pub use pyc::{Pyc, decode_pyc, encode_pyc};
pub use version::{Foreign, VM, Version, magic_number, target_for};
