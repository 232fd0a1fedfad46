//! Addresses: names of places in an archive.

use crate::{
    map::{Content, Crcs, Map, Part},
    piece::{PieceContent, SLOT_LEN},
};
use permacode_format::{
    CodeRecord, Field, Layout, RECORDS, Record, SectionKind, SignatureRecord, Slot, WideCode, code_form,
};
use std::{fmt, ops::Range, str::FromStr};

/// The name of a place in an archive.
///
/// | Address | Place |
/// |---|---|
/// | `header`, `section-table`, `modules` | The header, the section table, a section |
/// | `modules[3]`, `modules[3..5]` | A record, or the records 3 and 4 |
/// | `section-table[modules]` | The entry of a section |
/// | `header.file_len`, `modules[3].name_len` | A field |
/// | `targets[0].module_index.seed` | A field of a record in a record |
/// | `constants[7]`, `docstrings[7]` | The object with the id 7 |
/// | `lists[7]`, `bytecode[7]` | The seventh list item, the seventh byte, counted from zero |
/// | `names@0x20`, `names@0x20..0x40` | Bytes of a section, counted from its start |
/// | `index@8.fingerprint` | A field of the slot that holds this byte |
/// | `@0x1068`, `@0x1068..0x1080` | Bytes, counted from the start of the archive |
///
/// Numbers are decimal, or hexadecimal with `0x`. Ranges do not include their ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Address {
    /// The name of a part; empty for the whole archive.
    part: String,
    element: Element,
    fields: Vec<String>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Element {
    /// The whole part.
    All,
    Index(Range<u64>),
    Name(String),
    At(Range<u64>),
}

/// A text that is no address, or an address of nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AddressError(String);

impl fmt::Display for AddressError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for AddressError {}

type Result<T> = std::result::Result<T, AddressError>;

fn error<T>(text: impl Into<String>) -> Result<T> {
    Err(AddressError(text.into()))
}

impl Address {
    /// Whether a text starts like an address: with `@`, or with the name of a part. Any other text, such as
    /// `json.decoder`, may be the name of a module.
    #[must_use]
    pub fn is_start_of(text: &str) -> bool {
        let head = text.split(['[', '@', '.']).next().unwrap_or_default();
        match head {
            "" => text.starts_with('@'),
            "header" | "section-table" => !text.contains(':'),
            _ => (head.parse::<SectionKind>().is_ok() || is_unknown(head)) && !text.contains(':'),
        }
    }
}

fn is_unknown(name: &str) -> bool {
    name.strip_prefix("unknown-").is_some_and(|number| number.parse::<u32>().is_ok())
}

impl FromStr for Address {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self> {
        if !Address::is_start_of(text) {
            return error(format!(
                "{text:?} is no address: an address starts with `@`, `header`, `section-table` or the name of a \
                 section"
            ));
        }
        let malformed = || {
            AddressError(format!(
                "{text:?} is no address: expected SECTION, SECTION[N], SECTION[N..M], SECTION[N].FIELD, \
                 SECTION@OFFSET or @OFFSET"
            ))
        };
        let end = text.find(['[', '@', '.']).unwrap_or(text.len());
        let (part, rest) = text.split_at_checked(end).ok_or_else(malformed)?;
        let (element, rest) = if let Some(inner) = rest.strip_prefix('[') {
            let (index, rest) = inner.split_once(']').ok_or_else(malformed)?;
            let element = match range(text, index)? {
                Some(range) => Element::Index(range),
                None if part == "section-table" => Element::Name(index.to_owned()),
                None => return Err(malformed()),
            };
            (element, rest)
        } else if let Some(inner) = rest.strip_prefix('@') {
            // `..` is a range, and `.` leads to a field.
            let end = inner.match_indices('.').map(|(at, _)| at).find(|at| {
                let after = inner.get(at.saturating_add(1)..).unwrap_or_default();
                after.starts_with(|first: char| first.is_ascii_alphabetic())
            });
            let (offsets, rest) = inner.split_at_checked(end.unwrap_or(inner.len())).ok_or_else(malformed)?;
            (Element::At(range(text, offsets)?.ok_or_else(malformed)?), rest)
        } else {
            (Element::All, rest)
        };
        let fields = match rest.strip_prefix('.') {
            Some(fields) => fields.split('.').map(str::to_owned).collect(),
            None if rest.is_empty() => Vec::new(),
            None => return Err(malformed()),
        };
        Ok(Address { part: part.to_owned(), element, fields })
    }
}

/// `N` or `N..M` in `address`. `None` if `text` has another form.
fn range(address: &str, text: &str) -> Result<Option<Range<u64>>> {
    let bounds = || match text.split_once("..") {
        Some((start, end)) => Some(number(start)?..number(end)?),
        None => {
            let start = number(text)?;
            Some(start..start.checked_add(1)?)
        }
    };
    match bounds() {
        Some(range) if range.is_empty() => error(format!(
            "{address:?}: the range {text} is empty. A range does not include its end, so its end must be greater than \
             its start"
        )),
        bounds => Ok(bounds),
    }
}

fn number(text: &str) -> Option<u64> {
    let (digits, radix) = match text.strip_prefix("0x") {
        Some(digits) => (digits, 16),
        None => (text, 10),
    };
    // `from_str_radix` takes a sign, too.
    let is_number = digits.chars().all(|digit| digit.is_digit(radix));
    is_number.then(|| u64::from_str_radix(digits, radix).ok())?
}

impl Map<'_> {
    /// The bytes of an address.
    ///
    /// # Errors
    /// If the archive does not have the place.
    pub fn find(&self, address: &Address) -> Result<Range<u64>> {
        let whole =
            Part { name: String::new(), range: 0..self.bytes.len(), content: Content::Unknown, crcs: Crcs::Done };
        let part = match address.part.as_str() {
            "" => &whole,
            name => match self.part(name) {
                Some(part) => part,
                None => return error(format!("the archive has no bytes of {name}")),
            },
        };
        let range = match &address.element {
            Element::All => part.range.clone(),
            Element::Index(index) => self.element(part, index)?,
            Element::Name(name) => self.entry_of(part, name)?,
            Element::At(offsets) => {
                let (start, end) = (clip(offsets.start), clip(offsets.end));
                let len = part.range.len();
                if start >= len || end > len {
                    let thing = if part.name.is_empty() { "the file" } else { &part.name };
                    return error(format!(
                        "{thing} has {len} ({len:#x}) bytes; there is no byte {:#x}",
                        end.saturating_sub(1)
                    ));
                }
                part.range.start.saturating_add(start)..part.range.start.saturating_add(end)
            }
        };
        let range = self.fields(part, range, address)?;
        Ok(range.start as u64..range.end as u64)
    }

    /// The records, items or objects of these numbers.
    fn element(&self, part: &Part, index: &Range<u64>) -> Result<Range<usize>> {
        if let Some(kind @ (SectionKind::Constants | SectionKind::Docstrings)) = part.kind() {
            return self.objects_of(part, kind, index);
        }
        let (len, noun) = match part.content {
            Content::Records(layout) => (layout.len, "records"),
            Content::Data(kind) if kind.record_len() > 1 => (clip(kind.record_len()), "items"),
            Content::Data(_) | Content::Unknown => (1, "bytes"),
            Content::Record(_) | Content::Outside => {
                return error(format!("{} is one record: leave out [...]", part.name));
            }
        };
        let count = part.range.len().div_ceil(len);
        if index.end > count as u64 {
            let missing = index.end.saturating_sub(1);
            return error(format!("{} has {count} {noun}; there is no {}[{missing}]", part.name, part.name));
        }
        let at = |index: u64| part.range.start.saturating_add(clip(index).saturating_mul(len)).min(part.range.end);
        Ok(at(index.start)..at(index.end))
    }

    fn objects_of(&self, part: &Part, kind: SectionKind, ids: &Range<u64>) -> Result<Range<usize>> {
        let pieces = self.pieces(kind);
        let mut found: Option<Range<usize>> = None;
        for (index, piece) in pieces.iter().enumerate() {
            let PieceContent::Object(id) = piece.content else { continue };
            if !ids.contains(&id.into()) {
                continue;
            }
            let next = pieces.get(index.saturating_add(1)).map_or(usize::MAX, |piece| piece.start);
            let at = |offset: usize| part.range.start.saturating_add(offset).min(part.range.end);
            let range = at(piece.start)..at(next);
            found = Some(found.map_or(range.clone(), |found| found.start.min(range.start)..found.end.max(range.end)));
        }
        match found.filter(|range| !range.is_empty()) {
            Some(range) => Ok(range),
            None => error(format!("{} has no object {}", part.name, ids.start)),
        }
    }

    fn entry_of(&self, part: &Part, name: &str) -> Result<Range<usize>> {
        let number = name.strip_prefix("unknown-").unwrap_or(name);
        let number = name.parse::<SectionKind>().map(|kind| kind as u32).ok().or_else(|| number.parse().ok());
        let Content::Records(layout) = part.content else { return error("the section table has no entries") };
        for (index, entry) in self.slice(part.range.clone()).chunks(layout.len).enumerate() {
            if entry.first_chunk::<4>().map(|kind| u32::from_le_bytes(*kind)) == number {
                return self.element(part, &(index as u64..(index as u64).saturating_add(1)));
            }
        }
        error(format!("the section table has no entry of {name:?}"))
    }

    fn fields(&self, part: &Part, range: Range<usize>, address: &Address) -> Result<Range<usize>> {
        if address.fields.is_empty() {
            return Ok(range);
        }
        let (mut layout, mut start) = match (part.content, &address.element) {
            (Content::Record(layout), Element::All) => (layout, range.start),
            (Content::Records(layout), Element::Index(_) | Element::Name(_)) if range.len() <= layout.len => {
                (layout, range.start)
            }
            (Content::Data(SectionKind::Index), Element::At(_)) => (&Slot::LAYOUT, self.slot_start(part, range.start)?),
            _ => return error(format!("{} has no fields here: write one record, such as NAME[0].FIELD", part.name)),
        };
        let mut end = start;
        for (depth, name) in address.fields.iter().enumerate() {
            let Field { offset, size, type_name, .. } = *field(layout, name)?;
            start = start.saturating_add(offset);
            end = start.saturating_add(size);
            match RECORDS.iter().find(|layout| layout.name == type_name) {
                Some(inner) => layout = inner,
                None if depth.saturating_add(1) < address.fields.len() => {
                    return error(format!("the field {name} of {} has no fields", layout.name));
                }
                None => {}
            }
        }
        let file = self.bytes.len();
        if end > file {
            return error(format!("the field ends at {end:#x}; the file has {file:#x} bytes"));
        }
        Ok(start..end)
    }

    fn slot_start(&self, part: &Part, offset: usize) -> Result<usize> {
        let offset = offset.saturating_sub(part.range.start);
        let pieces = self.pieces(SectionKind::Index);
        let last = pieces.partition_point(|piece| piece.start <= offset).checked_sub(1);
        if let Some(piece) = last.and_then(|last| pieces.get(last))
            && let PieceContent::Slots(_, count) = piece.content
        {
            let slot = offset.saturating_sub(piece.start).checked_div(SLOT_LEN).unwrap_or(0);
            if slot < count {
                let start = piece.start.saturating_add(slot.saturating_mul(SLOT_LEN));
                return Ok(part.range.start.saturating_add(start));
            }
        }
        error(format!("no slot holds byte {offset:#x} of {}", part.name))
    }

    /// The places that belong to a code object: its records, list, instructions, tables and signature.
    ///
    /// Places that the archive does not have are left out.
    #[must_use]
    pub fn code_object(&self, id: u32) -> Vec<Range<u64>> {
        let index = u64::from(id);
        let record = |kind: SectionKind, index: u64| Address {
            part: kind.name().to_owned(),
            element: Element::Index(index..index.saturating_add(1)),
            fields: Vec::new(),
        };
        let bytes = |kind: SectionKind, start: u64, len: u64| Address {
            part: kind.name().to_owned(),
            element: Element::At(start..start.saturating_add(len)),
            fields: Vec::new(),
        };
        let mut addresses = vec![record(SectionKind::Code, index), record(SectionKind::Details, index)];
        let codes = self.records::<CodeRecord>();
        let Some(code) = codes.get(id as usize) else { return Vec::new() };
        let mut counts = [code.local_count.get(), code.constant_count.get(), code.name_count.get()].map(u64::from);
        let mut bytecode_len = u64::from(code.bytecode_len.get());
        let details = self.records::<permacode_format::CodeDetail>();
        let detail = details.get(id as usize);
        let mut tables_len =
            detail.map_or(0, |detail| u64::from(detail.line_len.get()).saturating_add(code.exception_len.into()));
        if code.form & code_form::WIDE_RECORD != 0 {
            let wide = u32::from(code.constant_count.get()) << 16 | u32::from(code.bytecode_len.get());
            addresses.push(record(SectionKind::Wide, wide.into()));
            if let Some(wide) = self.records::<WideCode>().get(wide as usize) {
                counts = [wide.local_count, wide.constant_count, wide.name_count].map(|count| count.get().into());
                bytecode_len = wide.bytecode_len.get().into();
                tables_len = u64::from(wide.line_len.get()).saturating_add(wide.exception_len.get().into());
            }
        }
        let has_qualname = code_form::qualname(code.form) == permacode_format::QualnameForm::Explicit;
        let has_filename = code.form & code_form::FILENAME != 0;
        let head = 2u64.saturating_add(has_qualname.into()).saturating_add(has_filename.into());
        let items = counts.iter().fold(head, |sum, count| sum.saturating_add(*count));
        let item_len = if code.form & code_form::WIDE_LIST != 0 { 4 } else { 2 };
        let list_start = u64::from(code.list_offset.get()).saturating_mul(2);
        addresses.push(bytes(SectionKind::Lists, list_start, items.saturating_mul(item_len)));
        addresses.push(bytes(SectionKind::Bytecode, code.bytecode_offset.get().into(), bytecode_len));
        if let Some(detail) = detail {
            addresses.push(bytes(SectionKind::Tables, detail.tables_offset.get().into(), tables_len));
        }
        let signatures = self.records::<SignatureRecord>();
        if let Some(position) = signatures.iter().position(|signature| signature.code.get() == id)
            && let Some(signature) = signatures.get(position)
        {
            addresses.push(record(SectionKind::Signatures, position as u64));
            let (start, len) = (signature.offset.get().into(), signature.len.get().into());
            addresses.push(bytes(SectionKind::SignatureText, start, len));
        }
        addresses.iter().filter_map(|address| self.find(address).ok()).filter(|range| !range.is_empty()).collect()
    }
}

fn clip(number: u64) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}

fn field(layout: &Layout, name: &str) -> Result<&'static Field> {
    layout.field(name).ok_or_else(|| {
        let names: Vec<&str> = layout.fields.iter().map(|field| field.name).collect();
        AddressError(format!("{} has no field {name:?}; it has {}", layout.name, names.join(", ")))
    })
}
