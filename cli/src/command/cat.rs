//! `permacode cat`: the source of a module, or the bytes of a resource.

use crate::{
    Answer,
    archive::ArchiveArg,
    errors::{No, UsageError},
    escape::{escape, escape_short, is_text},
    near::{Sought, advice},
    output::{Output, counted, grouped, named},
    target::TargetArg,
};
use anyhow::{Context, Result};
use permacode_reader::{PermaBytes, Resource, Target};
use std::ffi::OsString;

/// Print the source of a module, or a resource
#[derive(Debug, clap::Args)]
#[command(after_long_help = AFTER_HELP, after_help = AFTER_HELP)]
pub(crate) struct Args {
    #[command(flatten)]
    pub(crate) archive: ArchiveArg,

    /// A module such as `json.decoder`, or the path of a resource
    name: OsString,

    /// NAME is the name of a module
    #[arg(long, conflicts_with = "resource")]
    module: bool,

    /// NAME is the path of a resource
    #[arg(long)]
    resource: bool,

    #[command(flatten)]
    target: TargetArg,

    /// Print to a terminal even if it is not text
    #[arg(long)]
    force: bool,
}

const AFTER_HELP: &str = "\
Examples:
  permacode cat stdlib.perma json.decoder | less
  permacode cat stdlib.perma pydoc_data/_pydoc.css
  permacode cat stdlib.perma turtledemo/turtle.cfg --resource > turtle.cfg

Exit status:
  0  printed
  1  NAME was not found, is both a module and a resource, or has no source in the archive
  2  wrong usage, or something could not be read or written";

/// What an archive has under a name.
#[derive(Debug, Default)]
struct Found<'a> {
    module: Option<PermaBytes<'a>>,
    /// The reason why the module has no source.
    no_source: Option<&'static str>,
    resource: Option<PermaBytes<'a>>,
}

pub(crate) fn run(args: &Args, out: &mut Output) -> Result<Answer> {
    let archive = args.archive.open()?;
    let name = args.name.as_encoded_bytes();
    let shown = escape(name);
    let mut found = Found::default();
    for (_, target) in args.target.choose(&archive)? {
        look_up(args, name, &target, &mut found)
            .with_context(|| format!("cannot read \"{shown}\" in {}", args.archive))?;
    }
    let bytes = match found {
        Found { module: Some(_), resource: Some(_), .. } => {
            let message = format!("\"{shown}\" is both a module and a resource");
            return Err(No::ambiguous(message, "add --module or --resource").into());
        }
        Found { module: Some(bytes), .. } | Found { resource: Some(bytes), .. } => bytes,
        Found { no_source: Some(why), .. } => {
            return Err(No::unknown(format!("module \"{shown}\" has no source here: {why}"), None).into());
        }
        Found { .. } => {
            let (sought, has_no, other) = match (args.module, args.resource) {
                (true, _) => (Sought::Module, "has no module", "leave out --module"),
                (_, true) => (Sought::Resource, "has no resource", "leave out --resource"),
                _ => (Sought::Either, "has neither a module nor a resource", ""),
            };
            let message = format!("{} {has_no} \"{shown}\"", args.archive);
            return Err(No::unknown(message, advice(&archive, name, sought, other, &[])?).into());
        }
    };
    if out.is_terminal() && !args.force && !is_text(&bytes) {
        let len = counted(bytes.len() as u64, "byte", "bytes");
        let problem = format!("standard output is a terminal, and \"{shown}\" ({len}) is not text");
        return Err(UsageError::new(format!("{problem}: redirect it, or add --force")).into());
    }
    out.bytes(&bytes)?;
    Ok(Answer::Yes)
}

/// Looks in one target. What an earlier target had is kept.
fn look_up<'a>(args: &Args, name: &[u8], target: &Target<'a>, found: &mut Found<'a>) -> Result<()> {
    if !args.resource && found.module.is_none() {
        let module = match std::str::from_utf8(name) {
            Ok(name) => target.find(name)?,
            Err(_) => None,
        };
        if let Some(module) = module {
            found.module = module.source_text()?;
            if found.module.is_none() {
                found.no_source = Some(if module.is_namespace() {
                    "a namespace package has no code"
                } else {
                    "the archive was made without it"
                });
            }
        }
    }
    if !args.module && found.resource.is_none() {
        found.resource = resource(name, target)?.map(|resource| resource.data()).transpose()?;
    }
    Ok(())
}

/// The resource of this name. The root may be left out if only one root has the path.
fn resource<'a>(name: &[u8], target: &Target<'a>) -> Result<Option<Resource<'a>>> {
    if let Some(resource) = target.find_resource(name)? {
        return Ok(Some(resource));
    }
    let mut found = Vec::new();
    for resource in target.resources() {
        let resource = resource?;
        if resource.path()? == *name {
            found.push(resource);
        }
    }
    if found.len() > 1 {
        let (named, others) = named(&found);
        let mut names = Vec::new();
        for resource in named {
            names.push(escape_short(&resource.name()?));
        }
        if others > 0 {
            names.push(format!("and {} more", grouped(others)));
        }
        let names = names.join(", ");
        return Err(UsageError::new(format!("several roots have this path; add the root: {names}")).into());
    }
    Ok(found.pop())
}
