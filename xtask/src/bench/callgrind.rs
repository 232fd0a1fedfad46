//! Counting instructions under valgrind's callgrind.

use crate::run::output;
use anyhow::{Context, Result, ensure};
use std::{fs, process::Command};

/// A run of a program.
pub(super) struct Count {
    /// The instructions that the function executed, with all functions that it called.
    pub(super) instructions: u64,
    /// The standard output of the program.
    pub(super) output: String,
}

/// Runs a program and counts the instructions of the function with `function` in its name.
pub(super) fn count(function: &str, program: &Command) -> Result<Count> {
    let folder = tempfile::tempdir().context("cannot make a temporary folder")?;
    let profile = folder.path().join("callgrind.out");
    let mut command = Command::new("valgrind");
    command.args(["--tool=callgrind", "--collect-atstart=no"]).arg(format!("--toggle-collect=*{function}*"));
    command.arg(format!("--callgrind-out-file={}", profile.display()));
    command.arg(program.get_program()).args(program.get_args());
    let output = output(&mut command).context("counting instructions needs valgrind")?;
    let profile = fs::read_to_string(profile).context("cannot read the profile of callgrind")?;
    let totals = profile.lines().find_map(|line| line.strip_prefix("totals: "));
    let instructions: u64 = totals.context("the profile of callgrind has no totals")?.trim().parse()?;
    ensure!(instructions > 0, "no instruction was counted: does the program still have a function `{function}`?");
    Ok(Count { instructions, output })
}
