//! The model of a Permacode archive (`.perma`): its targets, modules and resources as plain Rust values.
//!
//! ```text
//! .pyc file -> permacode-pyc -> model -> permacode-writer -> archive -> permacode-reader -> model
//! ```
//!
//! The model names no virtual machine. `permacode-pyc` makes a [`Module`] from a `.pyc` file and turns it back,
//! `permacode-writer` puts modules into an archive, and [`TryFrom`] takes them out again:
//!
//! ```
//! # fn modules(bytes: &[u8]) -> Result<(), Box<dyn std::error::Error>> {
//! let archive = permacode_reader::Archive::open(bytes)?;
//! for target in archive.targets() {
//!     for module in target.modules() {
//!         let module = permacode_model::Module::try_from(&module?)?;
//!         println!("{}: {} code objects", module.name, module.codes.len());
//!     }
//! }
//! # Ok(())
//! # }
//! ```
//!
//! A module is a small arena. Its objects (constants and names) and its code objects refer to each other by index. So one
//! object of the model is one object in the archive, however many references it has, and no function recurses over it.
#![forbid(unsafe_code)]

mod code;
mod error;
mod from_archive;
mod module;
mod object;
mod resource;
mod target;

pub use code::{Code, Qualname};
pub use error::{Error, ErrorKind};
pub use module::{Module, ModuleKind, Path, Source};
pub use object::{Leaf, Object, Ref, Str};
pub use permacode_format::{Container, ExceptionEncoding, LineEncoding, local_kind};
pub use resource::Resource;
pub use target::Target;
