//! Reads a file that another process may change at the same time.

use std::{
    fs::{self, File, Metadata},
    io::{self, Read},
    path::Path,
};

/// The number of attempts to read a file that keeps changing.
const ATTEMPTS: usize = 10;

/// Reads a whole file. The metadata belongs to exactly these bytes, so that a later edit shows in the size or the time.
///
/// # Errors
/// If the system reports an error, or if the file changes during each attempt.
pub(crate) fn read(path: &Path) -> io::Result<(Vec<u8>, Metadata)> {
    read_with(path, |file, bytes| file.read_to_end(bytes))
}

fn read_with(
    path: &Path,
    mut read: impl FnMut(&mut File, &mut Vec<u8>) -> io::Result<usize>,
) -> io::Result<(Vec<u8>, Metadata)> {
    let mut attempt = || -> io::Result<Option<(Vec<u8>, Metadata)>> {
        let mut file = File::open(path)?;
        let before = file.metadata()?;
        let mut bytes = Vec::new();
        bytes.try_reserve_exact(usize::try_from(before.len()).map_err(io::Error::other)?)?;
        read(&mut file, &mut bytes)?;
        // By name, because another file may have replaced it.
        let after = fs::metadata(path)?;
        Ok(is_same(&before, &after)?.then_some((bytes, before)))
    };
    for _ in 0..ATTEMPTS {
        if let Some(settled) = attempt()? {
            return Ok(settled);
        }
    }
    Err(io::Error::other("it keeps changing while it is read; wait until no process writes it"))
}

/// Whether a file stayed the same between two reads of its metadata.
fn is_same(before: &Metadata, after: &Metadata) -> io::Result<bool> {
    #[cfg(unix)]
    {
        use std::os::unix::fs::MetadataExt;
        // The change time of the inode shows an edit even if the modification time was set back.
        let identity = |metadata: &Metadata| (metadata.dev(), metadata.ino(), metadata.ctime(), metadata.ctime_nsec());
        if identity(before) != identity(after) {
            return Ok(false);
        }
    }
    Ok(before.len() == after.len() && before.modified()? == after.modified()?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::{Duration, UNIX_EPOCH};

    /// Reads a file that is edited after each of the first `edits` attempts.
    fn read_while(edits: u64, edit: impl Fn(&Path, u64)) -> io::Result<(Vec<u8>, Metadata)> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.py");
        fs::write(&path, "x = 0\n").unwrap();
        File::options().append(true).open(&path).unwrap().set_modified(UNIX_EPOCH).unwrap();
        let mut attempt = 0;
        let read = read_with(&path, |file, bytes| {
            let len = file.read_to_end(bytes)?;
            attempt += 1;
            if attempt <= edits {
                edit(&path, attempt);
            }
            Ok(len)
        });
        if let Ok((bytes, metadata)) = &read {
            assert_eq!((&fs::read(&path).unwrap(), metadata.len()), (bytes, bytes.len() as u64));
            assert_eq!(metadata.modified().unwrap(), fs::metadata(&path).unwrap().modified().unwrap());
        }
        read
    }

    fn write(path: &Path, number: u64) {
        fs::write(path, format!("x = {number}\n")).unwrap();
        let file = File::options().append(true).open(path).unwrap();
        file.set_modified(UNIX_EPOCH + Duration::from_secs(number)).unwrap();
    }

    #[test]
    fn an_edit_after_reading_is_noticed() {
        let (bytes, metadata) = read_while(0, write).unwrap();
        assert_eq!((&bytes[..], metadata.modified().unwrap()), (&b"x = 0\n"[..], UNIX_EPOCH));
        let (bytes, metadata) = read_while(3, write).unwrap();
        assert_eq!((&bytes[..], metadata.modified().unwrap()), (&b"x = 3\n"[..], UNIX_EPOCH + Duration::from_secs(3)));
    }

    #[cfg(unix)]
    #[test]
    fn another_file_and_a_time_that_was_set_back_are_noticed() {
        let replace = |path: &Path, number| {
            let other = path.with_extension("new");
            write(&other, number);
            File::options().append(true).open(&other).unwrap().set_modified(UNIX_EPOCH).unwrap();
            fs::rename(other, path).unwrap();
        };
        assert_eq!(read_while(2, replace).unwrap().0, b"x = 2\n");
        let set_back = |path: &Path, number| {
            // Longer than the resolution of the clock of a file system.
            std::thread::sleep(Duration::from_millis(20));
            write(path, number);
            File::options().append(true).open(path).unwrap().set_modified(UNIX_EPOCH).unwrap();
        };
        assert_eq!(read_while(2, set_back).unwrap().0, b"x = 2\n");
    }

    #[test]
    fn a_file_that_keeps_changing_is_an_error() {
        let error = read_while(u64::MAX, write).unwrap_err();
        assert!(error.to_string().contains("keeps changing"), "{error}");
    }
}
