//! Finding a name: one hash, one probe, one comparison (spec.md 5.6).

use crate::{
    bytes::Bytes,
    error::{Error, Result},
    view::View,
};
use permacode_format::{
    IndexHeader, NONE, Rule, SectionKind, Slot, U32, bucket_of, fingerprint_of, name_hash, slot_of,
};

/// One index.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Index<'a> {
    view: View<'a>,
    header: &'a IndexHeader,
    pilots: &'a [u8],
    slots: &'a [Slot],
    slots_offset: u64,
}

/// Length of the slots in bytes.
pub(crate) fn slots_len(header: &IndexHeader) -> u64 {
    u64::from(header.slot_count.get()).saturating_mul(size_of::<Slot>() as u64)
}

impl<'a> Index<'a> {
    /// The record, counted from the first one of `count`, that may have this name: only its name can tell.
    #[inline]
    pub(crate) fn find(view: View<'a>, header: &'a IndexHeader, count: u32, name: &[u8]) -> Result<Option<u32>> {
        // Then nothing is said of where they lie.
        if header.bucket_count.get() == 0 || header.slot_count.get() == 0 {
            return Ok(None);
        }
        Index::new(view, header)?.candidate(count, name)
    }

    #[inline]
    pub(crate) fn new(view: View<'a>, header: &'a IndexHeader) -> Result<Self> {
        let section = view.section(SectionKind::Index);
        let pilots = section.get(header.pilots_offset.get().into(), header.bucket_count.get().into(), Rule::X1)?;
        let slots = section.get(header.slots_offset.get().into(), slots_len(header), Rule::X1)?;
        Ok(Index { view, header, pilots: pilots.data(), slots: slots.records(), slots_offset: slots.offset() })
    }

    #[inline]
    fn candidate(&self, count: u32, name: &[u8]) -> Result<Option<u32>> {
        let hash = name_hash(name, self.header.seed.get());
        let bucket = bucket_of(hash, self.header.bucket_count.get());
        let Some(pilot) = self.pilots.get(bucket as usize) else { return Ok(None) };
        let start = u64::from(self.header.pilots_offset.get());
        self.view.touch(SectionKind::Index, start.saturating_add(bucket.into()), 1)?;
        let number = slot_of(hash, *pilot, self.header.slot_count.get());
        let Some(slot) = self.slots.get(number as usize) else { return Ok(None) };
        let (start, len) = (u64::from(self.header.slots_offset.get()), size_of::<Slot>() as u64);
        let in_slots = u64::from(number).saturating_mul(len);
        self.view.touch(SectionKind::Index, start.saturating_add(in_slots), len)?;
        let record = slot.record.get();
        if slot.fingerprint.get() != fingerprint_of(hash) || record == NONE {
            return Ok(None);
        }
        if record >= count {
            let at = self.slots_offset.saturating_add(in_slots).saturating_add(4);
            return Err(Error::value(Rule::X3, at, "the record of a slot", record));
        }
        Ok(Some(record))
    }

    /// Checks the slots against `count` names, each of which must already be known to be found in its slot.
    pub(crate) fn verify(&self, count: u32) -> Result<()> {
        let (buckets, slots) = (self.header.bucket_count.get(), self.header.slot_count.get());
        if slots < count || (slots > 0 && buckets == 0) {
            return Err(Error::value(Rule::X2, self.slots_offset, "the number of slots", slots));
        }
        let mut used = 0u32;
        for (index, slot) in self.slots.iter().enumerate() {
            if slot.record.get() != NONE {
                used = used.saturating_add(1);
            } else if slot.fingerprint.get() != 0 {
                let offset = self.slots_offset.saturating_add((index as u64).saturating_mul(size_of::<Slot>() as u64));
                return Err(Error::value(Rule::X3, offset, "the fingerprint of an empty slot", slot.fingerprint.get()));
            }
        }
        if used != count {
            return Err(Error::value(Rule::X3, self.slots_offset, "the number of used slots", used));
        }
        Ok(())
    }
}

/// A name: a range of the names section.
#[inline]
pub(crate) fn name_in_section(view: View<'_>, offset: U32, len: U32) -> Result<Bytes<'_>> {
    view.range(SectionKind::Names, offset.get().into(), len.get().into(), Rule::N1)
}
