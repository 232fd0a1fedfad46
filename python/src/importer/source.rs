//! Whether a file is the source that a module was made from.

use std::{
    fs::{self, Metadata},
    io,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use permacode_reader::Source;
use pyo3::{prelude::*, types::PyString};

/// What the system said of a file. As long as it says the same, nobody has written to the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct State {
    device: u64,
    pub(super) inode: u64,
    pub(super) size: u64,
    pub(super) modified: (i64, i64),
    /// A program can set the other time, and not this one.
    pub(super) changed: (i64, i64),
}

impl State {
    fn of(metadata: &Metadata) -> Self {
        State {
            device: metadata.dev(),
            inode: metadata.ino(),
            size: metadata.size(),
            modified: (metadata.mtime(), metadata.mtime_nsec()),
            changed: (metadata.ctime(), metadata.ctime_nsec()),
        }
    }

    /// The state of the file of this path.
    pub(super) fn of_file(path: &Path) -> io::Result<Self> {
        fs::metadata(path).map(|metadata| State::of(&metadata))
    }

    /// Whether it is still the state of the file.
    pub(super) fn is_that_of(self, file: &Bound<'_, PyString>) -> PyResult<bool> {
        let path: PathBuf = file.extract()?;
        Ok(file.py().detach(|| State::of_file(&path).is_ok_and(|state| state == self)))
    }
}

/// The state of the file if it is the source: it has its size, and its time if the archive knows that, otherwise its
/// digest.
///
/// A file that cannot be read is none.
pub(super) fn look(file: &Bound<'_, PyString>, source: &Source<'_>) -> PyResult<Option<State>> {
    let path: PathBuf = file.extract()?;
    let expected = (source.size, source.mtime, source.digest);
    Ok(file.py().detach(|| state_if_same(&path, expected).unwrap_or(None)))
}

fn state_if_same(path: &Path, (size, mtime, digest): (u64, Option<i64>, [u8; 16])) -> io::Result<Option<State>> {
    // Before the file is read: what is written meanwhile shows in the next state.
    let metadata = fs::metadata(path)?;
    if metadata.len() != size {
        return Ok(None);
    }
    let is_same = match mtime {
        Some(second) => is_within(metadata.modified()?, second),
        None => permacode_format::digest(&fs::read(path)?) == digest,
    };
    Ok(is_same.then(|| State::of(&metadata)))
}

/// Whether a time lies in this second since 1970.
fn is_within(time: SystemTime, second: i64) -> bool {
    let distance = Duration::from_secs(second.unsigned_abs());
    let start = if second < 0 { UNIX_EPOCH.checked_sub(distance) } else { UNIX_EPOCH.checked_add(distance) };
    start.is_some_and(|start| time.duration_since(start).is_ok_and(|after| after.as_secs() == 0))
}
