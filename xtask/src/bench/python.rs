//! `cargo xtask bench python`: the time that importing from an archive takes.
//!
//! This module prepares the measurement: for each interpreter an environment with the package, and an archive of the
//! standard library without its test suites. The scripts in `bench/` measure. The newest of the interpreters runs them.

use super::placement;
use crate::{
    python::{self, Environment},
    run::{cargo, output, permacode, root, run, target_folder},
    stdlib::exclude_tests,
};
use anyhow::{Context, Result, bail};
use clap::ValueEnum;
use permacode_bundle::Interpreter;
use serde_json::{Value, json};
use std::{
    fmt, fs,
    path::{Path, PathBuf},
    process::Command,
};

/// Measure imports from an archive beside those of CPython itself and of other packages
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The interpreters; by default one of each minor version that is found
    pythons: Vec<PathBuf>,
    /// How often each program runs
    #[arg(long, value_name = "N", default_value_t = 41)]
    rounds: u32,
    /// Measure this part only (can be repeated); by default load, imports and process
    #[arg(long, value_name = "PART")]
    only: Vec<Part>,
    /// Count instructions, too, under callgrind
    #[arg(long)]
    instructions: bool,
    /// Write the results to this file
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
}

/// The parts of `bench/bench.py`.
#[derive(Debug, Clone, Copy, ValueEnum)]
enum Part {
    /// Load the code of some modules and run none of it
    Load,
    /// Import some modules in one process
    Imports,
    /// Run a process from its start to its exit
    Process,
    /// Count the instructions of whole processes
    Instructions,
    /// Load code from archives that differ only in the order of their records
    Placement,
    /// Import some modules, fork children, and measure memory
    Forks,
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.to_possible_value().map_or(Ok(()), |value| f.write_str(value.get_name()))
    }
}

/// Measures.
pub(super) fn python(args: &Args) -> Result<()> {
    run(&mut cargo(&["build", "--quiet", "--release", "--package", "permacode"]))?;
    let folder = target_folder().join("bench-python");
    let (mut plan, mut environments, mut driver) = (Vec::new(), Vec::new(), None);
    for interpreter in python::interpreters(&args.pythons)? {
        let version = &interpreter.version_text;
        let prepared = python::environment(&interpreter).and_then(|environment| {
            let described = prepare(&interpreter, &environment, &folder.join(version))?;
            Ok((described, environment))
        });
        match prepared {
            Ok((described, environment)) => {
                println!("CPython {version} takes part");
                plan.push(described);
                environments.push(environment);
                driver = Some(interpreter.executable);
            }
            Err(error) => println!("CPython {version} is left out: {error:#}"),
        }
    }
    let Some(driver) = driver else { bail!("no interpreter could be prepared") };
    let path = folder.join("plan.json");
    fs::write(&path, serde_json::to_string_pretty(&plan)?)?;
    let mut command = Command::new(driver);
    command.args(["-E", "-s"]).arg(root().join("bench/bench.py")).arg(&path);
    command.args(["--rounds", &args.rounds.to_string()]);
    command.args(args.only.iter().flat_map(|part| ["--only".to_owned(), part.to_string()]));
    command.args(args.instructions.then_some("--instructions"));
    if let Some(file) = &args.json {
        command.arg("--json").arg(file);
    }
    run(&mut command)
}

/// The entry of an interpreter in the plan for `bench/bench.py`.
fn prepare(interpreter: &Interpreter, environment: &Environment, folder: &Path) -> Result<Value> {
    let site = output(Command::new(&environment.python).args([
        "-I",
        "-c",
        "import permacode, os; print(os.path.dirname(os.path.dirname(os.path.abspath(permacode.__file__))))",
    ]))?;
    fs::create_dir_all(folder).with_context(|| format!("cannot create {}", folder.display()))?;
    let (archive, compiled) = (folder.join("library.perma"), folder.join("compiled"));
    if compiled.exists() {
        fs::remove_dir_all(&compiled)?;
    }
    let unsealed = folder.join("unsealed.perma");
    for (path, options) in [(&archive, &["--sealed", "--keep-compiled"][..]), (&unsealed, &[])] {
        let mut bundle = permacode();
        bundle.args(["bundle", "--json", "--python"]).arg(&interpreter.executable).arg("--output").arg(path);
        bundle.args(options).args(options.contains(&"--keep-compiled").then_some(&compiled));
        exclude_tests(&mut bundle);
        output(&mut bundle)?;
    }
    Ok(json!({
        "version": interpreter.version_text,
        "python": interpreter.executable,
        "site": site.trim_end(),
        "archive": archive,
        "unsealed": unsealed,
        "placements": placement::place_again(&archive, folder)?,
        "compiled": compiled,
        "folder": folder,
    }))
}
