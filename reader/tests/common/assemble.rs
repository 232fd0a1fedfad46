//! An archive of sections that nobody has checked, with the checksums they should have.

use super::edit::{Edited, Repair};
use permacode_format::{
    CHUNK_LEN, CHUNK_LOG2, FORMAT_VERSION, HEADER_LEN, Header, MAGIC, NONE, PAGE_LEN, PAGE_LOG2, SectionEntry,
    SectionKind,
};
use std::{borrow::Cow, collections::BTreeMap, mem::offset_of};

/// The bytes of some sections.
#[derive(Debug, Clone, Default)]
pub struct Sections<'a>(pub BTreeMap<u32, Cow<'a, [u8]>>);

impl<'a> Sections<'a> {
    /// Those of an archive that is valid.
    pub fn of(bytes: &[u8]) -> Sections<'static> {
        let archive = permacode_reader::Archive::open(bytes).unwrap();
        let sections = archive.sections().map(|section| {
            let bytes = &bytes[section.offset as usize..][..section.len as usize];
            (section.kind as u32, Cow::Owned(bytes.to_vec()))
        });
        Sections(sections.collect())
    }

    /// The bytes of a section, to be changed.
    pub fn section(&mut self, kind: SectionKind) -> &mut Vec<u8> {
        self.0.entry(kind as u32).or_default().to_mut()
    }

    /// The archive, in which bytecode is aligned to 8 bytes.
    pub fn archive(mut self) -> Vec<u8> {
        let is_chunked = |number: &u32| SectionKind::from_number(*number).is_some_and(SectionKind::is_chunked);
        let chunks = |bytes: &[u8]| (bytes.len() as u64).div_ceil(CHUNK_LEN) as usize;
        self.0.retain(|number, bytes| !bytes.is_empty() && *number != SectionKind::Checksums as u32);
        let count: usize = self.0.iter().filter(|(number, _)| is_chunked(number)).map(|(_, bytes)| chunks(bytes)).sum();
        if count > 0 {
            self.section(SectionKind::Checksums).resize(4 * count, 0);
        }
        let mut bytes = vec![0; HEADER_LEN as usize + self.0.len() * size_of::<SectionEntry>()];
        let (mut group, mut next_chunk) = (None, 0);
        for (index, (number, content)) in self.0.iter().enumerate() {
            let kind = SectionKind::from_number(*number);
            let new_group = kind.map(SectionKind::group);
            let align = if new_group.is_some() && new_group != group { PAGE_LEN as usize } else { 8 };
            group = new_group.or(group);
            bytes.resize(bytes.len().next_multiple_of(align), 0);
            let first_chunk = if is_chunked(number) { next_chunk as u32 } else { NONE };
            next_chunk += if is_chunked(number) { chunks(content) } else { 0 };
            let (flags, offset, len) = (u32::from(kind.is_some()), bytes.len() as u64, content.len() as u64);
            let entry = [
                &number.to_le_bytes()[..],
                &flags.to_le_bytes(),
                &offset.to_le_bytes(),
                &len.to_le_bytes(),
                &[0; 4],
                &first_chunk.to_le_bytes(),
            ];
            let at = HEADER_LEN as usize + index * size_of::<SectionEntry>();
            bytes[at..at + size_of::<SectionEntry>()].copy_from_slice(&entry.concat());
            bytes.extend_from_slice(content);
        }
        let len = bytes.len() as u64;
        bytes[..8].copy_from_slice(&MAGIC);
        bytes[offset_of!(Header, code_align_log2)..][..3].copy_from_slice(&[3, PAGE_LOG2, CHUNK_LOG2]);
        let mut archive = Edited(bytes);
        archive.set("header.version", FORMAT_VERSION.into());
        archive.set("header.header_len", HEADER_LEN.into());
        archive.set("header.file_len", len);
        archive.set("header.section_count", self.0.len() as u64);
        archive.repair(Repair::Chunks);
        archive.0
    }
}
