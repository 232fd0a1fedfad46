//! Signatures against `inspect.signature` and the syntax trees of the sources.

use crate::{run::script, stdlib::Library};
use anyhow::{Context, Result, ensure};
use comfy_table::{Table, presets};
use permacode_reader::{Archive, Code, Module, ParameterKind};
use serde::Deserialize;
use serde_json::{Value, json};
use std::{
    collections::BTreeMap,
    ffi::OsString,
    io::{BufWriter, Write},
    process::{Command, Stdio},
};

/// The counts of the table: names in the output of the script.
const COLUMNS: [&str; 7] =
    ["modules", "code objects", "functions", "with text", "matched", "merged by the compiler", "differences"];

/// The least share of functions whose source must be found, in tenths of a percent.
const LEAST_MATCHED: u64 = 999;

/// What the script found.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Report {
    counts: BTreeMap<String, u64>,
    /// The first differences.
    pub(super) shown: Vec<String>,
}

impl Report {
    fn count(&self, name: &str) -> u64 {
        self.counts.get(name).copied().unwrap_or_default()
    }

    /// Whether there is no difference, and enough functions have their source.
    pub(super) fn is_good(&self) -> bool {
        self.count("differences") == 0 && self.count("matched") * 1000 >= self.count("functions") * LEAST_MATCHED
    }

    /// A row of [`table`].
    pub(super) fn row(&self, version: &str) -> Vec<String> {
        let share = 100.0 * self.count("matched") as f64 / self.count("functions") as f64;
        let counts = COLUMNS.map(|column| self.count(column).to_string());
        [version.to_owned()].into_iter().chain(counts).chain([format!("{share:.3} %")]).collect()
    }
}

/// A table for [`Report::row`].
pub(super) fn table() -> Table {
    let mut table = Table::new();
    table.load_preset(presets::NOTHING);
    table.set_header(["CPython"].iter().chain(&COLUMNS).chain(&["share matched"]));
    table
}

/// Compares all modules of a bundled library.
pub(super) fn compare(library: &Library) -> Result<Report> {
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
