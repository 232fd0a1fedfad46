//! Replaces a file atomically.
//!
//! The new archive is written to a temporary file with a unique name in the same folder. It is synced to disk and
//! renamed to its final name, and then the folder is synced. A process that has mapped the old file keeps the old file.
//!
//! A writer holds a lock on its temporary file. A temporary file without a lock belongs to a writer that has crashed,
//! and the next writer removes it.

use crate::error::Error;
use permacode_format::MAGIC;
use std::{
    ffi::{OsStr, OsString},
    fs::{self, File, Metadata},
    io::{self, BufWriter, Read, Write},
    path::{Path, PathBuf},
    sync::{Mutex, MutexGuard, PoisonError},
};
use tempfile::NamedTempFile;

/// The end of the name of a temporary file. The name starts with a dot and the name of the file that it will replace.
const SUFFIX: &str = ".perma-tmp";

/// The longest chain of symbolic links to follow: the limit of Linux (`MAXSYMLINKS`).
const MAX_LINKS: usize = 40;

/// The temporary files of this process.
static TEMPORARIES: Mutex<Vec<PathBuf>> = Mutex::new(Vec::new());

/// Replaces `path` with the bytes that `write` writes.
pub(crate) fn publish(path: &Path, write: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> Result<(), Error> {
    let destination = &Destination::of(path)?;
    let io = |doing| move |error| Error::io(doing, &destination.path, error);
    remove_abandoned(&destination.folder, destination.prefix.as_encoded_bytes());
    let mut temporary = destination.temporary()?;
    let mut buffer = BufWriter::with_capacity(1 << 20, temporary.file.as_file_mut());
    write(&mut buffer).and_then(|()| buffer.flush()).map_err(io("cannot write the temporary file for"))?;
    drop(buffer);
    temporary.file.as_file().sync_all().map_err(io("cannot sync the temporary file for"))?;
    temporary.file.persist(&destination.path).map_err(|error| io("cannot replace")(error.error))?;
    let folder = &destination.folder;
    sync_folder(folder).map_err(|error| Error::io("cannot sync the folder", folder, error))
}

/// Checks that [`Plan::publish`](crate::Plan::publish) could write an archive to `path`, without writing one. A program
/// can call it before it starts long work.
///
/// # Errors
/// If the folder does not exist or is not writable, or if `path` exists and is neither an archive nor an empty file.
pub fn check_destination(path: impl AsRef<Path>) -> Result<(), Error> {
    Destination::of(path.as_ref())?.temporary().map(drop)
}

/// Removes the temporary files of the archives that this process is writing. Call it only when the process is about to
/// end, for example after a signal: a thread that writes an archive afterwards blocks forever.
pub fn remove_temporaries() {
    let temporaries = temporaries();
    for path in temporaries.iter() {
        // The process ends, so it cannot report an error. The next writer of the archive tries again.
        let _ = fs::remove_file(path);
    }
    // The lock stays held, so that no other thread can create another temporary file.
    std::mem::forget(temporaries);
}

fn temporaries() -> MutexGuard<'static, Vec<PathBuf>> {
    TEMPORARIES.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The file to write or replace.
#[derive(Debug)]
struct Destination {
    /// The file, after symbolic links.
    path: PathBuf,
    folder: PathBuf,
    /// The start of the names of its temporary files.
    prefix: OsString,
    /// Owner and mode of the file to replace, if there is one.
    replaced: Option<Metadata>,
}

/// A temporary file. It is removed when it is dropped or when [`remove_temporaries`] is called.
#[derive(Debug)]
struct Temporary {
    // Rust drops fields in this order. In the other order, `remove_temporaries` could miss a file that still exists.
    file: NamedTempFile,
    _entry: Entry,
}

/// An entry of [`TEMPORARIES`].
#[derive(Debug)]
struct Entry(PathBuf);

impl Drop for Entry {
    fn drop(&mut self) {
        temporaries().retain(|path| *path != self.0);
    }
}

impl Destination {
    fn of(path: &Path) -> Result<Self, Error> {
        let refused = |kind, problem: &str| Error::io("cannot write to", path, io::Error::new(kind, problem));
        let ends_with_slash = path.as_os_str().as_encoded_bytes().last().is_some_and(|last| is_separator(*last));
        // The system follows links that have no path, such as /dev/stdout if that is a pipe.
        let replaced = match fs::metadata(path) {
            Ok(metadata) if metadata.is_dir() => {
                return Err(refused(io::ErrorKind::IsADirectory, "it is a folder; give the name of a file in it"));
            }
            Ok(metadata) if !metadata.is_file() => {
                return Err(refused(
                    io::ErrorKind::InvalidInput,
                    "it exists and is not a regular file; choose another name",
                ));
            }
            Ok(metadata) => Some(metadata),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => return Err(Error::io("cannot write to", path, error)),
        };
        if replaced.as_ref().is_some_and(|file| file.len() > 0) {
            let is_archive = starts_with_magic(path);
            if !is_archive.map_err(|error| Error::io("cannot read the file to replace", path, error))? {
                let problem = "it is neither an archive nor an empty file; remove it or choose another output";
                return Err(refused(io::ErrorKind::AlreadyExists, problem));
            }
        }
        let path = &followed(path).map_err(|error| Error::io("cannot follow the link", path, error))?;
        let name = path.file_name().filter(|_| !ends_with_slash);
        let name = name.ok_or_else(|| refused(io::ErrorKind::InvalidInput, "it does not end in the name of a file"))?;
        let mut prefix = OsString::from(".");
        prefix.push(name);
        prefix.push(".");
        let folder = match path.parent() {
            Some(folder) if !folder.as_os_str().is_empty() => folder,
            _ => Path::new("."),
        };
        fs::metadata(folder).map_err(|error| Error::io("cannot write to the folder", folder, error))?;
        Ok(Destination { path: path.clone(), folder: folder.to_owned(), prefix, replaced })
    }

    /// Creates a temporary file with the owner and the mode of the file to replace.
    fn temporary(&self) -> Result<Temporary, Error> {
        let of_error = |error| Error::io("cannot create a temporary file in", &self.folder, error);
        let temporary = create(&self.folder, &self.prefix, self.replaced.as_ref()).map_err(of_error)?;
        #[cfg(unix)]
        if let Some(replaced) = &self.replaced {
            use std::os::unix::fs::{MetadataExt, fchown};
            let file = temporary.file.as_file();
            let (user, group) = (replaced.uid(), replaced.gid());
            // Only an administrator may change the owner of a file. Other users may still set a group of their own.
            if fchown(file, Some(user), Some(group)).is_err() {
                let _ = fchown(file, None, Some(group));
            }
            // The umask has reduced the mode that `create` asked for. A replaced file keeps its full mode.
            file.set_permissions(mode_of(replaced)).map_err(of_error)?;
        }
        Ok(temporary)
    }
}

/// Follows symbolic links, as the redirection of a shell does: the link stays, and the file that it leads to is
/// replaced. That file need not exist.
fn followed(path: &Path) -> io::Result<PathBuf> {
    let mut path = path.to_owned();
    for _ in 0..=MAX_LINKS {
        let Ok(target) = fs::read_link(&path) else { return Ok(path) };
        path = path.parent().unwrap_or(Path::new("")).join(target);
    }
    Err(io::Error::other("it leads to itself, or through more than 40 symbolic links"))
}

/// Tells an archive from any other file, which must not be lost. An archive of another version is an archive, too.
fn starts_with_magic(path: &Path) -> io::Result<bool> {
    let mut start = Vec::new();
    File::open(path)?.take(MAGIC.len() as u64).read_to_end(&mut start)?;
    Ok(start == MAGIC)
}

fn is_separator(byte: u8) -> bool {
    std::path::is_separator(char::from(byte))
}

#[cfg(unix)]
fn mode_of(metadata: &Metadata) -> fs::Permissions {
    use std::os::unix::fs::{MetadataExt, PermissionsExt};
    fs::Permissions::from_mode(metadata.mode() & 0o777)
}

fn create(folder: &Path, prefix: &OsStr, replaced: Option<&Metadata>) -> io::Result<Temporary> {
    loop {
        let mut builder = tempfile::Builder::new();
        builder.prefix(prefix).suffix(SUFFIX).rand_bytes(12);
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            // The umask applies to a new file. A file that replaces a private one is private from the start.
            builder.permissions(replaced.map_or(fs::Permissions::from_mode(0o666), mode_of));
        }
        let _ = replaced;
        let mut entries = temporaries();
        let file = builder.tempfile_in(folder)?;
        entries.push(file.path().to_owned());
        drop(entries);
        let entry = Entry(file.path().to_owned());
        let temporary = Temporary { file, _entry: entry };
        match temporary.file.as_file().try_lock() {
            // Until this process had the lock, another writer may have taken the file for a leftover and removed it.
            Ok(()) if temporary.file.path().exists() => return Ok(temporary),
            // Some file systems have no locks. There, the temporary files of crashed writers stay.
            Err(fs::TryLockError::Error(_)) => return Ok(temporary),
            Ok(()) | Err(fs::TryLockError::WouldBlock) => {}
        }
    }
}

/// Removes temporary files that no writer has locked. Errors are ignored, because the file to write does not depend on
/// it.
fn remove_abandoned(folder: &Path, prefix: &[u8]) {
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
        // Some file systems cannot sync folders. The rename has succeeded nevertheless.
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
    fn a_failed_write_leaves_the_old_file_and_no_temporary_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("lib.perma");
        fs::write(&path, MAGIC).unwrap();
        let failed = publish(&path, |out| {
            out.write_all(b"half")?;
            Err(io::Error::other("no space"))
        });
        assert!(failed.is_err());
        assert_eq!(fs::read(&path).unwrap(), MAGIC);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn only_temporaries_without_a_lock_are_removed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("lib.perma");
        let abandoned = folder.path().join(".lib.perma.dead.perma-tmp");
        fs::write(&abandoned, "").unwrap();
        let live = create(folder.path(), ".lib.perma.".as_ref(), None).unwrap();
        publish(&path, |out| out.write_all(b"new")).unwrap();
        assert!(!abandoned.exists());
        assert!(live.file.path().exists());
        assert_eq!(fs::read(&path).unwrap(), b"new");
    }

    /// Writes what looks like an archive.
    fn put(path: &Path, text: &str) -> Result<(), Error> {
        publish(path, |out| out.write_all(&MAGIC).and_then(|()| out.write_all(text.as_bytes())))
    }

    #[test]
    fn a_bad_destination_is_refused_before_writing() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        fs::write(path("file"), "").unwrap();
        fs::write(path("text"), "precious").unwrap();
        fs::write(path("start"), &MAGIC[..4]).unwrap();
        for (name, problem) in [
            ("", "it is a folder"),
            ("new/", "it does not end in the name of a file"),
            ("absent/x", "cannot write to the folder"),
            ("file/x", "Not a directory"),
            ("text", "it is neither an archive nor an empty file; remove it"),
            ("start", "it is neither an archive nor an empty file; remove it"),
        ] {
            let error = check_destination(path(name)).unwrap_err();
            let source = std::error::Error::source(&error).unwrap();
            assert!(format!("{error}: {source}").contains(problem), "{name}: {error}: {source}");
            assert!(put(&path(name), "new").is_err(), "{name}");
        }
        check_destination(path("file")).unwrap();
        check_destination(path("new")).unwrap();
        assert_eq!(fs::read(path("text")).unwrap(), b"precious");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 3);
        fs::write(path("text"), [&MAGIC[..], b"of any version"].concat()).unwrap();
        check_destination(path("text")).unwrap();
    }

    #[cfg(unix)]
    #[test]
    fn a_link_is_followed_even_to_a_missing_file() {
        use std::os::unix::fs::symlink;
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        fs::create_dir(path("in")).unwrap();
        symlink("in/second", path("first")).unwrap();
        symlink("real", path("in/second")).unwrap();
        for text in ["new", "newer"] {
            put(&path("first"), text).unwrap();
            assert!(fs::read(path("in/real")).unwrap().ends_with(text.as_bytes()));
            assert!(fs::symlink_metadata(path("first")).unwrap().is_symlink());
            assert!(fs::symlink_metadata(path("in/second")).unwrap().is_symlink());
        }
        symlink("absent/real", path("nowhere")).unwrap();
        symlink("round", path("round")).unwrap();
        for link in ["nowhere", "round"] {
            assert!(put(&path(link), "").is_err());
            assert!(fs::symlink_metadata(path(link)).unwrap().is_symlink());
        }
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 4);
    }

    #[cfg(unix)]
    #[test]
    fn a_replaced_file_keeps_its_mode() {
        use std::os::unix::fs::{MetadataExt, PermissionsExt};
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("lib.perma");
        put(&path, "first").unwrap();
        // A new archive has the mode that the umask gives to any new file.
        fs::write(folder.path().join("other"), "").unwrap();
        let mode = |path: &Path| fs::metadata(path).unwrap().mode() & 0o7777;
        assert_eq!(mode(&path), mode(&folder.path().join("other")));
        for bits in [0o600, 0o640, 0o666, 0o400, 0o777] {
            fs::set_permissions(&path, fs::Permissions::from_mode(bits)).unwrap();
            let during = std::cell::Cell::new(0);
            publish(&path, |out| {
                let entries = fs::read_dir(folder.path()).unwrap().flatten();
                let temporary =
                    entries.map(|entry| entry.path()).find(|path| path.extension() == Some("perma-tmp".as_ref()));
                during.set(mode(&temporary.unwrap()));
                out.write_all(&MAGIC)
            })
            .unwrap();
            assert_eq!((during.get(), mode(&path)), (bits, bits), "{bits:o}");
        }
    }
}
