//! `cargo xtask introspection`: what the reader says about code objects is what CPython says.
//!
//! For each interpreter, this task bundles the standard library and keeps the compiled files. A script in that
//! interpreter describes each code object of those files. [`tables`] compares positions, handlers and docstrings with
//! what the reader finds in the archive. [`signatures`] compares signatures with the sources.

mod signatures;
mod stream;
mod tables;

use crate::{
    pythons,
    run::{cargo, run},
    stdlib::{Library, timed},
};
use anyhow::{Context, Result, ensure};
use comfy_table::{Table, presets};
use permacode_bundle::Interpreter;
use std::path::PathBuf;
use tables::Report;

/// Compare lines, handlers, docstrings and signatures of whole standard libraries with what CPython says
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The interpreters; by default one of each minor version that is found
    pub(crate) pythons: Vec<PathBuf>,
    /// Leave out the test suites
    #[arg(long)]
    pub(crate) no_tests: bool,
}

/// Runs the comparison for the interpreters that are named, or for all that take part.
pub(crate) fn introspection(args: &Args) -> Result<()> {
    run(&mut cargo(&["build", "--quiet", "--release", "--package", "permacode"]))?;
    let pythons =
        if args.pythons.is_empty() { pythons::taking_part().into_values().collect() } else { args.pythons.clone() };
    ensure!(!pythons.is_empty(), "no CPython 3.8 or later was found");
    let folder = tempfile::tempdir().context("cannot make a temporary folder")?;
    let mut table = Table::new();
    table.load_preset(presets::NOTHING);
    table.set_header([
        "CPython",
        "modules",
        "code objects",
        "units",
        "handlers",
        "docstrings",
        "scopes",
        "assigned",
        "differences",
        "CPython",
        "reader",
        "ratio",
    ]);
    let mut signature_table = signatures::table();
    let mut failed = Vec::new();
    for python in pythons {
        let interpreter = Interpreter::probe(&python).with_context(|| format!("cannot use {}", python.display()))?;
        let version = interpreter.version_text.clone();
        println!("\n== CPython {version}");
        let library = Library::new(interpreter, folder.path().join(&version));
        library.bundle(!args.no_tests)?;
        let report = timed("compare", || tables::compare(&library))?;
        let signatures = timed("compare signatures", || signatures::compare(&library))?;
        for difference in report.shown.iter().chain(&signatures.shown) {
            println!("{difference}");
        }
        table.add_row(row(&version, &report));
        signature_table.add_row(signatures.row(&version));
        if report.differences > 0 || !signatures.is_good() {
            failed.push(version);
        }
        library.remove();
    }
    println!("\n{table}");
    println!(
        "\nScopes that are no functions have no docstring in the archive, but a function object shows their first"
    );
    println!("constant. A text that a module or class assigns to __doc__ is its docstring in the archive.");
    println!("\nThe times are those of consuming all positions: co_positions() in CPython (3.10: co_lines(), before:");
    println!("dis.findlinestarts()), Code::locations() unit by unit in the reader.");
    println!("\nSignatures:\n{signature_table}");
    ensure!(failed.is_empty(), "CPython says something else for {}", failed.join(", "));
    Ok(())
}

fn row(version: &str, report: &Report) -> Vec<String> {
    let milliseconds = |time: std::time::Duration| format!("{:.1} ms", time.as_secs_f64() * 1e3);
    let ratio = report.reader_time.as_secs_f64() / report.cpython_time.as_secs_f64();
    let mut row = vec![version.to_owned()];
    row.extend(
        [
            report.modules,
            report.codes,
            report.units,
            report.handlers,
            report.docstrings,
            report.scopes,
            report.assigned,
            report.differences,
        ]
        .map(|count| count.to_string()),
    );
    row.extend([milliseconds(report.cpython_time), milliseconds(report.reader_time), format!("{ratio:.3}")]);
    row
}
