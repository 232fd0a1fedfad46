//! What processes of an environment use.

use super::{Differences, Environment, manifest::Manifest};
use crate::package::{PackageError, ask};
use anyhow::Result;
use serde::Deserialize;
use serde_json::Value;
use std::{fs, path::PathBuf};

/// The answer of `state.py`.
#[derive(Debug, Deserialize)]
pub(crate) struct State {
    pub(crate) status: Option<Value>,
    pub(crate) stats: Option<Value>,
    reason: Option<String>,
}

impl State {
    /// Whether modules are imported from the archive.
    pub(crate) fn is_on(&self) -> bool {
        self.status.as_ref().is_some_and(|status| status["startup"] == true && status["blocked"].is_null())
    }

    /// Why modules are imported from files.
    pub(crate) fn reason(&self) -> Option<&str> {
        match (&self.reason, &self.status) {
            (Some(reason), _) => Some(reason),
            (None, Some(status)) if !self.is_on() => {
                [&status["blocked"], &status["reason"]].into_iter().find_map(Value::as_str)
            }
            _ => None,
        }
    }
}

impl Environment {
    /// Asks a new process.
    ///
    /// # Errors
    /// If the interpreter or the package does not work.
    pub(crate) fn state(&self) -> Result<State> {
        let mut command = self.process();
        command.args(["-c", include_str!("state.py")]).arg(self.stem()?).arg(self.archive());
        let failed = |error| PackageError::failed(&self.python, error);
        Ok(ask(&self.python, &mut command, &self.archive())?.map_err(failed)?)
    }

    /// Whether a process uses everything that was made. A damaged image can stop the process.
    pub(super) fn is_whole(&self, has_image: bool) -> bool {
        let Ok(state) = self.state() else { return false };
        let (Some(status), Some(stats)) = (&state.status, &state.stats) else { return false };
        let image = &status["image"];
        // One that could not be written before is tried again. One that this interpreter cannot have is not.
        state.is_on()
            && stats["fallbacks"] == 0
            && (status["sealed"] == true || status["stamps"]["path"].is_string())
            && (image["path"].is_string() || !has_image && image["missing"] == false)
    }

    /// Whether `enable` made its files. They need not be in use.
    pub(crate) fn is_enabled(&self) -> bool {
        self.has_start_files() && self.current().is_some()
    }

    /// Whether the archive promises that files do not change.
    pub(crate) fn is_sealed(&self) -> bool {
        self.current().and_then(|generation| Manifest::read(&generation)).is_some_and(|manifest| manifest.is_sealed)
    }

    /// The start-up files and the archive, if they exist.
    pub(crate) fn files(&self) -> Vec<PathBuf> {
        self.start_paths().into_iter().chain([self.folder()]).filter(|path| path.exists()).collect()
    }

    /// The bytes of the files of the generation in use.
    pub(crate) fn bytes(&self) -> u64 {
        let files = self.current().and_then(|generation| fs::read_dir(generation).ok());
        files.into_iter().flatten().filter_map(|file| Some(file.ok()?.metadata().ok()?.len())).sum()
    }

    /// What changed since the archive was made. `None` if there is no archive, or if it was made for another place: all
    /// files have other paths then, which says nothing.
    ///
    /// # Errors
    /// If the interpreter does not work.
    pub(crate) fn differences(&self) -> Result<Option<Differences>> {
        let Some(manifest) = self.current().and_then(|generation| Manifest::read(&generation)) else {
            return Ok(None);
        };
        if !self.is_made_for_here()? {
            return Ok(None);
        }
        Ok(Some(manifest.differences(&self.manifest(&self.interpreter()?)?)))
    }
}
