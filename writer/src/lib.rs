//! Writes Permacode archives (`.perma`): merges what is equal, orders, lays out, and publishes atomically.
//!
//! ```text
//! model -> collect (one module: walk, intern) -> Writer -> order (ids), placement -> plan (sections) -> publish
//! ```
//!
//! The writer takes a [`Module`](permacode_model::Module), which names no virtual machine; `permacode-pyc` makes one from a
//! `.pyc` file. [`Writer`] has an example. `permacode-reader` reads the archive, and `permacode-model` turns it back into
//! modules.
//!
//! Same input, same bytes: no clock, no order of a hash table and no order of calls shows in the archive.
#![forbid(unsafe_code)]

mod check;
mod codes;
mod collect;
mod entry;
mod error;
mod intern;
mod objects;
mod options;
mod order;
mod perfect_hash;
mod placement;
mod plan;
mod publish;
mod records;
mod report;
mod writer;

pub use error::{Error, ErrorKind};
pub use options::{Options, Placement};
pub use permacode_format::SectionKind;
pub use plan::Plan;
pub use publish::{check_destination, remove_temporaries};
pub use report::{Merged, Report};
pub use writer::{TargetId, Writer};
