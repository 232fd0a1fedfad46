//! From an interpreter, folders and files to a Permacode archive, and back to a tree of files.
//!
//! ```text
//! places -> discover -> compile (one fresh process state a source) -> permacode-pyc -> permacode-writer -> archive
//! archive -> permacode-reader -> permacode-pyc -> tree of files
//! ```
//!
//! [`bundle()`] makes an archive; [`BundleOptions`] has an example. [`extract()`] turns one back into files:
//!
//! ```no_run
//! use permacode_bundle::{ExtractOptions, extract};
//! use permacode_reader::Archive;
//!
//! let archive = Archive::read("stdlib.perma")?;
//! let report = extract(&archive, "stdlib", &ExtractOptions::default().base("/usr/lib/python3.13"), &())?;
//! println!("{} modules", report.modules);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # What it promises
//!
//! * The same files give the same bytes: no order, no clock, no number of threads and no place of the files shows.
//! * Nothing is dropped in silence: what is no module is a resource or is counted in the [`BundleReport`].
//! * Files are written only where they were asked for: temporaries aside, and whatever names an archive has.
#![forbid(unsafe_code)]

mod bundle;
mod compile;
mod discover;
mod elsewhere;
mod error;
mod extract;
mod extract_report;
mod filter;
mod interpreter;
mod name;
mod options;
mod parallel;
mod place;
mod progress;
mod read;
mod report;
mod text;
mod tree;
mod tree_layout;

pub use bundle::{Bundle, bundle};
pub use compile::{Compiler, Outcome, Worker};
pub use discover::{Skip, Why};
pub use elsewhere::{Elsewhere, ElsewhereKind};
pub use error::{Error, ErrorKind, Unreadable};
pub use extract::{ExtractOptions, extract};
pub use extract_report::{ExtractReport, ExtractedRoot, LeftOut, WhyLeftOut};
pub use interpreter::{Interpreter, PackagesFolder};
pub use options::BundleOptions;
pub use permacode_writer::{ErrorKind as WriteErrorKind, remove_temporaries};
pub use progress::{Phase, Progress};
pub use report::{
    ArchiveReport, BundleReport, MergedReport, NotModule, OtherName, RootReport, SectionReport, Skipped,
    VerbatimFilename,
};
