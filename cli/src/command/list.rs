//! `permacode list`: names and sizes of modules or resources.

use crate::{
    Answer,
    archive::ArchiveArg,
    escape::escape,
    near::Names,
    output::{Output, counted, grouped},
    report::note,
    table::{Align, Rows},
    target::{Description, TargetArg},
};
use anyhow::{Context, Result};
use permacode_reader::{Module, Path, Resource, Target};
use serde::Serialize;
use std::ffi::OsString;

/// List the modules of an archive, or its resources
///
/// With a NAME, only the module or folder of that name and what lies below it; if there is none, everything whose name
/// begins so.
#[derive(Debug, clap::Args)]
#[command(after_long_help = AFTER_HELP, after_help = AFTER_HELP)]
pub(crate) struct Args {
    #[command(flatten)]
    archive: ArchiveArg,

    /// A module or package, a folder of resources, or the beginning of names
    name: Option<OsString>,

    /// List resources instead of modules
    #[arg(long)]
    resources: bool,

    #[command(flatten)]
    target: TargetArg,

    /// Print JSON
    #[arg(long)]
    json: bool,
}

const AFTER_HELP: &str = "\
Examples:
  permacode list stdlib.perma
  permacode list stdlib.perma json
  permacode list stdlib.perma --resources lib2to3/
  permacode list stdlib.perma --json | jq -r '.targets[].entries[].name'

Exit status:
  0  something was listed, or no NAME was given
  1  nothing has that NAME
  2  wrong usage, or the archive cannot be read";

#[derive(Debug, Serialize)]
struct Listing {
    archive: String,
    targets: Vec<TargetListing>,
}

#[derive(Debug, Serialize)]
struct TargetListing {
    #[serde(flatten)]
    target: Description,
    entries: Vec<Entry>,
}

/// A module or a resource.
#[derive(Debug, Serialize)]
struct Entry {
    name: String,
    /// Bytes of the name in hexadecimal, if it is no UTF-8 and `name` is therefore an approximation.
    #[serde(skip_serializing_if = "Option::is_none")]
    name_hex: Option<String>,
    kind: &'static str,
    /// Number of code objects; 0 for a resource.
    code_objects: u32,
    /// Bytes of the source or the resource, if anything is known of it.
    bytes: Option<u64>,
    /// Whether those bytes are in the archive.
    is_kept: bool,
    root: Option<String>,
    /// Path below the root; the name, for a resource.
    path: Option<String>,
    is_executable: bool,
    #[serde(skip)]
    raw_name: Vec<u8>,
}

impl Entry {
    fn module(module: &Module<'_>) -> Result<Self> {
        let name = module.name()?;
        let source = module.source().with_context(|| format!("module {:?}", escape(name.as_bytes())))?;
        let path: Option<Path<'_>> = match &source {
            Some(source) => Some(source.path),
            None => module.filename()?,
        };
        Ok(Entry {
            name: name.to_owned(),
            name_hex: None,
            kind: match (module.is_namespace(), module.is_package()) {
                (true, _) => "namespace",
                (false, true) => "package",
                (false, false) => "module",
            },
            code_objects: module.code_count(),
            bytes: source.as_ref().map(|source| source.size),
            is_kept: source.is_some_and(|source| source.text.is_some()),
            root: path.and_then(|path| path.root).map(|root| root.to_string()),
            path: path.map(|path| path.path.to_string()),
            is_executable: false,
            raw_name: name.into(),
        })
    }

    fn resource(resource: &Resource<'_>) -> Result<Self> {
        let raw_name = resource.path()?.to_vec();
        let name = String::from_utf8_lossy(&raw_name).into_owned();
        let is_text = std::str::from_utf8(&raw_name).is_ok();
        Ok(Entry {
            name_hex: (!is_text).then(|| raw_name.iter().map(|byte| format!("{byte:02x}")).collect()),
            kind: "resource",
            code_objects: 0,
            bytes: Some(resource.len()),
            is_kept: true,
            root: Some(resource.root()?.to_owned()),
            path: Some(name.clone()),
            is_executable: resource.is_executable(),
            name,
            raw_name,
        })
    }
}

pub(crate) fn run(args: &Args, out: &mut Output) -> Result<Answer> {
    let archive = args.archive.open()?;
    let wanted = args.name.as_ref().map(|name| name.as_encoded_bytes());
    let mut targets = Vec::new();
    for (description, target) in args.target.choose(&archive)? {
        let mut entries = entries(&target, args.resources).with_context(|| format!("cannot list {}", args.archive))?;
        if let Some(wanted) = wanted {
            keep(&mut entries, wanted, if args.resources { b'/' } else { b'.' });
        }
        targets.push(TargetListing { target: description, entries });
    }
    let found = targets.iter().map(|target| target.entries.len()).sum::<usize>();
    let listing = Listing { archive: args.archive.name(), targets };
    if args.json {
        out.json(&listing)?;
    } else {
        print(&listing, args.resources, out)?;
    }
    if let (0, Some(wanted)) = (found, wanted) {
        let what = if args.resources { "resource" } else { "module" };
        note(format_args!("permacode: no name of a {what} is or begins with \"{}\"", escape(wanted)));
        if let Some(suggestion) = Names::of(&archive)?.suggest(wanted) {
            note(suggestion);
        }
        return Ok(Answer::No);
    }
    Ok(Answer::Yes)
}

fn entries(target: &Target<'_>, resources: bool) -> Result<Vec<Entry>> {
    if resources {
        target.resources().map(|resource| Entry::resource(&resource?)).collect()
    } else {
        target.modules().map(|module| Entry::module(&module?)).collect()
    }
}

/// Keeps the entry of this name and those below it; if there are none, those that begin with it.
fn keep(entries: &mut Vec<Entry>, wanted: &[u8], separator: u8) {
    let wanted_folder = wanted.strip_suffix(&[separator]).unwrap_or(wanted);
    let is_below = |entry: &Entry| match entry.raw_name.strip_prefix(wanted_folder) {
        Some([]) => true,
        Some([first, ..]) => *first == separator,
        None => false,
    };
    if entries.iter().any(is_below) {
        entries.retain(is_below);
    } else {
        entries.retain(|entry| entry.raw_name.starts_with(wanted));
    }
}

fn print(listing: &Listing, resources: bool, out: &mut Output) -> Result<()> {
    let is_single = listing.targets.len() == 1;
    for (index, target) in listing.targets.iter().filter(|target| !target.entries.is_empty()).enumerate() {
        if !is_single {
            let line = format!("target {}: {}", target.target.number, target.target.line());
            out.line(if index == 0 { line } else { format!("\n{line}") })?;
        }
        if resources { print_resources(&target.entries, out)? } else { print_modules(&target.entries, out)? }
    }
    Ok(())
}

fn print_modules(entries: &[Entry], out: &mut Output) -> Result<()> {
    use Align::{Left, Right};
    let mut rows =
        Rows::new(&[("NAME", Left), ("KIND", Left), ("CODE OBJECTS", Right), ("SOURCE BYTES", Right), ("FILE", Left)]);
    for entry in entries {
        let bytes = match (entry.bytes, entry.is_kept) {
            (Some(bytes), true) => grouped(bytes),
            (Some(bytes), false) => format!("({})", grouped(bytes)),
            (None, _) => "-".to_owned(),
        };
        let path = escape(entry.path.as_deref().unwrap_or("-").as_bytes());
        let path = match &entry.root {
            Some(root) => format!("{}: {path}", escape(root.as_bytes())),
            None => path,
        };
        rows.push([escape(&entry.raw_name), entry.kind.to_owned(), grouped(entry.code_objects.into()), bytes, path]);
    }
    rows.print(out)?;
    if out.is_terminal() {
        let not_kept = entries.iter().any(|entry| entry.bytes.is_some() && !entry.is_kept);
        let remark = if not_kept { "; in brackets: sources that were not kept" } else { "" };
        out.line(format_args!("{}{remark}", counted(entries.len() as u64, "module", "modules")))?;
    }
    Ok(())
}

fn print_resources(entries: &[Entry], out: &mut Output) -> Result<()> {
    use Align::{Left, Right};
    let mut rows = Rows::new(&[("NAME", Left), ("BYTES", Right), ("ROOT", Left), ("MODE", Left)]);
    for entry in entries {
        rows.push([
            escape(&entry.raw_name),
            grouped(entry.bytes.unwrap_or_default()),
            escape(entry.root.as_deref().unwrap_or("-").as_bytes()),
            if entry.is_executable { "executable" } else { "" }.to_owned(),
        ]);
    }
    rows.print(out)?;
    if out.is_terminal() {
        out.line(counted(entries.len() as u64, "resource", "resources"))?;
    }
    Ok(())
}
