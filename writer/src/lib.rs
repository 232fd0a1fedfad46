//! Writes Permacode archives (`.perma`): merges what is equal, orders, lays out, and publishes atomically.
//!
//! ```text
//! model -> collect (one module: walk, intern) -> Writer -> order (ids), placement -> plan (sections) -> publish
//! ```
//!
//! A module is handed over as a [`model::Module`], which names no virtual machine; `permacode-pyc` makes one from a
//! `.pyc` file. [`Writer`] has an example. What is written is read by `permacode-reader`; the feature `read` turns an
//! archive back into the model.
//!
//! Same input, same bytes: no clock, no order of a hash table and no order of calls shows in the archive.
#![forbid(unsafe_code)]

mod codes;
mod collect;
mod error;
mod intern;
pub mod model;
mod objects;
mod order;
mod perfect_hash;
mod placement;
mod plan;
mod publish;
#[cfg(feature = "read")]
pub mod read;
mod records;
mod report;
mod writer;

pub use error::{Error, ErrorKind};
pub use permacode_format::SectionKind;
pub use plan::Plan;
pub use publish::{check_destination, remove_temporaries};
pub use report::{Merged, Report};
pub use writer::{Options, Placement, TargetId, Writer};
