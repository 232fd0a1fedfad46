//! `permacode extract`: files again.

use crate::{
    Answer,
    archive::ArchiveArg,
    command::bundle::split_root,
    escape::escape,
    output::{Output, counted, grouped, size},
    progress::Bar,
    target::{TargetArg, names},
};
use anyhow::{Context, Result, bail};
use permacode_bundle::{ExtractOptions, ExtractReport, extract};
use permacode_reader::Target;
use std::{collections::BTreeSet, ffi::OsString, num::NonZero, path::PathBuf};

/// Write what an archive holds as files again
///
/// A module with its source becomes NAME.py and __pycache__/NAME.TAG.pyc, one without becomes NAME.pyc; resources come out
/// byte for byte. Nothing is ever written outside DIR, whatever the names in the archive.
#[derive(Debug, clap::Args)]
#[command(after_long_help = AFTER_HELP, after_help = AFTER_HELP)]
pub(crate) struct Args {
    #[command(flatten)]
    archive: ArchiveArg,

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

    #[command(flatten)]
    target: TargetArg,

    /// Number of threads [default: one for each processor]
    #[arg(short, long, value_name = "N")]
    jobs: Option<NonZero<usize>>,

    /// Print the summary as JSON
    #[arg(long)]
    json: bool,
}

const AFTER_HELP: &str = "\
Examples:
  permacode extract stdlib.perma -o lib
  permacode extract stdlib.perma -o staging --base /usr/lib/python3.13
  permacode extract all.perma -o staging --base stdlib=/usr/lib/python3.13 --base app=/srv/app

Exit status:
  0  everything was written
  2  wrong usage, or something could not be read or written";

pub(crate) fn run(args: &Args, out: &mut Output) -> Result<Answer> {
    let archive = args.archive.open()?;
    let targets = args.target.choose(&archive)?;
    let [(description, target)] = &targets[..] else {
        let all = names(&targets);
        bail!("{} has {} targets, choose one with --target: {all}", args.archive, targets.len());
    };
    let mut options =
        ExtractOptions::default().timestamps(args.timestamps).overwrite(args.overwrite).target(description.number);
    let roots = roots(target).with_context(|| format!("cannot read {}", args.archive))?;
    for base in &args.base {
        options = match split_root(base) {
            Some((root, _)) if !roots.contains(root) => {
                let roots: Vec<String> = roots.iter().map(|root| escape(root.as_bytes())).collect();
                bail!("no root of {} is called {root:?}; there are: {}", args.archive, roots.join(", "));
            }
            Some((root, folder)) => options.base_of(root, folder),
            None => options.base(base),
        };
    }
    if let Some(jobs) = args.jobs {
        options = options.threads(jobs.get());
    }
    let report = {
        let bar = Bar::new();
        let what = || format!("cannot extract {} to {:?}", args.archive, args.output);
        extract(&archive, &args.output, &options, &bar).with_context(what)?
    };
    if args.json {
        out.json(&report)?;
    } else {
        print(args, &report, out)?;
    }
    Ok(Answer::Yes)
}

/// Names of the roots that paths start at.
fn roots(target: &Target<'_>) -> Result<BTreeSet<String>> {
    let mut roots = BTreeSet::new();
    for module in target.modules() {
        let module = module?;
        roots.extend(module.filename()?.and_then(|path| path.root).map(|root| root.to_string()));
        roots.extend(module.source()?.and_then(|source| source.path.root).map(|root| root.to_string()));
    }
    for resource in target.resources() {
        roots.insert(resource?.root()?.to_owned());
    }
    Ok(roots)
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
    let count = report.verbatim_filenames.len() as u64;
    if count > 0 {
        let names = counted(count, "file name", "file names");
        out.line(format_args!("  {names} of code objects were kept as they stand; --json names them"))?;
    }
    Ok(())
}
