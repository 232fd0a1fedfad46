//! The lines of a range of an archive.

use crate::{
    line::{Line, Value, WIDTH},
    map::{Content, Map, Part},
    object,
    piece::{Piece, PieceContent, SLOT_LEN},
};
use permacode_format::{
    CodeRecord, Field, ItemRef, Layout, ModuleRecord, RECORDS, Record, SectionEntry, SectionKind, Slot, U16, U32,
    code_form, list_item,
};
use std::ops::Range;
use zerocopy::FromBytes;

/// Bytes on a row of items. The words for them are longer than those for text.
const ITEMS_WIDTH: usize = 8;

/// The longest text behind the address of an object that stays on one line.
const MAX_WORDS: usize = 40;

/// The longest name in a heading, in bytes.
const MAX_NAME: usize = 64;

impl<'a> Map<'a> {
    /// Calls `out` for each line of a range of the archive. A line at the edge of the range is whole.
    ///
    /// # Errors
    /// The error that `out` returns.
    pub fn lines<E>(&self, range: Range<u64>, out: &mut dyn FnMut(Line<'a>) -> Result<(), E>) -> Result<(), E> {
        let clip = |offset: u64| usize::try_from(offset).unwrap_or(usize::MAX).min(self.bytes.len());
        let mut walk = Walk { map: self, range: clip(range.start)..clip(range.end), out };
        if self.bytes.is_empty() {
            walk.problems(0..1, true)?;
        }
        self.parts.iter().try_for_each(|part| walk.part(part))
    }
}

/// One walk over a range.
struct Walk<'m, 'a, E> {
    map: &'m Map<'a>,
    range: Range<usize>,
    out: &'m mut dyn FnMut(Line<'a>) -> Result<(), E>,
}

fn at(start: usize, offset: usize) -> usize {
    start.saturating_add(offset)
}

/// The start of the row that holds `offset`. Rows of `width` bytes start at `start`.
fn row_start(start: usize, offset: usize, width: usize) -> usize {
    let skipped = offset.saturating_sub(start).checked_div(width).unwrap_or(0);
    at(start, skipped.saturating_mul(width))
}

impl<'a, E> Walk<'_, 'a, E> {
    fn meets(&self, range: &Range<usize>) -> bool {
        range.start < self.range.end && self.range.start < range.end
    }

    fn heading(&mut self, text: impl Into<String>) -> Result<(), E> {
        (self.out)(Line::Heading { text: text.into() })
    }

    fn problem(&mut self, offset: usize, text: impl Into<String>) -> Result<(), E> {
        (self.out)(Line::Problem { offset: offset as u64, text: text.into() })
    }

    fn bytes(&mut self, range: Range<usize>, address: impl Into<String>, value: Value) -> Result<(), E> {
        if !self.meets(&range) {
            return Ok(());
        }
        let (offset, bytes) = (range.start as u64, self.map.slice(range));
        (self.out)(Line::Bytes { offset, bytes, address: address.into(), value })
    }

    /// The rows of `range` that are in the range of the walk.
    fn rows(
        &mut self,
        range: Range<usize>,
        width: usize,
        line: impl Fn(usize, &'a [u8]) -> (String, Value),
    ) -> Result<(), E> {
        let mut start = row_start(range.start, self.range.start, width);
        while start < range.end.min(self.range.end) {
            let end = at(start, width).min(range.end);
            let (address, value) = line(start, self.map.slice(start..end));
            self.bytes(start..end, address, value)?;
            start = end;
        }
        Ok(())
    }

    fn problems(&mut self, range: Range<usize>, is_whole: bool) -> Result<(), E> {
        for (offset, text) in &self.map.problems {
            if range.contains(offset) && (is_whole || self.range.contains(offset)) {
                self.problem(*offset, text.clone())?;
            }
        }
        Ok(())
    }

    fn part(&mut self, part: &Part) -> Result<(), E> {
        if !self.meets(&part.range) {
            return Ok(());
        }
        if !matches!(part.content, Content::Outside) {
            self.heading(part.name.clone())?;
        }
        self.problems(part.range.clone(), self.range.start <= part.range.start)?;
        for (offset, text) in self.map.damage(part, &self.range) {
            self.problem(offset, text)?;
        }
        match part.content {
            Content::Record(layout) => self.record(&part.name, part.range.clone(), layout),
            Content::Records(layout) => self.records(part, layout),
            Content::Data(kind) => self.data(part, kind),
            Content::Unknown => self.plain_rows(part, part.range.clone()),
            Content::Outside => self.outside(part),
        }
    }

    fn outside(&mut self, part: &Part) -> Result<(), E> {
        let (offset, len) = (part.range.start as u64, part.range.len() as u64);
        if self.map.slice(part.range.clone()).iter().all(|byte| *byte == 0) {
            return (self.out)(Line::Zeros { offset, len });
        }
        self.problem(part.range.start, format!("{len} bytes that belong to no section and are not all zero"))?;
        self.rows(part.range.clone(), WIDTH, |start, _| (format!("@{start:#x}"), Value::Data))
    }

    /// Rows of data whose addresses count the bytes of the section.
    fn plain_rows(&mut self, part: &Part, range: Range<usize>) -> Result<(), E> {
        let address = |start: usize| format!("{}@{:#x}", part.name, start.saturating_sub(part.range.start));
        self.rows(range, WIDTH, |start, _| (address(start), Value::Data))
    }

    fn records(&mut self, part: &Part, layout: &'static Layout) -> Result<(), E> {
        let mut start = row_start(part.range.start, self.range.start, layout.len);
        while start < part.range.end.min(self.range.end) {
            let end = at(start, layout.len).min(part.range.end);
            let index = start.saturating_sub(part.range.start).checked_div(layout.len).unwrap_or(0);
            let address = format!("{}[{index}]", part.name);
            if let Some(name) = self.name_of(layout, start..end) {
                self.heading(format!("{address}: {name}"))?;
            }
            self.record(&address, start..end, layout)?;
            start = end;
        }
        Ok(())
    }

    /// The name of a record: the kind of a section, or the text that it refers to.
    fn name_of(&self, layout: &Layout, range: Range<usize>) -> Option<String> {
        let field = |name: &str| {
            let field = layout.field(name)?;
            let start = at(range.start, field.offset);
            number(self.map.slice(start..at(start, field.size)))
        };
        if layout.name == SectionEntry::LAYOUT.name {
            let kind = u32::try_from(field("kind")?).ok()?;
            return Some(SectionKind::from_number(kind).map_or("unknown kind", SectionKind::name).to_owned());
        }
        let (offset, len) = (usize::try_from(field("name_offset")?).ok()?, usize::try_from(field("name_len")?).ok()?);
        let names = self.map.part(SectionKind::Names.name())?.range.clone();
        let names = self.map.slice(names);
        let name = names.get(offset..offset.checked_add(len)?)?;
        // Many records may share one long name, so only its start is looked at.
        let head = name.get(..MAX_NAME).unwrap_or(name);
        let mut name = String::from_utf8_lossy(head).into_owned();
        if head.len() < len {
            name.push('…');
        }
        Some(name)
    }

    fn record(&mut self, address: &str, range: Range<usize>, layout: &Layout) -> Result<(), E> {
        if range.len() < layout.len {
            let text = format!("{} of the {} bytes of {address} are there", range.len(), layout.len);
            self.problem(range.start, text)?;
        }
        layout.fields.iter().try_for_each(|field| self.field(address, &range, field))
    }

    /// A field of the record in `range`, as far as the record reaches.
    fn field(&mut self, record: &str, range: &Range<usize>, field: &Field) -> Result<(), E> {
        let address = format!("{record}.{}", field.name);
        let start = at(range.start, field.offset);
        let end = at(start, field.size);
        let inner = RECORDS.iter().find(|layout| layout.name == field.type_name);
        if let Some(layout) = inner {
            let range = start.min(range.end)..end.min(range.end);
            return layout.fields.iter().try_for_each(|field| self.field(&address, &range, field));
        }
        if end > range.end {
            return self.rows(start..range.end, WIDTH, |_, _| (address.clone(), Value::Data));
        }
        match value(field, self.map.slice(start..end)) {
            Some(value) => self.bytes(start..end, address, value),
            None => self.rows(start..end, WIDTH, |_, _| (address.clone(), Value::Data)),
        }
    }

    fn data(&mut self, part: &Part, kind: SectionKind) -> Result<(), E> {
        let pieces = self.map.pieces(kind);
        let bounds = self.module_bounds(kind);
        // The piece that holds the start of the range, and those after it.
        let from = self.range.start.saturating_sub(part.range.start);
        let first = pieces.partition_point(|piece| piece.start <= from).saturating_sub(1);
        let pieces = pieces.get(first..).unwrap_or_default();
        let start_of = |piece: Option<&Piece>| {
            piece.map_or(part.range.end, |piece| at(part.range.start, piece.start).min(part.range.end))
        };
        if first == 0 {
            self.plain_rows(part, part.range.start..start_of(pieces.first()))?;
        }
        for (index, piece) in pieces.iter().enumerate() {
            let range = start_of(Some(piece))..start_of(pieces.get(index.saturating_add(1)));
            if range.start >= self.range.end {
                break;
            }
            if !self.meets(&range) {
                continue;
            }
            if let Some(heading) = piece.content.heading() {
                self.heading(format!("{} {heading}", part.name))?;
            }
            match &piece.content {
                PieceContent::Object(id) => self.object(part, *id, range)?,
                PieceContent::Slots(_, count) => self.slots(part, *count, range)?,
                PieceContent::Of(SectionKind::Code, code) if kind == SectionKind::Lists => {
                    self.list(part, *code, &bounds, range)?;
                }
                _ => self.plain_rows(part, range)?,
            }
        }
        Ok(())
    }

    fn slots(&mut self, part: &Part, count: usize, range: Range<usize>) -> Result<(), E> {
        let end = at(range.start, count.saturating_mul(SLOT_LEN)).min(range.end);
        let mut start = row_start(range.start, self.range.start, SLOT_LEN);
        while start < end.min(self.range.end) {
            let next = at(start, SLOT_LEN).min(end);
            let address = format!("{}@{:#x}", part.name, start.saturating_sub(part.range.start));
            self.record(&address, start..next, &Slot::LAYOUT)?;
            start = next;
        }
        self.plain_rows(part, end..range.end)
    }

    /// First code object and object base of each module, which the narrow items of lists need.
    fn module_bounds(&self, kind: SectionKind) -> Vec<(u32, u32)> {
        if kind != SectionKind::Lists {
            return Vec::new();
        }
        let modules = self.map.records::<ModuleRecord>().iter();
        let mut bounds: Vec<(u32, u32)> =
            modules.map(|module| (module.first_code.get(), module.object_base.get())).collect();
        bounds.sort_unstable();
        bounds
    }

    /// A list, as its first code object reads it.
    fn list(&mut self, part: &Part, code: usize, bounds: &[(u32, u32)], range: Range<usize>) -> Result<(), E> {
        let form = self.map.records::<CodeRecord>().get(code).map_or(0, |record| record.form);
        let is_wide = form & code_form::WIDE_LIST != 0;
        let last = bounds.partition_point(|(first_code, _)| *first_code as usize <= code).checked_sub(1);
        let (first_code, object_base) = last.and_then(|last| bounds.get(last)).copied().unwrap_or_default();
        let words = |bytes: &[u8]| {
            let item = |item: Option<ItemRef>| match item {
                Some(ItemRef::Object(id)) => id.to_string(),
                Some(ItemRef::Code(id)) => format!("code[{id}]"),
                None => "beyond 32 bits".to_owned(),
            };
            let words: Vec<String> = if is_wide {
                let (wide, _) = <[U32]>::ref_from_prefix_with_elems(bytes, bytes.len() >> 2).unwrap_or_default();
                wide.iter().map(|wide| item(Some(list_item::decode_wide(wide.get())))).collect()
            } else {
                let (narrow, _) = <[U16]>::ref_from_prefix_with_elems(bytes, bytes.len() >> 1).unwrap_or_default();
                let decode = |narrow: &U16| list_item::decode_narrow(narrow.get(), object_base, first_code);
                narrow.iter().map(|narrow| item(decode(narrow))).collect()
            };
            words.join(", ")
        };
        let section = part.range.start;
        self.rows(range, ITEMS_WIDTH, |start, bytes| {
            let index = start.saturating_sub(section) >> 1;
            (format!("{}[{index}]", part.name), Value::Words(words(bytes)))
        })
    }

    fn object(&mut self, part: &Part, id: u32, range: Range<usize>) -> Result<(), E> {
        let address = format!("{}[{id}]", part.name);
        let object = match object::read(self.map.slice(range.start..part.range.end)) {
            Ok(object) => object,
            Err(text) => {
                self.problem(range.start, format!("{address}: {text}"))?;
                return self.plain_rows(part, range);
            }
        };
        let payload = object.payload.bytes();
        let head_end = at(range.start, object.head_len);
        let end = at(head_end, payload.len());
        if end > range.end {
            let text = format!(
                "{address} has {} bytes, but another object starts before its end",
                end.saturating_sub(range.start)
            );
            self.problem(range.start, text)?;
            return self.plain_rows(part, range);
        }
        let words = object.payload.words(payload, id);
        let separator = if matches!(object.payload, object::Payload::Data(_)) { "  " } else { ": " };
        let is_short =
            end.saturating_sub(range.start) <= WIDTH && object.head.len().saturating_add(words.len()) <= MAX_WORDS;
        if is_short {
            let words = if words.is_empty() { object.head } else { [&object.head, separator, &words].concat() };
            self.bytes(range.start..end, &address, Value::Words(words))?;
        } else {
            self.bytes(range.start..head_end, &address, Value::Words(object.head.clone()))?;
            let width = match object.payload {
                object::Payload::Data(_) | object::Payload::Value(_) => WIDTH,
                object::Payload::Wide(_) | object::Payload::Narrow(_) => ITEMS_WIDTH,
            };
            self.rows(head_end..end, width, |_, bytes| {
                let value = match object.payload {
                    object::Payload::Data(_) | object::Payload::Value(_) => Value::Data,
                    _ => Value::Words(object.payload.words(bytes, id)),
                };
                (address.clone(), value)
            })?;
        }
        if end < range.end {
            if self.meets(&(end..range.end)) {
                let rest = range.end.saturating_sub(end);
                self.problem(end, format!("{rest} bytes that belong to no object"))?;
            }
            self.plain_rows(part, end..range.end)?;
        }
        Ok(())
    }
}

/// The little-endian number in at most eight bytes.
fn number(bytes: &[u8]) -> Option<u64> {
    let mut wide = [0; 8];
    wide.get_mut(..bytes.len())?.copy_from_slice(bytes);
    Some(u64::from_le_bytes(wide))
}

/// The value of a field that is a number.
fn value(field: &Field, bytes: &[u8]) -> Option<Value> {
    let number = number(bytes)?;
    match field.type_name {
        "u8" | "U16" | "U32" | "U64" => Some(Value::Unsigned(number)),
        "I32" => Some(Value::Signed((number as u32 as i32).into())),
        "I64" => Some(Value::Signed(number as i64)),
        _ => None,
    }
}
