//! `cargo xtask ci`: everything that must pass.

use crate::{
    bench, python, pythons,
    run::{cargo, run, script},
    spec, spec_proof, stdlib,
};
use anyhow::{Context, Result};
use std::{env, ffi::OsString, process::Command, time::Instant};

/// Each library has to build alone: what another crate happens to turn on must not be needed.
const LIBRARIES: [&str; 6] = [
    "permacode-format",
    "permacode-reader",
    "permacode-model",
    "permacode-writer",
    "permacode-pyc",
    "permacode-bundle",
];

/// Those that have a default feature that can be left out.
const BARE: [&str; 2] = ["permacode-format", "permacode-reader"];

/// Tests of what compares compiled files, code from archives, outcomes of tests, and environments.
const COMPARERS: [&str; 4] = [
    "comparison/test_compare.py",
    "comparison/test_equal.py",
    "cpython_tests/test_regress_overlay.py",
    "environment/test_environment.py",
];

/// Runs all of it; the first step that fails is the last one.
pub(crate) fn ci() -> Result<()> {
    let start = Instant::now();
    let pythons = pythons::taking_part();
    pythons::check(&pythons)?;
    // The same interpreters for every test of every crate.
    let list = env::join_paths(pythons.values()).context("the path of an interpreter cannot be in a list of paths")?;
    let environment: [(&str, OsString); 1] = [(pythons::VARIABLE, list)];

    let step = |name: &str, args: &[&str], more: &[(&str, &str)]| -> Result<()> {
        let start = Instant::now();
        println!("\n== {name}");
        run(cargo(args).envs(environment.iter().cloned()).envs(more.iter().copied()))?;
        println!("== {name}: ok, {:.1} s", start.elapsed().as_secs_f64());
        Ok(())
    };
    step("format", &["fmt", "--all", "--check"], &[])?;
    step("lints", &["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"], &[])?;
    step("tests", &["test", "--workspace"], &[])?;
    step("documentation", &["doc", "--workspace", "--no-deps"], &[("RUSTDOCFLAGS", "-D warnings")])?;
    for library in LIBRARIES {
        step(&format!("{library} alone"), &["clippy", "--package", library, "--", "-D", "warnings"], &[])?;
    }
    for library in BARE {
        let args = ["clippy", "--package", library, "--no-default-features", "--", "-D", "warnings"];
        step(&format!("{library} without default features"), &args, &[])?;
    }
    for interpreter in python::interpreters(&[])? {
        // What is built depends on the version: the lints above have seen one.
        let program = interpreter.executable.to_str().context("the path of an interpreter is no text")?;
        let args = ["clippy", "--package", "permacode-python", "--", "-D", "warnings"];
        step(&format!("permacode-python for {}", interpreter.version_text), &args, &[("PYO3_PYTHON", program)])?;
    }
    println!("\n== generated parts of the specification");
    spec::spec(&spec::Args::default())?;
    println!("\n== two verifiers agree");
    spec_proof::spec_proof(&spec_proof::Args::default())?;
    println!("\n== cost of opening");
    bench::open()?;
    println!("\n== the comparers find what they should");
    for (python, test) in pythons.values().flat_map(|python| COMPARERS.map(|test| (python, test))) {
        run(Command::new(python).arg(script(test)))?;
    }
    python::python(&python::Args::default())?;
    stdlib::stdlib(&stdlib::Args::default())?;
    println!("\nall passed in {:.0} s", start.elapsed().as_secs_f64());
    Ok(())
}
