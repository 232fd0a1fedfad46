//! One command at a time changes an environment.

use super::Environment;
use anyhow::{Context, Result, bail};
use std::{
    fs::{self, File},
    io,
    os::unix::fs::MetadataExt,
};

/// How often the folder may vanish while a command takes the lock: each time, another command removed it.
const ATTEMPTS: usize = 100;

/// Held as long as this value lives.
#[derive(Debug)]
pub(super) struct Lock {
    _file: File,
}

impl Environment {
    /// Waits until no other command changes the environment. Makes the folder if it is missing.
    pub(super) fn lock(&self) -> Result<Lock> {
        let path = self.folder().join("lock");
        let failed = || format!("cannot lock {path:?}");
        for _ in 0..ATTEMPTS {
            fs::create_dir_all(self.folder()).with_context(failed)?;
            let file = match File::options().create(true).truncate(false).write(true).open(&path) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                file => file.with_context(failed)?,
            };
            file.lock().with_context(failed)?;
            // `disable` removes the file while it holds the lock.
            let locked = file.metadata().with_context(failed)?.ino();
            if fs::metadata(&path).is_ok_and(|found| found.ino() == locked) {
                return Ok(Lock { _file: file });
            }
        }
        bail!("cannot lock {path:?}: other commands keep removing it")
    }
}
