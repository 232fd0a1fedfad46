//! The checks of padding and of all checksums.

use super::Verifier;
use crate::{
    error::{Error, ErrorKind, Result},
    layout::entry_offset,
};
use core::mem::offset_of;
use permacode_format::{CHUNK_LEN, NONE, Rule, SectionEntry, SectionKind, crc32};

impl Verifier<'_> {
    /// Checks that bytes between sections are zero, and that the file ends with the last section [S-5].
    pub(super) fn padding(&self) -> Result<()> {
        let file = self.view.file();
        let table = self.view.section_table()?;
        let mut end = entry_offset(table.len());
        for entry in table {
            let gap = file.part(end, entry.offset.get().saturating_sub(end), Rule::S5)?;
            if let Some((at, byte)) = gap.iter().enumerate().find(|(_, byte)| **byte != 0) {
                return Err(Error::value(Rule::S5, end.saturating_add(at as u64), "a byte between sections", *byte));
            }
            end = entry.offset.get().saturating_add(entry.len.get());
        }
        if end != file.len_u64() {
            return Err(Error::value(Rule::S5, end, "the end of the last section", end));
        }
        Ok(())
    }

    /// Checks the CRCs of the sections that `wanted` selects, and of all sections of unknown kinds [S-9].
    pub(super) fn checksums(&self, wanted: impl Fn(SectionKind) -> bool) -> Result<()> {
        for (index, entry) in self.view.section_table()?.iter().enumerate() {
            if SectionKind::from_number(entry.kind.get()).is_some_and(|kind| !wanted(kind)) {
                continue;
            }
            let section = self.view.file().part(entry.offset.get(), entry.len.get(), Rule::S3)?;
            let (stored, computed) = (entry.crc.get(), crc32(&section));
            if stored != computed {
                let at = entry_offset(index).saturating_add(offset_of!(SectionEntry, crc) as u64);
                return Err(Error::new(ErrorKind::Checksum { stored, computed }, Rule::S9, at));
            }
        }
        Ok(())
    }

    /// Checks the CRCs of all chunks [K-1].
    pub(super) fn all_chunks(&self) -> Result<()> {
        for (index, entry) in self.view.section_table()?.iter().enumerate() {
            let Some(kind) = SectionKind::from_number(entry.kind.get()) else { continue };
            let first = entry.first_chunk.get();
            if kind.is_chunked() {
                (0..entry.len.get().div_ceil(CHUNK_LEN)).try_for_each(|chunk| self.view.check_chunk(kind, chunk))?;
            } else if first != NONE {
                let at = entry_offset(index).saturating_add(offset_of!(SectionEntry, first_chunk) as u64);
                return Err(Error::value(Rule::K1, at, "the first chunk of the checksums section", first));
            }
        }
        Ok(())
    }
}
