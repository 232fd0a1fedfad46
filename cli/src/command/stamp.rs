//! `permacode stamp`: facts about the files of this machine, for an archive that is not sealed.

use crate::{
    Answer,
    errors::No,
    escape::harmless,
    output::{Output, counted, grouped, named, size},
    package::{Answered, PackageArgs},
};
use anyhow::Result;
use serde::{Deserialize, Serialize};

/// Record that the sources on this machine are those of an archive
///
/// Without stamps, each import from an archive that is not sealed reads and compares the source, unless the archive has
/// the times of sources. With stamps, an import only asks the system whether the file and its folder are unchanged.
/// Changed files are still imported instead of the archive. Make stamps on the machine that uses them.
#[derive(Debug, clap::Args)]
#[command(after_long_help = AFTER_HELP, after_help = AFTER_HELP)]
pub(crate) struct Args {
    #[command(flatten)]
    pub(crate) package: PackageArgs,
}

const AFTER_HELP: &str = "\
Examples:
  permacode stamp stdlib.perma
  permacode stamp all.perma --python .venv/bin/python
  permacode stamp app.perma --root app=src

Exit status:
  0  the stamps were made, or the archive is sealed and needs none
  1  the archive is not for this interpreter
  2  wrong usage, the interpreter has no package, or a file cannot be read or written";

/// What the package says about stamps that it made.
#[derive(Debug, Deserialize, Serialize)]
pub(super) struct Stamps {
    path: String,
    bytes: u64,
    modules: u64,
    folders: u64,
    left_out: Vec<(String, String)>,
}

impl Stamps {
    pub(super) fn print(&self, out: &mut Output) -> Result<()> {
        print(out, "the stamps", &self.path, self.modules, self.bytes, &self.left_out)
    }
}

/// Prints what is known about a file that was made.
pub(super) fn print(
    out: &mut Output,
    what: &str,
    path: &str,
    modules: u64,
    bytes: u64,
    left_out: &[(String, String)],
) -> Result<()> {
    let modules = counted(modules, "module", "modules");
    out.line(harmless(&format!("{path}: {modules}, {}", size(bytes))))?;
    let (named, others) = named(left_out);
    for (name, reason) in named {
        out.line(harmless(&format!("not in {what}: {name}: {reason}")))?;
    }
    if others > 0 {
        out.line(format_args!("not in {what}: {} more; --json lists them", grouped(others)))?;
    }
    Ok(())
}

#[derive(Debug, Serialize)]
struct Report {
    archive: String,
    stamps: Option<Stamps>,
    error: Option<String>,
}

pub(crate) fn run(args: &Args, out: &mut Output) -> Result<Answer> {
    let package = &args.package;
    let answered: Answered<Option<Stamps>> = package.run("permacode.stamp", &[])?;
    let archive = package.name();
    let (stamps, error) = match answered {
        Ok(stamps) => (stamps, None),
        Err(error) => (None, Some(error)),
    };
    let refused = error.clone().map(No::refused);
    match &stamps {
        _ if package.json => out.json(&Report { archive, stamps, error })?,
        _ if package.quiet || refused.is_some() => {}
        Some(stamps) => stamps.print(out)?,
        None => out.line(harmless(&format!("{archive}: the archive is sealed and needs no stamps")))?,
    }
    refused.map_or(Ok(Answer::Yes), |refused| Err(refused.into()))
}
