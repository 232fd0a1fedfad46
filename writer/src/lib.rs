//! Writes Permacode archives (`.perma`). Equal values are merged, and a file is replaced atomically.
//!
//! ```text
//! model -> collect (walk one module, intern values) -> Writer -> order (ids), placement -> plan (sections) -> publish
//! ```
//!
//! The writer takes a [`Module`](permacode_model::Module), which does not depend on a virtual machine. `permacode-pyc`
//! makes one from a `.pyc` file. [`Writer`] has an example. `permacode-reader` reads the archive, and `permacode-model`
//! turns it back into modules.
//!
//! The same modules and resources always give the same bytes. The archive does not depend on the time, the order of
//! calls or the iteration order of hash tables.
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
