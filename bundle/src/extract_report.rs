//! What came out of an archive.

use std::{fmt, path::PathBuf, time::Duration};

use serde::Serialize;

use crate::report::{VerbatimFilename, path, seconds};

/// What [`extract`](crate::extract) did. Serialises to JSON with the names of the fields.
#[derive(Debug, Clone, Default, Serialize)]
#[non_exhaustive]
pub struct ExtractReport {
    /// Roots, and where what was below them is now.
    pub roots: Vec<ExtractedRoot>,
    /// Modules that are no package.
    pub modules: u64,
    /// Packages with code of their own.
    pub packages: u64,
    /// Packages without: they are folders, made for what is in them.
    pub namespaces: u64,
    /// Sources that were written.
    pub sources: u64,
    /// Resources that were written.
    pub resources: u64,
    /// Bytes of all files that were written.
    pub bytes: u64,
    /// Files that were not written, and why.
    pub left_out: Vec<LeftOut>,
    /// Code objects whose file name stands in the archive as it is now in the file.
    pub verbatim_filenames: Vec<VerbatimFilename>,
    /// How long it took, in seconds.
    #[serde(serialize_with = "seconds")]
    pub elapsed: Duration,
}

/// A file that was not written.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct LeftOut {
    /// Path below the folder that was written to; what is no text is escaped.
    pub path: String,
    /// Why it was not written.
    pub why: WhyLeftOut,
}

/// Why a file was not written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum WhyLeftOut {
    /// The compiled file of a module whose source was written: its name is too long for the file system.
    NameTooLong,
    /// A resource in the place of the compiled file of a module: it was made from another source, or by another compiler.
    HiddenByModule,
}

impl fmt::Display for WhyLeftOut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            WhyLeftOut::NameTooLong => "its name is too long for the file system",
            WhyLeftOut::HiddenByModule => "the compiled file of a module is in its place",
        })
    }
}

/// A root that was extracted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ExtractedRoot {
    /// Its name.
    pub name: String,
    /// Its folder below the one that was written to; empty: that one itself.
    #[serde(serialize_with = "path")]
    pub folder: PathBuf,
    /// The folder that `co_filename` says. In both, what is no text is escaped in JSON.
    #[serde(serialize_with = "path")]
    pub base: PathBuf,
}
