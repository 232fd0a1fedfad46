//! The worked example: the smallest archive with code in it, field by field.

use anyhow::{Context, Result};
use permacode_format::{Field, HEADER_LEN, Header, IndexHeader, Layout, Record, SectionEntry, SectionKind};
use permacode_model::{Code, Leaf, Module, ModuleKind, Object, Path, Ref, Str, Target};
use permacode_reader::{Archive, Section};
use permacode_writer::{Options, Writer};
use std::fmt::Write as _;

/// Bytes on a line, in a section without fields.
const WIDTH: usize = 16;

/// The annotated hexdump, in its fence.
pub(super) fn block() -> Result<String> {
    let bytes = smallest()?;
    Archive::open(&bytes)?.verify().context("the example breaks a rule")?;
    Ok(format!("```hexdump\n{}```\n", dump(&bytes)?))
}

/// One target, one module, one code object that returns a constant.
fn smallest() -> Result<Vec<u8>> {
    let mut writer = Writer::new(Options::default());
    let target = writer.add_target(&Target { cache_tag: "toy-1".into(), ..Target::new("toy", 7, 0x0100, 2) })?;
    writer.add_module(
        target,
        &Module {
            name: "m".into(),
            kind: ModuleKind::Module,
            objects: vec![Object::Leaf(Leaf::Str(Str::interned("<module>"))), Object::Leaf(Leaf::Int(vec![42].into()))],
            codes: vec![Code {
                stack_size: 1,
                first_line: 1,
                constants: vec![Ref::Object(1)],
                bytecode: vec![0x01, 0x00, 0x02, 0x00].into(),
                ..Code::default()
            }],
            body: Some(0),
            filename: Some(Path { root: Some("app".into()), path: Str::plain("m.toy") }),
            source: None,
        },
    )?;
    Ok(writer.plan()?.to_bytes())
}

fn dump(bytes: &[u8]) -> Result<String> {
    let archive = Archive::open(bytes)?;
    let sections: Vec<_> = archive.sections().collect();
    let mut out = String::new();
    let mut at = 0;
    fields(&mut out, bytes, &mut at, &Header::LAYOUT)?;
    for section in &sections {
        writeln!(out, "# section table: {}", section.kind.name())?;
        fields(&mut out, bytes, &mut at, &SectionEntry::LAYOUT)?;
    }
    debug_assert_eq!(at, HEADER_LEN as usize + sections.len() * 32);
    for Section { kind, offset, len } in sections {
        let (offset, len) = (offset as usize, len as usize);
        if offset > at {
            writeln!(out, "{at:08x}  {} bytes of zero", offset - at)?;
            at = offset;
        }
        writeln!(out, "# {}", kind.name())?;
        match record_of(kind) {
            Some(record) => {
                while at < offset + len {
                    fields(&mut out, bytes, &mut at, record)?;
                }
            }
            None => {
                for (len, what) in parts(&archive, kind, &bytes[offset..offset + len])? {
                    writeln!(out, "{at:08x}  {:<47}  {what}", hex(&bytes[at..at + len]))?;
                    at += len;
                }
            }
        }
    }
    Ok(out)
}

/// The parts of a section without records: the length and the description of each.
fn parts(archive: &Archive<&[u8]>, kind: SectionKind, bytes: &[u8]) -> Result<Vec<(usize, String)>> {
    let numbers = |width: usize, what: &str| {
        let part = |(number, bytes): (usize, &[u8])| {
            let value = bytes.iter().rev().fold(0u64, |value, byte| value << 8 | u64::from(*byte));
            (bytes.len(), format!("{what} {number} = {value:#x}"))
        };
        bytes.chunks(width).enumerate().map(part).collect()
    };
    Ok(match kind {
        SectionKind::Lists => numbers(2, "item"),
        SectionKind::Objects => numbers(4, "entry of object"),
        SectionKind::Checksums => numbers(4, "CRC of chunk"),
        SectionKind::Constants => {
            let section = archive.sections().find(|section| section.kind == kind).map_or(0, |section| section.offset);
            let mut starts = Vec::new();
            for id in 0..archive.object_count() {
                let object = archive.object(id).context("no such object")?;
                starts.push((object.offset()? - section, format!("object {id}: {:?}", object.constant()?)));
            }
            starts.sort();
            let ends = starts.iter().skip(1).map(|(start, _)| *start).chain([bytes.len() as u64]).collect::<Vec<_>>();
            starts.into_iter().zip(ends).map(|((start, what), end)| ((end - start) as usize, what)).collect()
        }
        _ => bytes.chunks(WIDTH).map(|part| (part.len(), format!("{}", part.escape_ascii()))).collect(),
    })
}

/// The layout of the records of a section, if the records have fields to show one by one.
pub(crate) fn record_of(kind: SectionKind) -> Option<&'static Layout> {
    kind.layout().filter(|layout| layout.fields.len() > 1)
}

/// One line for each field of a record.
fn fields(out: &mut String, bytes: &[u8], at: &mut usize, record: &Layout) -> Result<()> {
    for field in record.fields {
        field_line(out, &bytes[*at + field.offset..][..field.size], *at + field.offset, record.name, field)?;
    }
    *at += record.len;
    Ok(())
}

fn field_line(out: &mut String, bytes: &[u8], at: usize, record: &str, field: &Field) -> Result<()> {
    if field.type_name == "IndexHeader" {
        for part in IndexHeader::LAYOUT.fields {
            let name = format!("{record}.{}", field.name);
            field_line(out, &bytes[part.offset..][..part.size], at + part.offset, &name, part)?;
        }
        return Ok(());
    }
    let mut value = String::new();
    if matches!(field.size, 1 | 2 | 4 | 8) && field.name != "magic" {
        let mut wide = [0; 8];
        wide[..bytes.len()].copy_from_slice(bytes);
        let number = u64::from_le_bytes(wide);
        let is_none = field.size == 4 && number == u64::from(u32::MAX);
        value = if is_none {
            " = NONE".into()
        } else if number < 10 {
            format!(" = {number}")
        } else {
            format!(" = {number} ({number:#x})")
        };
    }
    writeln!(out, "{at:08x}  {:<47}  {record}.{}{value}", hex(bytes), field.name)?;
    Ok(())
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().join(" ")
}
