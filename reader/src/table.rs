//! The lookup of records by name: one hash, one probe, one comparison (spec.md 5.6).

use crate::{
    error::{Error, Result},
    perma_bytes::PermaBytes,
    view::{At, View},
};
use core::{fmt, mem::offset_of};
use permacode_format::{
    IndexHeader, ModuleRecord, NONE, ResourceRecord, Rule, SectionKind, SectionRecord, Slot, TargetRecord, U16, U32,
    bucket_of, fingerprint_of, name_hash, slot_of,
};

/// Records that have a name: modules and resources.
pub(crate) trait Named: SectionRecord {
    /// Offset and length of the name in the names section.
    fn name(&self) -> (U32, U16);

    /// The field of the target that states its first record.
    const FIRST_FIELD: usize;
    /// The field of the target that states the number of its records.
    const COUNT_FIELD: usize;

    /// First record, number of records, and index.
    fn of(target: &TargetRecord) -> (u32, u32, &IndexHeader);
}

impl Named for ModuleRecord {
    #[inline]
    fn name(&self) -> (U32, U16) {
        (self.name_offset, self.name_len)
    }

    const FIRST_FIELD: usize = offset_of!(TargetRecord, first_module);
    const COUNT_FIELD: usize = offset_of!(TargetRecord, module_count);

    #[inline]
    fn of(target: &TargetRecord) -> (u32, u32, &IndexHeader) {
        (target.first_module.get(), target.module_count.get(), &target.module_index)
    }
}

impl Named for ResourceRecord {
    #[inline]
    fn name(&self) -> (U32, U16) {
        (self.name_offset, self.name_len)
    }

    const FIRST_FIELD: usize = offset_of!(TargetRecord, first_resource);
    const COUNT_FIELD: usize = offset_of!(TargetRecord, resource_count);

    #[inline]
    fn of(target: &TargetRecord) -> (u32, u32, &IndexHeader) {
        (target.first_resource.get(), target.resource_count.get(), &target.resource_index)
    }
}

/// The records of one kind of a target, and their index. The ranges are resolved once, so that a lookup does not read
/// the record of the target.
#[derive(Clone, Copy)]
pub(crate) struct Table<'a, R> {
    target: At<'a, TargetRecord>,
    /// Empty if `is_broken`. So are `pilots`, `slots` and `names`.
    records: &'a [R],
    /// Empty if chunks are checked before use, so that a lookup goes to [`Table::find_checked`]. So is `slots`.
    pilots: &'a [u8],
    slots: &'a [Slot],
    names: &'a [u8],
    seed: u64,
    first: u32,
    /// Whether a range lies outside its section. Then each use of the table returns the error.
    is_broken: bool,
}

impl<'a, R: Named> Table<'a, R> {
    #[inline]
    pub(crate) fn of(target: At<'a, TargetRecord>) -> Self {
        Table::resolve(target).unwrap_or_else(|_| Table::broken(target))
    }

    fn resolve(target: At<'a, TargetRecord>) -> Result<Self> {
        let view = target.view;
        let (first, count, index) = R::of(target.record());
        let records = view.section(R::SECTION).records::<R>();
        let records = first.checked_add(count).and_then(|end| records.get(first as usize..end as usize));
        let Some(records) = records else {
            return Err(target.no_item(Rule::T6, R::COUNT_FIELD, count, view.count::<R>()));
        };
        // Without buckets or slots, the index has no names, and its offsets have no meaning.
        let (pilots, slots) = match (index.bucket_count.get(), index.slot_count.get()) {
            (0, _) | (_, 0) => <_>::default(),
            _ => index_parts(view, index)?,
        };
        let (pilots, slots): (&[u8], &[Slot]) =
            if view.layout.checks.is_some() { (&[], &[]) } else { (pilots.as_slice(), slots.records()) };
        let names = view.section(SectionKind::Names).as_slice();
        Ok(Table { target, records, pilots, slots, names, seed: index.seed.get(), first, is_broken: false })
    }

    #[cold]
    fn broken(target: At<'a, TargetRecord>) -> Self {
        let (records, pilots, slots, names): (&[R], _, _, _) = (&[], &[], &[], &[]);
        Table { target, records, pilots, slots, names, seed: 0, first: 0, is_broken: true }
    }

    /// Number of records. One for a broken table, so that an iterator yields its error.
    #[inline]
    pub(crate) fn len(&self) -> u32 {
        if self.is_broken { 1 } else { self.records.len() as u32 }
    }

    /// The record with this name, and its number. The result is small: to copy a whole view would cost more than the
    /// lookup.
    #[inline]
    pub(crate) fn find(&self, name: &[u8]) -> Result<Option<(&'a R, u32)>> {
        let hash = name_hash(name, self.seed);
        let Some((_, number, slot)) = probe(hash, self.pilots, self.slots) else {
            return self.find_checked(name, hash);
        };
        if !may_have_name(slot, hash, name) {
            return Ok(None);
        }
        let index = slot.record.get();
        let Some(record) = self.records.get(index as usize) else { return self.no_record(number, index) };
        let start = slot.name_offset.get();
        match self.names.get(start as usize..).and_then(|rest| rest.get(..name.len())) {
            Some(found) => Ok((found == name).then_some((record, index))),
            None => self.compare_checked(start, index, name),
        }
    }

    /// The same without resolved slots: checks all chunks that it reads.
    #[cold]
    fn find_checked(&self, name: &[u8], hash: u64) -> Result<Option<(&'a R, u32)>> {
        if self.is_broken {
            return Table::<R>::resolve(self.target).map(|_| None);
        }
        let view = self.target.view;
        let (.., index) = R::of(self.target.record());
        if index.bucket_count.get() == 0 || index.slot_count.get() == 0 {
            return Ok(None);
        }
        let (pilots, slots) = index_parts(view, index)?;
        let Some((bucket, number, slot)) = probe(hash, pilots.as_slice(), slots.records()) else { return Ok(None) };
        let pilot = u64::from(index.pilots_offset.get()).saturating_add(bucket.into());
        view.touch(SectionKind::Index, pilot, 1)?;
        let len = size_of::<Slot>() as u64;
        let start = u64::from(index.slots_offset.get()).saturating_add(u64::from(number).saturating_mul(len));
        view.touch(SectionKind::Index, start, len)?;
        if !may_have_name(slot, hash, name) {
            return Ok(None);
        }
        let index = slot.record.get();
        if self.records.get(index as usize).is_none() {
            return self.no_record(number, index);
        }
        self.compare_checked(slot.name_offset.get(), index, name)
    }

    /// Compares the name at `start` of the names section with `name`, after a check of all chunks.
    #[cold]
    fn compare_checked(&self, start: u32, index: u32, name: &[u8]) -> Result<Option<(&'a R, u32)>> {
        let record = self.get(index)?.record();
        let found = self.target.view.range(SectionKind::Names, start.into(), name.len() as u64, Rule::N1)?;
        Ok((found == *name).then_some((record, index)))
    }

    /// The result of a lookup whose slot has no record of the target: the slot is empty, or it breaks.
    #[cold]
    fn no_record(&self, number: u32, record: u32) -> Result<Option<(&'a R, u32)>> {
        if record == NONE {
            return Ok(None);
        }
        let (.., index) = R::of(self.target.record());
        let slot = u64::from(number).saturating_mul(size_of::<Slot>() as u64);
        let at = self
            .target
            .view
            .section(SectionKind::Index)
            .offset()
            .saturating_add(index.slots_offset.get().into())
            .saturating_add(slot)
            .saturating_add(offset_of!(Slot, record) as u64);
        Err(Error::value(Rule::X3, at, "the record of a slot", record))
    }

    /// A record that [`Table::find`] found.
    #[inline]
    pub(crate) fn at(&self, (record, number): (&'a R, u32)) -> At<'a, R> {
        At::new(self.target.view, record, self.first.wrapping_add(number))
    }

    /// Record `number` of the target.
    #[inline]
    pub(crate) fn get(&self, number: u32) -> Result<At<'a, R>> {
        match self.records.get(number as usize) {
            Some(record) => {
                let at = At::new(self.target.view, record, self.first.wrapping_add(number));
                at.view.touch_record(at)?;
                Ok(at)
            }
            None => Err(self.missing(number)),
        }
    }

    #[cold]
    fn missing(&self, number: u32) -> Error {
        if self.is_broken
            && let Err(error) = Table::<R>::resolve(self.target)
        {
            return error;
        }
        self.target.no_item(Rule::T6, R::COUNT_FIELD, number, self.records.len() as u32)
    }

    /// The number of the first record whose name is not less than `name`. If the names are not in order [M-1], the
    /// result is some number up to the number of records.
    pub(crate) fn first_not_before(&self, name: &[u8]) -> u32 {
        let (mut low, mut high) = (0, self.records.len() as u32);
        while low < high {
            let middle = low.midpoint(high);
            let is_before = self.get(middle).and_then(name_of).is_ok_and(|found| found.as_slice() < name);
            if is_before {
                low = middle.saturating_add(1);
            } else {
                high = middle;
            }
        }
        low
    }
}

/// The bucket, and the number of the slot with the slot, that a hash leads to. `None` without buckets or slots.
#[inline]
fn probe<'a>(hash: u64, pilots: &[u8], slots: &'a [Slot]) -> Option<(u32, u32, &'a Slot)> {
    // The numbers of pilots and slots come from fields of 32 bits.
    let bucket = bucket_of(hash, pilots.len() as u32);
    let number = slot_of(hash, *pilots.get(bucket as usize)?, slots.len() as u32);
    Some((bucket, number, slots.get(number as usize)?))
}

/// Whether the slot can be that of the name: nearly always false for an absent one.
#[inline]
fn may_have_name(slot: &Slot, hash: u64, name: &[u8]) -> bool {
    slot.fingerprint.get() == fingerprint_of(hash) && usize::from(slot.name_len.get()) == name.len()
}

/// The name of a record. The chunks of the name are checked.
#[inline]
pub(crate) fn name_of<R: Named>(record: At<'_, R>) -> Result<PermaBytes<'_>> {
    let (start, len) = record.name();
    record.view.range(SectionKind::Names, start.get().into(), len.get().into(), Rule::N1)
}

/// The pilots and the slots of an index.
pub(crate) fn index_parts<'a>(view: View<'a>, index: &IndexHeader) -> Result<(PermaBytes<'a>, PermaBytes<'a>)> {
    let section = view.section(SectionKind::Index);
    let pilots = section.part(index.pilots_offset.get().into(), index.bucket_count.get().into(), Rule::X1)?;
    let slots_len = u64::from(index.slot_count.get()).saturating_mul(size_of::<Slot>() as u64);
    Ok((pilots, section.part(index.slots_offset.get().into(), slots_len, Rule::X1)?))
}

impl<R> fmt::Debug for Table<'_, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Table").field("records", &self.records.len()).finish_non_exhaustive()
    }
}
