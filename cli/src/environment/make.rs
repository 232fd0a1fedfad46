//! Makes a generation and takes it into use.

use super::{ARCHIVE, Environment, State, manifest::Manifest};
use crate::{package::PackageError, progress::Bar};
use anyhow::{Context, Result};
use permacode_bundle::{BundleOptions, Interpreter, Strip, bundle};
use rustix::{fs::Mode, process::umask};
use serde::{Deserialize, Serialize};
use std::{
    fs::{self, Permissions},
    os::unix::fs::{PermissionsExt, symlink},
    path::Path,
    process::{Command, Stdio},
    time::{Duration, Instant},
};
use tempfile::TempDir;

/// What was made.
#[derive(Debug, Serialize)]
pub(crate) struct Made {
    /// Modules in the archive.
    pub(crate) modules: u64,
    pub(crate) archive_bytes: u64,
    pub(crate) image_bytes: Option<u64>,
    /// Why there is no image.
    pub(crate) no_image: Option<String>,
    pub(crate) stamp_bytes: Option<u64>,
    /// Files and folders that could not be read.
    pub(crate) unreadable: usize,
    /// Whether the archive promises that files do not change.
    pub(crate) is_sealed: bool,
}

/// What the package says about a file that it made.
#[derive(Debug, Deserialize)]
struct File {
    bytes: u64,
    stamps: Option<Box<File>>,
}

impl Environment {
    /// Makes everything again and takes it into use, unless nothing changed. `None`: nothing changed. `is_sealed`: the
    /// archive promises that files do not change.
    ///
    /// # Errors
    /// If something cannot be made. What was there before then stays in use.
    pub(crate) fn enable(&self, is_sealed: bool) -> Result<Option<Made>> {
        // Without the package, no file is made.
        self.stem()?;
        // All users may use the files, as those of installed packages. Files that another user can write to are not
        // used. The interpreters that make image and stamps inherit this mask.
        umask(Mode::WGRP | Mode::WOTH);
        let _lock = self.lock()?;
        let before = self.current();
        let made = self.make(before.as_deref(), is_sealed);
        if made.is_err() && before.is_none() {
            // Nothing was there. The error that stopped the command is the one to report.
            let _ = self.remove_start_files();
            let _ = self.remove_folder();
        }
        made
    }

    fn make(&self, before: Option<&Path>, is_sealed: bool) -> Result<Option<Made>> {
        let interpreter = self.interpreter()?;
        let mut manifest = self.manifest(&interpreter)?;
        manifest.is_sealed = is_sealed;
        if let Some(found) = before.and_then(Manifest::read) {
            manifest.has_image = found.has_image;
            if found == manifest && self.start_files_differ()?.is_none() && self.is_whole(found.has_image) {
                return Ok(None);
            }
        }
        self.sweep(before)?;
        let generation = tempfile::Builder::new()
            .prefix("generation-")
            .permissions(Permissions::from_mode(0o755))
            .tempdir_in(self.folder())
            .with_context(|| format!("cannot write to {:?}", self.folder()))?;
        let previous = self.write_start_files()?;
        let used = self.fill(generation.path(), interpreter, is_sealed).and_then(|made| {
            manifest.has_image = made.image_bytes.is_some();
            manifest.write(generation.path())?;
            self.switch(before, &generation)?;
            Ok(made)
        });
        match used {
            Ok(made) => {
                let kept = generation.keep();
                self.sweep(Some(&kept))?;
                Ok(Some(made))
            }
            Err(error) => {
                self.restore_start_files(previous)?;
                Err(error)
            }
        }
    }

    /// Makes the files of a generation. The start-up file is there already, because to write it later would change a
    /// folder that has a stamp.
    fn fill(&self, generation: &Path, interpreter: Interpreter, is_sealed: bool) -> Result<Made> {
        let archive = generation.join(ARCHIVE);
        // Programs read sources and resources from their files, and nobody imports the tests of the library.
        let options = BundleOptions::new(interpreter)
            .site_packages(true)
            .resources(false)
            .strip(Strip::Source)
            .strip(Strip::Signatures)
            .exclude("stdlib=test")
            .keep_going(true)
            .sealed(is_sealed)
            .output(&archive);
        let bar = Bar::new();
        let bundle = bundle(&options, &bar).with_context(|| format!("cannot make {archive:?}"))?;
        bar.stage("writing the archive");
        bundle.publish(&archive).with_context(|| format!("cannot write {archive:?}"))?;
        let report = bundle.report();
        let mut made = Made {
            modules: report.modules,
            archive_bytes: report.archive.bytes,
            image_bytes: None,
            no_image: None,
            stamp_bytes: None,
            unreadable: report.unreadable.len(),
            is_sealed,
        };
        bar.stage("making the image and the stamps");
        let stamps = match self.run_module::<File>("permacode.image", &archive)? {
            Ok(image) => {
                made.image_bytes = Some(image.bytes);
                image.stamps.map(|stamps| *stamps)
            }
            Err(reason) => {
                made.no_image = Some(reason);
                let failed = |error| PackageError::failed(&self.python, error);
                bar.stage("making the stamps");
                self.run_module::<Option<File>>("permacode.stamp", &archive)?.map_err(failed)?
            }
        };
        made.stamp_bytes = stamps.map(|stamps| stamps.bytes);
        Ok(made)
    }

    /// Takes a generation into use. If no process uses it, the one before is in use again.
    fn switch(&self, before: Option<&Path>, generation: &TempDir) -> Result<()> {
        self.point_to(generation.path())?;
        let state = self.state();
        if state.as_ref().is_ok_and(State::is_on) {
            return Ok(());
        }
        match before {
            Some(before) => self.point_to(before)?,
            None => fs::remove_file(self.link()).with_context(|| format!("cannot remove {:?}", self.link()))?,
        }
        let reason = state?.reason().unwrap_or("it does not import from the archive").to_owned();
        Err(PackageError::failed(&self.python, reason).into())
    }

    fn point_to(&self, generation: &Path) -> Result<()> {
        let (link, temporary) = (self.link(), self.folder().join("next"));
        let failed = || format!("cannot write {link:?}");
        let name = generation.file_name().with_context(failed)?;
        // Left by a command that was interrupted.
        let _ = fs::remove_file(&temporary);
        symlink(name, &temporary).with_context(failed)?;
        fs::rename(&temporary, &link).with_context(failed)
    }
}

/// What `measure` imports.
pub(crate) const SAMPLE: &str = "import asyncio, email.message, http.client, logging.config, unittest";
const ROUNDS: usize = 11;

/// The median times of a process that imports the sample: without and with the archive.
///
/// # Errors
/// If the interpreter does not work.
pub(crate) fn measure(environment: &Environment) -> Result<(Duration, Duration)> {
    let time = |mut command: Command| -> Result<Duration> {
        let started = Instant::now();
        command.args(["-c", SAMPLE]).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let status = command.status().with_context(|| format!("cannot run {:?}", environment.python))?;
        match status.success() {
            true => Ok(started.elapsed()),
            false => Err(PackageError::failed(&environment.python, status.to_string()).into()),
        }
    };
    let bar = Bar::new();
    bar.stage("measuring what it gains");
    let (mut stock, mut enabled) = (Vec::new(), Vec::new());
    for round in 0..=ROUNDS {
        let times = (time(environment.stock())?, time(environment.process())?);
        // The first round fills the caches of the system.
        if round > 0 {
            stock.push(times.0);
            enabled.push(times.1);
        }
    }
    let median = |mut times: Vec<Duration>| {
        times.sort_unstable();
        times.get(ROUNDS / 2).copied().unwrap_or_default()
    };
    Ok((median(stock), median(enabled)))
}
