//! `cargo xtask python-proof`: CPython gets the same from an archive as from its own files.
//!
//! For each interpreter, this task installs the wheel in a virtual environment and bundles the whole standard library
//! with its tests. The parts are:
//!
//! * `--environment`: imports each module of an environment of packages, with an archive of it and without, and
//!   compares.
//! * `--equal`: compares each code object with the one that marshal makes of the bundled `.pyc`, and runs programs on
//!   both.
//! * `--regress`: runs CPython's own tests with the library imported from the archive, and without, and compares.
//! * `--leaks`: checks that the use of memory does not grow, and runs under valgrind.
//! * `--suites`: runs the test suites of packages in an environment that `permacode enable` switched on, with the archive
//!   and without, and compares.
//! * `--damage`: flips bits. CPython must refuse each damaged archive. If the checksums of the damaged archive are
//!   corrected, making code objects and inspecting them must not crash.
//!
//! Without a flag, all parts run. The scripts that compare are in `xtask/python/`. Their tests run first.

mod environment;

use crate::{
    python::{self, Environment},
    run::{cargo, permacode, run, script},
    stdlib::{Library, timed},
};
use anyhow::{Context, Result, ensure};
use environment::Packages;
use permacode_bundle::Interpreter;
use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

/// Compare what CPython gets from an archive with what it gets from its own files
///
/// Without the name of a part, all parts run. That takes hours.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The interpreters; by default one of each minor version that is found
    pythons: Vec<PathBuf>,
    #[command(flatten)]
    parts: Parts,
    /// The packages that --environment imports
    #[arg(long, value_enum, default_value_t)]
    packages: Packages,
    /// The test files that --regress runs, separated by commas, instead of its own list
    #[arg(long, value_name = "NAME", value_delimiter = ',')]
    tests: Vec<String>,
    /// Make an image, from which --equal and --regress take the code objects
    #[arg(long)]
    image: bool,
    /// Keep archives and outcomes of tests in this folder
    #[arg(long, value_name = "DIR")]
    keep: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::Args)]
struct Parts {
    /// Import each module of an environment with and without an archive
    #[arg(long)]
    environment: bool,
    /// Compare each code object with the one that marshal makes
    #[arg(long)]
    equal: bool,
    /// Run CPython's own tests with the library imported from an archive
    #[arg(long)]
    regress: bool,
    /// Run the test suites of packages in an enabled environment with and without its archive
    #[arg(long)]
    suites: bool,
    /// Look for leaks, and for errors that valgrind finds
    #[arg(long)]
    leaks: bool,
    /// Flip bits of an archive
    #[arg(long)]
    damage: bool,
}

impl Parts {
    const NONE: Parts =
        Parts { environment: false, equal: false, regress: false, suites: false, leaks: false, damage: false };
    const ALL: Parts = Parts { environment: true, equal: true, regress: true, suites: true, leaks: true, damage: true };
}

/// The hash seeds of the two runs that compare. Sets have a different order in each.
const SEEDS: [(&str, &[&str]); 2] = [("1", &[]), ("2", &["--tables-first"])];

/// The oldest minor version that the packages of `suites/requirements.txt` support.
const OLDEST_OF_SUITES: u8 = 12;

/// Runs the parts that are asked for.
pub(crate) fn python_proof(args: &Args) -> Result<()> {
    let parts = if args.parts == Parts::NONE { Parts::ALL } else { args.parts };
    ensure!(
        parts.environment || args.packages == Packages::default(),
        "--packages is an option of --environment: name both, or no part"
    );
    ensure!(parts.regress || args.tests.is_empty(), "--tests is an option of --regress: name both, or no part");
    ensure!(
        !args.image || !(parts.environment || parts.suites || parts.leaks || parts.damage),
        "--image is an option of --equal and --regress: name one of them or both, and no other part"
    );
    run(&mut cargo(&["build", "--quiet", "--release", "--package", "permacode"]))?;
    let temporary = tempfile::tempdir().context("cannot make a temporary folder")?;
    let folder = args.keep.clone().unwrap_or_else(|| temporary.path().to_owned());
    let (mut passed, mut failed) = (Vec::new(), Vec::new());
    for interpreter in python::interpreters(&args.pythons)? {
        let version = interpreter.version_text.clone();
        println!("\n== CPython {version}");
        match prove(interpreter, folder.join(&version), parts, args) {
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

fn prove(interpreter: Interpreter, folder: PathBuf, parts: Parts, args: &Args) -> Result<()> {
    if parts.environment {
        environment::environment(&interpreter, args.packages, &folder.join("environment"))?;
    }
    if parts.suites {
        suites(&interpreter, args)?;
    }
    if !(parts.equal || parts.regress || parts.leaks || parts.damage) {
        return Ok(());
    }
    let environment = python::environment(&interpreter)?;
    if parts.damage {
        damage(&environment)?;
    }
    if !(parts.equal || parts.regress || parts.leaks) {
        return Ok(());
    }
    let library = Library::new(interpreter, folder);
    library.bundle(true)?;
    let image = if args.image { Some(imaged(&environment, &library)?) } else { None };
    match &image {
        Some(archive) if parts.equal => equal_image(&environment, &library, archive)?,
        None if parts.equal => equal(&environment, &library)?,
        _ => {}
    }
    if parts.regress {
        regress(&environment, &library, image.as_deref(), args)?;
    }
    if parts.leaks {
        leaks(&environment, &library)?;
    }
    Ok(())
}

/// Compares all code objects, made in both orders, and the results of programs.
fn equal(environment: &Environment, library: &Library) -> Result<()> {
    for test in ["comparison/test_compare.py", "comparison/test_equal.py"] {
        run(&mut command(environment, test))?;
    }
    for (seed, order) in SEEDS {
        let mut command = command(environment, "comparison/equal.py");
        command.arg(library.archive()).arg(library.compiled()).args(order).env("PYTHONHASHSEED", seed);
        timed("equal", || run(&mut command))?;
    }
    let mut command = command(environment, "comparison/behaviour.py");
    run(command.arg(library.archive()).env("PERMACODE_COMMAND", permacode().get_program()))
}

/// Copies the archive into a folder of its own, and makes its image there. Returns the path of the copy.
fn imaged(environment: &Environment, library: &Library) -> Result<PathBuf> {
    let folder = library.archive().with_file_name("image");
    let archive = folder.join("library.perma");
    fs::create_dir_all(&folder).with_context(|| format!("cannot create {}", folder.display()))?;
    fs::copy(library.archive(), &archive).with_context(|| format!("cannot copy to {}", archive.display()))?;
    run(Command::new(&environment.python).args(["-I", "-m", "permacode.image"]).arg(&archive))?;
    Ok(archive)
}

/// Compares all code objects of an image.
fn equal_image(environment: &Environment, library: &Library, archive: &Path) -> Result<()> {
    for (seed, _) in SEEDS {
        let mut command = command(environment, "comparison/equal.py");
        command.arg(archive).arg(library.compiled()).arg("--image").env("PYTHONHASHSEED", seed);
        timed("equal", || run(&mut command))?;
    }
    Ok(())
}

fn regress(environment: &Environment, library: &Library, image: Option<&Path>, args: &Args) -> Result<()> {
    let mut command = Command::new("python3");
    command.arg(script("cpython_tests/regress_overlay.py")).arg("--python").arg(&environment.python);
    match image {
        Some(archive) => command.arg("--archive").arg(archive).args(["--method", "image"]),
        None => command.arg("--archive").arg(library.archive()),
    };
    if let Some(folder) = &args.keep {
        command.arg("--keep").arg(folder.join("outcomes"));
    }
    if !args.tests.is_empty() {
        command.arg("--tests").args(&args.tests);
    }
    timed("regress", || run(&mut command))
}

/// Compares the outcomes of the test suites of packages.
fn suites(interpreter: &Interpreter, args: &Args) -> Result<()> {
    if interpreter.version.minor() < OLDEST_OF_SUITES {
        println!(
            "suites: LEFT OUT for CPython {}: their packages need 3.{OLDEST_OF_SUITES} or later",
            interpreter.version_text
        );
        return Ok(());
    }
    let environment = python::environment(interpreter)?;
    environment.install_requirements(&script("suites/requirements.txt"))?;
    environment.enable()?;
    let mut command = Command::new(&interpreter.executable);
    command.args(["-E", "-s"]).arg(script("suites/suites.py")).arg("--python").arg(&environment.python);
    if let Some(folder) = &args.keep {
        command.arg("--keep").arg(folder.join("suites"));
    }
    timed("suites", || run(&mut command))
}

fn leaks(environment: &Environment, library: &Library) -> Result<()> {
    for name in ["memory/leaks.py", "memory/memcheck.py"] {
        timed(name, || run(command(environment, name).arg(library.archive())))?;
    }
    Ok(())
}

/// Flips bits in an archive of a few modules, first with the old checksums, then with corrected ones.
/// `PYTHONMALLOC=debug` finds writes out of bounds in Python's memory.
fn damage(environment: &Environment) -> Result<()> {
    for arguments in [&["--flips", "3000"][..], &["--flips", "10000", "--repair"]] {
        let mut command = command(environment, "damage/flipped_bits.py");
        command.args(arguments).env("PERMACODE_COMMAND", permacode().get_program());
        command.env("PYTHONHASHSEED", "0").env("PYTHONMALLOC", "debug");
        timed("damage", || run(&mut command))?;
    }
    Ok(())
}

/// Runs a script below `xtask/python` in the environment, without the variables of the caller that Python reads.
fn command(environment: &Environment, path: &str) -> Command {
    let mut command = Command::new(&environment.python);
    command.args(["-B", "-s"]).arg(script(path));
    for variable in ["PYTHONPATH", "PYTHONHOME", "PYTHONOPTIMIZE", "PYTHONHASHSEED", "PYTHONNODEBUGRANGES"] {
        command.env_remove(variable);
    }
    command
}
