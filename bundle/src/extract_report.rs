//! The report of an extraction.

use std::{fmt, path::PathBuf, time::Duration};

use serde::Serialize;

use crate::report::{VerbatimFilename, path, seconds};

/// The result of [`extract`](crate::extract). It serialises to JSON with the names of the fields.
#[derive(Debug, Clone, Default, Serialize)]
#[non_exhaustive]
pub struct ExtractReport {
    /// The roots and their folders.
    pub roots: Vec<ExtractedRoot>,
    /// Modules of all kinds, packages included. `info` counts the same.
    pub modules: u64,
    /// Those that are packages with code.
    pub packages: u64,
    /// Those that are packages without code. They become folders.
    pub namespaces: u64,
    /// Sources that were written.
    pub sources: u64,
    /// Resources that were written.
    pub resources: u64,
    /// The bytes of all files that were written.
    pub bytes: u64,
    /// Files that were not written, and the reasons.
    pub left_out: Vec<LeftOut>,
    /// File names of code objects that are not below a root. They are unchanged.
    pub verbatim_filenames: Vec<VerbatimFilename>,
    /// How long it took, in seconds.
    #[serde(serialize_with = "seconds")]
    pub elapsed: Duration,
}

/// A file that was not written.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct LeftOut {
    /// The path below the folder that was written to. Bytes that are not UTF-8 are escaped.
    pub path: String,
    /// The reason.
    pub why: WhyLeftOut,
}

/// The reason why a file was not written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum WhyLeftOut {
    /// The name of the compiled file is too long for the file system. The source was written.
    NameTooLong,
    /// The resource has the path of the compiled file of a module. It is an older compiled file.
    HiddenByModule,
}

impl fmt::Display for WhyLeftOut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            WhyLeftOut::NameTooLong => "its name is too long for the file system",
            WhyLeftOut::HiddenByModule => "the compiled file of a module has this path",
        })
    }
}

/// A root that was extracted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ExtractedRoot {
    /// Its name.
    pub name: String,
    /// Its folder below the one that was written to. Empty for that folder itself.
    #[serde(serialize_with = "path")]
    pub folder: PathBuf,
    /// The folder at the start of each `co_filename`. In JSON, bytes that are not UTF-8 are escaped.
    #[serde(serialize_with = "path")]
    pub base: PathBuf,
}
