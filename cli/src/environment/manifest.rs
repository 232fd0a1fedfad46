//! What a generation was made from, to see what has changed since.

use super::Environment;
use anyhow::{Context, Result};
use permacode_bundle::Interpreter;
use serde::{Deserialize, Serialize};
use std::{
    collections::BTreeMap,
    ffi::OsStr,
    fs,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
};
use walkdir::{DirEntry, WalkDir};

const NAME: &str = "manifest.json";

/// Size, time of the last change (seconds and nanoseconds) and inode of a file.
type Facts = (u64, i64, i64, u64);

/// The files that imports may find, the interpreter, and how the archive was made.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Manifest {
    /// The interpreter and the package.
    made_for: String,
    files: BTreeMap<PathBuf, Facts>,
    /// Whether the archive promises that they do not change.
    pub(super) is_sealed: bool,
    /// Whether an image could be made.
    pub(super) has_image: bool,
}

/// What changed since an archive was made.
#[derive(Debug, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Differences {
    /// Files that are not in the archive.
    pub(crate) added: usize,
    pub(crate) changed: usize,
    pub(crate) removed: usize,
    /// Whether the interpreter or the package is another one.
    pub(crate) other_interpreter: bool,
}

impl Differences {
    pub(crate) fn is_empty(&self) -> bool {
        *self == Differences::default()
    }
}

impl Environment {
    /// The files as they are now.
    pub(super) fn manifest(&self, interpreter: &Interpreter) -> Result<Manifest> {
        let mut folders = vec![&interpreter.stdlib, &interpreter.platstdlib];
        folders.extend(interpreter.extensions.as_ref());
        folders.extend(interpreter.site_packages.iter().map(|packages| &packages.folder));
        let suffixes = [&interpreter.extension_suffixes, &interpreter.source_suffixes, &interpreter.bytecode_suffixes];
        let suffixes: Vec<&String> = suffixes.into_iter().flatten().collect();
        let ours = self.start_paths();
        let mut files = BTreeMap::new();
        for (number, folder) in folders.iter().enumerate() {
            // Packages may lie below the standard library.
            let is_other = |entry: &DirEntry| {
                folders.iter().enumerate().any(|(other, folder)| other != number && entry.path() == *folder)
            };
            let is_searched = |entry: &DirEntry| {
                entry.depth() == 0
                    || entry.file_name() != "__pycache__" && entry.file_name() != "site-packages" && !is_other(entry)
            };
            // Packages may be links, as on Debian. walkdir leaves out a link that leads to a folder above it.
            for entry in
                WalkDir::new(folder).follow_links(true).into_iter().filter_entry(is_searched).filter_map(Result::ok)
            {
                let name = entry.file_name().as_encoded_bytes();
                if !entry.file_type().is_dir()
                    && suffixes.iter().any(|suffix| name.ends_with(suffix.as_bytes()))
                    && !ours.iter().any(|path| path == entry.path())
                {
                    // A file that cannot be read cannot be imported.
                    let Ok(found) = entry.path().metadata() else { continue };
                    let facts = (found.len(), found.mtime(), found.mtime_nsec(), found.ino());
                    files.insert(entry.into_path(), facts);
                }
            }
        }
        Ok(Manifest { made_for: self.made_for(interpreter)?, files, is_sealed: false, has_image: false })
    }

    fn made_for(&self, interpreter: &Interpreter) -> Result<String> {
        let stem = self.stem()?;
        let mut extension = stem.into_os_string();
        extension.push(OsStr::new(&self.places.suffix));
        let found = fs::metadata(&extension).with_context(|| format!("cannot read {extension:?}"))?;
        let executable = interpreter.executable.canonicalize().unwrap_or_else(|_| interpreter.executable.clone());
        let executable_time = fs::metadata(&executable).map(|found| found.mtime()).unwrap_or_default();
        let (version, command) = (&interpreter.version_text, env!("CARGO_PKG_VERSION"));
        Ok(format!(
            "CPython {version} {executable:?} of {executable_time}, package {command} of {}, {} bytes",
            found.mtime(),
            found.len()
        ))
    }
}

impl Manifest {
    pub(super) fn read(generation: &Path) -> Option<Self> {
        serde_json::from_slice(&fs::read(generation.join(NAME)).ok()?).ok()
    }

    pub(super) fn write(&self, generation: &Path) -> Result<()> {
        let path = generation.join(NAME);
        let failed = || format!("cannot write {path:?}");
        fs::write(&path, serde_json::to_vec(self).with_context(failed)?).with_context(failed)
    }

    /// What is different in `now`.
    pub(super) fn differences(&self, now: &Manifest) -> Differences {
        // Layers of a container keep sizes and whole seconds when they go to another machine.
        let is_same = |one: &Facts, other: &Facts| match self.is_sealed {
            true => (one.0, one.1) == (other.0, other.1),
            false => one == other,
        };
        let other = |path: &PathBuf, facts: &_| now.files.get(path).is_some_and(|found| !is_same(found, facts));
        Differences {
            added: now.files.keys().filter(|path| !self.files.contains_key(*path)).count(),
            changed: self.files.iter().filter(|(path, facts)| other(path, facts)).count(),
            removed: self.files.keys().filter(|path| !now.files.contains_key(*path)).count(),
            other_interpreter: self.made_for != now.made_for,
        }
    }
}
