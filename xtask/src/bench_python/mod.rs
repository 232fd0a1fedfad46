//! `cargo xtask bench-python`: importing from archives, measured against CPython itself and others.
//!
//! This part makes what is measured: for each interpreter an environment with the package in it, and an archive of its
//! library without the test suites. Measuring is done in Python (`bench/`), by the newest of the interpreters.

mod placement;

use crate::{
    python::{self, Environment},
    run::{cargo, output, permacode, root, run, target_folder},
    stdlib::exclude_tests,
};
use anyhow::{Context, Result, bail};
use permacode_bundle::Interpreter;
use serde_json::{Value, json};
use std::{fs, path::Path, process::Command};

/// Flags of `bench/bench.py` that have a value; whatever else begins with a dash is handed on, too.
const WITH_VALUE: [&str; 3] = ["--rounds", "--only", "--json"];

/// Measures for the interpreters that are named, or for all that take part.
pub(crate) fn bench_python(args: &[&str]) -> Result<()> {
    let (flags, named) = split(args);
    run(&mut cargo(&["build", "--quiet", "--release", "--package", "permacode"]))?;
    let folder = target_folder().join("bench-python");
    let (mut plan, mut environments, mut driver) = (Vec::new(), Vec::new(), None);
    for interpreter in python::interpreters(&named)? {
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
            Err(error) => println!("CPython {version} takes no part: {error:#}"),
        }
    }
    let Some(driver) = driver else { bail!("no interpreter takes part") };
    let path = folder.join("plan.json");
    fs::write(&path, serde_json::to_string_pretty(&plan)?)?;
    run(Command::new(driver).args(["-E", "-s"]).arg(root().join("bench/bench.py")).arg(&path).args(flags))
}

/// What `bench/bench.py` has to know of an interpreter.
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
    let mut bundle = permacode();
    bundle.args(["bundle", "--sealed", "--json", "--python"]).arg(&interpreter.executable);
    bundle.arg("--output").arg(&archive).arg("--keep-compiled").arg(&compiled);
    exclude_tests(&mut bundle);
    output(&mut bundle)?;
    Ok(json!({
        "version": interpreter.version_text,
        "python": interpreter.executable,
        "site": site.trim_end(),
        "archive": archive,
        "placements": placement::place_again(&archive, folder)?,
        "compiled": compiled,
        "folder": folder,
    }))
}

/// Flags with their values, and interpreters.
fn split<'a>(args: &[&'a str]) -> (Vec<&'a str>, Vec<&'a str>) {
    let (mut flags, mut named) = (Vec::new(), Vec::new());
    let mut args = args.iter().copied();
    while let Some(arg) = args.next() {
        if arg.starts_with('-') {
            flags.push(arg);
            if WITH_VALUE.contains(&arg) {
                flags.extend(args.next());
            }
        } else {
            named.push(arg);
        }
    }
    (flags, named)
}
