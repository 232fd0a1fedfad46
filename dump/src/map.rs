//! The places of an archive: the header, the section table, the sections, and the bytes between them.

use permacode_format::{
    CHUNK_LEN, ChunkCrc, HEADER_LEN, Header, Layout, MAGIC, MAX_SECTIONS, Record, SectionEntry, SectionKind,
    SectionRecord, crc32, header_crc,
};
use std::{fmt, ops::Range};
use zerocopy::FromBytes;

/// Length of an entry of the section table in bytes.
const ENTRY_LEN: usize = size_of::<SectionEntry>();

/// What lies where in an archive.
///
/// A map is made from any bytes. What the header and the section table say wrongly becomes a line
/// [`Problem`](crate::Line::Problem).
#[derive(Clone)]
pub struct Map<'a> {
    pub(crate) bytes: &'a [u8],
    /// In the order of their places.
    pub(crate) parts: Vec<Part>,
    /// Offset and text, in the order of their offsets.
    pub(crate) problems: Vec<(usize, String)>,
}

/// A part of an archive.
#[derive(Debug, Clone)]
pub(crate) struct Part {
    pub(crate) name: String,
    pub(crate) range: Range<usize>,
    pub(crate) content: Content,
    pub(crate) crcs: Crcs,
}

/// The CRCs of a part.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Crcs {
    /// None, or one that the map has compared.
    Done,
    /// One for each chunk. The first one has this position in the checksums section.
    Chunks(u32),
    /// One for the whole section, which this entry of the section table states.
    Whole { crc: u32, entry: usize },
}

/// What a part consists of.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Content {
    /// One record.
    Record(&'static Layout),
    /// Records, one after the other.
    Records(&'static Layout),
    /// The data of a section without records.
    Data(SectionKind),
    /// The data of a section of an unknown kind.
    Unknown,
    /// Bytes outside all sections.
    Outside,
}

impl Part {
    /// The kind of the section, if it is one of a known kind.
    pub(crate) fn kind(&self) -> Option<SectionKind> {
        self.name.parse().ok()
    }
}

impl<'a> Map<'a> {
    /// The map of an archive, or of what is left of one.
    #[must_use]
    pub fn of(bytes: &'a [u8]) -> Self {
        let mut map = Map { bytes, parts: Vec::new(), problems: Vec::new() };
        map.add("header".into(), 0..bytes.len().min(HEADER_LEN as usize), Content::Record(&Header::LAYOUT));
        match Header::read_from_prefix(bytes) {
            Ok((header, _)) => map.read_header(&header),
            Err(_) => map.problem(0, format!("the file has {} bytes; a header has {HEADER_LEN}", bytes.len())),
        }
        map.parts.sort_by_key(|part| (part.range.start, part.range.end));
        map.add_rest();
        map.problems.sort();
        map
    }

    fn add(&mut self, name: String, range: Range<usize>, content: Content) {
        self.parts.push(Part { name, range, content, crcs: Crcs::Done });
    }

    fn problem(&mut self, offset: usize, text: String) {
        self.problems.push((offset, text));
    }

    fn read_header(&mut self, header: &Header) {
        if header.magic != MAGIC {
            self.problem(0, "the file does not start with the bytes of an archive".into());
        }
        let at = |name: &str| Header::LAYOUT.field(name).map_or(0, |field| field.offset);
        let (stated, found) = (header.file_len.get(), self.bytes.len());
        if stated != found as u64 {
            self.problem(at("file_len"), format!("the header states {stated} bytes, and the file has {found}"));
        }
        let computed = header_crc(self.bytes.get(..HEADER_LEN as usize).unwrap_or_default());
        if header.header_crc.get() != computed {
            self.problem(at("header_crc"), format!("the CRC of the header is {computed:#x}"));
        }
        let stated = header.section_count.get();
        let start = HEADER_LEN as usize;
        let room = self.bytes.len().saturating_sub(start).checked_div(ENTRY_LEN).unwrap_or(0);
        let count = (stated.min(MAX_SECTIONS) as usize).min(room);
        if stated as usize != count {
            let text = format!("the header states {stated} sections; {count} are shown");
            self.problem(at("section_count"), text);
        }
        let table = start..start.saturating_add(count.saturating_mul(ENTRY_LEN));
        let bytes = self.slice(table.clone());
        let computed = crc32(bytes);
        if header.table_crc.get() != computed {
            self.problem(at("table_crc"), format!("the CRC of the section table is {computed:#x}"));
        }
        let entries = <[SectionEntry]>::ref_from_bytes(bytes).unwrap_or_default();
        for (index, entry) in entries.iter().enumerate() {
            self.add_section(entry, index);
        }
        self.add("section-table".into(), table, Content::Records(&SectionEntry::LAYOUT));
    }

    /// Adds the section of an entry, as far as it lies in the file.
    fn add_section(&mut self, entry: &SectionEntry, index: usize) {
        let number = entry.kind.get();
        let (name, content) = match SectionKind::from_number(number) {
            Some(kind) => (kind.name().into(), kind.layout().map_or(Content::Data(kind), Content::Records)),
            None => (format!("unknown-{number}"), Content::Unknown),
        };
        let (offset, len) = (entry.offset.get(), entry.len.get());
        let clip = |offset: u64| usize::try_from(offset).unwrap_or(usize::MAX).min(self.bytes.len());
        let range = clip(offset)..clip(offset.saturating_add(len));
        let crcs = match content {
            Content::Records(layout) if layout.name == ChunkCrc::LAYOUT.name => None,
            Content::Unknown => None,
            _ => Some(Crcs::Chunks(entry.first_chunk.get())),
        };
        let crcs = crcs.unwrap_or(Crcs::Whole { crc: entry.crc.get(), entry: index });
        if range.len() as u64 != len {
            let shown = range.len();
            let text = format!("{name} has {len} bytes at {offset:#x}; {shown} of them are in the file");
            self.problem((HEADER_LEN as usize).saturating_add(index.saturating_mul(ENTRY_LEN)), text);
        }
        self.parts.push(Part { name, range, content, crcs });
    }

    /// Compares the chunks of a part that have bytes in `range` with their CRCs, or the whole part if it has one CRC.
    /// Returns the offset of each such chunk or part whose CRC differs, and a text with both CRCs.
    pub(crate) fn damage(&self, part: &Part, range: &Range<usize>) -> Vec<(usize, String)> {
        let first_chunk = match part.crcs {
            Crcs::Done => return Vec::new(),
            Crcs::Chunks(first) => first,
            Crcs::Whole { crc, entry } => {
                let computed = crc32(self.slice(part.range.clone()));
                let text = damage(&part.range, computed, &format!("section-table[{entry}].crc"), crc);
                return if computed == crc { Vec::new() } else { vec![(part.range.start, text)] };
            }
        };
        let crcs = self.records::<ChunkCrc>();
        let mut found = Vec::new();
        let starts = part.range.clone().step_by(CHUNK_LEN as usize).enumerate();
        for (chunk, start) in starts.skip_while(|(_, start)| start.saturating_add(CHUNK_LEN as usize) <= range.start) {
            if start >= range.end {
                break;
            }
            let chunk_range = start..start.saturating_add(CHUNK_LEN as usize).min(part.range.end);
            let index = (first_chunk as usize).saturating_add(chunk);
            let place = format!("checksums[{index}]");
            let Some(stored) = crcs.get(index) else {
                found.push((start, format!("{} have no CRC: there is no {place}", bytes(&chunk_range))));
                continue;
            };
            let (stored, computed) = (stored.crc.get(), crc32(self.slice(chunk_range.clone())));
            if stored != computed {
                found.push((start, damage(&chunk_range, computed, &place, stored)));
            }
        }
        found
    }

    /// Adds the bytes between the parts and after the last one. Finds parts that overlap.
    fn add_rest(&mut self) {
        let mut end = 0;
        let mut last = String::new();
        let mut rest = Vec::new();
        for part in &self.parts {
            if part.range.start > end {
                rest.push(end..part.range.start);
            } else if part.range.start < end && !part.range.is_empty() {
                let text = format!("{} starts before the end of {last}", part.name);
                self.problems.push((part.range.start, text));
            }
            if part.range.end > end {
                (end, last) = (part.range.end, part.name.clone());
            }
        }
        rest.push(end..self.bytes.len());
        for range in rest {
            self.add(String::new(), range, Content::Outside);
        }
        self.parts.retain(|part| !part.range.is_empty());
        self.parts.sort_by_key(|part| (part.range.start, part.range.end));
    }

    /// The bytes of a range, as far as they are in the file.
    pub(crate) fn slice(&self, range: Range<usize>) -> &'a [u8] {
        let end = range.end.min(self.bytes.len());
        self.bytes.get(range.start.min(end)..end).unwrap_or_default()
    }

    /// The first part of this name.
    pub(crate) fn part(&self, name: &str) -> Option<&Part> {
        self.parts.iter().find(|part| part.name == name)
    }

    /// The records of a section. There are none if the archive does not have it.
    pub(crate) fn records<R: SectionRecord>(&self) -> &'a [R] {
        let range = self.part(R::SECTION.name()).map_or(0..0, |part| part.range.clone());
        let bytes = self.slice(range);
        let whole = bytes.len().checked_div(size_of::<R>()).unwrap_or(0);
        <[R]>::ref_from_prefix_with_elems(bytes, whole).map(|(records, _)| records).unwrap_or_default()
    }

    /// Number of bytes of the file.
    #[must_use]
    pub fn len(&self) -> u64 {
        self.bytes.len() as u64
    }

    /// Whether the file has no bytes.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }
}

fn bytes(range: &Range<usize>) -> String {
    format!("bytes {:#x} to {:#x}", range.start, range.end.saturating_sub(1))
}

fn damage(range: &Range<usize>, computed: u32, place: &str, stored: u32) -> String {
    format!(
        "damaged: {} have the CRC {computed:#010x}, but {place} states {stored:#010x}. Copy the archive again from its \
         origin",
        bytes(range)
    )
}

impl fmt::Debug for Map<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Map").field("parts", &self.parts).field("problems", &self.problems).finish_non_exhaustive()
    }
}
