//! Opening an archive: reads and checks the header and the section table.

use crate::{
    checks::Checks,
    error::{Error, ErrorKind, Result},
    perma_bytes::PermaBytes,
    view::View,
};
use core::mem::offset_of;
use permacode_format::{
    CHUNK_LEN, CHUNK_LOG2, FORMAT_VERSION, GenericHeader, HEADER_LEN, Header, MAGIC, MAX_SECTIONS, PAGE_LEN, PAGE_LOG2,
    Rule, SectionEntry, SectionKind, crc32, header_crc, incompat, section_flag,
};

/// The header fields that later reads need, and the ranges of the sections.
#[derive(Debug)]
pub(crate) struct Layout {
    pub(crate) file_len: u64,
    pub(crate) code_align_log2: u8,
    pub(crate) section_count: u32,
    pub(crate) chunk_count: u64,
    /// The chunks that have been checked. `None` if chunks are not checked at all.
    pub(crate) checks: Option<Checks>,
    sections: [Place; SectionKind::ALL.len()],
}

/// The range of a section. A section that the archive does not have is empty.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Place {
    pub(crate) offset: u64,
    pub(crate) len: u64,
    /// Index of the CRC of its first chunk.
    pub(crate) first_chunk: u32,
    /// Number of chunks in the sections before it. Chunks are numbered through the archive for [`Checks`]: two sections
    /// may share a CRC, but no two chunks share a number.
    pub(crate) chunks_before: u64,
}

impl Layout {
    pub(crate) fn read(file: PermaBytes<'_>, is_whole: bool) -> Result<Layout> {
        let header = read_header(file, is_whole)?;
        let in_header = |field: usize| field as u64;
        let section_count = header.section_count.get();
        if section_count > MAX_SECTIONS {
            let at = in_header(offset_of!(Header, section_count));
            return Err(Error::value(Rule::S1, at, "the number of sections", section_count));
        }
        let table = read_table(file.part(0, header.file_len.get(), Rule::H4)?, section_count)?;
        let (stored, computed) = (header.table_crc.get(), crc32(table.as_slice()));
        if stored != computed {
            let at = in_header(offset_of!(Header, table_crc));
            return Err(Error::new(ErrorKind::Checksum { stored, computed }, Rule::S2, at));
        }
        let mut layout = Layout {
            file_len: header.file_len.get(),
            code_align_log2: header.code_align_log2,
            section_count,
            chunk_count: 0,
            checks: None,
            sections: [Place::default(); SectionKind::ALL.len()],
        };
        let mut end = entry_offset(section_count as usize);
        let mut group = None;
        let mut seen = [false; SectionKind::ALL.len()];
        for (index, entry) in table.records::<SectionEntry>().iter().enumerate() {
            let at = |field: usize| entry_offset(index).saturating_add(field as u64);
            let place = Place {
                offset: entry.offset.get(),
                len: entry.len.get(),
                first_chunk: entry.first_chunk.get(),
                chunks_before: layout.chunk_count,
            };
            let wrong_offset =
                |rule, what| Error::value(rule, at(offset_of!(SectionEntry, offset)), what, place.offset);
            if place.offset < end {
                return Err(wrong_offset(
                    Rule::S3,
                    "the offset of a section that starts before the end of the one before it",
                ));
            }
            end = match place.offset.checked_add(place.len) {
                Some(end) if end <= layout.file_len => end,
                _ => {
                    let available = layout.file_len;
                    let kind = ErrorKind::OutOfBounds { start: place.offset, len: place.len, available };
                    return Err(Error::new(kind, Rule::S3, at(offset_of!(SectionEntry, len))));
                }
            };
            let flags = entry.flags.get();
            if flags & !section_flag::KNOWN != 0 {
                let field = at(offset_of!(SectionEntry, flags));
                return Err(Error::value(Rule::S10, field, "the flags field of a section", flags));
            }
            let number = entry.kind.get();
            let mut align = 8;
            match SectionKind::from_number(number) {
                Some(kind) => {
                    let slot = (kind as usize).wrapping_sub(1);
                    if seen.get(slot).copied().unwrap_or(true) {
                        let field = at(offset_of!(SectionEntry, kind));
                        return Err(Error::value(Rule::S7, field, "a kind of section that occurs twice", number));
                    }
                    if let (Some(seen), Some(section)) = (seen.get_mut(slot), layout.sections.get_mut(slot)) {
                        (*seen, *section) = (true, place);
                    }
                    layout.chunk_count = layout.chunk_count.saturating_add(place.len.div_ceil(CHUNK_LEN));
                    if place.len.checked_rem(kind.record_len()) != Some(0) || place.len > kind.max_len() {
                        let field = at(offset_of!(SectionEntry, len));
                        return Err(Error::value(Rule::S8, field, "the length of a section", place.len));
                    }
                    if group != Some(kind.group()) {
                        group = Some(kind.group());
                        align = PAGE_LEN;
                    }
                    if kind == SectionKind::Bytecode {
                        align = align.max(1u64.checked_shl(header.code_align_log2.into()).unwrap_or(1));
                    }
                }
                None if flags & section_flag::REQUIRED != 0 => {
                    let field = at(offset_of!(SectionEntry, kind));
                    return Err(Error::new(ErrorKind::UnknownSection { kind: number }, Rule::S6, field));
                }
                None => {}
            }
            if place.offset.checked_rem(align) != Some(0) {
                return Err(wrong_offset(Rule::S4, "the offset of a section that is not aligned"));
            }
        }
        Ok(layout)
    }

    /// The same layout with a check of each chunk when it is first used.
    pub(crate) fn with_checks(&self, checks: Checks) -> Layout {
        Layout { checks: Some(checks), ..*self }
    }

    #[inline]
    pub(crate) fn place(&self, kind: SectionKind) -> Place {
        self.sections.get((kind as usize).wrapping_sub(1)).copied().unwrap_or_default()
    }
}

impl<'a> View<'a> {
    /// The section table. Opening has checked that it lies in the file.
    pub(crate) fn section_table(self) -> Result<&'a [SectionEntry]> {
        read_table(self.file(), self.layout.section_count).map(PermaBytes::records)
    }
}

/// Offset in the archive of entry `index` of the section table.
pub(crate) fn entry_offset(index: usize) -> u64 {
    u64::from(HEADER_LEN).saturating_add((index as u64).saturating_mul(size_of::<SectionEntry>() as u64))
}

fn read_table(file: PermaBytes<'_>, section_count: u32) -> Result<PermaBytes<'_>> {
    let len = u64::from(section_count).saturating_mul(size_of::<SectionEntry>() as u64);
    file.part(HEADER_LEN.into(), len, Rule::S1)
}

/// Checks the header. The generic part comes first, so that an archive of another version is refused for its version.
fn read_header(file: PermaBytes<'_>, is_whole: bool) -> Result<&Header> {
    let value = |rule, field: usize, what, found: u32| Err(Error::value(rule, field as u64, what, found));
    if file.as_slice().get(..MAGIC.len()) != Some(&MAGIC) {
        return Err(Error::new(ErrorKind::NotAnArchive { is_empty: file.as_slice().is_empty() }, Rule::H1, 0));
    }
    let generic: &GenericHeader = file.record(Rule::H3)?;
    let version = generic.version.get();
    if version != FORMAT_VERSION {
        let at = offset_of!(Header, version) as u64;
        return Err(Error::new(ErrorKind::UnsupportedVersion { found: version }, Rule::H2, at));
    }
    let header_len = generic.header_len.get();
    if header_len != HEADER_LEN {
        return value(Rule::H3, offset_of!(Header, header_len), "the length of the header", header_len);
    }
    let (stated, found) = (generic.file_len.get(), file.len_u64());
    if stated > found || (is_whole && stated != found) {
        let at = offset_of!(Header, file_len) as u64;
        return Err(Error::new(ErrorKind::WrongLength { stated, found }, Rule::H4, at));
    }
    let header_bytes = file.part(0, stated, Rule::H4)?.part(0, header_len.into(), Rule::H3)?;
    let (stored, computed) = (generic.header_crc.get(), header_crc(header_bytes.as_slice()));
    if stored != computed {
        let at = offset_of!(Header, header_crc) as u64;
        return Err(Error::new(ErrorKind::Checksum { stored, computed }, Rule::H5, at));
    }
    let header: &Header = header_bytes.record(Rule::H3)?;
    let unknown = header.incompat.get() & !incompat::KNOWN;
    if unknown != 0 {
        let at = offset_of!(Header, incompat) as u64;
        return Err(Error::new(ErrorKind::UnknownBits { found: unknown }, Rule::H6, at));
    }
    if header.reserved.get() != 0 {
        return value(Rule::H7, offset_of!(Header, reserved), "a reserved field", header.reserved.get());
    }
    if let Some(byte) = header.reserved2.iter().find(|byte| **byte != 0) {
        return value(Rule::H7, offset_of!(Header, reserved2), "a reserved byte", (*byte).into());
    }
    let Header { code_align_log2, page_log2, chunk_log2, .. } = *header;
    for (field, what, found, is_valid) in [
        (
            offset_of!(Header, code_align_log2),
            "the alignment of bytecode, as a power of two,",
            code_align_log2,
            code_align_log2 <= PAGE_LOG2,
        ),
        (offset_of!(Header, page_log2), "the size of a page, as a power of two,", page_log2, page_log2 == PAGE_LOG2),
        (
            offset_of!(Header, chunk_log2),
            "the size of a chunk, as a power of two,",
            chunk_log2,
            chunk_log2 == CHUNK_LOG2,
        ),
    ] {
        if !is_valid {
            return value(Rule::H8, field, what, found.into());
        }
    }
    Ok(header)
}
