//! Changing an archive by the names of its fields, and making it consistent again.

use permacode_format::{
    CHUNK_LEN, CHUNK_LOG2, FORMAT_VERSION, HEADER_LEN, Header, IndexHeader, Layout, MAGIC, MAX_SECTIONS, ObjectEntry,
    PAGE_LOG2, Record, SectionEntry, SectionKind, U32, crc32, header_crc,
};
use std::ops::Range;

/// Length of an entry of the section table in bytes.
const ENTRY_LEN: usize = size_of::<SectionEntry>();

/// An archive that is being changed.
///
/// [`Edited::repair`], [`Edited::table`] and [`Edited::sections`] accept any bytes. The other methods panic if a path
/// names nothing, or if its place lies outside the bytes.
#[derive(Debug, Clone, PartialEq)]
pub struct Edited(pub Vec<u8>);

/// What [`Edited::repair`] corrects. Each level includes the levels after it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Repair {
    /// The constants and lengths of the header, and the first chunk of each section.
    Everything,
    /// The checksums of the chunks.
    Chunks,
    /// The checksums of the sections.
    Sections,
    /// The checksum of the section table.
    Table,
    /// The checksum of the header.
    Header,
    /// Nothing.
    Nothing,
}

impl Edited {
    /// Index of a section in the section table.
    fn entry(&self, kind: SectionKind) -> usize {
        let found = (0..self.section_count()).find(|index| self.kind(*index) == Some(kind));
        found.unwrap_or_else(|| panic!("the archive has no section {kind:?}"))
    }

    fn kind(&self, entry: usize) -> Option<SectionKind> {
        SectionKind::from_number(self.number(entry_field(entry, "kind")) as u32)
    }

    /// The number of sections that the header states, as far as the bytes have room for their entries.
    fn section_count(&self) -> usize {
        let Some(room) = self.0.len().checked_sub(HEADER_LEN as usize) else { return 0 };
        (self.number(header_field("section_count")) as usize).min(room / ENTRY_LEN)
    }

    /// The bytes of the section table, as far as they lie in the file.
    #[must_use]
    pub fn table(&self) -> Range<usize> {
        let start = HEADER_LEN as usize;
        start..start + self.section_count() * ENTRY_LEN
    }

    /// Kind and place of each section that lies in the file, in the order of the section table. An unknown kind is
    /// `None`.
    pub fn sections(&self) -> impl Iterator<Item = (Option<SectionKind>, Range<usize>)> {
        (0..self.section_count()).filter_map(|entry| Some((self.kind(entry), self.range(entry)?)))
    }

    /// The place of the section with this entry, if it lies in the file.
    fn range(&self, entry: usize) -> Option<Range<usize>> {
        let start = usize::try_from(self.number(entry_field(entry, "offset"))).ok()?;
        let end = start.checked_add(usize::try_from(self.number(entry_field(entry, "len"))).ok()?)?;
        (end <= self.0.len()).then_some(start..end)
    }

    /// The place of a section in the file.
    #[must_use]
    pub fn section(&self, kind: SectionKind) -> Range<usize> {
        self.range(self.entry(kind)).unwrap_or_else(|| panic!("section {kind:?} does not lie in the file"))
    }

    /// The place of a field in the file. A path has one of these forms:
    ///
    /// | Path | Place |
    /// |---|---|
    /// | `header.FIELD` | A field of the header |
    /// | `section:KIND.FIELD` | A field of the entry of a section in the section table |
    /// | `KIND[RECORD].FIELD` | A field of a record |
    /// | `KIND[RECORD].FIELD.FIELD` | A field of an index header in a record |
    /// | `KIND[RECORD]` | A whole record: an object entry, a list item, a checksum |
    /// | `KIND@BYTE` | A byte of a section |
    /// | `file@BYTE` | A byte of the file |
    #[must_use]
    pub fn place(&self, path: &str) -> Range<usize> {
        let (head, fields) = path.split_once('.').unwrap_or((path, ""));
        if head == "header" {
            return header_field(fields);
        }
        if let Some(name) = head.strip_prefix("section:") {
            return entry_field(self.entry(kind(name)), fields);
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

    /// The number that these bytes hold: at most eight, little-endian.
    #[must_use]
    pub fn number(&self, place: Range<usize>) -> u64 {
        let mut bytes = [0; 8];
        bytes[..place.len()].copy_from_slice(&self.0[place]);
        u64::from_le_bytes(bytes)
    }

    /// Writes the low bytes of a number.
    pub fn set_number(&mut self, place: Range<usize>, value: u64) {
        let len = place.len();
        self.0[place].copy_from_slice(&value.to_le_bytes()[..len]);
    }

    /// The value of a field.
    #[must_use]
    pub fn get(&self, path: &str) -> u64 {
        self.number(self.place(path))
    }

    /// Changes a field. Returns its previous value.
    pub fn set(&mut self, path: &str, value: u64) -> u64 {
        let before = self.get(path);
        self.set_number(self.place(path), value);
        before
    }

    /// Copies a field of any length.
    pub fn copy(&mut self, from: &str, to: &str) {
        let (from, to) = (self.place(from), self.place(to));
        assert_eq!(from.len(), to.len());
        self.0.copy_within(from, to.start);
    }

    /// The path of the first byte of the object with this id.
    #[must_use]
    pub fn object(&self, id: u32) -> String {
        let entry = ObjectEntry { place: U32::new(self.get(&format!("objects[{id}]")) as u32) };
        format!("{}@{}", entry.section().name(), entry.offset_in_section())
    }

    /// Corrects a level and all levels after it, as far as header, section table and sections lie in the file.
    pub fn repair(&mut self, from: Repair) {
        if self.0.len() < HEADER_LEN as usize {
            return;
        }
        if from == Repair::Everything {
            self.repair_header();
            self.repair_first_chunks();
        }
        let count = self.section_count();
        if from <= Repair::Chunks {
            (0..count).for_each(|entry| self.repair_chunks(entry));
        }
        if from <= Repair::Sections {
            for entry in 0..count {
                let Some(section) = self.range(entry) else { continue };
                let crc = crc32(&self.0[section]);
                self.set_number(entry_field(entry, "crc"), crc.into());
            }
        }
        if from <= Repair::Table {
            let crc = crc32(&self.0[self.table()]);
            self.set("header.table_crc", crc.into());
        }
        if from <= Repair::Header {
            let crc = header_crc(&self.0[..HEADER_LEN as usize]);
            self.set("header.header_crc", crc.into());
        }
    }

    /// Gives each field of the header, except the checksums, a value that a reader accepts.
    fn repair_header(&mut self) {
        let magic = self.place("header.magic");
        self.0[magic].copy_from_slice(&MAGIC);
        let reserved = self.place("header.reserved2");
        self.0[reserved].fill(0);
        for (name, value) in [
            ("version", FORMAT_VERSION.into()),
            ("header_len", HEADER_LEN.into()),
            ("file_len", self.0.len() as u64),
            ("reserved", 0),
            ("incompat", 0),
            ("section_count", self.section_count().min(MAX_SECTIONS as usize) as u64),
            ("code_align_log2", self.get("header.code_align_log2") % (u64::from(PAGE_LOG2) + 1)),
            ("page_log2", PAGE_LOG2.into()),
            ("chunk_log2", CHUNK_LOG2.into()),
        ] {
            self.set_number(header_field(name), value);
        }
    }

    /// Gives each chunk a checksum of its own, in the order of the section table.
    fn repair_first_chunks(&mut self) {
        let mut next = 0;
        for entry in 0..self.section_count() {
            if self.kind(entry).is_some_and(SectionKind::is_chunked) {
                self.set_number(entry_field(entry, "first_chunk"), next);
                next += self.range(entry).map_or(0, |section| section.len() as u64).div_ceil(CHUNK_LEN);
            }
        }
    }

    fn repair_chunks(&mut self, entry: usize) {
        let checksums = self.sections().find(|(kind, _)| *kind == Some(SectionKind::Checksums));
        let is_chunked = self.kind(entry).is_some_and(SectionKind::is_chunked);
        let Some(((_, checksums), section)) = checksums.zip(self.range(entry)).filter(|_| is_chunked) else { return };
        let first = self.number(entry_field(entry, "first_chunk")) as usize;
        for (chunk, start) in section.clone().step_by(CHUNK_LEN as usize).enumerate() {
            let crc = crc32(&self.0[start..section.end.min(start + CHUNK_LEN as usize)]);
            let place = checksums.start + size_of::<U32>() * (first + chunk);
            let place = place..place + size_of::<U32>();
            if place.end <= checksums.end {
                self.set_number(place, crc.into());
            }
        }
    }
}

/// A path that leads some bytes further.
#[must_use]
pub fn behind(path: &str, bytes: usize) -> String {
    let (name, at) = path.split_once('@').unwrap();
    format!("{name}@{}", at.parse::<usize>().unwrap() + bytes)
}

fn kind(name: &str) -> SectionKind {
    name.parse().unwrap_or_else(|_| panic!("no section is called {name:?}"))
}

fn header_field(name: &str) -> Range<usize> {
    field(&Header::LAYOUT, name, 0)
}

fn entry_field(entry: usize, name: &str) -> Range<usize> {
    field(&SectionEntry::LAYOUT, name, HEADER_LEN as usize + entry * ENTRY_LEN)
}

fn field(layout: &Layout, name: &str, start: usize) -> Range<usize> {
    let field = layout.field(name).unwrap_or_else(|| panic!("{} has no field {name:?}", layout.name));
    start + field.offset..start + field.offset + field.size
}
