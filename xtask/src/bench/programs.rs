//! `cargo xtask bench programs`: the time that the programs of an enabled environment take.
//!
//! This module makes the environment: the package, the packages of `bench/requirements.txt`, and `permacode enable`.
//! The scripts in `bench/` measure.

use crate::{
    python::{self, Environment},
    run::{root, run},
};
use anyhow::{Context, Result};
use permacode_bundle::Interpreter;
use std::{path::PathBuf, process::Command};

/// Measure the programs of an environment with and without its archive
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The interpreter of the environment: CPython 3.12 or later
    python: PathBuf,
    /// How often each program runs, or each server starts; by default 21 and 5
    #[arg(long, value_name = "N")]
    rounds: Option<u32>,
    /// Measure this program only (can be repeated)
    #[arg(long, value_name = "NAME")]
    program: Vec<String>,
    /// Measure programs that gain little or lose instead
    #[arg(long)]
    cases: bool,
    /// Drop the files from the cache before each run
    #[arg(long)]
    cold: bool,
    /// Measure an environment that was never enabled, too
    #[arg(long)]
    never: bool,
    /// Measure the memory of the workers of a server instead
    #[arg(long, conflicts_with_all = ["program", "cases", "cold", "never"])]
    gunicorn: bool,
    /// Write the results to this file
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
}

/// Measures.
pub(super) fn programs(args: &Args) -> Result<()> {
    let interpreter =
        Interpreter::probe(&args.python).with_context(|| format!("cannot use {}", args.python.display()))?;
    let environment = with_packages(&interpreter)?;
    environment.enable()?;
    let never = if args.never { Some(with_packages(&interpreter)?) } else { None };
    let script = if args.gunicorn { "bench/gunicorn_memory.py" } else { "bench/enabled.py" };
    let mut command = Command::new(&interpreter.executable);
    command.args(["-E", "-s"]).arg(root().join(script)).arg(&environment.python);
    if let Some(rounds) = args.rounds {
        command.args(["--rounds", &rounds.to_string()]);
    }
    command.args(args.program.iter().flat_map(|program| ["--program", program]));
    command.args(args.cases.then_some("--cases")).args(args.cold.then_some("--cold"));
    if let Some(never) = &never {
        command.arg("--never").arg(&never.python);
    }
    if let Some(file) = &args.json {
        command.arg("--json").arg(file);
    }
    run(&mut command)
}

/// An environment with the packages whose programs are measured.
fn with_packages(interpreter: &Interpreter) -> Result<Environment> {
    let environment = python::environment(interpreter)?;
    environment.install_requirements(&root().join("bench/requirements.txt"))?;
    Ok(environment)
}
