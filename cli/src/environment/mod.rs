//! Environments whose programs import from an archive: where their files lie, and what they are.
//!
//! ```text
//!   PACKAGES/_permacode.pth ──► PACKAGES/_permacode_start.py ──► the extension, and ROOT/current/environment.perma
//!     (from 3.15 on: _permacode.start; of a user: _permacode_start_user.py)
//!   ROOT/lock                   one command at a time changes the environment
//!   ROOT/current                a link to the generation in use; replacing it is the last step of each change
//!   ROOT/generation-XXXX/       archive, image, stamps, manifest
//! ```

mod lock;
mod make;
mod manifest;
mod start_file;
mod state;

use crate::{
    errors::UsageError,
    package::{PackageError, ask},
};
use anyhow::{Context, Result};
use permacode_bundle::Interpreter;
use serde::Deserialize;
use std::{
    env,
    ffi::OsStr,
    fs, io,
    path::{Path, PathBuf},
    process::Command,
};

pub(crate) use make::{Made, SAMPLE, measure};
pub(crate) use manifest::Differences;
pub(crate) use state::State;

/// The name of the archive in its generation.
const ARCHIVE: &str = "environment.perma";
/// The folder of archives, below that of the data of an environment.
const FOLDER: &str = "share/permacode";
/// If this variable is set, the start-up file does nothing.
pub(crate) const OFF: &str = "PERMACODE_OFF";
/// The interpreter that ran `python -m permacode`.
const PYTHON: &str = "PERMACODE_PYTHON";
/// The root of the packages of the user.
const USER_ROOT: &str = "user-site-packages";

/// The arguments of all commands for environments.
#[derive(Debug, clap::Args)]
pub(crate) struct EnvironmentArgs {
    /// The interpreter of the environment
    ///
    /// By default it is the one that runs `python -m permacode`, or else the one of the virtual environment that has
    /// this command, or else the one of the active virtual environment.
    #[arg(long, value_name = "EXE")]
    python: Option<PathBuf>,

    /// Only for the current user: the files lie in the folders of the user
    #[arg(long)]
    user: bool,

    /// Print the result as JSON, and errors as JSON, too
    #[arg(long)]
    pub(crate) json: bool,
}

impl EnvironmentArgs {
    /// Finds the environment.
    ///
    /// # Errors
    /// If no environment is active, or its interpreter does not work.
    pub(crate) fn find(&self) -> Result<Environment> {
        let python = match &self.python {
            Some(python) => python.clone(),
            None => default_python()?,
        };
        Environment::new(&python, self.user)
    }
}

fn default_python() -> Result<PathBuf> {
    let none = "no virtual environment is active: activate one, or name its interpreter with --python";
    active_python().ok_or_else(|| UsageError::new(none).into())
}

/// The interpreter that runs this command (`python -m permacode`), that of the virtual environment in which the command
/// lies, or that of the active one.
pub(crate) fn active_python() -> Option<PathBuf> {
    if let Some(python) = env::var_os(PYTHON) {
        return Some(python.into());
    }
    let beside = env::current_exe().ok();
    let beside = beside.as_deref().and_then(Path::parent).and_then(Path::parent).map(Path::to_owned);
    let folders = beside.filter(|folder| folder.join("pyvenv.cfg").is_file());
    let folder = folders.or_else(|| env::var_os("VIRTUAL_ENV").map(PathBuf::from))?;
    Some(folder.join("bin/python"))
}

/// An environment and the places of its files.
#[derive(Debug)]
pub(crate) struct Environment {
    python: PathBuf,
    is_user: bool,
    places: Places,
}

/// The answer of `places.py`.
#[derive(Debug, Deserialize)]
struct Places {
    prefix: PathBuf,
    is_virtual: bool,
    has_user_folder: bool,
    packages: PathBuf,
    /// Whether the interpreter reads `.start` files.
    reads_entry_points: bool,
    /// The module that the start-up file names, and its compiled form.
    start_module: String,
    start_module_cache: PathBuf,
    data: PathBuf,
    library: String,
    extension: Option<PathBuf>,
    suffix: String,
}

/// A command of an interpreter that runs without the environment variables that Python reads.
fn command(python: &Path) -> Command {
    let mut command = Command::new(python);
    for (name, _) in env::vars_os().filter(|(name, _)| name.as_encoded_bytes().starts_with(b"PYTHON")) {
        command.env_remove(name);
    }
    command.env_remove(OFF);
    command
}

impl Environment {
    fn new(python: &Path, is_user: bool) -> Result<Self> {
        let mut probe = command(python);
        probe.env(OFF, "1").args(["-B", "-c", include_str!("places.py")]);
        probe.arg(if is_user { "user" } else { "environment" });
        let places: Places = ask(python, &mut probe, python)?.map_err(|error| PackageError::failed(python, error))?;
        if is_user && !places.has_user_folder {
            let problem = format!("{python:?} does not search the folder of the user: leave out --user");
            return Err(UsageError::new(problem).into());
        }
        Ok(Environment { python: python.to_owned(), is_user, places })
    }

    /// Its folder.
    pub(crate) fn prefix(&self) -> &Path {
        &self.places.prefix
    }

    /// The folder of everything but the start-up file.
    pub(crate) fn folder(&self) -> PathBuf {
        self.places.data.join(FOLDER).join(&self.places.library)
    }

    fn link(&self) -> PathBuf {
        self.folder().join("current")
    }

    /// The archive, as the start-up file has it.
    pub(crate) fn archive(&self) -> PathBuf {
        self.link().join(ARCHIVE)
    }

    /// The generation in use.
    fn current(&self) -> Option<PathBuf> {
        let name = fs::read_link(self.link()).ok()?;
        Some(self.folder().join(name)).filter(|folder| folder.is_dir())
    }

    /// The extension without its suffix.
    ///
    /// # Errors
    /// If the interpreter does not have the package.
    fn stem(&self) -> Result<PathBuf> {
        let extension = self.places.extension.as_deref();
        let stem = extension.and_then(Path::to_str).and_then(|path| path.strip_suffix(&self.places.suffix));
        stem.map(PathBuf::from).ok_or_else(|| PackageError::missing(&self.python).into())
    }

    fn interpreter(&self) -> Result<Interpreter> {
        let mut interpreter =
            Interpreter::probe(&self.python).with_context(|| format!("cannot use {:?}", self.python))?;
        // Each user has another folder of that name.
        let is_wanted = |root: &Option<String>| self.is_user || root.as_deref() != Some(USER_ROOT);
        interpreter.site_packages.retain(|packages| is_wanted(&packages.root));
        Ok(interpreter)
    }

    /// A process of the environment that does not use the archive.
    fn stock(&self) -> Command {
        let mut command = command(&self.python);
        command.env(OFF, "1").arg("-B");
        command
    }

    /// A process of the environment.
    fn process(&self) -> Command {
        let mut command = command(&self.python);
        command.arg("-B");
        command
    }

    /// Runs a module of the package.
    fn run_module<T: serde::de::DeserializeOwned>(
        &self,
        module: &str,
        archive: &Path,
    ) -> Result<crate::package::Answered<T>> {
        let mut command = self.stock();
        command.args(["-c", include_str!("../python/run.py"), module, "--json", "--"].map(OsStr::new)).arg(archive);
        ask(&self.python, &mut command, archive)
    }

    /// Removes what `enable` made.
    ///
    /// # Errors
    /// If a file cannot be removed.
    pub(crate) fn remove(&self) -> Result<bool> {
        let lock = match self.folder().is_dir() {
            true => Some(self.lock()?),
            false => None,
        };
        let had_start_file = self.remove_start_files()?;
        let existed = lock.is_some();
        self.remove_folder()?;
        drop(lock);
        Ok(had_start_file || existed)
    }

    /// Removes the folder, and those above it that nothing else uses.
    fn remove_folder(&self) -> Result<()> {
        let folder = self.folder();
        match fs::remove_dir_all(&folder) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(error).with_context(|| format!("cannot remove {folder:?}"));
            }
            _ => {}
        }
        // A folder that is not empty stays. Outside a virtual environment, `share` belongs to the system.
        let levels = if self.places.is_virtual { 2 } else { 1 };
        for folder in folder.ancestors().skip(1).take(levels) {
            if fs::remove_dir(folder).is_err() {
                break;
            }
        }
        Ok(())
    }

    /// Removes all generations but one, and what was left by commands that were interrupted.
    fn sweep(&self, kept: Option<&Path>) -> Result<()> {
        let folder = self.folder();
        for entry in fs::read_dir(&folder).with_context(|| format!("cannot read {folder:?}"))? {
            let path = entry.with_context(|| format!("cannot read {folder:?}"))?.path();
            if path.is_dir() && !path.is_symlink() && Some(path.as_path()) != kept {
                fs::remove_dir_all(&path).with_context(|| format!("cannot remove {path:?}"))?;
            }
        }
        Ok(())
    }
}
