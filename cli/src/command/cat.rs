//! `permacode cat`: the source of a module, or the bytes of a resource.

use crate::{
    Answer,
    archive::ArchiveArg,
    escape::{escape, escape_short, is_text},
    near::Names,
    output::{Output, counted, grouped},
    report::note,
    target::TargetArg,
};
use anyhow::{Context, Result, bail};
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

    /// NAME is that of a module
    #[arg(long, conflicts_with = "resource")]
    module: bool,

    /// NAME is that of a resource
    #[arg(long)]
    resource: bool,

    #[command(flatten)]
    target: TargetArg,

    /// Print to a terminal even what is no text
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
  1  there is no such name, both a module and a resource have it, or no source was kept
  2  wrong usage, or something could not be read or written";

/// Resources of the same path that a message names; of more it gives the number.
const MAX_NAMED: usize = 10;

/// What is known of a name.
#[derive(Debug, Default)]
struct Found<'a> {
    module: Option<PermaBytes<'a>>,
    /// Why a module that is there has no source.
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
            note(format_args!("permacode: \"{shown}\" is both a module and a resource; add --module or --resource"));
            return Ok(Answer::No);
        }
        Found { module: Some(bytes), .. } | Found { resource: Some(bytes), .. } => bytes,
        Found { no_source: Some(why), .. } => {
            note(format_args!("permacode: module \"{shown}\" has no source here: {why}"));
            return Ok(Answer::No);
        }
        Found { .. } => {
            let what = match (args.module, args.resource) {
                (true, _) => "module",
                (_, true) => "resource",
                _ => "module and no resource",
            };
            note(format_args!("permacode: {} has no {what} \"{shown}\"", args.archive));
            Names::of(&archive)?.suggest(name).into_iter().for_each(note);
            return Ok(Answer::No);
        }
    };
    if out.is_terminal() && !args.force && !is_text(&bytes) {
        let len = counted(bytes.len() as u64, "byte", "bytes");
        bail!("\"{shown}\" ({len}) is no text, and standard output is a terminal: send it to a file, or add --force");
    }
    out.bytes(&bytes)?;
    Ok(Answer::Yes)
}

/// Looks in one target; what an earlier one had counts.
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

/// The resource of this name; its root may be left out where only one root has the path.
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
        let mut names = Vec::new();
        for resource in found.iter().take(MAX_NAMED) {
            names.push(escape_short(&resource.name()?));
        }
        if let Some(others @ 1..) = found.len().checked_sub(MAX_NAMED) {
            names.push(format!("and {} more", grouped(others as u64)));
        }
        bail!("several roots have it, say which one: {}", names.join(", "));
    }
    Ok(found.pop())
}
