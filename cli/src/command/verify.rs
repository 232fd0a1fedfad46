//! `permacode verify`: whether an archive follows the rules of the format.

use crate::{
    Answer,
    archive::{ArchiveArg, Storage},
    errors::{No, advice},
    escape::escape,
    near::{self, Sought},
    output::{Output, counted},
    target::TargetArg,
};
use anyhow::Result;
use permacode_reader::{Archive, Error};
use serde::Serialize;

/// Check a whole archive, its structure, or one module
///
/// Without an option, every rule of the format and every byte of the file is checked. --quick checks the header, the
/// section table, the padding, the names and their checksums. It does not read the contents of modules and resources.
#[derive(Debug, clap::Args)]
#[command(after_long_help = AFTER_HELP, after_help = AFTER_HELP)]
pub(crate) struct Args {
    #[command(flatten)]
    pub(crate) archive: ArchiveArg,

    /// Check only the structure
    #[arg(long)]
    quick: bool,

    /// Check only this module: its record, code objects, constants and source
    #[arg(long, value_name = "NAME", conflicts_with = "quick")]
    module: Option<String>,

    #[command(flatten)]
    target: TargetArg,

    /// Print the result as JSON, and errors as JSON, too
    #[arg(long)]
    json: bool,
}

const AFTER_HELP: &str = "\
Examples:
  permacode verify stdlib.perma
  permacode verify stdlib.perma --quick
  permacode verify stdlib.perma --module json.decoder

Exit status:
  0  everything that was checked is valid
  1  something is not valid, or the module was not found
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

/// The result of a check that found no fault.
enum Outcome {
    Valid(Checked),
    NoSuchModule(Option<String>),
}

/// The numbers of things that were checked.
#[derive(Debug, Clone, Copy, Default)]
struct Checked {
    targets: u64,
    modules: u64,
    resources: u64,
}

pub(crate) fn run(args: &Args, out: &mut Output) -> Result<Answer> {
    let storage = args.archive.storage()?;
    let mut verdict = Verdict {
        archive: args.archive.name(),
        depth: match (&args.module, args.quick) {
            (Some(_), _) => "module",
            (None, true) => "structure",
            (None, false) => "everything",
        },
        module: args.module.clone(),
        is_valid: false,
        error: None,
    };
    let checked = match check(args, storage) {
        Ok(Outcome::Valid(checked)) => {
            verdict.is_valid = true;
            checked
        }
        Ok(Outcome::NoSuchModule(suggestion)) => {
            let name = escape(args.module.as_deref().unwrap_or_default().as_bytes());
            let message = format!("{} has no module \"{name}\"", args.archive);
            if args.json {
                let message = message.clone();
                verdict.error = Some(Fault { message, rule: None, rule_text: None, offset: None, advice: None });
                out.json(&verdict)?;
            }
            return Err(No::unknown(message, suggestion).into());
        }
        Err(error) => match error.downcast_ref::<Error>() {
            Some(fault) if fault.rule().is_some() => {
                verdict.error = Some(Fault {
                    message: fault.to_string(),
                    rule: fault.rule().map(|rule| rule.id()),
                    rule_text: fault.rule().map(|rule| rule.text()),
                    offset: fault.offset(),
                    advice: advice(fault),
                });
                Checked::default()
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
        out.line(format_args!("ok: {}: {}", verdict.archive, what_was_checked(&verdict, checked)))?;
    }
    Ok(if verdict.is_valid { Answer::Yes } else { Answer::No })
}

fn check(args: &Args, storage: Storage) -> Result<Outcome> {
    let archive = Archive::open(storage)?;
    if let Some(name) = &args.module {
        // The module is looked up in the structure, so that must be valid.
        archive.verify_structure()?;
        let mut checked = Checked::default();
        for (_, target) in args.target.choose(&archive)? {
            if let Some(module) = target.find(name)? {
                archive.verify_module(&module)?;
                checked.targets += 1;
            }
        }
        if checked.targets == 0 {
            let other = "leave out --module to check everything";
            let suggestion = near::advice(&archive, name.as_bytes(), Sought::Module, other, &[])?;
            return Ok(Outcome::NoSuchModule(suggestion));
        }
        return Ok(Outcome::Valid(checked));
    }
    if args.quick {
        archive.verify_structure()?
    } else {
        archive.verify()?
    }
    let mut checked = Checked::default();
    for (_, target) in args.target.choose(&archive)? {
        checked.targets += 1;
        checked.modules += u64::from(target.module_count());
        checked.resources += u64::from(target.resource_count());
    }
    Ok(Outcome::Valid(checked))
}

fn what_was_checked(verdict: &Verdict, checked: Checked) -> String {
    match &verdict.module {
        Some(name) => {
            format!("module \"{}\" in {}", escape(name.as_bytes()), counted(checked.targets, "target", "targets"))
        }
        None => {
            let modules = counted(checked.modules, "module", "modules");
            let resources = counted(checked.resources, "resource", "resources");
            let hint = if verdict.depth == "structure" { "; --quick does not check their contents" } else { "" };
            format!("{} of {modules} and {resources}{hint}", verdict.depth)
        }
    }
}
