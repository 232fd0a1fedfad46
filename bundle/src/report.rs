//! What a bundle holds, what was passed over, and why.

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

/// What [`bundle`](crate::bundle) did. Serialises to JSON with the names of the fields.
#[derive(Debug, Clone, Default, Serialize)]
#[non_exhaustive]
pub struct BundleReport {
    /// The cache tag of the target, for example `cpython-313`.
    pub cache_tag: String,
    /// Exact version of the interpreter, for example `3.13.0`.
    pub version: String,
    /// Optimisation level.
    pub optimization: u8,
    /// The roots by name, and the folders they stood for.
    pub roots: Vec<RootReport>,
    /// Places outside of the roots that the interpreter imports installed packages from: they are not bundled.
    pub elsewhere: Vec<Elsewhere>,
    /// Modules that are no package.
    pub modules: u64,
    /// Packages with code of their own.
    pub packages: u64,
    /// Packages without.
    pub namespaces: u64,
    /// Files that are no modules.
    pub resources: u64,
    /// Bytes of all sources of modules, carried or not.
    pub source_bytes: u64,
    /// Bytes of resources.
    pub resource_bytes: u64,
    /// Bytes that the modules take as `.pyc` files.
    pub pyc_bytes: u64,
    /// Sources that are carried as resources, or would be if resources were wanted, and why they are no modules.
    pub not_modules: Vec<NotModule>,
    /// Entries of folders that were left out, by reason. A folder counts as one entry.
    pub skipped: Vec<Skipped>,
    /// Folders that links lead to as well: each is bundled once.
    pub other_names: Vec<OtherName>,
    /// Files and folders that could not be read, if such are left out.
    pub unreadable: Vec<Unreadable>,
    /// Patterns to exclude that nothing matched.
    pub unmatched: Vec<String>,
    /// Code objects whose file name is not that of their module: it is kept as it stands.
    pub verbatim_filenames: Vec<VerbatimFilename>,
    /// Compiled files that were to be kept, but whose names are too long for the file system.
    pub not_kept: Vec<String>,
    /// The archive.
    pub archive: ArchiveReport,
    /// How long it took, in seconds.
    #[serde(serialize_with = "seconds")]
    pub elapsed: Duration,
}

/// A root.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RootReport {
    /// Its name.
    pub name: String,
    /// A folder that it stood for; what is no text in its path is escaped in JSON.
    #[serde(serialize_with = "path")]
    pub folder: PathBuf,
}

/// A source that is no module.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct NotModule {
    /// Name of its root.
    pub root: String,
    /// Path below it; what is no text is escaped.
    pub path: String,
    /// Why.
    #[serde(flatten)]
    pub why: Why,
}

/// A name of a folder that is bundled under another one.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct OtherName {
    /// Root and path.
    pub name: String,
    /// Root and path that the folder is bundled under.
    pub folder: String,
}

/// Entries that were left out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Skipped {
    /// Why they were left out.
    pub why: Skip,
    /// How many.
    pub count: u64,
    /// Root and path of each, if nobody asked to leave them out; otherwise none.
    pub paths: Vec<String>,
}

/// A code object with a file name of its own.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct VerbatimFilename {
    /// The module.
    pub module: Arc<str>,
    /// The file name; what is no text is escaped. Code objects may share it.
    pub filename: Arc<str>,
}

/// The archive in numbers.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct ArchiveReport {
    /// Its length in bytes.
    pub bytes: u64,
    /// Code objects.
    pub code_objects: u64,
    /// Code objects that need a wide record, because something about them does not fit the narrow one.
    pub wide_records: u64,
    /// Code objects whose list needs four bytes an item.
    pub wide_lists: u64,
    /// Its sections in their order.
    pub sections: Vec<SectionReport>,
    /// What was merged, by kind.
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

/// What merging equal things did.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct MergedReport {
    /// Things that there were.
    pub given: u64,
    /// Distinct things among them.
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

/// Entries by the reason why they were left out.
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

/// The names that folders were not bundled under.
pub(crate) fn other_names(places: &[Place], names: &[discover::OtherName]) -> Vec<OtherName> {
    let shown =
        |other: &discover::OtherName| OtherName { name: other.name.shown(places), folder: other.first.shown(places) };
    let mut names: Vec<OtherName> = names.iter().map(shown).collect();
    names.sort();
    names
}

/// A path as text, whatever its bytes: JSON has nothing else.
pub(crate) fn path<S: Serializer>(path: &Path, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&shown(path.as_os_str().as_encoded_bytes()))
}

pub(crate) fn seconds<S: Serializer>(duration: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_f64(duration.as_secs_f64())
}
