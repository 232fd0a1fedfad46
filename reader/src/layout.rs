//! Opening: the header and the section table, and nothing else.

use crate::{
    bytes::Bytes,
    checks::Checks,
    error::{Error, ErrorKind, Result},
};
use permacode_format::{
    CHUNK_LEN, CHUNK_LOG2, FORMAT_VERSION, GenericHeader, HEADER_LEN, Header, MAGIC, MAX_SECTIONS, PAGE_LEN, PAGE_LOG2,
    Rule, SectionEntry, SectionKind, crc32, header_crc, incompat, section_flag,
};

/// Where the sections lie.
#[derive(Debug)]
pub(crate) struct Layout {
    pub(crate) file_len: u64,
    pub(crate) code_align_log2: u8,
    pub(crate) section_count: u32,
    pub(crate) chunk_count: u64,
    /// `None`: the archive is read without a look at the checksums of chunks.
    pub(crate) checks: Option<Checks>,
    sections: [Place; SectionKind::ALL.len()],
}

/// Where a section lies; one that the archive does not have is empty.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Place {
    pub(crate) offset: u64,
    pub(crate) len: u64,
    /// Index of the CRC of its first chunk.
    pub(crate) first_chunk: u32,
    /// Number of the chunks of the sections before it. CRCs may be shared, but each chunk has a number of its own.
    pub(crate) chunks_before: u64,
}

impl Layout {
    pub(crate) fn read(file: Bytes<'_>, is_whole: bool) -> Result<Layout> {
        let header = read_header(file, is_whole)?;
        let section_count = header.section_count.get();
        if section_count > MAX_SECTIONS {
            return Err(Error::value(Rule::S1, 40, "the number of sections", section_count));
        }
        let table_len = u64::from(section_count).saturating_mul(size_of::<SectionEntry>() as u64);
        let table = file.get(0, header.file_len.get(), Rule::H4)?.get(HEADER_LEN.into(), table_len, Rule::S1)?;
        let (stored, computed) = (header.table_crc.get(), crc32(table.data()));
        if stored != computed {
            return Err(Error::new(ErrorKind::Checksum { stored, computed }, Rule::S2, 44));
        }
        let mut layout = Layout {
            file_len: header.file_len.get(),
            code_align_log2: header.code_align_log2,
            section_count,
            chunk_count: 0,
            checks: None,
            sections: [Place::default(); SectionKind::ALL.len()],
        };
        let mut end = u64::from(HEADER_LEN).saturating_add(table_len);
        let mut group = None;
        let mut seen = [false; SectionKind::ALL.len()];
        for (index, entry) in table.records::<SectionEntry>().iter().enumerate() {
            let at =
                u64::from(HEADER_LEN).saturating_add((index as u64).saturating_mul(size_of::<SectionEntry>() as u64));
            let place = Place {
                offset: entry.offset.get(),
                len: entry.len.get(),
                first_chunk: entry.first_chunk.get(),
                chunks_before: layout.chunk_count,
            };
            if place.offset < end {
                return Err(Error::value(Rule::S3, at.saturating_add(8), "the offset of a section", place.offset));
            }
            end = match place.offset.checked_add(place.len) {
                Some(end) if end <= layout.file_len => end,
                _ => {
                    let kind =
                        ErrorKind::OutOfBounds { start: place.offset, len: place.len, available: layout.file_len };
                    return Err(Error::new(kind, Rule::S3, at.saturating_add(16)));
                }
            };
            let flags = entry.flags.get();
            if flags & !section_flag::KNOWN != 0 {
                return Err(Error::value(Rule::S10, at.saturating_add(4), "the flags of a section", flags));
            }
            let number = entry.kind.get();
            let mut align = 8;
            match SectionKind::from_number(number) {
                Some(kind) => {
                    let slot = (kind as usize).wrapping_sub(1);
                    if seen.get(slot).copied().unwrap_or(true) {
                        return Err(Error::value(Rule::S7, at, "a kind of section that occurs twice", number));
                    }
                    if let (Some(seen), Some(section)) = (seen.get_mut(slot), layout.sections.get_mut(slot)) {
                        (*seen, *section) = (true, place);
                    }
                    layout.chunk_count = layout.chunk_count.saturating_add(place.len.div_ceil(CHUNK_LEN));
                    if place.len.checked_rem(kind.record_len()) != Some(0) || place.len > kind.max_len() {
                        return Err(Error::value(
                            Rule::S8,
                            at.saturating_add(16),
                            "the length of a section",
                            place.len,
                        ));
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
                    return Err(Error::new(ErrorKind::UnknownSection { kind: number }, Rule::S6, at));
                }
                None => {}
            }
            if place.offset.checked_rem(align) != Some(0) {
                return Err(Error::value(Rule::S4, at.saturating_add(8), "the offset of a section", place.offset));
            }
        }
        Ok(layout)
    }

    /// The same layout, read with a look at the checksum of each chunk that is touched.
    pub(crate) fn with_checks(&self, checks: Checks) -> Layout {
        Layout { checks: Some(checks), ..*self }
    }

    #[inline]
    pub(crate) fn place(&self, kind: SectionKind) -> Place {
        self.sections.get((kind as usize).wrapping_sub(1)).copied().unwrap_or_default()
    }
}

/// Checks the header; first what every version has, so that a file of another one is refused by its number.
fn read_header(file: Bytes<'_>, is_whole: bool) -> Result<&Header> {
    if file.data().get(..MAGIC.len()) != Some(&MAGIC) {
        return Err(Error::new(ErrorKind::NotAnArchive, Rule::H1, 0));
    }
    let generic: &GenericHeader = file.record(Rule::H3)?;
    let version = generic.version.get();
    if version != FORMAT_VERSION {
        return Err(Error::new(ErrorKind::UnsupportedVersion { found: version }, Rule::H2, 8));
    }
    let header_len = generic.header_len.get();
    if header_len != HEADER_LEN {
        return Err(Error::value(Rule::H3, 12, "the length of the header", header_len));
    }
    let (stated, found) = (generic.file_len.get(), file.len());
    if stated > found || (is_whole && stated != found) {
        return Err(Error::new(ErrorKind::WrongLength { stated, found }, Rule::H4, 16));
    }
    let header_bytes = file.get(0, stated, Rule::H4)?.get(0, header_len.into(), Rule::H3)?;
    let (stored, computed) = (generic.header_crc.get(), header_crc(header_bytes.data()));
    if stored != computed {
        return Err(Error::new(ErrorKind::Checksum { stored, computed }, Rule::H5, 24));
    }
    let header: &Header = header_bytes.record(Rule::H3)?;
    let unknown = header.incompat.get() & !incompat::KNOWN;
    if unknown != 0 {
        return Err(Error::new(ErrorKind::UnknownBits { found: unknown }, Rule::H6, 32));
    }
    if header.reserved.get() != 0 {
        return Err(Error::value(Rule::H7, 28, "a reserved field", header.reserved.get()));
    }
    if let Some(byte) = header.reserved2.iter().find(|byte| **byte != 0) {
        return Err(Error::value(Rule::H7, 51, "a reserved byte", *byte));
    }
    for (offset, what, found, is_valid) in [
        (
            48,
            "the alignment of bytecode, as a power of two,",
            header.code_align_log2,
            header.code_align_log2 <= PAGE_LOG2,
        ),
        (49, "the page size, as a power of two,", header.page_log2, header.page_log2 == PAGE_LOG2),
        (50, "the size of a chunk, as a power of two,", header.chunk_log2, header.chunk_log2 == CHUNK_LOG2),
    ] {
        if !is_valid {
            return Err(Error::value(Rule::H8, offset, what, found));
        }
    }
    Ok(header)
}
