//! Runs the Python package of an interpreter. Images and stamps belong to an interpreter, so it makes them itself.

use crate::{
    archive::ArchiveArg,
    environment::{OFF, active_python},
    errors::UsageError,
    root::split_root,
};
use anyhow::{Context, Result};
use clap::builder::{OsStringValueParser, TypedValueParser};
use serde::de::DeserializeOwned;
use std::{
    ffi::{OsStr, OsString},
    fmt, io,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

/// The exit status of `python/run.py` if there is no package.
const NO_PACKAGE: i32 = 3;

/// The arguments that name an archive and an interpreter.
#[derive(Debug, clap::Args)]
pub(crate) struct PackageArgs {
    /// The archive
    #[arg(value_name = "FILE")]
    pub(crate) path: PathBuf,

    /// The interpreter that uses the archive; it must have the package permacode
    ///
    /// By default that of the virtual environment in which this command lies, that of the active one, or `python3`. It
    /// runs with its environment variables, but does not import modules of the current folder.
    #[arg(long, value_name = "EXE")]
    python: Option<PathBuf>,

    /// The folder that a root of the archive stands for, as for permacode.install; can be given several times
    ///
    /// The interpreter knows the folders of its standard library and of installed packages.
    #[arg(long, value_name = "NAME=FOLDER", value_parser = root())]
    root: Vec<OsString>,

    /// Print nothing if all goes well
    #[arg(short, long)]
    pub(crate) quiet: bool,

    /// Print the result as JSON, and errors as JSON, too
    #[arg(long)]
    pub(crate) json: bool,
}

/// A parser for the name of a root and its folder.
fn root() -> impl TypedValueParser<Value = OsString> {
    OsStringValueParser::new().try_map(|argument| match split_root(&argument) {
        Some((_, folder)) if !folder.as_os_str().is_empty() => Ok(argument),
        _ => Err("it must be NAME=FOLDER"),
    })
}

/// The Python package could not do its work.
#[derive(Debug)]
pub(crate) struct PackageError {
    pub(crate) program: PathBuf,
    problem: Problem,
}

#[derive(Debug)]
enum Problem {
    Start(io::Error),
    NoPackage,
    /// The last line that it printed on standard error.
    Failed(String),
}

impl PackageError {
    /// It ran, and said this.
    pub(crate) fn failed(program: &Path, message: String) -> Self {
        PackageError { program: program.to_owned(), problem: Problem::Failed(message) }
    }

    /// There is no package.
    pub(crate) fn missing(program: &Path) -> Self {
        PackageError { program: program.to_owned(), problem: Problem::NoPackage }
    }

    /// What to do.
    pub(crate) fn advice(&self) -> Option<String> {
        let program = self.program.display();
        matches!(self.problem, Problem::NoPackage).then(|| {
            format!(
                "Install a wheel of the package (`{program} -m pip install WHEEL`; python/README.md says how to build \
                 one), or name another interpreter with --python."
            )
        })
    }
}

impl fmt::Display for PackageError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let program = &self.program;
        match &self.problem {
            Problem::Start(error) => write!(f, "cannot run {program:?}: {error}"),
            Problem::NoPackage => write!(f, "{program:?} does not have the package permacode"),
            Problem::Failed(message) => write!(f, "{program:?} failed: {message}"),
        }
    }
}

impl std::error::Error for PackageError {}

/// The answer of the package if there is an error.
#[derive(Debug, serde::Deserialize)]
struct Fault {
    error: String,
    errno: Option<i32>,
    file: Option<String>,
}

/// The answer of the package: what it made, or why there is nothing.
pub(crate) type Answered<T> = std::result::Result<T, String>;

impl PackageArgs {
    /// Runs a module of the package with the archive and more arguments.
    ///
    /// # Errors
    /// If the archive, the interpreter or the package cannot be used, or a file cannot be read or written.
    pub(crate) fn run<T: DeserializeOwned>(&self, module: &str, more: &[&OsStr]) -> Result<Answered<T>> {
        let archive = ArchiveArg { path: self.path.clone() };
        if archive.is_stdin() {
            return Err(UsageError::new("the result lies beside the archive: name a file instead of `-`").into());
        }
        // The errors of the reader say more than those of Python.
        archive.open()?;
        let python = self.python.clone().or_else(active_python).unwrap_or_else(|| "python3".into());
        ask(&python, &mut self.command(&python, module, more), &self.path)
    }

    /// The name of the archive in messages.
    pub(crate) fn name(&self) -> String {
        self.path.display().to_string()
    }

    fn command(&self, python: &Path, module: &str, more: &[&OsStr]) -> Command {
        let mut command = Command::new(python);
        // It must run even if the image that its environment uses is damaged.
        command.env(OFF, "1").args(["-c", include_str!("python/run.py"), module]).args(more);
        for root in &self.root {
            command.arg("--root").arg(root);
        }
        command.arg("--json").arg("--").arg(&self.path);
        command
    }
}

/// Runs a command of an interpreter and reads the JSON on the last line that it prints. `file` is the file of an error
/// that names none.
///
/// # Errors
/// If the interpreter or the package cannot be used, or a file cannot be read or written.
pub(crate) fn ask<T: DeserializeOwned>(python: &Path, command: &mut Command, file: &Path) -> Result<Answered<T>> {
    let failed = |problem| PackageError { program: python.to_owned(), problem };
    let output = command.stdin(Stdio::null()).output().map_err(|error| failed(Problem::Start(error)))?;
    if output.status.code() == Some(NO_PACKAGE) {
        return Err(PackageError::missing(python).into());
    }
    // Earlier lines may come from site or a .pth file.
    let line = output.stdout.trim_ascii_end().rsplit(|byte| *byte == b'\n').next().unwrap_or_default();
    if output.status.success()
        && let Ok(made) = serde_json::from_slice(line)
    {
        return Ok(Ok(made));
    }
    let fault = match serde_json::from_slice::<Fault>(line) {
        Ok(fault) if !output.status.success() => fault,
        _ => {
            let said = String::from_utf8_lossy(&output.stderr);
            let said = said.lines().rev().map(str::trim).find(|line| !line.is_empty());
            let message = said.map_or_else(|| output.status.to_string(), ToOwned::to_owned);
            return Err(PackageError::failed(python, message).into());
        }
    };
    match (fault.errno, fault.file) {
        (Some(number), of_system) => {
            let file = of_system.map_or_else(|| file.to_owned(), PathBuf::from);
            Err(io::Error::from_raw_os_error(number)).context(format!("cannot read or write {file:?}"))
        }
        (None, _) => Ok(Err(fault.error)),
    }
}
