//! An archive assembled from sections that need not be valid, with the checksums that belong to them.

use crate::{Edited, Repair};
use bytemuck::Zeroable;
use permacode_format::{
    CHUNK_LEN, HEADER_LEN, Header, NONE, PAGE_LEN, SectionEntry, SectionKind, U32, U64, section_flag,
};
use std::{borrow::Cow, collections::BTreeMap};

/// The bytes of sections. The keys are the numbers of their kinds.
#[derive(Debug, Clone, Default)]
pub struct Sections<'a>(pub BTreeMap<u32, Cow<'a, [u8]>>);

impl<'a> Sections<'a> {
    /// The sections of an archive that opens.
    #[must_use]
    pub fn of(bytes: &[u8]) -> Sections<'static> {
        let archive = permacode_reader::Archive::open(bytes).unwrap();
        let sections = archive.sections().map(|section| {
            let bytes = &bytes[section.offset as usize..][..section.len as usize];
            (section.kind as u32, Cow::Owned(bytes.to_vec()))
        });
        Sections(sections.collect())
    }

    /// The bytes of a section, to change them.
    pub fn section(&mut self, kind: SectionKind) -> &mut Vec<u8> {
        self.0.entry(kind as u32).or_default().to_mut()
    }

    /// Repeats the records of a section.
    pub fn repeat(&mut self, kind: SectionKind, times: usize) {
        let section = self.section(kind);
        *section = section.repeat(times);
    }

    /// The archive, with bytecode aligned to 8 bytes.
    #[must_use]
    pub fn archive(mut self) -> Vec<u8> {
        let is_chunked = |number: &u32| SectionKind::from_number(*number).is_some_and(SectionKind::is_chunked);
        let chunks = |bytes: &[u8]| (bytes.len() as u64).div_ceil(CHUNK_LEN) as usize;
        self.0.retain(|number, bytes| !bytes.is_empty() && *number != SectionKind::Checksums as u32);
        let count: usize = self.0.iter().filter(|(number, _)| is_chunked(number)).map(|(_, bytes)| chunks(bytes)).sum();
        if count > 0 {
            self.section(SectionKind::Checksums).resize(size_of::<U32>() * count, 0);
        }
        let header = Header { section_count: U32::new(self.0.len() as u32), code_align_log2: 3, ..Header::zeroed() };
        let mut bytes = bytemuck::bytes_of(&header).to_vec();
        let table_len = self.0.len() * size_of::<SectionEntry>();
        bytes.resize(HEADER_LEN as usize + table_len, 0);
        let mut table = Vec::new();
        let mut group = None;
        for (number, content) in &self.0 {
            let kind = SectionKind::from_number(*number);
            let new_group = kind.map(SectionKind::group);
            let align = if new_group.is_some() && new_group != group { PAGE_LEN as usize } else { 8 };
            group = new_group.or(group);
            bytes.resize(bytes.len().next_multiple_of(align), 0);
            table.push(SectionEntry {
                kind: U32::new(*number),
                flags: U32::new(if kind.is_some() { section_flag::REQUIRED } else { 0 }),
                offset: U64::new(bytes.len() as u64),
                len: U64::new(content.len() as u64),
                crc: U32::new(0),
                first_chunk: U32::new(NONE),
            });
            bytes.extend_from_slice(content);
        }
        bytes[HEADER_LEN as usize..][..table_len].copy_from_slice(bytemuck::cast_slice(&table));
        let mut archive = Edited(bytes);
        archive.repair(Repair::Everything);
        archive.0
    }
}
