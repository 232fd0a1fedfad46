//! The section table once more, the padding between sections, and all checksums.

use super::Verifier;
use crate::error::{Error, ErrorKind, Result};
use permacode_format::{CHUNK_LEN, HEADER_LEN, NONE, Rule, SectionEntry, SectionKind, crc32};

impl<'a> Verifier<'a> {
    /// Bytes between the sections are zero, and nothing follows the last one [S-5].
    pub(super) fn padding(&self) -> Result<()> {
        let file = self.view.file();
        let table = self.table()?;
        let mut end =
            u64::from(HEADER_LEN).saturating_add((table.len() as u64).saturating_mul(size_of::<SectionEntry>() as u64));
        for entry in table {
            let gap = file.get(end, entry.offset.get().saturating_sub(end), Rule::S5)?;
            if let Some(at) = gap.data().iter().position(|byte| *byte != 0) {
                let byte = gap.data().get(at).copied().unwrap_or_default();
                return Err(Error::value(Rule::S5, end.saturating_add(at as u64), "a byte between sections", byte));
            }
            end = entry.offset.get().saturating_add(entry.len.get());
        }
        if end != file.len() {
            return Err(Error::value(Rule::S5, end, "the end of the last section", end));
        }
        Ok(())
    }

    fn table(&self) -> Result<&'a [SectionEntry]> {
        let len = u64::from(self.view.layout.section_count).saturating_mul(size_of::<SectionEntry>() as u64);
        Ok(self.view.file().get(HEADER_LEN.into(), len, Rule::S1)?.records())
    }

    fn entry(&self, kind: SectionKind) -> Result<Option<(u64, &'a SectionEntry)>> {
        let table = self.table()?;
        let index = table.iter().position(|entry| entry.kind.get() == kind as u32);
        Ok(index.and_then(|index| {
            let offset =
                u64::from(HEADER_LEN).saturating_add((index as u64).saturating_mul(size_of::<SectionEntry>() as u64));
            table.get(index).map(|entry| (offset, entry))
        }))
    }

    /// CRCs of the sections that are asked for [S-9].
    pub(super) fn checksums(&self, wanted: impl Fn(SectionKind) -> bool) -> Result<()> {
        for (index, entry) in self.table()?.iter().enumerate() {
            // Sections of unknown kinds count as touched by everything.
            if SectionKind::from_number(entry.kind.get()).is_some_and(|kind| !wanted(kind)) {
                continue;
            }
            let section = self.view.file().get(entry.offset.get(), entry.len.get(), Rule::S3)?;
            let (stored, computed) = (entry.crc.get(), crc32(section.data()));
            if stored != computed {
                let at = u64::from(HEADER_LEN)
                    .saturating_add((index as u64).saturating_mul(size_of::<SectionEntry>() as u64))
                    .saturating_add(24);
                return Err(Error::new(ErrorKind::Checksum { stored, computed }, Rule::S9, at));
            }
        }
        Ok(())
    }

    pub(super) fn all_chunks(&self) -> Result<()> {
        for kind in SectionKind::ALL {
            let Some((at, entry)) = self.entry(*kind)? else { continue };
            let first = entry.first_chunk.get();
            if !kind.is_chunked() && first != NONE {
                let what = "the first chunk of the checksums section";
                return Err(Error::value(Rule::K1, at.saturating_add(28), what, first));
            }
            if kind.is_chunked() {
                (0..entry.len.get().div_ceil(CHUNK_LEN)).try_for_each(|chunk| self.view.check_chunk(*kind, chunk))?;
            }
        }
        Ok(())
    }
}
