//! `cargo xtask stdlib`: whole standard libraries go into archives and out again.
//!
//! For each interpreter, this task runs the command `permacode` to bundle the library, verify the archive and extract
//! it. It searches the archive for marshal bytes. A script in that interpreter compares each extracted file with the
//! output of the compiler. Last, the task compares sizes. With `--reproduce`, the archive must have the same bytes when
//! it is made under other circumstances. With `--regress`, CPython's own tests run on extracted trees: whole, without
//! sources, and without docstrings, lines and signatures.

mod library;
mod marshal;
mod reproduce;

use crate::{
    pythons,
    run::{cargo, run, script},
};
use anyhow::{Context, Result, bail, ensure};
use library::Size;
pub(crate) use library::{Library, exclude_tests, timed};
use permacode_bundle::Interpreter;
use std::{path::PathBuf, process::Command};

/// Bundle whole standard libraries, extract them again and compare
#[derive(Debug, Default, clap::Args)]
pub(crate) struct Args {
    /// The interpreters; by default one of each minor version that is found
    pythons: Vec<PathBuf>,
    /// Leave out the test suites
    #[arg(long)]
    no_tests: bool,
    /// Bundle again under other circumstances: the archive must have the same bytes
    #[arg(long)]
    reproduce: bool,
    /// Run CPython's own tests with the extracted library, also without sources and stripped
    #[arg(long)]
    regress: bool,
    /// Keep archives and extracted trees in this folder
    #[arg(long, value_name = "DIR")]
    keep: Option<PathBuf>,
}

/// The largest allowed size of an archive without sources and resources, in percent of the compiled files: without and
/// with the test suites.
const MOST_PERCENT: [u64; 2] = [88, 87];

/// Runs the checks for the interpreters that are named, or for all that take part.
pub(crate) fn stdlib(args: &Args) -> Result<()> {
    run(&mut cargo(&["build", "--quiet", "--release", "--package", "permacode"]))?;
    let pythons =
        if args.pythons.is_empty() { pythons::taking_part().into_values().collect() } else { args.pythons.clone() };
    ensure!(!pythons.is_empty(), "no CPython 3.8 or later was found");
    let temporary = tempfile::tempdir().context("cannot make a temporary folder")?;
    let folder = args.keep.clone().unwrap_or_else(|| temporary.path().to_owned());

    let mut failed = Vec::new();
    let mut rows = Vec::new();
    for python in pythons {
        let interpreter = Interpreter::probe(&python).with_context(|| format!("cannot use {}", python.display()))?;
        let name = interpreter.version_text.clone();
        println!("\n== CPython {name}");
        let library = Library::new(interpreter, folder.join(&name));
        match check(&library, args) {
            Ok(sizes) => rows.push((name, sizes)),
            Err(error) => {
                println!("FAILED: {error:#}");
                failed.push(name);
            }
        }
        if args.keep.is_none() {
            library.remove();
        }
    }
    println!("\n{:<8} {:<8} {:>7} {:>12} {:>12} {:>7}", "CPython", "tests", "files", ".pyc bytes", "archive", "ratio");
    for (name, sizes) in &rows {
        for (tests, size) in [("without", &sizes[0]), ("with", &sizes[1])] {
            if let Some(size) = size {
                let ratio = size.archive as f64 / size.compiled as f64;
                let (files, compiled, archive) = (size.files, size.compiled, size.archive);
                println!("{name:<8} {tests:<8} {files:>7} {compiled:>12} {archive:>12} {ratio:>7.4}");
            }
        }
    }
    ensure!(failed.is_empty(), "failed for {}", failed.join(", "));
    println!("\n{} interpreters, all equal", rows.len());
    Ok(())
}

fn check(library: &Library, args: &Args) -> Result<[Option<Size>; 2]> {
    let with_tests = !args.no_tests;
    library.bundle(with_tests)?;
    library.verify()?;
    library.search_for_marshal()?;
    library.extract()?;
    library.compare()?;
    if args.reproduce {
        reproduce::check(library)?;
    }
    if args.regress {
        regress(library)?;
    }
    let sizes = [Some(library.size(false)?), if with_tests { Some(library.size(true)?) } else { None }];
    for (size, most) in sizes.iter().zip(MOST_PERCENT) {
        if let Some(size) = size
            && size.archive * 100 > size.compiled * most
        {
            bail!(
                "the archive has {} bytes for {} bytes of .pyc files: more than the {most} % that are allowed",
                size.archive,
                size.compiled
            );
        }
    }
    Ok(sizes)
}

/// Runs CPython's own tests on trees that were extracted without a base: whole, without sources, and stripped.
fn regress(library: &Library) -> Result<()> {
    let all = ["test_json", "test_dataclasses", "test_typing", "test_asyncio", "test_inspect"];
    // A test class of test_inspect calls inspect.trace when it is made. From 3.10 on, that fails without lines, and no
    // test of the file runs. So this file runs on a tree with lines.
    let (most, inspect) = all.split_at(4);
    let reference = library.regress_reference();
    for (tree, flag, tests) in [
        (library.tree_with_sources()?, None, &all[..]),
        (library.tree_without("source")?, Some("--sourceless"), &all[..]),
        (library.tree_without("docstrings,lines,signatures")?, Some("--stripped"), most),
        (library.tree_without("docstrings,signatures")?, Some("--stripped"), inspect),
    ] {
        let command = || {
            let mut command = Command::new("python3");
            command.arg(script("cpython_tests/regress.py")).arg("--python").arg(library.python());
            command.arg("--tree").arg(&tree).args(flag);
            command
        };
        let mut tested = command();
        // Without sources, the reference is another.
        if flag != Some("--sourceless") {
            tested.arg("--baseline").arg(&reference);
        }
        run(tested.arg("--tests").args(tests))?;
        if flag != Some("--sourceless") && tests.contains(&"test_json") {
            // A check of the check: test_json must fail on a spoiled tree.
            run(command().args(["--spoil", "code"]))?;
        }
    }
    Ok(())
}
