//! The report of a bundle: its contents, the files left out, and the reasons.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use permacode_writer::{Merged, Report};
use serde::{Serialize, Serializer};

use crate::{
    discover::{self, Skip, Why},
    elsewhere::Elsewhere,
    error::Unreadable,
    place::Place,
    text::shown,
};

/// The result of [`bundle`](crate::bundle). It serialises to JSON with the names of the fields.
#[derive(Debug, Clone, Default, Serialize)]
#[non_exhaustive]
pub struct BundleReport {
    /// The cache tag of the target, for example `cpython-313`.
    pub cache_tag: String,
    /// The exact version of the interpreter, for example `3.13.0`.
    pub version: String,
    /// The optimisation level.
    pub optimization: u8,
    /// The names of the roots, and their folders.
    pub roots: Vec<RootReport>,
    /// Places outside the roots from which the interpreter imports installed packages. They are not bundled.
    pub elsewhere: Vec<Elsewhere>,
    /// Modules of all kinds, packages included. `info` counts the same.
    pub modules: u64,
    /// Those that are packages with code.
    pub packages: u64,
    /// Those that are packages without code.
    pub namespaces: u64,
    /// Files that are not modules.
    pub resources: u64,
    /// The bytes of all sources of modules, in the archive or not.
    pub source_bytes: u64,
    /// The bytes of resources.
    pub resource_bytes: u64,
    /// The bytes of the modules as `.pyc` files.
    pub pyc_bytes: u64,
    /// Files that look like modules but are not, and the reasons. They are resources, if resources are wanted.
    pub not_modules: Vec<NotModule>,
    /// Entries of folders that were left out, by reason. A folder counts as one entry.
    pub skipped: Vec<Skipped>,
    /// Other names of folders, through links. Each folder is bundled once.
    pub other_names: Vec<OtherName>,
    /// Files and folders that could not be read and were left out.
    pub unreadable: Vec<Unreadable>,
    /// Patterns to exclude that nothing matched.
    pub unmatched: Vec<String>,
    /// Code objects with another file name than their module. It is stored unchanged.
    pub verbatim_filenames: Vec<VerbatimFilename>,
    /// Compiled files that were not written, because their names are too long for the file system.
    pub not_kept: Vec<String>,
    /// Docstrings that `Strip::Docstrings` removed or kept.
    pub docstrings: DocstringReport,
    /// Signatures. All zero if they were not wanted.
    pub signatures: SignatureReport,
    /// The archive.
    pub archive: ArchiveReport,
    /// The time that it took, in seconds.
    #[serde(serialize_with = "seconds")]
    pub elapsed: Duration,
}

/// A root.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RootReport {
    /// Its name.
    pub name: String,
    /// A folder that the root stands for. In JSON, bytes that are not UTF-8 are escaped.
    #[serde(serialize_with = "path")]
    pub folder: PathBuf,
}

/// A file that looks like a module but is not one.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct NotModule {
    /// The name of its root.
    pub root: String,
    /// The path below the root. Bytes that are not UTF-8 are escaped.
    pub path: String,
    /// The reason.
    #[serde(flatten)]
    pub why: Why,
}

/// Another name of a bundled folder.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct OtherName {
    /// The root and path of this name.
    pub name: String,
    /// The root and path under which the folder is bundled.
    pub folder: String,
}

/// Entries that were left out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Skipped {
    /// The reason.
    pub why: Skip,
    /// Their number.
    pub count: u64,
    /// The root and path of each. Empty if the user asked to leave them out.
    pub paths: Vec<String>,
}

/// A file name that is not the one of its module.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct VerbatimFilename {
    /// The module.
    pub module: Arc<str>,
    /// The file name. Bytes that are not UTF-8 are escaped. Code objects may share it.
    pub filename: Arc<str>,
}

/// The docstrings of modules, classes and functions. All zero if they were not stripped.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct DocstringReport {
    /// Docstrings that are not in the archive.
    pub removed: u64,
    /// Docstrings that are in the archive, because the code loads the same constant for another purpose.
    pub kept: u64,
}

/// The signatures of functions: `def`, `async def` and `lambda`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct SignatureReport {
    /// Code objects of functions whose source was found. The archive has their defaults and annotations, if any.
    pub matched: u64,
    /// Code objects of functions whose source was not found.
    pub unmatched: u64,
    /// Code objects that several functions with different signatures may have become.
    pub ambiguous: u64,
    /// Modules whose source the parser did not accept, and the reasons. Their functions are not counted.
    pub refused: Vec<RefusedSource>,
}

/// A module without signatures.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct RefusedSource {
    /// The module.
    pub module: String,
    /// The reason.
    pub message: String,
}

/// The archive in numbers.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct ArchiveReport {
    /// Its length in bytes.
    pub bytes: u64,
    /// Code objects.
    pub code_objects: u64,
    /// Code objects that do not fit the narrow record and need a wide one.
    pub wide_records: u64,
    /// Code objects whose list needs four bytes for each item.
    pub wide_lists: u64,
    /// Its sections in their order.
    pub sections: Vec<SectionReport>,
    /// The savings of merging, by kind.
    pub merged: BTreeMap<&'static str, MergedReport>,
}

/// A section.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SectionReport {
    /// Its name.
    pub name: &'static str,
    /// Its length in bytes.
    pub bytes: u64,
}

/// The savings of merging equal values.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct MergedReport {
    /// The number of values.
    pub given: u64,
    /// The number of distinct values.
    pub distinct: u64,
    /// Bytes that merging saved.
    pub saved_bytes: u64,
}

impl ArchiveReport {
    pub(crate) fn new(report: &Report) -> Self {
        let merged = |merged: &Merged| MergedReport {
            given: merged.given,
            distinct: merged.distinct,
            saved_bytes: merged.saved_bytes(),
        };
        let section =
            |(kind, bytes): &(permacode_writer::SectionKind, u64)| SectionReport { name: kind.name(), bytes: *bytes };
        ArchiveReport {
            bytes: report.file_len,
            code_objects: report.codes,
            wide_records: report.wide_records,
            wide_lists: report.wide_lists,
            sections: report.sections.iter().map(section).collect(),
            merged: BTreeMap::from([
                ("objects", merged(&report.objects)),
                ("lists", merged(&report.lists)),
                ("bytecode", merged(&report.bytecode)),
                ("tables", merged(&report.tables)),
                ("sources", merged(&report.sources)),
                ("files", merged(&report.files)),
            ]),
        }
    }
}

/// Entries that were left out, by reason.
pub(crate) fn skipped(places: &[Place], entries: &mut [(Skip, usize, Vec<u8>)]) -> Vec<Skipped> {
    entries.sort();
    let mut by_reason: Vec<Skipped> = Vec::new();
    for (why, place, path) in entries.iter() {
        if by_reason.last().is_none_or(|last| last.why != *why) {
            by_reason.push(Skipped { why: *why, count: 0, paths: Vec::new() });
        }
        let Some(last) = by_reason.last_mut() else { continue };
        last.count += 1;
        if why.is_named() {
            last.paths.push(format!("{}/{}", places[*place].root, shown(path)));
        }
    }
    by_reason
}

/// The other names of bundled folders.
pub(crate) fn other_names(places: &[Place], names: &[discover::OtherName]) -> Vec<OtherName> {
    let shown =
        |other: &discover::OtherName| OtherName { name: other.name.shown(places), folder: other.first.shown(places) };
    let mut names: Vec<OtherName> = names.iter().map(shown).collect();
    names.sort();
    names
}

/// A path as text for JSON. Bytes that are not UTF-8 are escaped.
pub(crate) fn path<S: Serializer>(path: &Path, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&shown(path.as_os_str().as_encoded_bytes()))
}

pub(crate) fn seconds<S: Serializer>(duration: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_f64(duration.as_secs_f64())
}
