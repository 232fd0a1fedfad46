//! `permacode dump`: an annotated hexdump.

use crate::{
    Answer,
    errors::{No, UsageError},
    name,
    output::Output,
    query::Query,
};
use anyhow::{Context, Result};
use permacode_dump::{Address, Line, Map};
use permacode_format::SectionKind;
use permacode_reader::Archive;
use serde::{Serialize, Serializer, ser::SerializeSeq};
use std::{cell::Cell, ops::Range};

/// Print the bytes of an archive with the name and value of each field
///
/// Without an ADDRESS, the whole archive is printed. `permacode dump --help` explains addresses.
///
/// The command prints damaged archives, too. A line with `!` says what is damaged or could not be decoded. The command
/// compares the header, the section table and each chunk of 4 KiB that it prints a byte of with their CRCs.
#[derive(Debug, clap::Args)]
#[command(after_long_help = AFTER_LONG_HELP, after_help = AFTER_HELP)]
pub(crate) struct Args {
    #[command(flatten)]
    pub(crate) query: Query,

    /// The places to print, such as `header`, `modules[3]`, `@0x1068` or `json.decoder`
    #[arg(value_name = "ADDRESS")]
    addresses: Vec<String>,
}

/// The sections of both forms of the help.
macro_rules! after_help {
    () => {
        "\
Examples:
  permacode dump stdlib.perma | less
  permacode dump stdlib.perma header 'targets[0]'
  permacode dump stdlib.perma @0x1068
  permacode dump stdlib.perma json.decoder:JSONDecoder.decode
  permacode dump stdlib.perma section-table --json | jq '.lines[]'

Exit status:
  0  printed
  1  ADDRESS was not found, or something that was printed is damaged or could not be decoded
  2  wrong usage, or the file cannot be read"
    };
}

const AFTER_HELP: &str = after_help!();

const AFTER_LONG_HELP: &str = concat!(
    after_help!(),
    "

Addresses:
  header, section-table, modules    the header, the section table, a section; `info` lists them
  modules[3], modules[3..5]         record 3, or records 3 and 4
  modules[3].name_len               a field of a record
  section-table[modules].len        a field of the entry of a section
  constants[7]                      the object with the id 7, here or in docstrings
  names@0x20, names@0x20..0x40      bytes of a section, counted from its start
  @0x1068, @0x1068..0x1080          bytes, counted from the start of the archive
  json.decoder                      the record of a module; `code:` is the module with this name,
                                    and `code` is the section
  json.decoder:JSONDecoder.decode   a code object: records, list, instructions, tables, signature

  Numbers are decimal, or hexadecimal with `0x`. A range does not include its end. Each line of
  the output has an address, so `@OFFSET` finds the name of a byte, and the name finds the byte.
  `permacode show --help` explains how code objects are named."
);

#[derive(Debug, Serialize)]
struct Dump<'a> {
    archive: String,
    bytes: u64,
    lines: Lines<'a>,
}

/// The lines of some ranges. They are made while they are printed, because they are far larger than the archive.
#[derive(Debug)]
struct Lines<'a> {
    map: Map<'a>,
    ranges: Vec<Range<u64>>,
    /// Whether no line that was printed is a problem.
    is_whole: Cell<bool>,
}

impl<'a> Lines<'a> {
    fn each<E>(&self, out: &mut dyn FnMut(Line<'a>) -> Result<(), E>) -> Result<(), E> {
        for range in &self.ranges {
            self.map.lines(range.clone(), &mut |line| {
                if matches!(line, Line::Problem { .. }) {
                    self.is_whole.set(false);
                }
                out(line)
            })?;
        }
        Ok(())
    }
}

impl Serialize for Lines<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut sequence = serializer.serialize_seq(None)?;
        self.each(&mut |line| sequence.serialize_element(&line))?;
        sequence.end()
    }
}

pub(crate) fn run(args: &Args, out: &mut Output) -> Result<Answer> {
    let storage = args.query.archive.storage()?;
    let bytes = storage.as_ref();
    let map = Map::of(bytes);
    let mut ranges = Vec::new();
    for address in &args.addresses {
        ranges.extend(find(args, &map, bytes, address)?);
    }
    if args.addresses.is_empty() {
        ranges.push(0..map.len());
    }
    let dump = Dump {
        archive: args.query.archive.name(),
        bytes: map.len(),
        lines: Lines { map, ranges, is_whole: Cell::new(true) },
    };
    if args.query.json {
        out.json(&dump)?;
    } else {
        dump.lines.each(&mut |line| out.line(line))?;
    }
    Ok(if dump.lines.is_whole.get() { Answer::Yes } else { Answer::No })
}

/// The places of an address or of a name.
fn find(args: &Args, map: &Map<'_>, bytes: &[u8], text: &str) -> Result<Vec<Range<u64>>> {
    let file = &args.query.archive;
    if Address::is_start_of(text) {
        let address: Address = text.parse().map_err(|error| UsageError::new(format!("{error}")))?;
        let range = map.find(&address).map_err(|error| No::unknown(format!("{file}: {error}"), None))?;
        return Ok(vec![range]);
    }
    // Checksums are not compared: this command is for damaged archives.
    let archive = Archive::open(bytes)
        .with_context(|| format!("cannot look up {text:?} in {file}; use an address such as `header` or `@0x40`"))?;
    let sections = SectionKind::ALL.iter().map(|kind| kind.name());
    let parts: Vec<&str> = ["header", "section-table"].into_iter().chain(sections).collect();
    let named = name::find(&archive, &args.query, text, &parts).map_err(|error| match error.downcast::<No>() {
        // `0x1068` and `16..32` are addresses without the `@`.
        Ok(no) if format!("@{text}").parse::<Address>().is_ok() => {
            no.advise(format!("for bytes at this offset, use `@{text}`")).into()
        }
        Ok(no) => no.into(),
        Err(error) => error,
    })?;
    Ok(match named.code {
        Some(code) => map.code_object(code.id()),
        None => {
            let start = named.module.offset();
            let record = start..start.saturating_add(SectionKind::Modules.record_len());
            Vec::from([record])
        }
    })
}
