//! Builds an *image*: the code objects of an archive as finished objects of one build of CPython.
//!
//! ```text
//! Target (of an archive) ─► graph ─► order ─► emit ─► file
//! Facts (of an interpreter) ──┴─────────┴───────┘
//! ```
//!
//! An archive is portable. An image is not: it is native data for one build of one interpreter on one machine.
//! [`Facts`] describe that build: the offsets of all fields, the addresses of static objects, and the names that C code
//! may compare by identity. The extension module of the package `permacode` collects them and loads images.
//!
//! The same archive and the same facts give the same bytes. This crate does not run Python, and it has no `unsafe`
//! code. `docs/permanent-objects.md` describes the layout and the reasons for it.
#![cfg_attr(
    not(test),
    deny(clippy::arithmetic_side_effects, clippy::indexing_slicing, clippy::unwrap_used, clippy::expect_used)
)]

mod build;
mod code;
mod emit;
mod error;
mod facts;
mod file;
mod graph;
mod layout;
mod objects;
mod order;
mod slots;

pub use build::{Image, Modules, build, interned_texts};
pub use error::{Error, Result};
pub use facts::{Facts, Name, Objects, Types};
pub use file::{
    FORMAT, HEADER_LEN, HUGE_LEN, Header, MAGIC, MODULE_LEN, ModuleEntry, PAGE_LEN, RANGE_LEN, Range, SET_LEN,
    SetEntry, base_of, header_crc,
};
pub use layout::Layout;
pub use slots::{SLOTS_LEN, Slot};
