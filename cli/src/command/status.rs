//! `permacode status`: what the processes of an environment use.

use crate::{
    Answer,
    environment::{Differences, EnvironmentArgs, OFF},
    escape::harmless,
    output::{Output, size},
    package::PackageError,
};
use anyhow::Result;
use serde::Serialize;
use serde_json::Value;
use std::env;

/// Say whether the programs of an environment import from an archive, and why not
///
/// It starts a process of the environment and asks it. The counts of imports are those of that process.
#[derive(Debug, clap::Args)]
#[command(after_long_help = AFTER_HELP, after_help = AFTER_HELP)]
pub(crate) struct Args {
    #[command(flatten)]
    environment: EnvironmentArgs,
}

const AFTER_HELP: &str = "\
Examples:
  permacode status
  permacode status --python .venv/bin/python --json

Exit status:
  0  an archive is in use
  1  no archive is in use
  2  wrong usage, the interpreter has no package, or a file cannot be read";

#[derive(Debug, Serialize)]
struct Report {
    environment: String,
    is_on: bool,
    /// Whether `PERMACODE_OFF` is set where this command runs.
    is_off_here: bool,
    /// Why no archive is in use.
    reason: Option<String>,
    /// How the start-up files differ from those that `permacode enable` writes.
    start_files: Option<&'static str>,
    files: Vec<String>,
    bytes: u64,
    /// What changed since the archive was made.
    changes: Option<Differences>,
    /// What `permacode.status()` says.
    status: Option<Value>,
    /// What `permacode.stats()` says.
    imports: Option<Value>,
}

pub(crate) fn run(args: &Args, out: &mut Output) -> Result<Answer> {
    let environment = args.environment.find()?;
    let mut report = Report {
        environment: environment.prefix().display().to_string(),
        is_on: false,
        is_off_here: env::var_os(OFF).is_some(),
        reason: Some("it was not enabled; `permacode enable` makes an archive".to_owned()),
        files: environment.files().iter().map(|path| path.display().to_string()).collect(),
        start_files: None,
        bytes: environment.bytes(),
        changes: None,
        status: None,
        imports: None,
    };
    if environment.is_enabled() {
        report.start_files = environment.start_files_differ()?;
        match environment.state() {
            Ok(state) => {
                report.is_on = state.is_on();
                report.reason = match report.start_files {
                    Some(difference) if !report.is_on => {
                        Some(format!("the start-up files are not in use: {difference}"))
                    }
                    _ => state.reason().map(str::to_owned),
                };
                (report.status, report.imports) = (state.status, state.stats);
            }
            Err(error) if error.is::<PackageError>() => {
                report.reason = Some(format!(
                    "{error}; if the image is damaged, `permacode enable` makes it again, and PERMACODE_OFF=1 starts \
                     Python without it"
                ));
            }
            Err(error) => return Err(error),
        }
        report.changes = environment.differences()?;
    } else if !report.files.is_empty() {
        report.reason = Some(
            "some of its files are missing: `permacode enable` was interrupted, or somebody removed them; run it \
             again, or `permacode disable`"
                .to_owned(),
        );
    }
    match args.environment.json {
        true => out.json(&report)?,
        false => report.print(out)?,
    }
    Ok(if report.is_on { Answer::Yes } else { Answer::No })
}

impl Report {
    fn print(&self, out: &mut Output) -> Result<()> {
        let from = if self.is_on { "an archive" } else { "files" };
        out.line(harmless(&format!("{}: imports come from {from}", self.environment)))?;
        if let Some(reason) = &self.reason {
            out.line(harmless(&format!("  reason     {reason}")))?;
        }
        if self.is_off_here {
            out.line(format_args!("  note       {OFF} is set here: programs that inherit it import from files"))?;
        }
        if let Some(difference) = self.start_files.filter(|_| self.is_on) {
            out.line(format_args!("  note       the start-up files are in use, but {difference}"))?;
        }
        for (number, file) in self.files.iter().enumerate() {
            let title = if number == 0 { "files" } else { "" };
            out.line(harmless(&format!("  {title:9}  {file}")))?;
        }
        if self.bytes > 0 {
            out.line(format_args!("  size       {}", size(self.bytes)))?;
        }
        for part in ["image", "stamps"] {
            let Some(described) = self.status.as_ref().map(|status| &status[part]).filter(|part| !part.is_null())
            else {
                continue;
            };
            let text = match described["reason"].as_str() {
                Some(_) if described["missing"] == true => "missing: run `permacode refresh`".to_owned(),
                Some(reason) => format!("not used: {reason}"),
                None => "used".to_owned(),
            };
            out.line(harmless(&format!("  {part:9}  {text}")))?;
        }
        if self.is_on && self.status.as_ref().is_some_and(|status| status["sealed"] == true) {
            out.line("  sealed     changes of files are not seen before `permacode refresh`")?;
        }
        if let Some(imports) = self.imports.as_ref().filter(|_| self.is_on) {
            let counts = ["hits", "misses", "stale", "shadowed", "fallbacks"];
            let counts: Vec<String> = counts.iter().map(|name| format!("{} {name}", imports[name])).collect();
            out.line(format_args!("  imports    {}", counts.join(", ")))?;
        }
        let Some(changes) = &self.changes else { return Ok(()) };
        let Differences { added, changed, removed, other_interpreter } = changes;
        if changes.is_empty() {
            return out.line("  changes    none since the archive was made");
        }
        let other = if *other_interpreter { "another interpreter or package, " } else { "" };
        out.line(format_args!(
            "  changes    {other}{added} files added, {changed} changed, {removed} removed: run `permacode refresh`"
        ))
    }
}
