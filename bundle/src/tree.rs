//! Writes files below one folder and nowhere else.
//!
//! `cap-std` resolves all paths relative to an open folder, and refuses paths that leave it, even if another process
//! adds links at the same time. Links inside the folder are not followed either: a folder in a path must be a real
//! folder, and a file must not exist yet.

use std::{
    fs,
    io::{self, Write},
    path::{Path, PathBuf},
    sync::Mutex,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use cap_std::{
    ambient_authority,
    fs::{Dir, OpenOptions},
};

use crate::error::{Error, ErrorKind};

/// A folder that files are written to.
#[derive(Debug)]
pub(crate) struct Tree {
    folder: Dir,
    path: PathBuf,
    overwrite: bool,
    /// The last path whose folders were made.
    last: Mutex<Vec<u8>>,
}

impl Tree {
    /// Opens a folder, and creates it if it does not exist. It must be empty, unless `overwrite` allows to replace
    /// files.
    pub(crate) fn create(path: &Path, overwrite: bool) -> Result<Self, Error> {
        fs::create_dir_all(path).map_err(|error| Error::io("cannot make the folder", path, error))?;
        let of_error = |error| Error::io("cannot open the folder", path, error);
        let folder = Dir::open_ambient_dir(path, ambient_authority()).map_err(of_error)?;
        if !overwrite && folder.entries().map_err(of_error)?.next().is_some() {
            return Err(Error::new(ErrorKind::NotEmpty(path.to_owned())));
        }
        Ok(Tree { folder, path: path.to_owned(), overwrite, last: Mutex::default() })
    }

    /// Makes the folders of a file.
    pub(crate) fn make_folders_above(&self, path: &[u8]) -> Result<(), Error> {
        let mut last = self.last.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        // Files come folder by folder, and making a folder twice does no harm. A set of all folders would need memory
        // in proportion to the square of the length of a path.
        let known = last.iter().zip(path).take_while(|(one, other)| one == other).count();
        last.clear();
        let ends = path.iter().enumerate().filter(|(_, byte)| **byte == b'/').map(|(end, _)| end);
        for end in ends.filter(|end| *end >= known) {
            self.make_folder(&path[..end])?;
        }
        last.extend_from_slice(path);
        Ok(())
    }

    fn make_folder(&self, folder: &[u8]) -> Result<(), Error> {
        let path = self.native(folder)?;
        let result = match self.folder.symlink_metadata(&path) {
            Ok(metadata) if metadata.is_dir() => Ok(()),
            Ok(_) => Err(io::Error::new(
                io::ErrorKind::NotADirectory,
                "a file or link has the path of a folder; remove it or choose another folder",
            )),
            Err(error) if error.kind() == io::ErrorKind::NotFound => self.folder.create_dir(&path),
            Err(error) => Err(error),
        };
        result.map_err(|error| Error::io("cannot make the folder", self.path.join(path), error))
    }

    /// Removes the file that is to be replaced, if files may be replaced. Otherwise it only checks that the file system
    /// accepts the name.
    pub(crate) fn make_room(&self, path: &[u8]) -> Result<(), Error> {
        let path = self.native(path)?;
        let (doing, result) = if self.overwrite {
            ("cannot replace", self.folder.remove_file(&path))
        } else {
            ("cannot write", self.folder.symlink_metadata(&path).map(drop))
        };
        match result {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(Error::io(doing, self.path.join(path), error)),
            _ => Ok(()),
        }
    }

    /// Writes a new file. Its folder must exist, and the file must not. `mtime` is in seconds since 1970.
    pub(crate) fn write(&self, path: &[u8], data: &[u8], executable: bool, mtime: Option<i64>) -> Result<(), Error> {
        let path = self.native(path)?;
        let write = || {
            let mut options = OpenOptions::new();
            options.write(true).create_new(true);
            #[cfg(unix)]
            {
                use cap_std::fs::OpenOptionsExt;
                options.mode(if executable { 0o777 } else { 0o666 });
            }
            let _ = executable;
            let mut file = self.folder.open_with(&path, &options)?.into_std();
            file.write_all(data)?;
            match mtime {
                Some(mtime) => file.set_modified(time(mtime)?),
                None => Ok(()),
            }
        };
        write().map_err(|error| Error::io("cannot write", self.path.join(&path), error))
    }

    /// A path in the form of the system. Its components have been checked.
    fn native(&self, path: &[u8]) -> Result<PathBuf, Error> {
        #[cfg(unix)]
        {
            use std::os::unix::ffi::OsStrExt;
            Ok(PathBuf::from(std::ffi::OsStr::from_bytes(path)))
        }
        #[cfg(not(unix))]
        {
            let text = std::str::from_utf8(path);
            let text = text.map_err(|_| Error::unsafe_name(crate::text::shown(path), "it is not UTF-8"))?;
            Ok(text.split('/').collect())
        }
    }
}

fn time(seconds: i64) -> io::Result<SystemTime> {
    let distance = Duration::from_secs(seconds.unsigned_abs());
    let time = if seconds < 0 { UNIX_EPOCH.checked_sub(distance) } else { UNIX_EPOCH.checked_add(distance) };
    time.ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, "the system cannot store this time"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(tree: &Tree, path: &str) -> Result<(), Error> {
        tree.make_folders_above(path.as_bytes())?;
        tree.make_room(path.as_bytes())?;
        tree.write(path.as_bytes(), b"new", false, Some(-5))
    }

    #[test]
    fn files_are_kept_unless_overwriting_is_allowed() {
        let temporary = tempfile::tempdir().unwrap();
        let folder = temporary.path().join("a/b");
        write(&Tree::create(&folder, false).unwrap(), "x/y.py").unwrap();
        assert!(matches!(Tree::create(&folder, false).unwrap_err().kind(), ErrorKind::NotEmpty(_)));
        fs::write(folder.join("x/y.py"), "old").unwrap();
        write(&Tree::create(&folder, true).unwrap(), "x/y.py").unwrap();
        assert_eq!(fs::read(folder.join("x/y.py")).unwrap(), b"new");
        assert_eq!(fs::metadata(folder.join("x/y.py")).unwrap().modified().unwrap(), time(-5).unwrap());
    }

    #[cfg(unix)]
    #[test]
    fn links_are_not_followed() {
        use std::os::unix::fs::symlink;
        let temporary = tempfile::tempdir().unwrap();
        let (folder, outside) = (temporary.path().join("in"), temporary.path().join("out"));
        fs::create_dir_all(folder.join("inner")).unwrap();
        fs::create_dir_all(&outside).unwrap();
        fs::write(outside.join("file"), "old").unwrap();
        symlink(&outside, folder.join("away")).unwrap();
        symlink("inner", folder.join("near")).unwrap();
        symlink(outside.join("file"), folder.join("file")).unwrap();
        symlink(outside.join("none"), folder.join("none")).unwrap();
        let tree = Tree::create(&folder, true).unwrap();
        assert!(write(&tree, "away/file").is_err());
        assert!(write(&tree, "near/file").is_err());
        // The link itself is replaced.
        write(&tree, "file").unwrap();
        write(&tree, "none").unwrap();
        assert_eq!(fs::read(outside.join("file")).unwrap(), b"old");
        assert_eq!(fs::read_dir(&outside).unwrap().count(), 1);
        assert_eq!(fs::read(folder.join("none")).unwrap(), b"new");
        // Paths that were not checked are refused, too.
        for path in ["../x", "/tmp/permacode-x", "away/x", "inner/../../x"] {
            assert!(tree.write(path.as_bytes(), b"", false, None).is_err(), "{path}");
        }
        assert_eq!(fs::read_dir(temporary.path()).unwrap().count(), 2);
    }
}
