//! From an interpreter, folders and files to a Permacode archive, and back to files.
//!
//! ```text
//! places -> discover -> compile (a fresh process for each source) -> permacode-pyc -> permacode-writer -> archive
//!                    -> permacode-signatures (functions of each source) -----^
//! archive -> permacode-reader -> permacode-pyc -> tree of files
//! ```
//!
//! [`bundle()`] makes an archive. [`BundleOptions`] has an example. [`extract()`] makes files from an archive:
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
//! # Guarantees
//!
//! * The same files give the same bytes. Neither their order nor their folder, the clock or the number of threads
//!   matters.
//! * Nothing is left out silently. A file that is not a module is a resource, or the [`BundleReport`] counts it.
//! * Files are written only to the chosen folder, even if names in an archive are hostile. Temporary files are the
//!   exception.
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
pub use permacode_model::Strip;
pub use permacode_writer::{ErrorKind as WriteErrorKind, remove_temporaries};
pub use progress::{Phase, Progress};
pub use report::{
    ArchiveReport, BundleReport, MergedReport, NotModule, OtherName, RefusedSource, RootReport, SectionReport,
    SignatureReport, Skipped, VerbatimFilename,
};
