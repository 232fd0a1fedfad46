//! `permacode disable`: the programs of an environment import from their files again.

use crate::{Answer, environment::EnvironmentArgs, escape::harmless, output::Output};
use anyhow::Result;
use serde::Serialize;

/// Remove everything that `permacode enable` made
///
/// Processes that run keep what they use.
#[derive(Debug, clap::Args)]
#[command(after_long_help = AFTER_HELP, after_help = AFTER_HELP)]
pub(crate) struct Args {
    #[command(flatten)]
    environment: EnvironmentArgs,
}

const AFTER_HELP: &str = "\
Examples:
  permacode disable
  permacode disable --python .venv/bin/python

Exit status:
  0  nothing of it is left
  2  wrong usage, or a file cannot be removed";

#[derive(Debug, Serialize)]
struct Report {
    environment: String,
    /// Whether there was something to remove.
    was_enabled: bool,
}

pub(crate) fn run(args: &Args, out: &mut Output) -> Result<Answer> {
    let environment = args.environment.find()?;
    let was_enabled = environment.remove()?;
    let report = Report { environment: environment.prefix().display().to_string(), was_enabled };
    match (args.environment.json, was_enabled) {
        (true, _) => out.json(&report)?,
        (false, true) => out.line(harmless(&format!("{}: imports come from files", report.environment)))?,
        (false, false) => out.line(harmless(&format!("{}: there is nothing to remove", report.environment)))?,
    }
    Ok(Answer::Yes)
}
