//! `cargo xtask bench lookup`: the time from the name of a module to the module, beside a hash map of rkyv.
//!
//! `bench/lookup` measures. It is a crate of its own, so that only this task builds rkyv.

use super::{callgrind, synthetic};
use crate::{
    run::{cargo, output, permacode, release_folder, run},
    stdlib::exclude_tests,
};
use anyhow::{Context, Result};
use comfy_table::{CellAlignment, Table, presets::ASCII_MARKDOWN};
use serde::Deserialize;
use serde_json::{Value, json};
use std::{
    path::{Path, PathBuf},
    process::Command,
};

/// Modules of the synthetic archive.
const MANY: usize = 100_000;

/// The contenders, with the names of the functions that look up all names.
const FUNCTIONS: [(&str, &str); 2] = [("permacode", "Archived*count"), ("rkyv", "MapFile*count")];

/// Measure finding a module by name, beside rkyv's hash map without validation
///
/// The names are those of a standard library without its test suites, and 100,000 synthetic ones. A ratio below 1
/// means that the archive is faster.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The interpreter that the standard library belongs to
    #[arg(default_value = "python3")]
    python: PathBuf,
    /// Number of measurements of each of the two contenders, which take turns
    #[arg(long, value_name = "N", default_value_t = 41, value_parser = clap::value_parser!(u32).range(21..))]
    rounds: u32,
    /// Count the instructions of a lookup, too, under callgrind
    #[arg(long)]
    instructions: bool,
    /// Print the results as JSON
    #[arg(long)]
    json: bool,
}

/// What `bench/lookup` writes for one kind of lookups.
#[derive(Debug, Deserialize)]
struct Measurement {
    modules: usize,
    names: String,
    caches: String,
    permacode: Quartiles,
    rkyv: Quartiles,
    ratio: Quartiles,
}

#[derive(Debug, Deserialize)]
struct Quartiles {
    lower: f64,
    median: f64,
    upper: f64,
}

/// Measures, and prints a table or JSON.
pub(super) fn lookup(args: &Args) -> Result<()> {
    for package in ["permacode", "permacode-bench-lookup"] {
        run(&mut cargo(&["build", "--quiet", "--release", "--package", package]))?;
    }
    let folder = tempfile::tempdir().context("cannot make a temporary folder")?;
    let archives = archives(&args.python, folder.path())?;
    let mut command = program();
    command.args(["time", "--rounds", &args.rounds.to_string()]).args(&archives);
    let times: Value = serde_json::from_str(&output(&mut command)?)?;
    let counts = if args.instructions { count_all(&archives)? } else { Vec::new() };
    if args.json {
        println!("{}", serde_json::to_string_pretty(&json!({ "times": times, "instructions": counts }))?);
        return Ok(());
    }
    print_times(&serde_json::from_value::<Vec<Measurement>>(times)?, args.rounds);
    if args.instructions {
        print_counts(&counts);
    }
    Ok(())
}

fn program() -> Command {
    Command::new(release_folder().join("permacode-bench-lookup"))
}

/// An archive of a standard library, and one of many synthetic modules.
fn archives(python: &Path, folder: &Path) -> Result<[PathBuf; 2]> {
    let (library, many) = (folder.join("library.perma"), folder.join("many.perma"));
    let mut bundle = permacode();
    bundle.args(["bundle", "--strip=source", "--no-resources", "--json", "--python"]).arg(python);
    exclude_tests(&mut bundle);
    output(bundle.arg("--output").arg(&library))?;
    synthetic::archive_of(MANY)?.publish(&many)?;
    Ok([library, many])
}

/// Instructions of one lookup.
#[derive(Debug, serde::Serialize)]
struct Instructions {
    modules: u64,
    names: &'static str,
    permacode: f64,
    rkyv: f64,
}

fn count_all(archives: &[PathBuf]) -> Result<Vec<Instructions>> {
    let mut counts = Vec::new();
    for archive in archives {
        for names in ["present", "absent"] {
            let mut found = Vec::new();
            for (contender, function) in FUNCTIONS {
                let mut command = program();
                command.arg("once").arg(archive).args(["--contender", contender, "--names", names]);
                let count = callgrind::count(function, &command)?;
                let lookups: u64 = count.output.trim().parse()?;
                found.push((lookups, count.instructions as f64 / lookups as f64));
            }
            counts.push(Instructions { modules: found[0].0, names, permacode: found[0].1, rkyv: found[1].1 });
        }
    }
    Ok(counts)
}

fn print_times(measurements: &[Measurement], rounds: u32) {
    let mut table = table(["modules", "names", "caches", "Permacode", "rkyv", "ratio", "quartiles"], 2);
    for of in measurements {
        table.add_row([
            of.modules.to_string(),
            of.names.clone(),
            of.caches.clone(),
            format!("{:.1} ns", of.permacode.median),
            format!("{:.1} ns", of.rkyv.median),
            format!("{:.3}", of.ratio.median),
            format!("{:.3} to {:.3}", of.ratio.lower, of.ratio.upper),
        ]);
    }
    println!("Processor time of a lookup; medians of {rounds} rounds in which the contenders take turns\n{table}");
}

fn print_counts(counts: &[Instructions]) {
    let mut table = table(["modules", "names", "Permacode", "rkyv", "ratio"], 1);
    for of in counts {
        table.add_row([
            of.modules.to_string(),
            of.names.to_owned(),
            format!("{:.0}", of.permacode),
            format!("{:.0}", of.rkyv),
            format!("{:.3}", of.permacode / of.rkyv),
        ]);
    }
    println!("\nInstructions of a lookup\n{table}");
}

/// An empty table. Numbers are aligned to the right; `text` columns after the first hold text.
fn table<const N: usize>(header: [&str; N], text: usize) -> Table {
    let mut table = Table::new();
    table.load_preset(ASCII_MARKDOWN).set_header(header);
    for column in table.column_iter_mut() {
        if !(1..=text).contains(&column.index) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    table
}
