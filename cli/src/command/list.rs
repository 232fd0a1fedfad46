//! `permacode list`: names and sizes of modules or resources.

use crate::{
    Answer,
    archive::ArchiveArg,
    errors::No,
    escape::{escape, escape_short},
    near::{Sought, advice},
    output::{Output, counted, grouped},
    table::{Align, Rows},
    target::{Description, TargetArg},
    text::{Hex, Text},
};
use anyhow::{Context, Result};
use permacode_reader::{Module, Path, Resource, Str, Target};
use serde::{
    Serialize, Serializer,
    ser::{Error as _, SerializeSeq},
};
use std::ffi::OsString;

/// List the modules of an archive, or its resources
///
/// With a NAME, only the module or folder of that name and everything below it is listed. If there is none, every name
/// that starts with NAME is listed.
///
/// Tables shorten names and paths of more than 256 bytes. JSON has them whole.
#[derive(Debug, clap::Args)]
#[command(after_long_help = AFTER_HELP, after_help = AFTER_HELP)]
pub(crate) struct Args {
    #[command(flatten)]
    pub(crate) archive: ArchiveArg,

    /// A module or package, a folder of resources, or the start of names
    name: Option<OsString>,

    /// List resources instead of modules
    #[arg(long)]
    resources: bool,

    #[command(flatten)]
    target: TargetArg,

    /// Print the result as JSON, and errors as JSON, too
    #[arg(long)]
    json: bool,
}

const AFTER_HELP: &str = "\
Examples:
  permacode list stdlib.perma
  permacode list stdlib.perma json
  permacode list stdlib.perma --resources pydoc_data/
  permacode list stdlib.perma --json | jq -r '.targets[].entries[].name'

Exit status:
  0  something was listed, or no NAME was given
  1  no name is NAME or starts with it
  2  wrong usage, or the archive cannot be read";

#[derive(Debug, Serialize)]
struct Listing<'a> {
    archive: String,
    targets: Vec<TargetListing<'a>>,
}

#[derive(Debug, Serialize)]
struct TargetListing<'a> {
    #[serde(flatten)]
    target: Description<'a>,
    entries: Entries<'a>,
}

/// Modules or resources of a target. They are read twice: first to check and count them, then to print them. Many of
/// them may share one long text, so they are never in memory all at once.
#[derive(Debug)]
struct Entries<'a> {
    target: Target<'a>,
    resources: bool,
    wanted: Wanted<'a>,
    count: usize,
}

/// The names to list.
#[derive(Debug, Clone, Copy)]
enum Wanted<'a> {
    All,
    /// This module or folder, and everything below it.
    Below(&'a [u8]),
    /// Names that start with this text.
    Beginning(&'a [u8]),
}

/// A module or a resource.
#[derive(Debug, Serialize)]
struct Entry<'a> {
    name: Text<'a>,
    /// The bytes of the name in hexadecimal, if it is not UTF-8 and `name` is only similar to it.
    #[serde(skip_serializing_if = "Option::is_none")]
    name_hex: Option<Hex<'a>>,
    kind: &'static str,
    /// The number of code objects; 0 for a resource.
    code_objects: u32,
    /// The length of the source or the resource, if it is known.
    bytes: Option<u64>,
    /// Whether the archive has these bytes.
    is_kept: bool,
    root: Option<Text<'a>>,
    /// The path below the root. For a resource, it is the name.
    path: Option<Text<'a>>,
    is_executable: bool,
}

impl<'a> Entry<'a> {
    fn module(module: &Module<'a>) -> Result<Self> {
        let name = module.name()?;
        let context = || format!("module \"{}\"", escape_short(name.as_bytes()));
        let source = module.source().with_context(context)?;
        let path: Option<Path<'a>> = match &source {
            Some(source) => Some(source.path),
            None => module.filename().with_context(context)?,
        };
        let text = |text: Str<'a>| Text(text.bytes().as_slice());
        Ok(Entry {
            name: Text(name.as_bytes()),
            name_hex: None,
            kind: match (module.is_namespace(), module.is_package()) {
                (true, _) => "namespace",
                (false, true) => "package",
                (false, false) => "module",
            },
            code_objects: module.code_count(),
            bytes: source.as_ref().map(|source| source.size),
            is_kept: source.as_ref().is_some_and(|source| source.has_text),
            root: path.and_then(|path| path.root).map(text),
            path: path.map(|path| text(path.path)),
            is_executable: source.is_some_and(|source| source.executable),
        })
    }

    fn resource(resource: &Resource<'a>) -> Result<Self> {
        let name = resource.path()?.as_slice();
        Ok(Entry {
            name: Text(name),
            name_hex: std::str::from_utf8(name).is_err().then_some(Hex(name)),
            kind: "resource",
            code_objects: 0,
            bytes: Some(resource.len()),
            is_kept: true,
            root: Some(Text(resource.root()?.as_bytes())),
            path: Some(Text(name)),
            is_executable: resource.is_executable(),
        })
    }
}

impl Wanted<'_> {
    fn contains(self, name: &[u8], separator: u8) -> bool {
        match self {
            Wanted::All => true,
            Wanted::Below(folder) => match name.strip_prefix(folder) {
                Some([]) => true,
                Some([first, ..]) => *first == separator,
                None => false,
            },
            Wanted::Beginning(start) => name.starts_with(start),
        }
    }
}

impl<'a> Entries<'a> {
    /// Entries of this name and below it. If there are none, entries that start with it. Without a name, all entries.
    fn new(target: Target<'a>, resources: bool, name: Option<&'a [u8]>) -> Result<Self> {
        let mut entries = Entries { target, resources, wanted: Wanted::All, count: 0 };
        let separator = entries.separator();
        let below = name.map(|name| Wanted::Below(name.strip_suffix(&[separator]).unwrap_or(name)));
        let beginning = name.map(Wanted::Beginning);
        let (mut all, mut count_below, mut count_beginning) = (0, 0, 0);
        for entry in entries.iter() {
            let Text(name) = entry?.name;
            let is = |wanted: Option<Wanted<'_>>| usize::from(wanted.is_some_and(|it| it.contains(name, separator)));
            all += 1;
            count_below += is(below);
            count_beginning += is(beginning);
        }
        (entries.wanted, entries.count) = match (below, beginning) {
            (Some(below), _) if count_below > 0 => (below, count_below),
            (_, Some(beginning)) => (beginning, count_beginning),
            _ => (Wanted::All, all),
        };
        Ok(entries)
    }

    fn separator(&self) -> u8 {
        if self.resources { b'/' } else { b'.' }
    }

    fn iter(&self) -> impl Iterator<Item = Result<Entry<'a>>> {
        let (resources, wanted, separator) = (self.resources, self.wanted, self.separator());
        let modules = self.target.modules().take_while(move |_| !resources);
        let modules = modules.map(|module| Entry::module(&module?));
        let resources = self.target.resources().take_while(move |_| resources);
        let resources = resources.map(|resource| Entry::resource(&resource?));
        let is_wanted = move |entry: &Result<Entry<'a>>| match entry {
            Ok(entry) => wanted.contains(entry.name.0, separator),
            Err(_) => true,
        };
        modules.chain(resources).filter(is_wanted)
    }
}

impl Serialize for Entries<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut sequence = serializer.serialize_seq(Some(self.count))?;
        for entry in self.iter() {
            sequence.serialize_element(&entry.map_err(S::Error::custom)?)?;
        }
        sequence.end()
    }
}

pub(crate) fn run(args: &Args, out: &mut Output) -> Result<Answer> {
    let archive = args.archive.open()?;
    let wanted = args.name.as_ref().map(|name| name.as_encoded_bytes());
    let mut targets = Vec::new();
    for (description, target) in args.target.choose(&archive)? {
        let entries = Entries::new(target, args.resources, wanted);
        let entries = entries.with_context(|| format!("cannot list {}", args.archive))?;
        targets.push(TargetListing { target: description, entries });
    }
    let found = targets.iter().map(|target| target.entries.count).sum::<usize>();
    let listing = Listing { archive: args.archive.name(), targets };
    if args.json {
        out.json(&listing)?;
    } else {
        print(&listing, args.resources, out)?;
    }
    if let (0, Some(wanted)) = (found, wanted) {
        let (sought, kind, other) = match args.resources {
            true => (Sought::Resource, "resource", "leave out --resources"),
            false => (Sought::Module, "module", "add --resources"),
        };
        let message = format!("no {kind} has the name \"{}\" or starts with it", escape(wanted));
        return Err(No::unknown(message, advice(&archive, wanted, sought, other, &[])?).into());
    }
    Ok(Answer::Yes)
}

fn print(listing: &Listing<'_>, resources: bool, out: &mut Output) -> Result<()> {
    let is_single = listing.targets.len() == 1;
    for (index, target) in listing.targets.iter().filter(|target| target.entries.count > 0).enumerate() {
        if !is_single {
            if index > 0 {
                out.line("")?;
            }
            out.line(format_args!("target {}: {}", target.target.number, target.target.line()))?;
        }
        if resources { print_resources(&target.entries, out)? } else { print_modules(&target.entries, out)? }
    }
    Ok(())
}

fn print_modules(entries: &Entries<'_>, out: &mut Output) -> Result<()> {
    use Align::{Left, Right};
    let mut rows =
        Rows::new(&[("NAME", Left), ("KIND", Left), ("CODE OBJECTS", Right), ("SOURCE BYTES", Right), ("FILE", Left)]);
    let mut not_kept = false;
    for entry in entries.iter() {
        let entry = entry?;
        not_kept |= entry.bytes.is_some() && !entry.is_kept;
        let bytes = match (entry.bytes, entry.is_kept) {
            (Some(bytes), true) => grouped(bytes),
            (Some(bytes), false) => format!("({})", grouped(bytes)),
            (None, _) => "-".to_owned(),
        };
        let path = entry.path.map_or_else(|| "-".to_owned(), |path| escape_short(path.0));
        let path = match entry.root {
            Some(root) => format!("{}: {path}", escape_short(root.0)),
            None => path,
        };
        rows.push([escape_short(entry.name.0), entry.kind.to_owned(), grouped(entry.code_objects.into()), bytes, path]);
    }
    rows.print(out)?;
    if out.is_terminal() {
        let remark = if not_kept { "; in brackets: sources that the archive does not have" } else { "" };
        out.line(format_args!("{}{remark}", counted(entries.count as u64, "module", "modules")))?;
    }
    Ok(())
}

fn print_resources(entries: &Entries<'_>, out: &mut Output) -> Result<()> {
    use Align::{Left, Right};
    let mut rows = Rows::new(&[("NAME", Left), ("BYTES", Right), ("ROOT", Left), ("MODE", Left)]);
    for entry in entries.iter() {
        let entry = entry?;
        rows.push([
            escape_short(entry.name.0),
            grouped(entry.bytes.unwrap_or_default()),
            entry.root.map_or_else(|| "-".to_owned(), |root| escape_short(root.0)),
            if entry.is_executable { "executable" } else { "" }.to_owned(),
        ]);
    }
    rows.print(out)?;
    if out.is_terminal() {
        out.line(counted(entries.count as u64, "resource", "resources"))?;
    }
    Ok(())
}
