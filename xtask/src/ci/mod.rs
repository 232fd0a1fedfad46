//! `cargo xtask ci`: everything that must pass.

mod packages;

use crate::{
    bench, introspection, python, pythons,
    run::{cargo, run, script},
    spec, spec_proof, stdlib,
};
use anyhow::{Context, Result};
use packages::Packages;
use permacode_testkit::interpreters::VARIABLE;
use std::{env, ffi::OsString, process::Command, time::Instant};

/// Tests of the scripts that compare compiled files, code objects, outcomes of tests, and environments.
const COMPARERS: [&str; 4] = [
    "comparison/test_compare.py",
    "comparison/test_equal.py",
    "cpython_tests/test_regress_overlay.py",
    "environment/test_environment.py",
];

/// Runs every step, up to the first one that fails.
pub(crate) fn ci() -> Result<()> {
    let start = Instant::now();
    let packages = Packages::new()?;
    let pythons = pythons::taking_part();
    pythons::check(&pythons)?;
    // All tests of all crates use the same interpreters.
    let list = env::join_paths(pythons.values()).context("the path of an interpreter cannot be in a list of paths")?;
    let environment: [(&str, OsString); 1] = [(VARIABLE, list)];

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
    // Alone, a library must not need the features that another crate turns on.
    for library in packages.libraries() {
        step(&format!("{library} alone"), &["clippy", "--package", library, "--", "-D", "warnings"], &[])?;
    }
    for library in packages.libraries_with_default_features() {
        let args = ["clippy", "--package", library, "--no-default-features", "--", "-D", "warnings"];
        step(&format!("{library} without default features"), &args, &[])?;
    }
    for interpreter in python::interpreters(&[])? {
        // The code depends on the version of Python, and the lints above saw it for one version only.
        let program = interpreter.executable.to_str().context("the path of an interpreter is not valid Unicode")?;
        let args = ["clippy", "--package", "permacode-python", "--", "-D", "warnings"];
        step(&format!("permacode-python for {}", interpreter.version_text), &args, &[("PYO3_PYTHON", program)])?;
    }
    println!("\n== the oldest Rust");
    packages::check_rust_version(&packages.rust_version()?)?;
    println!("\n== fuzz targets");
    packages::check_fuzz_targets()?;
    println!("\n== publishing");
    packages.check_publishing()?;
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
    println!("\n== lines, handlers, docstrings and signatures");
    introspection::introspection(&introspection::Args { no_tests: true, pythons: Vec::new() })?;
    println!("\nall passed in {:.0} s", start.elapsed().as_secs_f64());
    Ok(())
}
