//! Files beside an archive that belong to this machine: images and stamps.
//!
//! A process that uses such a file trusts each user who can change it. So only the user of the process and root may be
//! able to.

#![allow(unsafe_code)]

use std::{
    ffi::OsString,
    fs::{self, File, Metadata, OpenOptions},
    io::{self, Write},
    os::unix::fs::{MetadataExt, OpenOptionsExt},
    path::{Path, PathBuf},
};

/// Why a file is not used.
#[derive(Debug)]
pub(crate) enum Refused {
    /// There is no such file.
    Missing,
    /// The file is there, but this process must not use it.
    Because(String),
}

impl From<io::Error> for Refused {
    fn from(error: io::Error) -> Self {
        if error.kind() == io::ErrorKind::NotFound { Refused::Missing } else { Refused::Because(error.to_string()) }
    }
}

pub(crate) fn because<T>(reason: impl Into<String>) -> Result<T, Refused> {
    Err(Refused::Because(reason.into()))
}

/// The path of an archive with this text after its name.
pub(crate) fn beside(archive: &Path, suffix: &str) -> PathBuf {
    let mut path = OsString::from(archive.as_os_str());
    path.push(suffix);
    PathBuf::from(path)
}

/// The folder of a file.
pub(crate) fn folder_of(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// Flags to open a local file that another user may have put there. A link is not followed, and a pipe is not waited
/// for.
pub(crate) const FLAGS: i32 = libc::O_NOFOLLOW | libc::O_NONBLOCK | libc::O_CLOEXEC;

/// Opens a regular file that no other user can write to or replace. `what` is its name in messages.
pub(crate) fn open(path: &Path, what: &str) -> Result<(File, Metadata), Refused> {
    let file = match OpenOptions::new().read(true).custom_flags(FLAGS).open(path) {
        Err(error) if error.raw_os_error() == Some(libc::ELOOP) => {
            return because(format!("{what} is a link, which is not followed"));
        }
        opened => opened?,
    };
    let metadata = file.metadata()?;
    check_owner(what, &metadata)?;
    check_owner(&format!("the folder of {what}"), &folder_of(path).metadata()?)?;
    if !metadata.is_file() {
        return because(format!("{what} is not a regular file"));
    }
    Ok((file, metadata))
}

fn check_owner(what: &str, metadata: &Metadata) -> Result<(), Refused> {
    // SAFETY: the function has no requirements.
    let user = unsafe { libc::geteuid() };
    if metadata.uid() != user && metadata.uid() != 0 {
        return because(format!(
            "{what} belongs to user {}, not to user {user}, who runs this process, or to root",
            metadata.uid()
        ));
    }
    // In a folder with the sticky bit, nobody can replace the files of others.
    let is_sticky_folder = metadata.is_dir() && metadata.mode() & libc::S_ISVTX != 0;
    if metadata.mode() & 0o022 != 0 && !is_sticky_folder {
        let mode = metadata.mode() & 0o7777;
        return because(format!("other users can write to {what}: its mode is {mode:o}; take that permission away"));
    }
    Ok(())
}

/// Writes a file and puts it into its place as a whole. A process that has the old file mapped keeps it.
pub(crate) fn publish(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let temporary = beside(path, &format!(".{}.tmp", std::process::id()));
    let write = || {
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o444).open(&temporary)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        fs::rename(&temporary, path)?;
        File::open(folder_of(path))?.sync_all()
    };
    write().inspect_err(|_| _ = fs::remove_file(&temporary))
}
