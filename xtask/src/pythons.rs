//! The interpreters that the tests use.

use anyhow::{Context, Result, bail};
use permacode_testkit::interpreters::{EXPECTED, VARIABLE, find_all};
use std::{collections::BTreeMap, path::PathBuf, process::Command};

/// `cargo xtask pythons`: a line for each minor version.
pub(crate) fn list() -> Result<()> {
    for (minor, program) in taking_part() {
        println!("3.{minor}\t{}", program.display());
    }
    Ok(())
}

/// One interpreter of each minor version: those that [`VARIABLE`] names, or else those that are installed.
pub(crate) fn taking_part() -> BTreeMap<u8, PathBuf> {
    let found = find_all();
    found.one_per_minor().iter().map(|found| (found.version.minor(), found.executable.clone())).collect()
}

/// Fails if a version of [`EXPECTED`] is installed but does not take part.
pub(crate) fn check(taking_part: &BTreeMap<u8, PathBuf>) -> Result<()> {
    println!("{} of {} versions of Python take part:", taking_part.len(), EXPECTED.len());
    for (minor, program) in taking_part {
        println!("  3.{minor:<3} {}", program.display());
    }
    if taking_part.is_empty() {
        bail!("no CPython 3.8 or later was found: install one, or name some in {VARIABLE}");
    }
    for (minor, program) in installed()? {
        if EXPECTED.contains(&minor) && !taking_part.contains_key(&minor) {
            bail!("Python 3.{minor} is installed ({program}) but takes no part: add it to {VARIABLE}");
        }
    }
    Ok(())
}

/// The interpreters that are installed, whatever [`VARIABLE`] says.
///
/// A child process lists them, because `find_all` reads the variable.
fn installed() -> Result<BTreeMap<u8, String>> {
    let program = std::env::current_exe().context("cannot find this program")?;
    let output =
        Command::new(program).arg("pythons").env_remove(VARIABLE).output().context("cannot list what is installed")?;
    let text = String::from_utf8_lossy(&output.stdout);
    let line = |line: &str| {
        let (version, program) = line.split_once('\t')?;
        Some((version.strip_prefix("3.")?.parse().ok()?, program.to_owned()))
    };
    Ok(text.lines().filter_map(line).collect())
}
