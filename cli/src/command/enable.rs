//! `permacode enable` and `permacode refresh`: the programs of an environment import from an archive.

use crate::{
    Answer,
    environment::{Differences, Environment, EnvironmentArgs, Made, SAMPLE, measure},
    errors::No,
    escape::harmless,
    output::{Output, counted, size},
    signals::clean_up_at_end,
};
use anyhow::Result;
use serde::Serialize;
use std::time::Duration;

/// Let the programs of an environment import from an archive
///
/// Puts the standard library and the installed packages of the environment into an archive, makes its image and stamps,
/// and writes a start-up file with which each Python process of the environment uses them. Files that are edited or
/// installed later win over the archive. If nothing has changed since the last time, nothing is done.
///
/// `permacode disable` removes everything again. A process for which the variable PERMACODE_OFF is set does not use the
/// archive.
#[derive(Debug, clap::Args)]
#[command(after_long_help = ENABLE_HELP, after_help = ENABLE_HELP)]
pub(crate) struct Enable {
    #[command(flatten)]
    pub(crate) args: Args,

    /// Promise that the files do not change, as in the image of a container
    ///
    /// Imports then look at no file that is in the archive, so edits, upgrades and removals are not seen. `permacode
    /// refresh` makes the archive again, and keeps the promise.
    #[arg(long)]
    sealed: bool,
}

/// Make the archive of an environment again if something has changed
///
/// Until then, files that were changed or installed are imported as if there were no archive. The environment must have
/// been enabled.
#[derive(Debug, clap::Args)]
#[command(after_long_help = REFRESH_HELP, after_help = REFRESH_HELP)]
pub(crate) struct Refresh {
    #[command(flatten)]
    pub(crate) args: Args,
}

/// The arguments of both commands.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    environment: EnvironmentArgs,

    /// Do not measure what it gains
    #[arg(long)]
    no_measure: bool,
}

const ENABLE_HELP: &str = "\
Examples:
  permacode enable
  permacode enable --python .venv/bin/python
  permacode enable --python python3 --user
  permacode enable --sealed

Exit status:
  0  the environment uses an archive
  2  wrong usage, the interpreter has no package, or a file cannot be read or written;
     what was used before is still used";

const REFRESH_HELP: &str = "\
Examples:
  permacode refresh
  permacode refresh --python .venv/bin/python

Exit status:
  0  the archive is as the files are
  1  the environment was not enabled
  2  wrong usage, the interpreter has no package, or a file cannot be read or written;
     what was used before is still used";

#[derive(Debug, Serialize)]
struct Report {
    environment: String,
    /// What was made; null if nothing has changed.
    made: Option<Made>,
    files: Vec<String>,
    /// What `refresh` found.
    changes: Option<Differences>,
    gain: Option<Gain>,
}

/// The median times of a process.
#[derive(Debug, Serialize)]
struct Gain {
    command: String,
    seconds_without: f64,
    seconds_with: f64,
}

pub(crate) fn enable(args: &Enable, out: &mut Output) -> Result<Answer> {
    let environment = args.args.environment.find()?;
    run(&args.args, &environment, args.sealed, None, out)
}

pub(crate) fn refresh(args: &Refresh, out: &mut Output) -> Result<Answer> {
    let environment = args.args.environment.find()?;
    if !environment.is_enabled() {
        let message = format!("the environment {:?} does not use an archive", environment.prefix());
        return Err(No::refused(message).advise("`permacode enable` makes one.").into());
    }
    let changes = environment.differences()?;
    run(&args.args, &environment, environment.is_sealed(), changes, out)
}

fn run(
    args: &Args,
    environment: &Environment,
    is_sealed: bool,
    changes: Option<Differences>,
    out: &mut Output,
) -> Result<Answer> {
    out.check()?;
    clean_up_at_end();
    let made = environment.enable(is_sealed)?;
    let gain = match made.is_some() && !args.no_measure {
        true => Some(Gain::new(measure(environment)?)),
        false => None,
    };
    let name = |path: &std::path::Path| path.display().to_string();
    let files = environment.files().iter().map(|path| name(path)).collect();
    let report = Report { environment: name(environment.prefix()), made, files, changes, gain };
    match args.environment.json {
        true => out.json(&report)?,
        false => report.print(out)?,
    }
    Ok(Answer::Yes)
}

impl Gain {
    fn new((without, with): (Duration, Duration)) -> Self {
        let command = format!("python -c '{}'", SAMPLE);
        Gain { command, seconds_without: without.as_secs_f64(), seconds_with: with.as_secs_f64() }
    }
}

impl Report {
    fn print(&self, out: &mut Output) -> Result<()> {
        let environment = &self.environment;
        let Some(made) = &self.made else {
            return out.line(harmless(&format!("{environment}: nothing has changed since the archive was made")));
        };
        out.line(harmless(&format!("{environment}: imports come from an archive")))?;
        if let Some(Differences { added, changed, removed, .. }) = &self.changes {
            out.line(format_args!("  changes    {added} files added, {changed} changed, {removed} removed"))?;
        }
        let modules = counted(made.modules, "module", "modules");
        out.line(format_args!("  archive    {modules}, {}", size(made.archive_bytes)))?;
        match (made.image_bytes, &made.no_image) {
            (Some(bytes), _) => out.line(format_args!("  image      {}", size(bytes)))?,
            (None, reason) => {
                let reason = reason.as_deref().unwrap_or_default();
                out.line(harmless(&format!("  image      none: {reason}")))?;
            }
        }
        if let Some(bytes) = made.stamp_bytes {
            out.line(format_args!("  stamps     {}", size(bytes)))?;
        }
        if made.is_sealed {
            out.line("  sealed     changes of files are not seen before `permacode refresh`")?;
        }
        for (number, file) in self.files.iter().enumerate() {
            let title = if number == 0 { "files" } else { "" };
            out.line(harmless(&format!("  {title:9}  {file}")))?;
        }
        if made.unreadable > 0 {
            let files = counted(made.unreadable as u64, "file or folder", "files or folders");
            out.line(format_args!("  left out   {files} that cannot be read"))?;
        }
        if let Some(gain) = &self.gain {
            let (without, with) = (gain.seconds_without * 1000.0, gain.seconds_with * 1000.0);
            out.line(&gain.command)?;
            out.line(format_args!(
                "  {without:.1} ms without the archive, {with:.1} ms with it ({:.2} times as fast)",
                without / with
            ))?;
        }
        Ok(())
    }
}
