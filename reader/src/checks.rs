//! The check of chunks when they are first used (spec.md 5.14).

use crate::{
    error::{Error, ErrorKind, Result},
    layout,
    view::View,
};
use alloc::{boxed::Box, vec::Vec};
use core::mem::offset_of;
use core::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use permacode_format::{CHUNK_LEN, CHUNK_LOG2, ChunkCrc, Rule, SectionEntry, SectionKind, crc32};

/// One bit for each chunk of the archive. It is set when the CRC of the chunk has matched.
///
/// Two threads may check the same chunk. Both get the same result, because the bytes do not change. So relaxed atomic
/// operations are enough.
#[derive(Debug)]
pub(crate) struct Checks(Box<[AtomicUsize]>);

impl Checks {
    pub(crate) fn new(view: View<'_>) -> Checks {
        let words = view.layout.chunk_count.div_ceil(u64::from(usize::BITS));
        Checks((0..words).map(|_| AtomicUsize::new(0)).collect::<Vec<_>>().into_boxed_slice())
    }

    #[inline]
    fn bit(&self, chunk: u64) -> Option<(&AtomicUsize, usize)> {
        let word = self.0.get(usize::try_from(chunk >> usize::BITS.ilog2()).ok()?)?;
        Some((word, 1usize.wrapping_shl(chunk as u32)))
    }

    #[inline]
    fn has(&self, chunk: u64) -> bool {
        self.bit(chunk).is_some_and(|(word, mask)| word.load(Relaxed) & mask != 0)
    }

    fn set(&self, chunk: u64) {
        if let Some((word, mask)) = self.bit(chunk) {
            word.fetch_or(mask, Relaxed);
        }
    }
}

impl View<'_> {
    /// Checks the chunks of a range of a section, except those that were checked before [K-1]. Does nothing without
    /// [`crate::Archive::checked`].
    #[inline]
    pub(crate) fn touch(self, kind: SectionKind, start: u64, len: u64) -> Result<()> {
        self.touch_from(kind, self.layout.place(kind).chunks_before, start, len)
    }

    /// Like [`View::touch`], for a caller that knows the number of chunks before the section.
    #[inline]
    pub(crate) fn touch_from(self, kind: SectionKind, before: u64, start: u64, len: u64) -> Result<()> {
        let (Some(checks), Some(last)) = (&self.layout.checks, len.checked_sub(1)) else { return Ok(()) };
        let (first, last) = (start >> CHUNK_LOG2, start.saturating_add(last) >> CHUNK_LOG2);
        if first == last && checks.has(before.saturating_add(first)) {
            return Ok(());
        }
        self.check_chunks(kind, first, last)
    }

    #[cold]
    fn check_chunks(self, kind: SectionKind, first: u64, last: u64) -> Result<()> {
        let Some(checks) = &self.layout.checks else { return Ok(()) };
        let before = self.layout.place(kind).chunks_before;
        for chunk in first..=last {
            let number = before.saturating_add(chunk);
            if !checks.has(number) {
                self.check_chunk(kind, chunk)?;
                checks.set(number);
            }
        }
        Ok(())
    }

    /// Compares a chunk with its CRC [K-1].
    pub(crate) fn check_chunk(self, kind: SectionKind, chunk: u64) -> Result<()> {
        let section = self.section(kind);
        let start = chunk.saturating_mul(CHUNK_LEN);
        let bytes = section.part(start, section.len_u64().saturating_sub(start).min(CHUNK_LEN), Rule::K1)?;
        let index = u64::from(self.layout.place(kind).first_chunk).saturating_add(chunk);
        let crcs = self.section(SectionKind::Checksums).records::<ChunkCrc>();
        let Some(stored) = usize::try_from(index).ok().and_then(|index| crcs.get(index)) else {
            let what = "the number of a chunk without a checksum";
            return Err(Error::value(Rule::K1, self.first_chunk_offset(kind), what, index));
        };
        let (stored, computed) = (stored.crc.get(), crc32(bytes.as_slice()));
        if stored != computed {
            let at = self.offset_of::<ChunkCrc>(u32::try_from(index).unwrap_or(u32::MAX));
            return Err(Error::new(ErrorKind::Checksum { stored, computed }, Rule::K1, at));
        }
        Ok(())
    }

    /// Offset in the archive of the field `first_chunk` of a section, for errors.
    fn first_chunk_offset(self, kind: SectionKind) -> u64 {
        let entries = self.section_table().unwrap_or_default();
        let index = entries.iter().position(|entry| entry.kind.get() == kind as u32);
        layout::entry_offset(index.unwrap_or_default()).saturating_add(offset_of!(SectionEntry, first_chunk) as u64)
    }
}
