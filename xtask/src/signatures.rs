//! `cargo xtask signatures`: the signatures in an archive are those of CPython.
//!
//! For each interpreter, this task bundles the standard library. A script in that interpreter compares what the reader
//! says about each code object with `inspect.signature` and with the syntax tree of the source.

use crate::{
    pythons,
    run::{cargo, run, script},
    stdlib::{Library, timed},
};
use anyhow::{Context, Result, ensure};
use comfy_table::{Table, presets};
use permacode_bundle::Interpreter;
use permacode_reader::{Archive, Code, Module, ParameterKind};
use serde::Deserialize;
use serde_json::{Value, json};
use std::{
    collections::BTreeMap,
    ffi::OsString,
    io::{BufWriter, Write},
    path::PathBuf,
    process::{Command, Stdio},
};

/// Compare the signatures of whole standard libraries with those of CPython
#[derive(Debug, Default, clap::Args)]
pub(crate) struct Args {
    /// The interpreters; by default one of each minor version that is found
    pythons: Vec<PathBuf>,
    /// Leave out the test suites
    #[arg(long)]
    no_tests: bool,
}

/// The counts of the table: names in the output of the script.
const COLUMNS: [&str; 7] =
    ["modules", "code objects", "functions", "with text", "matched", "merged by the compiler", "differences"];

/// The least share of functions whose source must be found, in tenths of a percent.
const LEAST_MATCHED: u64 = 999;

/// What the script found.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct Report {
    counts: BTreeMap<String, u64>,
    /// The first differences.
    shown: Vec<String>,
}

impl Report {
    fn count(&self, name: &str) -> u64 {
        self.counts.get(name).copied().unwrap_or_default()
    }
}

/// Runs the comparison for the interpreters that are named, or for all that take part.
pub(crate) fn signatures(args: &Args) -> Result<()> {
    run(&mut cargo(&["build", "--quiet", "--release", "--package", "permacode"]))?;
    let pythons =
        if args.pythons.is_empty() { pythons::taking_part().into_values().collect() } else { args.pythons.clone() };
    ensure!(!pythons.is_empty(), "no CPython 3.8 or later was found");
    let folder = tempfile::tempdir().context("cannot make a temporary folder")?;
    let mut table = Table::new();
    table.load_preset(presets::NOTHING);
    table.set_header(["CPython"].iter().chain(&COLUMNS).chain(&["share matched"]));
    let mut failed = Vec::new();
    for python in pythons {
        let interpreter = Interpreter::probe(&python).with_context(|| format!("cannot use {}", python.display()))?;
        let version = interpreter.version_text.clone();
        println!("\n== CPython {version}");
        let library = Library::new(interpreter, folder.path().join(&version));
        library.bundle(!args.no_tests)?;
        let report = timed("compare", || compare(&library))?;
        for difference in &report.shown {
            println!("{difference}");
        }
        println!("{:?}", report.counts);
        let (functions, matched) = (report.count("functions"), report.count("matched"));
        let mut row = vec![version.clone()];
        row.extend(COLUMNS.map(|column| report.count(column).to_string()));
        row.push(format!("{:.3} %", 100.0 * matched as f64 / functions as f64));
        table.add_row(row);
        if report.count("differences") > 0 || matched * 1000 < functions * LEAST_MATCHED {
            failed.push(version);
        }
        library.remove();
    }
    println!("\n{table}");
    ensure!(failed.is_empty(), "signatures differ for {}", failed.join(", "));
    Ok(())
}

/// Compares all modules of a bundled library.
pub(crate) fn compare(library: &Library) -> Result<Report> {
    let archive = Archive::open(std::fs::read(library.archive())?)?;
    let target = archive.target(0).context("the archive has no target")?;
    let mut root = OsString::from("stdlib=");
    root.push(&library.interpreter.stdlib);
    let mut child = Command::new(library.python())
        .args(["-B", "-E", "-s"])
        .arg(script("introspection/signatures.py"))
        .arg(root)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .context("cannot start the interpreter")?;
    let mut input = BufWriter::new(child.stdin.take().context("the interpreter has no input")?);
    // The script writes only after it has read everything.
    for module in target.modules() {
        if let Some(module) = describe(&module?)? {
            writeln!(input, "{module}")?;
        }
    }
    input.into_inner()?;
    let output = child.wait_with_output()?;
    ensure!(output.status.success(), "introspection/signatures.py: {}", output.status);
    Ok(serde_json::from_slice(&output.stdout)?)
}

/// A module with all its code objects: each before its children.
fn describe(module: &Module<'_>) -> Result<Option<Value>> {
    let Some(source) = module.source()? else { return Ok(None) };
    let root = source.path.root.context("a source has no root")?.to_string();
    let mut codes = Vec::new();
    let mut stack: Vec<Code<'_>> = module.body()?.into_iter().collect();
    while let Some(code) = stack.pop() {
        codes.push(describe_code(&code)?);
        let first = stack.len();
        for child in code.children()? {
            stack.push(child?);
        }
        stack[first..].reverse();
    }
    Ok(Some(json!({ "root": root, "path": source.path.path.to_string(), "codes": codes })))
}

fn describe_code(code: &Code<'_>) -> Result<Value> {
    let signature = code.signature()?;
    let mut parameters = Vec::new();
    for parameter in signature.parameters() {
        let parameter = parameter?;
        let kind = match parameter.kind {
            ParameterKind::PositionalOnly => "POSITIONAL_ONLY",
            ParameterKind::PositionalOrKeyword => "POSITIONAL_OR_KEYWORD",
            ParameterKind::VarPositional => "VAR_POSITIONAL",
            ParameterKind::KeywordOnly => "KEYWORD_ONLY",
            ParameterKind::VarKeyword => "VAR_KEYWORD",
        };
        let [default, annotation] =
            [parameter.default, parameter.annotation].map(|text| text.map(|text| text.to_cow().into_owned()));
        parameters.push(json!([parameter.name.to_string(), kind, default, annotation]));
    }
    let returns = signature.returns().map(|text| text.to_cow().into_owned());
    Ok(json!([code.name()?.to_string(), code.first_line()?, parameters, returns, signature.to_string()]))
}
