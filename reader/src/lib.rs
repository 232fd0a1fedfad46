//! Reads Permacode archives (`.perma`) without copying them.
//!
//! ```text
//! Archive -> Target -> Module -> Code -> Items -> Constant
//!                   -> Resource     |  -> PermaBytes (bytecode, line table, exception table, signature)
//!                                   |  -> Location, Handler
//! ```
//!
//! The time to open an archive does not depend on the number of modules. A lookup of a module is one hash, one probe
//! and one comparison. Everything else is read in place when a method asks for it. Each access is checked, so any bytes
//! yield a value or an error, and no method panics. [`Code`] has an example that reaches bytecode. `permacode-writer`
//! writes archives.
//!
//! # Features
//!
//! * `mmap` (default): `Mapping`, a mapped file. It has the only `unsafe` code of the crate.
//! * `std` (implied by `mmap`): [`Block`] and [`OwnedBytes`]. Without it, the crate needs only `core` and `alloc`.
#![cfg_attr(not(any(test, feature = "std")), no_std)]
#![cfg_attr(
    not(test),
    deny(clippy::arithmetic_side_effects, clippy::indexing_slicing, clippy::unwrap_used, clippy::expect_used)
)]

extern crate alloc;

mod archive;
mod budget;
mod checks;
mod code;
mod code_name;
mod debug;
mod entries;
mod error;
mod handlers;
mod items;
mod iter;
mod json;
mod layout;
mod leaf;
mod locations;
#[cfg(feature = "std")]
mod map;
mod module;
mod object;
#[cfg(feature = "std")]
mod owned;
mod perma_bytes;
mod qualname;
mod resource;
mod roots;
mod signature;
mod string;
mod table;
mod target;
mod verify;
mod view;

pub use archive::{Archive, Section};
pub use budget::Budget;
pub use code::{Code, Cold};
pub use code_name::Named;
pub use error::{Error, ErrorKind, Result};
pub use handlers::{Handler, Handlers};
pub use items::{Items, ItemsIter, List, Objects, References, Strings};
pub use json::Text;
pub use leaf::{Leaf, Leaves};
pub use locations::{Location, Locations};
#[cfg(feature = "std")]
pub use map::Block;
#[cfg(feature = "mmap")]
pub use map::Mapping;
pub use module::{Codes, Module, Path, Source};
pub use object::{Constant, Container, ContainerItems, Item, Object};
#[cfg(feature = "std")]
pub use owned::OwnedBytes;
pub use perma_bytes::{PermaBytes, Unit};
pub use permacode_format::{
    Container as ContainerKind, ExceptionEncoding, ItemRef, LineEncoding, ObjectKind, QualnameForm, Rule, SectionKind,
    Strip, local_kind,
};
pub use qualname::{Qualname, QualnamePart};
pub use resource::Resource;
pub use signature::{Parameter, ParameterKind, Parameters, Signature};
pub use string::Str;
pub use target::{Modules, Resources, Target};
