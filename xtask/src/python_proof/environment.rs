//! `--environment`: imports each module of a real environment with an archive and without.

use super::command;
use crate::{
    python::{self, Environment},
    run::{permacode, run, script},
    stdlib::timed,
};
use anyhow::{Context, Result};
use permacode_bundle::Interpreter;
use std::{
    ffi::OsStr,
    fs,
    path::{Path, PathBuf},
};

/// The packages that `--environment` imports.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum Packages {
    /// Those of requirements.txt, installed in a virtual environment
    #[default]
    Pinned,
    /// Those of the interpreter, in the interpreter itself
    Installed,
    /// Those of the interpreter, in a virtual environment made with --system-site-packages
    System,
}

/// The oldest minor version that the packages of `requirements.txt` support.
const OLDEST_PINNED: u8 = 11;

/// Bundles every module that the interpreter can import, sealed and unsealed, and compares the imports.
pub(super) fn environment(interpreter: &Interpreter, packages: Packages, folder: &Path) -> Result<()> {
    if packages == Packages::Pinned && interpreter.version.minor() < OLDEST_PINNED {
        println!(
            "environment: LEFT OUT for CPython {}: the pinned packages need 3.{OLDEST_PINNED} or later; \
             --packages installed takes those of the interpreter",
            interpreter.version_text
        );
        return Ok(());
    }
    let environment = match packages {
        Packages::Pinned | Packages::Installed => python::environment(interpreter)?,
        Packages::System => python::environment_with(interpreter, &["--system-site-packages"])?,
    };
    run(&mut command(&environment, "environment/test_environment.py"))?;
    let python = match packages {
        Packages::Installed => &interpreter.executable,
        Packages::Pinned | Packages::System => &environment.python,
    };
    match packages {
        Packages::Pinned => install_pinned(&environment)?,
        Packages::Installed => println!("environment: the packages of {}", python.display()),
        Packages::System => println!("environment: a virtual environment that sees the packages of its interpreter"),
    }
    fs::create_dir_all(folder).with_context(|| format!("cannot create {}", folder.display()))?;
    let sealed = bundle(python, folder, "sealed", &["--sealed"])?;
    let unsealed = bundle(python, folder, "unsealed", &[])?;
    let mut command = command(&environment, "environment/environment.py");
    command.arg("--python").arg(python).arg("--keep").arg(folder.join("differences.json"));
    command.arg("--sealed").arg(sealed).arg("--unsealed").arg(unsealed);
    if packages == Packages::Installed {
        // The interpreter stays unchanged: the package is in the virtual environment.
        command.arg("--package").arg(environment.site_packages()?);
    }
    timed("environment", || run(&mut command))
}

fn install_pinned(environment: &Environment) -> Result<()> {
    let file = script("environment/requirements.txt");
    println!("environment: a virtual environment with the packages of {}", file.display());
    environment.pip([OsStr::new("install"), "--no-deps".as_ref(), "--requirement".as_ref(), file.as_os_str()])?;
    environment.pip(["check"])
}

fn bundle(python: &Path, folder: &Path, name: &str, flags: &[&str]) -> Result<PathBuf> {
    let archive = folder.join(name).with_extension("perma");
    let mut command = permacode();
    command.args(["bundle", "--site-packages", "--python"]).arg(python).arg("--output").arg(&archive).args(flags);
    timed("bundle", || run(&mut command))?;
    Ok(archive)
}
