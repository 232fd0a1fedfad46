//! Changing an archive by the names of its fields, and making all checksums right again.

use permacode_format::{
    CHUNK_LEN, HEADER_LEN, Header, IndexHeader, Layout, ObjectEntry, Record, SectionEntry, SectionKind, U32, crc32,
    header_crc,
};
use std::ops::Range;

/// An archive that is being changed. Its header and section table must be whole.
#[derive(Debug, Clone, PartialEq)]
pub struct Edited(pub Vec<u8>);

/// From which level of checksums on they are made right again; what lies below stays as it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Repair {
    /// Those of the chunks, and everything above.
    Chunks,
    /// Those of the sections, and everything above.
    Sections,
    /// That of the section table, and that of the header.
    Table,
    /// That of the header.
    Header,
    /// None.
    Nothing,
}

impl Edited {
    /// Index of a section in the section table.
    fn entry(&self, kind: SectionKind) -> usize {
        let count = self.number(self.header_field("section_count")) as usize;
        let is_it = |index: &usize| self.number(self.entry_field(*index, "kind")) == kind as u64;
        (0..count).find(is_it).unwrap_or_else(|| panic!("the archive has no section {kind:?}"))
    }

    fn header_field(&self, name: &str) -> Range<usize> {
        field(&Header::LAYOUT, name, 0)
    }

    fn entry_field(&self, index: usize, name: &str) -> Range<usize> {
        field(&SectionEntry::LAYOUT, name, HEADER_LEN as usize + index * size_of::<SectionEntry>())
    }

    /// Where a section lies in the file.
    pub fn section(&self, kind: SectionKind) -> Range<usize> {
        let entry = self.entry(kind);
        let start = self.number(self.entry_field(entry, "offset")) as usize;
        start..start + self.number(self.entry_field(entry, "len")) as usize
    }

    /// Where a field lies in the file: `header.FIELD`, `section:KIND.FIELD`, `KIND[RECORD].FIELD`,
    /// `KIND[RECORD].FIELD.FIELD`, `KIND[RECORD]` for entries, list items and checksums, `KIND@BYTE`, `file@BYTE`.
    pub fn place(&self, path: &str) -> Range<usize> {
        let (head, fields) = path.split_once('.').unwrap_or((path, ""));
        if head == "header" {
            return self.header_field(fields);
        }
        if let Some(name) = head.strip_prefix("section:") {
            return self.entry_field(self.entry(kind(name)), fields);
        }
        if let Some((name, at)) = head.split_once('@') {
            let at: usize = at.parse().unwrap();
            let start = if name == "file" { 0 } else { self.section(kind(name)).start };
            return start + at..start + at + 1;
        }
        let (name, index) = head.trim_end_matches(']').split_once('[').unwrap();
        let (kind, index) = (kind(name), index.parse::<usize>().unwrap());
        let len = kind.record_len() as usize;
        let start = self.section(kind).start + index * len;
        let Some(record) = kind.layout().filter(|_| !fields.is_empty()) else { return start..start + len };
        match fields.split_once('.') {
            Some((outer, inner)) => field(&IndexHeader::LAYOUT, inner, field(record, outer, start).start),
            None => field(record, fields, start),
        }
    }

    fn number(&self, place: Range<usize>) -> u64 {
        let mut bytes = [0; 8];
        bytes[..place.len()].copy_from_slice(&self.0[place]);
        u64::from_le_bytes(bytes)
    }

    /// The value of a field.
    pub fn get(&self, path: &str) -> u64 {
        self.number(self.place(path))
    }

    /// Changes a field; returns what it was.
    pub fn set(&mut self, path: &str, value: u64) -> u64 {
        let (place, before) = (self.place(path), self.get(path));
        let len = place.len();
        self.0[place].copy_from_slice(&value.to_le_bytes()[..len]);
        before
    }

    /// Makes checksums right, as far as header, section table and sections lie in the file.
    pub fn repair(&mut self, from: Repair) {
        let Some(room) = self.0.len().checked_sub(HEADER_LEN as usize) else { return };
        let count = (self.number(self.header_field("section_count")) as usize).min(room / size_of::<SectionEntry>());
        if from == Repair::Chunks {
            (0..count).for_each(|index| self.repair_chunks(count, index));
        }
        if from <= Repair::Sections {
            for index in 0..count {
                let Some(section) = self.range(index) else { continue };
                let crc = crc32(&self.0[section]).to_le_bytes();
                let place = self.entry_field(index, "crc");
                self.0[place].copy_from_slice(&crc);
            }
        }
        if from <= Repair::Table {
            let crc = crc32(&self.0[HEADER_LEN as usize..][..count * size_of::<SectionEntry>()]);
            self.set("header.table_crc", crc.into());
        }
        if from <= Repair::Header {
            let crc = header_crc(&self.0[..HEADER_LEN as usize]);
            self.set("header.header_crc", crc.into());
        }
    }

    /// Where a section lies, if it lies in the file.
    fn range(&self, index: usize) -> Option<Range<usize>> {
        let start = usize::try_from(self.number(self.entry_field(index, "offset"))).ok()?;
        let end = start.checked_add(usize::try_from(self.number(self.entry_field(index, "len"))).ok()?)?;
        (end <= self.0.len()).then_some(start..end)
    }

    fn repair_chunks(&mut self, count: usize, index: usize) {
        let kind_of = |index: &usize| SectionKind::from_number(self.number(self.entry_field(*index, "kind")) as u32);
        let checksums = (0..count).find(|index| kind_of(index) == Some(SectionKind::Checksums));
        let is_chunked = kind_of(&index).is_some_and(SectionKind::is_chunked);
        let Some((checksums, section)) = checksums.and_then(|index| self.range(index)).zip(self.range(index)) else {
            return;
        };
        let first = self.number(self.entry_field(index, "first_chunk")) as usize;
        for (chunk, start) in section.clone().step_by(CHUNK_LEN as usize).enumerate().filter(|_| is_chunked) {
            let crc = crc32(&self.0[start..section.end.min(start + CHUNK_LEN as usize)]);
            let place = checksums.start + 4 * (first + chunk);
            if place + 4 <= checksums.end {
                self.0[place..place + 4].copy_from_slice(&crc.to_le_bytes());
            }
        }
    }

    /// Where in the objects section's data the object with this id begins, as a path.
    pub fn object(&self, id: u32) -> String {
        let entry = ObjectEntry { place: U32::new(self.get(&format!("objects[{id}]")) as u32) };
        format!("{}@{}", entry.section().name(), entry.offset_in_section())
    }
}

/// The path some bytes further on.
pub fn behind(path: &str, bytes: usize) -> String {
    let (name, at) = path.split_once('@').unwrap();
    format!("{name}@{}", at.parse::<usize>().unwrap() + bytes)
}

fn kind(name: &str) -> SectionKind {
    let found = SectionKind::ALL.iter().find(|kind| kind.name() == name);
    *found.unwrap_or_else(|| panic!("no section is called {name:?}"))
}

fn field(layout: &Layout, name: &str, start: usize) -> Range<usize> {
    let field = layout.field(name).unwrap_or_else(|| panic!("{} has no field {name:?}", layout.name));
    start + field.offset..start + field.offset + field.size
}
