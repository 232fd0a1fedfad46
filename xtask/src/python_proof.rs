//! `cargo xtask python-proof`: what CPython gets from an archive is what it gets from its own files.
//!
//! For each interpreter: the wheel in a virtual environment, an archive of the whole standard library with its tests, and
//!
//! * `--environment`: each module of an environment of packages, imported with an archive of it and without;
//! * `--equal`: each code object beside the one that marshal makes of the `.pyc` that was bundled; and what runs on them;
//! * `--regress`: CPython's own tests with the library imported from the archive, beside the same tests without;
//! * `--leaks`: memory that stays as it is, and a run under valgrind;
//! * `--damage`: one flipped bit is noticed, and even with its checksums made right an archive crashes nobody who only looks.
//!
//! Without a flag all of it. What compares is in `xtask/python/`, and is tested first: it has to find what differs.

mod environment;

use crate::{
    python::{self, Environment},
    run::{cargo, permacode, root, run},
    stdlib::{Library, timed},
};
use anyhow::{Context, Result, bail, ensure};
use environment::Packages;
use permacode_bundle::Interpreter;
use std::{path::PathBuf, process::Command};

/// What is asked for.
#[derive(Debug, Default)]
struct Wanted<'a> {
    environment: bool,
    packages: Packages,
    equal: bool,
    regress: bool,
    leaks: bool,
    damage: bool,
    /// Where archives and outcomes are kept; a temporary folder if nobody says.
    keep: Option<PathBuf>,
    /// Test files to run instead of those of `regress_overlay.py`.
    tests: Vec<&'a str>,
    pythons: Vec<&'a str>,
}

/// Hash seeds of the two runs that compare: sets have other orders in each.
const SEEDS: [(&str, &[&str]); 2] = [("1", &[]), ("2", &["--tables-first"])];

/// Proves what is asked for, for the interpreters that are named or for all that are found.
pub(crate) fn python_proof(args: &[&str]) -> Result<()> {
    let wanted = parse(args)?;
    run(&mut cargo(&["build", "--quiet", "--release", "--package", "permacode"]))?;
    let temporary = tempfile::tempdir().context("cannot make a temporary folder")?;
    let folder = wanted.keep.clone().unwrap_or_else(|| temporary.path().to_owned());
    let (mut passed, mut failed) = (Vec::new(), Vec::new());
    for interpreter in python::interpreters(&wanted.pythons)? {
        let version = interpreter.version_text.clone();
        println!("\n== CPython {version}");
        match prove(interpreter, folder.join(&version), &wanted) {
            Ok(()) => passed.push(version),
            Err(error) => {
                println!("FAILED: {error:#}");
                failed.push(version);
            }
        }
    }
    ensure!(failed.is_empty(), "failed for CPython {}", failed.join(", "));
    println!("\nproved for CPython {}", passed.join(", "));
    Ok(())
}

fn prove(interpreter: Interpreter, folder: PathBuf, wanted: &Wanted<'_>) -> Result<()> {
    if wanted.environment {
        environment::environment(&interpreter, wanted.packages, &folder.join("environment"))?;
    }
    if !(wanted.equal || wanted.regress || wanted.leaks || wanted.damage) {
        return Ok(());
    }
    let environment = python::environment(&interpreter)?;
    if wanted.damage {
        damage(&environment)?;
    }
    if !(wanted.equal || wanted.regress || wanted.leaks) {
        return Ok(());
    }
    let library = Library::new(interpreter, folder);
    library.bundle(true)?;
    if wanted.equal {
        equal(&environment, &library)?;
    }
    if wanted.regress {
        regress(&environment, &library, wanted)?;
    }
    if wanted.leaks {
        leaks(&environment, &library)?;
    }
    Ok(())
}

/// All code objects, in either order, and what a program sees that runs them.
fn equal(environment: &Environment, library: &Library) -> Result<()> {
    for test in ["test_compare.py", "test_equal.py"] {
        run(&mut script(environment, test))?;
    }
    for (seed, order) in SEEDS {
        let mut command = script(environment, "equal.py");
        command.arg(library.archive()).arg(library.compiled()).args(order).env("PYTHONHASHSEED", seed);
        timed("equal", || run(&mut command))?;
    }
    let mut command = script(environment, "behaviour.py");
    run(command.arg(library.archive()).env("PERMACODE_COMMAND", permacode().get_program()))
}

fn regress(environment: &Environment, library: &Library, wanted: &Wanted<'_>) -> Result<()> {
    let mut command = Command::new("python3");
    command.arg(root().join("xtask/python/regress_overlay.py")).arg("--python").arg(&environment.python);
    command.arg("--archive").arg(library.archive());
    if let Some(folder) = &wanted.keep {
        command.arg("--keep").arg(folder.join("outcomes"));
    }
    if !wanted.tests.is_empty() {
        command.arg("--tests").args(&wanted.tests);
    }
    timed("regress", || run(&mut command))
}

fn leaks(environment: &Environment, library: &Library) -> Result<()> {
    for name in ["leaks.py", "memcheck.py"] {
        timed(name, || run(script(environment, name).arg(library.archive())))?;
    }
    Ok(())
}

/// Flipped bits in an archive of a few modules, without and with checksums that are right again. Python's own memory is looked
/// through for what was written out of bounds.
fn damage(environment: &Environment) -> Result<()> {
    for arguments in [&["--flips", "3000"][..], &["--flips", "10000", "--repair"]] {
        let mut command = script(environment, "flipped_bits.py");
        command.args(arguments).env("PERMACODE_COMMAND", permacode().get_program());
        command.env("PYTHONHASHSEED", "0").env("PYTHONMALLOC", "debug");
        timed("damage", || run(&mut command))?;
    }
    Ok(())
}

/// A script of `xtask/python` in the environment, with nothing of the caller's that Python looks at.
fn script(environment: &Environment, name: &str) -> Command {
    let mut command = Command::new(&environment.python);
    command.args(["-B", "-s"]).arg(root().join("xtask/python").join(name));
    for variable in ["PYTHONPATH", "PYTHONHOME", "PYTHONOPTIMIZE", "PYTHONHASHSEED", "PYTHONNODEBUGRANGES"] {
        command.env_remove(variable);
    }
    command
}

fn parse<'a>(args: &[&'a str]) -> Result<Wanted<'a>> {
    let mut wanted = Wanted::default();
    let mut args = args.iter();
    while let Some(arg) = args.next() {
        match *arg {
            "--environment" => wanted.environment = true,
            "--installed" => wanted.packages = Packages::Installed,
            "--system-site-packages" => wanted.packages = Packages::System,
            "--equal" => wanted.equal = true,
            "--regress" => wanted.regress = true,
            "--leaks" => wanted.leaks = true,
            "--damage" => wanted.damage = true,
            "--keep" => wanted.keep = Some(args.next().context("--keep wants a folder")?.into()),
            "--tests" => {
                wanted.tests = args.next().context("--tests wants names, with commas between")?.split(',').collect()
            }
            flag if flag.starts_with('-') => bail!("unknown flag {flag}"),
            python => wanted.pythons.push(python),
        }
    }
    if !(wanted.environment || wanted.equal || wanted.regress || wanted.leaks || wanted.damage) {
        wanted = Wanted { environment: true, equal: true, regress: true, leaks: true, damage: true, ..wanted };
    }
    ensure!(
        wanted.environment || wanted.packages == Packages::Pinned,
        "--installed and --system-site-packages say which packages --environment takes"
    );
    Ok(wanted)
}
