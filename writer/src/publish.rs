//! Replacing a file atomically or not at all.
//!
//! The archive is written to a temporary of a unique name in the same folder, brought to disk, renamed over the old
//! one, and the folder is brought to disk. Whoever has the old one mapped keeps it. A writer holds a lock on its
//! temporary while it lives, so that the next writer can tell the temporary of a dead one and remove it.

use crate::error::Error;
use std::{
    fs::{self, File},
    io::{self, BufWriter, Write},
    path::{Path, PathBuf},
};
use tempfile::NamedTempFile;

/// End of the names of temporaries; the start is a dot and the name of the file that they will become.
const SUFFIX: &str = ".perma-tmp";

/// Writes a file through `write` and puts it in the place of `path`.
pub(crate) fn publish(path: &Path, write: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> Result<(), Error> {
    let path = &followed(path);
    let io = |doing| move |error| Error::io(doing, path, error);
    if let Ok(metadata) = fs::metadata(path)
        && !metadata.is_file()
    {
        return Err(io("cannot replace what is no regular file:")(io::ErrorKind::InvalidInput.into()));
    }
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    let name = path.file_name().ok_or_else(|| io("cannot write to")(io::ErrorKind::InvalidInput.into()))?;
    let mut prefix = std::ffi::OsString::from(".");
    prefix.push(name);
    prefix.push(".");
    remove_dead(folder, prefix.as_encoded_bytes());

    let mut temporary =
        create(folder, &prefix).map_err(|error| Error::io("cannot create a temporary in", folder, error))?;
    let mut buffer = BufWriter::with_capacity(1 << 20, temporary.as_file_mut());
    write(&mut buffer).and_then(|()| buffer.flush()).map_err(io("cannot write the temporary of"))?;
    drop(buffer);
    temporary.as_file().sync_all().map_err(io("cannot bring to disk the temporary of"))?;
    temporary.persist(path).map_err(|error| Error::io("cannot replace", path, error.error))?;
    sync_folder(folder).map_err(|error| Error::io("cannot bring to disk the folder", folder, error))
}

/// A link is written through, as a shell's redirection would: what it leads to is replaced, not the link.
fn followed(path: &Path) -> PathBuf {
    match fs::symlink_metadata(path) {
        Ok(metadata) if metadata.is_symlink() => fs::canonicalize(path).unwrap_or_else(|_| path.to_owned()),
        _ => path.to_owned(),
    }
}

fn create(folder: &Path, prefix: &std::ffi::OsStr) -> io::Result<NamedTempFile> {
    loop {
        let mut builder = tempfile::Builder::new();
        builder.prefix(prefix).suffix(SUFFIX).rand_bytes(12);
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            // The process's umask applies, as to any file that a user makes.
            builder.permissions(fs::Permissions::from_mode(0o666));
        }
        let temporary = builder.tempfile_in(folder)?;
        match temporary.as_file().try_lock() {
            // Between creation and lock another writer may have taken it for a dead one's and removed it.
            Ok(()) if temporary.path().exists() => return Ok(temporary),
            // Some file systems know no locks: there, temporaries of dead writers stay.
            Err(fs::TryLockError::Error(_)) => return Ok(temporary),
            Ok(()) | Err(fs::TryLockError::WouldBlock) => {}
        }
    }
}

/// Removes temporaries whose writers are dead: those whose lock can be had. Failing to is no error.
fn remove_dead(folder: &Path, prefix: &[u8]) {
    let Ok(entries) = fs::read_dir(folder) else { return };
    for entry in entries.flatten() {
        let name = entry.file_name();
        let name = name.as_encoded_bytes();
        if !name.starts_with(prefix) || !name.ends_with(SUFFIX.as_bytes()) {
            continue;
        }
        let is_file = entry.file_type().is_ok_and(|kind| kind.is_file());
        let Some(file) = is_file.then(|| File::open(entry.path()).ok()).flatten() else { continue };
        if file.try_lock().is_ok() {
            let _ = fs::remove_file(entry.path());
        }
    }
}

#[cfg(unix)]
fn sync_folder(folder: &Path) -> io::Result<()> {
    match File::open(folder)?.sync_all() {
        // Some file systems cannot do that for folders; the rename is done all the same.
        Err(error) if matches!(error.kind(), io::ErrorKind::InvalidInput | io::ErrorKind::Unsupported) => Ok(()),
        result => result,
    }
}

#[cfg(not(unix))]
fn sync_folder(_: &Path) -> io::Result<()> {
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failed_write_leaves_the_old_file_and_no_temporary() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("lib.perma");
        fs::write(&path, "old").unwrap();
        let failed = publish(&path, |out| {
            out.write_all(b"half")?;
            Err(io::Error::other("no space"))
        });
        assert!(failed.is_err());
        assert_eq!(fs::read(&path).unwrap(), b"old");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_dead_writers_temporary_goes_and_a_live_ones_stays() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("lib.perma");
        let dead = folder.path().join(".lib.perma.dead.perma-tmp");
        fs::write(&dead, "").unwrap();
        let live = create(folder.path(), ".lib.perma.".as_ref()).unwrap();
        publish(&path, |out| out.write_all(b"new")).unwrap();
        assert!(!dead.exists());
        assert!(live.path().exists());
        assert_eq!(fs::read(&path).unwrap(), b"new");
    }

    #[test]
    fn a_folder_is_not_replaced_and_a_link_is_followed() {
        let folder = tempfile::tempdir().unwrap();
        assert!(publish(folder.path(), |_| Ok(())).is_err());
        #[cfg(unix)]
        {
            let real = folder.path().join("real");
            let link = folder.path().join("link");
            fs::write(&real, "old").unwrap();
            std::os::unix::fs::symlink(&real, &link).unwrap();
            publish(&link, |out| out.write_all(b"new")).unwrap();
            assert_eq!(fs::read(&real).unwrap(), b"new");
            assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
        }
    }
}
