//! `permacode extract`: from an archive to files.

use crate::{
    Answer,
    archive::ArchiveArg,
    errors::UsageError,
    escape::{escape, escape_short},
    output::{Output, counted, grouped, named, size},
    progress::Bar,
    root::{folder, split_root},
    target::{TargetArg, names},
};
use anyhow::{Context, Result, bail};
use bytesize::ByteSize;
use permacode_bundle::{ExtractOptions, ExtractReport, extract};
use std::{ffi::OsString, num::NonZero, path::PathBuf};

/// Write the contents of an archive as files
///
/// A module with its source becomes NAME.py and __pycache__/NAME.TAG.pyc. A module without a source becomes NAME.pyc.
/// Resources are written byte for byte. Nothing is written outside DIR, even if names in the archive are hostile.
#[derive(Debug, clap::Args)]
#[command(after_long_help = AFTER_HELP, after_help = AFTER_HELP)]
pub(crate) struct Args {
    #[command(flatten)]
    pub(crate) archive: ArchiveArg,

    /// The folder to write to; it must be new or empty, unless --overwrite is given
    #[arg(short, long, value_name = "DIR", value_parser = folder())]
    output: PathBuf,

    /// The folder at the start of the file names of code objects [default: DIR]
    ///
    /// With ROOT= before it, the folder is for that root of the archive. `list` shows the roots. Can be given several
    /// times.
    #[arg(long, value_name = "[ROOT=]PATH")]
    base: Vec<OsString>,

    /// Store the time and size of each source in its compiled file, instead of a hash
    ///
    /// CPython compares them to find out whether the compiled file is out of date.
    #[arg(long)]
    timestamps: bool,

    /// Write to a folder that is not empty, and replace files of the same name
    #[arg(long)]
    overwrite: bool,

    /// Write nothing if all files together are larger than this [default: 16GiB or 64 times the archive, whichever is
    /// more]
    ///
    /// For example 500MB or 2GiB. An archive stores equal files once, so the files may be far larger than the archive.
    #[arg(long, value_name = "SIZE", value_parser = bytes)]
    max_size: Option<u64>,

    #[command(flatten)]
    target: TargetArg,

    /// The number of threads [default: one for each processor]
    #[arg(short, long, value_name = "N")]
    jobs: Option<NonZero<usize>>,

    /// Print the summary as JSON, and errors as JSON, too
    #[arg(long)]
    json: bool,
}

const AFTER_HELP: &str = "\
Examples:
  permacode extract stdlib.perma -o lib
  permacode extract stdlib.perma -o staging --base /usr/lib/python3.13
  permacode extract all.perma -o staging --base stdlib=/opt/lib --base site-packages=/opt/site
  permacode extract fonts.perma -o fonts --max-size 40GiB

Exit status:
  0  everything was written, except for files that the summary names
  2  wrong usage, or something could not be read or written";

pub(crate) fn run(args: &Args, out: &mut Output) -> Result<Answer> {
    let archive = args.archive.open()?;
    let targets = args.target.choose(&archive)?;
    let [(description, _)] = &targets[..] else {
        if targets.is_empty() {
            bail!("{} has no targets, so there is nothing to extract", args.archive);
        }
        let (count, all) = (targets.len(), names(&targets));
        let problem = format!("{} has {count} targets; choose one with --target: {all}", args.archive);
        return Err(UsageError::new(problem).into());
    };
    out.check()?;
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
        extract(&archive, &args.output, &options, &bar).with_context(what)?
    };
    let print = if args.json { out.json(&report) } else { print(args, &report, out) };
    print.and_then(|()| out.finish()).context("the files were written, but the summary was not")?;
    Ok(Answer::Yes)
}

/// Parses a number of bytes, such as `2GiB`.
fn bytes(text: &str) -> Result<u64, String> {
    text.parse::<ByteSize>().map(|size| size.as_u64())
}

fn print(args: &Args, report: &ExtractReport, out: &mut Output) -> Result<()> {
    let modules = counted(report.modules, "module", "modules");
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
        out.line(format_args!("  {name}: code objects name {base}"))?;
    }
    let (named, others) = named(&report.left_out);
    for left_out in named {
        out.line(format_args!("  left out: {}: {}", escape_short(left_out.path.as_bytes()), left_out.why))?;
    }
    if others > 0 {
        out.line(format_args!("  left out: {} more; --json lists them", grouped(others)))?;
    }
    let count = report.verbatim_filenames.len() as u64;
    if count > 0 {
        let names = counted(count, "file name", "file names");
        out.line(format_args!("  {names} of code objects are unchanged; --json lists them"))?;
    }
    Ok(())
}
