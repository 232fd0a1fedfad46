//! `permacode verify`: whether an archive keeps the rules of the format.

use crate::{
    Answer,
    archive::{ArchiveArg, Storage},
    escape::escape,
    near::Names,
    output::{Output, counted},
    report::note,
    target::{Description, TargetArg},
};
use anyhow::Result;
use permacode_reader::{Archive, Error, ErrorKind};
use serde::Serialize;

/// Check an archive: its structure, one module, or everything
///
/// Without an option header, section table, padding, names and their checksums are checked, which is quick. With --deep
/// every rule of the format and every byte of the file is.
#[derive(Debug, clap::Args)]
#[command(after_long_help = AFTER_HELP, after_help = AFTER_HELP)]
pub(crate) struct Args {
    #[command(flatten)]
    archive: ArchiveArg,

    /// Check everything
    #[arg(long)]
    deep: bool,

    /// Check this module and everything that can be reached through it
    #[arg(long, value_name = "NAME", conflicts_with = "deep")]
    module: Option<String>,

    #[command(flatten)]
    target: TargetArg,

    /// Print JSON
    #[arg(long)]
    json: bool,
}

const AFTER_HELP: &str = "\
Examples:
  permacode verify stdlib.perma
  permacode verify stdlib.perma --deep
  permacode verify stdlib.perma --module json.decoder

Exit status:
  0  what was checked is valid
  1  it is not, or there is no such module
  2  wrong usage, or the file cannot be read";

#[derive(Debug, Serialize)]
struct Verdict {
    archive: String,
    depth: &'static str,
    module: Option<String>,
    is_valid: bool,
    error: Option<Fault>,
}

#[derive(Debug, Serialize)]
struct Fault {
    message: String,
    rule: Option<&'static str>,
    rule_text: Option<&'static str>,
    offset: Option<u64>,
    advice: Option<&'static str>,
}

/// What a check came to, unless it found a fault.
enum Outcome {
    Valid(Vec<Description>),
    NoSuchModule(Option<String>),
}

pub(crate) fn run(args: &Args, out: &mut Output) -> Result<Answer> {
    let storage = args.archive.storage()?;
    let mut verdict = Verdict {
        archive: args.archive.name(),
        depth: match (args.deep, &args.module) {
            (true, _) => "everything",
            (false, Some(_)) => "module",
            (false, None) => "structure",
        },
        module: args.module.clone(),
        is_valid: false,
        error: None,
    };
    let targets = match check(args, storage) {
        Ok(Outcome::Valid(targets)) => {
            verdict.is_valid = true;
            targets
        }
        Ok(Outcome::NoSuchModule(suggestion)) => {
            let name = escape(args.module.as_deref().unwrap_or_default().as_bytes());
            let message = format!("{} has no module \"{name}\"", args.archive);
            note(format_args!("permacode: {message}"));
            suggestion.into_iter().for_each(note);
            if args.json {
                verdict.error = Some(Fault { message, rule: None, rule_text: None, offset: None, advice: None });
                out.json(&verdict)?;
            }
            return Ok(Answer::No);
        }
        Err(error) => match error.downcast_ref::<Error>() {
            Some(fault) if fault.rule().is_some() => {
                verdict.error = Some(Fault {
                    message: fault.to_string(),
                    rule: fault.rule().map(|rule| rule.id()),
                    rule_text: fault.rule().map(|rule| rule.text()),
                    offset: Some(fault.offset()),
                    advice: Some(advice(fault)),
                });
                Vec::new()
            }
            _ => return Err(error),
        },
    };
    if args.json {
        out.json(&verdict)?;
    } else if let Some(fault) = &verdict.error {
        out.line(format_args!("not valid: {}: {}", verdict.archive, fault.message))?;
        if let Some(advice) = fault.advice {
            out.line(format_args!("  {advice}"))?;
        }
    } else {
        out.line(format_args!("ok: {}: {}", verdict.archive, what_was_checked(&verdict, &targets)))?;
    }
    Ok(if verdict.is_valid { Answer::Yes } else { Answer::No })
}

fn check(args: &Args, storage: Storage) -> Result<Outcome> {
    let archive = Archive::open(storage)?;
    if let Some(name) = &args.module {
        // The structure first: names are looked up in what was checked.
        archive.verify_structure()?;
        let mut found = Vec::new();
        for (description, target) in args.target.choose(&archive)? {
            if let Some(module) = target.find(name)? {
                archive.verify_module(&module)?;
                found.push(description);
            }
        }
        if found.is_empty() {
            return Ok(Outcome::NoSuchModule(Names::of(&archive)?.suggest(name.as_bytes())));
        }
        return Ok(Outcome::Valid(found));
    }
    if args.deep {
        archive.verify()?
    } else {
        archive.verify_structure()?
    }
    Ok(Outcome::Valid(args.target.choose(&archive)?.into_iter().map(|(description, _)| description).collect()))
}

fn what_was_checked(verdict: &Verdict, targets: &[Description]) -> String {
    match &verdict.module {
        Some(name) => {
            format!("module \"{}\" in {}", escape(name.as_bytes()), counted(targets.len() as u64, "target", "targets"))
        }
        None => {
            let sum = |count: fn(&Description) -> u32| targets.iter().map(|target| u64::from(count(target))).sum();
            let modules = counted(sum(|target| target.modules), "module", "modules");
            let resources = counted(sum(|target| target.resources), "resource", "resources");
            let hint = if verdict.depth == "structure" { "; --deep checks what is in them, too" } else { "" };
            format!("{} of {modules} and {resources}{hint}", verdict.depth)
        }
    }
}

/// What to do about it.
fn advice(fault: &Error) -> &'static str {
    match fault.kind() {
        ErrorKind::NotAnArchive => "Is it the file that was meant? Archives are made by `permacode bundle`.",
        ErrorKind::UnsupportedVersion { .. } | ErrorKind::UnknownBits { .. } | ErrorKind::UnknownSection { .. } => {
            "Use a version of permacode that knows this format, or bundle again."
        }
        ErrorKind::WrongLength { .. } => "Copy it again from where it came from, or bundle again.",
        ErrorKind::Checksum { .. } => {
            "It was damaged after it was written: copy it again from where it came from, or bundle again."
        }
        _ => {
            "Do not use this archive; bundle again. If permacode itself wrote it like this, that is a mistake worth reporting."
        }
    }
}
