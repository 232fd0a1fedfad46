//! Whether a file is the source that a module was made from.

use std::{
    fs,
    path::{Path, PathBuf},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use permacode_reader::Source;
use pyo3::{prelude::*, types::PyString};

/// Whether the file is the source: it has its size, and its time if the archive knows that, otherwise its digest.
///
/// A file that cannot be read is none.
pub(super) fn is_unchanged(file: &Bound<'_, PyString>, source: &Source<'_>) -> PyResult<bool> {
    let path: PathBuf = file.extract()?;
    let expected = (source.size, source.mtime, source.digest);
    Ok(file.py().detach(|| is_file(&path, expected).unwrap_or(false)))
}

fn is_file(path: &Path, (size, mtime, digest): (u64, Option<i64>, [u8; 16])) -> std::io::Result<bool> {
    let metadata = fs::metadata(path)?;
    if metadata.len() != size {
        return Ok(false);
    }
    match mtime {
        Some(second) => Ok(is_within(metadata.modified()?, second)),
        None => Ok(permacode_format::digest(&fs::read(path)?) == digest),
    }
}

/// Whether a time lies in this second since 1970.
fn is_within(time: SystemTime, second: i64) -> bool {
    let distance = Duration::from_secs(second.unsigned_abs());
    let start = if second < 0 { UNIX_EPOCH.checked_sub(distance) } else { UNIX_EPOCH.checked_add(distance) };
    start.is_some_and(|start| time.duration_since(start).is_ok_and(|after| after.as_secs() == 0))
}
