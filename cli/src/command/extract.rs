//! `permacode extract`: files again.

use crate::{
    Answer,
    archive::ArchiveArg,
    escape::{escape, escape_short},
    output::{Output, counted, grouped, size},
    progress::Bar,
    root::split_root,
    target::{TargetArg, names},
};
use anyhow::{Context, Result, anyhow, bail};
use bytesize::ByteSize;
use permacode_bundle::{Error, ErrorKind, ExtractOptions, ExtractReport, extract};
use std::{ffi::OsString, num::NonZero, path::PathBuf};

/// Write what an archive holds as files again
///
/// A module with its source becomes NAME.py and __pycache__/NAME.TAG.pyc, one without becomes NAME.pyc; resources come out
/// byte for byte. Nothing is ever written outside DIR, whatever the names in the archive.
#[derive(Debug, clap::Args)]
#[command(after_long_help = AFTER_HELP, after_help = AFTER_HELP)]
pub(crate) struct Args {
    #[command(flatten)]
    pub(crate) archive: ArchiveArg,

    /// The folder to write to: absent or empty, unless --overwrite is given
    #[arg(short, long, value_name = "DIR")]
    output: PathBuf,

    /// The folder that code objects say they come from [default: DIR]
    ///
    /// With ROOT= before it, it counts for that root of the archive; `list` shows what roots there are. Can be
    /// given several times.
    #[arg(long, value_name = "[ROOT=]PATH")]
    base: Vec<OsString>,

    /// Tell stale compiled files by time and size of their source, and not by a hash of it
    #[arg(long)]
    timestamps: bool,

    /// Write to a folder that has something in it; files of the same name are replaced
    #[arg(long)]
    overwrite: bool,

    /// Write nothing if the files take more than this together [default: 16GiB, or 64 times the archive if that is more]
    ///
    /// For example 500MB or 2GiB. Equal files are stored once in an archive, so that they may take far more room than it does.
    #[arg(long, value_name = "SIZE", value_parser = bytes)]
    max_size: Option<u64>,

    #[command(flatten)]
    target: TargetArg,

    /// Number of threads [default: one for each processor]
    #[arg(short, long, value_name = "N")]
    jobs: Option<NonZero<usize>>,

    /// Print the summary as JSON
    #[arg(long)]
    json: bool,
}

/// Files left out that the summary names; of more it gives the number.
const MAX_NAMED: usize = 10;

const AFTER_HELP: &str = "\
Examples:
  permacode extract stdlib.perma -o lib
  permacode extract stdlib.perma -o staging --base /usr/lib/python3.13
  permacode extract all.perma -o staging --base stdlib=/usr/lib/python3.13 --base app=/srv/app
  permacode extract fonts.perma -o fonts --max-size 40GiB

Exit status:
  0  everything was written, but for what the summary says was left out
  2  wrong usage, or something could not be read or written";

pub(crate) fn run(args: &Args, out: &mut Output) -> Result<Answer> {
    let archive = args.archive.open()?;
    let targets = args.target.choose(&archive)?;
    let [(description, _)] = &targets[..] else {
        if targets.is_empty() {
            bail!("{} has no targets, so there is nothing to extract", args.archive);
        }
        let all = names(&targets);
        bail!("{} has {} targets, choose one with --target: {all}", args.archive, targets.len());
    };
    let mut options =
        ExtractOptions::default().timestamps(args.timestamps).overwrite(args.overwrite).target(description.number);
    for base in &args.base {
        options = match split_root(base) {
            Some((root, folder)) => options.base_of(root, folder),
            None => options.base(base),
        };
    }
    if let Some(bytes) = args.max_size {
        options = options.max_size(bytes);
    }
    if let Some(jobs) = args.jobs {
        options = options.threads(jobs.get());
    }
    let report = {
        let bar = Bar::new();
        let what = || format!("cannot extract {} to {:?}", args.archive, args.output);
        extract(&archive, &args.output, &options, &bar).map_err(explained).with_context(what)?
    };
    if args.json {
        out.json(&report)?;
    } else {
        print(args, &report, out)?;
    }
    Ok(Answer::Yes)
}

/// A number of bytes as people write it.
fn bytes(text: &str) -> Result<u64, String> {
    text.parse::<ByteSize>().map(|size| size.as_u64())
}

/// An error, with the option that helps.
fn explained(error: Error) -> anyhow::Error {
    match error.kind() {
        ErrorKind::TooMuch { bytes, limit } => anyhow!(
            "the files would take up to {} bytes ({}), more than the limit of {} bytes ({}); nothing was written; \
             --max-size {}MiB writes them",
            grouped(*bytes),
            size(*bytes),
            grouped(*limit),
            size(*limit),
            bytes.div_ceil(1 << 20)
        ),
        _ => error.into(),
    }
}

fn print(args: &Args, report: &ExtractReport, out: &mut Output) -> Result<()> {
    let modules = counted(report.modules + report.packages, "module", "modules");
    let resources = counted(report.resources, "resource", "resources");
    out.line(format_args!(
        "{}: {modules}, {} with source, and {resources}: {} in {:.1} s",
        args.output.display(),
        grouped(report.sources),
        size(report.bytes),
        report.elapsed.as_secs_f64()
    ))?;
    for root in &report.roots {
        let name = escape(root.name.as_bytes());
        let base = escape(root.base.as_os_str().as_encoded_bytes());
        out.line(format_args!("  {name}: code objects say {base}"))?;
    }
    for left_out in report.left_out.iter().take(MAX_NAMED) {
        out.line(format_args!("  left out: {}: {}", escape_short(left_out.path.as_bytes()), left_out.why))?;
    }
    if let Some(others @ 1..) = report.left_out.len().checked_sub(MAX_NAMED) {
        out.line(format_args!("  left out: {} more; --json names them", grouped(others as u64)))?;
    }
    let count = report.verbatim_filenames.len() as u64;
    if count > 0 {
        let names = counted(count, "file name", "file names");
        out.line(format_args!("  {names} of code objects were kept as they stand; --json names them"))?;
    }
    Ok(())
}
