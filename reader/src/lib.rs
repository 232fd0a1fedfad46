//! Reads Permacode archives (`.perma`) without copying them.
//!
//! ```text
//! Archive -> Target -> Module -> Code -> Items -> Constant
//!                   -> Resource     |  -> PermaBytes (bytecode, line table, exception table, signature)
//! ```
//!
//! Opening is O(1) in the number of modules; finding one is one hash, one probe and one comparison; everything else is
//! read when asked for, from where it lies. Any bytes whatever, given as an archive, yield an error or a value: no
//! method panics, and what is touched is checked at each access. [`Archive::open`] has an example; `permacode-writer`
//! makes archives.
//!
//! # Features
//!
//! * `mmap` (default): [`Mapping`], a mapped file. All `unsafe` of the crate is in that one file.
//! * `std` (implied by `mmap`): [`Block`], [`OwnedBytes`]. Without it the crate needs `core` and `alloc` only.
#![cfg_attr(not(any(test, feature = "std")), no_std)]
#![cfg_attr(
    not(test),
    deny(clippy::arithmetic_side_effects, clippy::indexing_slicing, clippy::unwrap_used, clippy::expect_used)
)]

extern crate alloc;

mod archive;
mod budget;
mod bytes;
mod checks;
mod code;
mod debug;
mod error;
mod index;
mod items;
mod layout;
mod leaf;
#[cfg(feature = "std")]
mod map;
mod module;
mod object;
#[cfg(feature = "std")]
mod owned;
mod perma_bytes;
mod qualname;
mod resource;
mod string;
mod target;
mod verify;
mod view;

pub use archive::Archive;
pub use budget::Budget;
pub use code::{Code, Cold, is_local};
pub use error::{Error, ErrorKind, Result};
pub use items::{Items, List, References};
pub use leaf::{Leaf, Leaves};
#[cfg(feature = "std")]
pub use map::Block;
#[cfg(feature = "mmap")]
pub use map::Mapping;
pub use module::{Module, Path, Source};
pub use object::{Constant, Container, Item, Object};
#[cfg(feature = "std")]
pub use owned::OwnedBytes;
pub use perma_bytes::PermaBytes;
pub use permacode_format::{
    Container as ContainerKind, ExceptionEncoding, ItemRef, LineEncoding, ObjectKind, QualnameForm, Rule, SectionKind,
    local_kind,
};
pub use qualname::Qualname;
pub use resource::Resource;
pub use string::Str;
pub use target::Target;
