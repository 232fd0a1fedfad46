//! The entries of a folder.

use std::{
    ffi::OsString,
    fs, io,
    path::{Path, PathBuf},
};

use super::finder::Suffixes;

/// An entry of a folder.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) name: OsString,
    pub(super) location: PathBuf,
    /// The kind of the entry, or of the target of a link.
    pub(super) kind: EntryKind,
    pub(super) is_link: bool,
    /// The name of the file that makes a folder a package.
    pub(super) init: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum EntryKind {
    File,
    Folder,
    Special,
    BrokenLink,
    /// The system reports an error for the entry.
    Unreadable(String),
}

impl Entry {
    /// All entries of a folder, sorted by name.
    pub(super) fn all(folder: &Path, suffixes: &Suffixes) -> io::Result<Vec<Self>> {
        let entry = |entry: io::Result<fs::DirEntry>| Ok(Entry::new(&entry?, suffixes));
        let mut entries = fs::read_dir(folder)?.map(entry).collect::<io::Result<Vec<_>>>()?;
        entries.sort_by(|one, other| one.bytes().cmp(other.bytes()));
        Ok(entries)
    }

    fn new(entry: &fs::DirEntry, suffixes: &Suffixes) -> Self {
        let location = entry.path();
        let own = entry.file_type();
        let is_link = own.as_ref().is_ok_and(fs::FileType::is_symlink);
        let found = if is_link { fs::metadata(&location).map(|metadata| metadata.file_type()) } else { own };
        let kind = match found {
            Ok(found) if found.is_file() => EntryKind::File,
            Ok(found) if found.is_dir() => EntryKind::Folder,
            Ok(_) => EntryKind::Special,
            Err(error) if is_link && error.kind() != io::ErrorKind::PermissionDenied => EntryKind::BrokenLink,
            Err(error) => EntryKind::Unreadable(error.to_string()),
        };
        let init = if kind == EntryKind::Folder { suffixes.init(&location) } else { None };
        Entry { name: entry.file_name(), location, kind, is_link, init }
    }

    pub(super) fn bytes(&self) -> &[u8] {
        self.name.as_encoded_bytes()
    }
}
