//! The contents of a Permacode archive (`.perma`) as plain Rust values: targets, modules and resources.
//!
//! ```text
//! .pyc file -> permacode-pyc -> model -> permacode-writer -> archive -> permacode-reader -> model
//! ```
//!
//! The model does not depend on a virtual machine. `permacode-pyc` converts between `.pyc` files and [`Module`].
//! `permacode-writer` writes modules to an archive, and [`TryFrom`] converts the views of `permacode-reader` back:
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
//! A module is an arena. Its objects (constants and names) and its code objects refer to each other by index. So an
//! object with many references is still one object, in the model as in the archive. No function recurses over a module.
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
pub use permacode_format::{Container, ExceptionEncoding, LineEncoding, Strip, local_kind};
pub use resource::Resource;
pub use target::Target;
