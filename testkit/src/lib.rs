//! What the tests, the fuzz targets and `xtask` share. This crate is not published.
//!
//! * [`shapes`]: small valid archives, each with another structure. [`toy`]: the archive of the command's tests.
//! * [`Choices`]: arbitrary programs, made from a string of bytes. [`Program`]: a program to write and to read back.
//!   [`Canonical`]: the form in which equal programs are equal values.
//! * [`Edited`]: an archive whose fields are changed by name. [`Sections`]: an archive assembled from its sections.
//! * [`walk`]: calls every accessor of the reader.
//! * `interpreters`: the CPython interpreters of this machine (feature `interpreters`).
//!
//! ```
//! use permacode_reader::{Archive, Rule};
//! use permacode_testkit::{Edited, Repair, shapes};
//!
//! let mut archive = Edited(shapes::everything());
//! archive.set("modules[0].name_len", 0);
//! archive.repair(Repair::Chunks);
//! let error = Archive::open(&archive.0)?.verify().unwrap_err();
//! assert_eq!(error.rule(), Some(Rule::N2));
//! # Ok::<(), permacode_reader::Error>(())
//! ```
#![forbid(unsafe_code)]

mod canonical;
mod choices;
mod edit;
#[cfg(feature = "interpreters")]
pub mod interpreters;
mod program;
mod sections;
pub mod shapes;
pub mod toy;
pub mod walk;

pub use canonical::{Canonical, Node};
pub use choices::Choices;
pub use edit::{Edited, Repair, behind};
pub use program::{Part, Program, rotate};
pub use sections::Sections;
