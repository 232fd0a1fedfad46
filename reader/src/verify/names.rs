//! The checks of the lookup group: targets, modules, resources, names and indexes.

use super::{Verifier, ranges::Ranges};
use crate::{
    archive::Archive,
    error::{Error, Result},
    perma_bytes::PermaBytes,
    table::{Named, index_parts},
    target::Target,
    view::At,
};
use alloc::collections::BTreeSet;
use core::mem::offset_of;
use permacode_format::{
    CodeDetail, CodeRecord, Group, IndexHeader, ModuleRecord, NONE, ObjectEntry, ResourceRecord, Rule, SectionRecord,
    Slot, TargetRecord, is_resource_name, module_flag, resource_flag, target_flag,
};

impl<'a> Verifier<'a> {
    pub(super) fn structure<D: AsRef<[u8]>>(&self, archive: &'a Archive<D>) -> Result<()> {
        self.padding()?;
        self.checksums(|kind| kind.group() == Group::Lookup)?;
        self.name_ranges()?;
        self.index_ranges(archive)?;
        let (mut next_module, mut next_resource) = (0u32, 0u32);
        let mut seen = BTreeSet::new();
        // Many targets may share a long cache tag. Its text is checked once.
        let mut cache_tags = BTreeSet::new();
        for target in archive.targets() {
            let at = target.at();
            self.target(&target, cache_tags.insert((at.cache_tag_offset.get(), at.cache_tag_len.get())))?;
            if !seen.insert((at.vm, at.bytecode_magic.get(), at.vm_version.get(), at.optimization)) {
                let what = "the version of a target that occurs twice";
                return Err(at.error(Rule::T2, offset_of!(TargetRecord, vm_version), what, at.vm_version.get()));
            }
            follows::<ModuleRecord>(at, &mut next_module)?;
            follows::<ResourceRecord>(at, &mut next_resource)?;
            self.modules(&target)?;
            self.resources(&target)?;
        }
        self.all_have_a_target::<ModuleRecord>(next_module)?;
        self.all_have_a_target::<ResourceRecord>(next_resource)?;
        self.code_ranges()?;
        let details = self.view.count::<CodeDetail>();
        if self.view.count::<CodeRecord>() != details {
            let at = self.view.offset_of::<CodeDetail>(0);
            return Err(Error::value(Rule::C1, at, "the number of details", details));
        }
        Ok(())
    }

    fn all_have_a_target<R: SectionRecord>(&self, counted: u32) -> Result<()> {
        if counted != self.view.count::<R>() {
            let at = self.view.offset_of::<R>(counted);
            return Err(Error::value(Rule::T6, at, "the number of records that have a target", counted));
        }
        Ok(())
    }

    /// Checks that any two names are the same range or do not overlap [N-1].
    fn name_ranges(&self) -> Result<()> {
        let mut ranges = Ranges::default();
        for (index, record) in (0..).zip(self.view.records::<TargetRecord>()?) {
            let at = self.view.offset_of::<TargetRecord>(index);
            ranges.add(record.cache_tag_offset.get(), record.cache_tag_len.get(), at);
        }
        self.names_of::<ModuleRecord>(&mut ranges)?;
        self.names_of::<ResourceRecord>(&mut ranges)?;
        ranges.distinct(Rule::N1).map(|_| ())
    }

    fn names_of<R: Named>(&self, ranges: &mut Ranges) -> Result<()> {
        for (index, record) in (0..).zip(self.view.records::<R>()?) {
            let (start, len) = record.name();
            ranges.add(start.get(), len.get(), self.view.offset_of::<R>(index));
        }
        Ok(())
    }

    /// Checks that pilots and slots lie in their section and do not overlap. So the work on slots is at most
    /// linear in the length of the section.
    fn index_ranges<D: AsRef<[u8]>>(&self, archive: &'a Archive<D>) -> Result<()> {
        let mut ranges = Ranges::default();
        for target in archive.targets() {
            let at = target.at();
            let mut add = |index: &IndexHeader, field: usize| -> Result<()> {
                let (pilots, slots) = index_parts(self.view, index)?;
                ranges.add(index.pilots_offset.get(), pilots.len_u64(), at.field(field));
                ranges.add(index.slots_offset.get(), slots.len_u64(), at.field(field));
                Ok(())
            };
            add(&at.module_index, offset_of!(TargetRecord, module_index))?;
            add(&at.resource_index, offset_of!(TargetRecord, resource_index))?;
        }
        ranges.apart(Rule::X1)
    }

    fn target(&self, target: &Target<'a>, is_new_cache_tag: bool) -> Result<()> {
        target.vm()?;
        if is_new_cache_tag {
            target.cache_tag()?;
        }
        target.line_encoding()?;
        target.exception_encoding()?;
        let at = target.at();
        if at.unit_size == 0 {
            return Err(at.error(Rule::T3, offset_of!(TargetRecord, unit_size), "the size of a bytecode unit", 0u32));
        }
        let flags = at.flags.get();
        if flags & !target_flag::KNOWN != 0 {
            return Err(at.error(Rule::T7, offset_of!(TargetRecord, flags), "the flags field of a target", flags));
        }
        Ok(())
    }

    fn modules(&self, target: &Target<'a>) -> Result<()> {
        let mut sorted = Sorted::new(Rule::M1);
        for module in target.modules() {
            let module = module?;
            let name = module.name_bytes()?;
            is_not_empty(name)?;
            let text = module.name()?;
            sorted.next(module.at(), name)?;
            is_found(module.at(), name, target.find(text)?.map(|found| found.at()))?;
            self.module_record(module)?;
        }
        index_is_full::<ModuleRecord>(target.at())
    }

    fn module_record(&self, module: crate::Module<'a>) -> Result<()> {
        let at = module.at();
        let flags = at.flags.get();
        let is_consistent = !module.is_namespace() || module.is_package();
        if flags & !module_flag::KNOWN != 0 || !is_consistent {
            return Err(at.error(Rule::M2, offset_of!(ModuleRecord, flags), "the flags field of a module", flags));
        }
        let (first, count) = (module.first_code(), module.code_count());
        let is_there = first.checked_add(count).is_some_and(|end| end <= self.view.count::<CodeRecord>());
        if module.is_namespace() != (count == 0) || !is_there {
            let field = offset_of!(ModuleRecord, code_count);
            return Err(at.error(Rule::M3, field, "the number of code objects", count));
        }
        if module.object_base() > self.view.count::<ObjectEntry>() {
            let field = offset_of!(ModuleRecord, object_base);
            return Err(at.error(Rule::M4, field, "the object base", module.object_base()));
        }
        if module.filename()?.is_none() && !module.is_namespace() {
            return Err(at.error(Rule::M5, offset_of!(ModuleRecord, filename), "the file name", NONE));
        }
        module.source_text()?;
        Ok(())
    }

    fn resources(&self, target: &Target<'a>) -> Result<()> {
        let mut sorted = Sorted::new(Rule::R1);
        for resource in target.resources() {
            let resource = resource?;
            let (at, name) = (resource.at(), resource.name()?);
            is_not_empty(name)?;
            if !is_resource_name(&name) {
                let what = "the length of a resource name that is not a relative path";
                return Err(Error::value(Rule::N4, name.offset(), what, name.len_u64()));
            }
            sorted.next(at, name)?;
            is_found(at, name, target.find_resource(&name)?.map(|found| found.at()))?;
            let flags = at.flags.get();
            if flags & !resource_flag::KNOWN != 0 {
                return Err(at.error(
                    Rule::R3,
                    offset_of!(ResourceRecord, flags),
                    "the flags field of a resource",
                    flags,
                ));
            }
            resource.root()?;
            resource.data()?;
        }
        index_is_full::<ResourceRecord>(target.at())
    }

    /// Checks that the ranges of code objects of modules do not overlap [M-3].
    fn code_ranges(&self) -> Result<()> {
        let mut ranges = Ranges::default();
        for (index, record) in (0..).zip(self.view.records::<ModuleRecord>()?) {
            let at = At::new(self.view, record, index).field(offset_of!(ModuleRecord, first_code));
            ranges.add(record.first_code.get(), record.code_count.get(), at);
        }
        ranges.apart(Rule::M3)
    }
}

/// Checks that the records of a target start where those of the previous target end [T-6].
fn follows<R: Named>(target: At<'_, TargetRecord>, next: &mut u32) -> Result<()> {
    let (first, count, _) = R::of(target.record());
    if first != *next {
        return Err(target.error(
            Rule::T6,
            R::FIRST_FIELD,
            "the first record of a target that does not follow the records before it",
            first,
        ));
    }
    *next = next.saturating_add(count);
    Ok(())
}

/// Checks that names are in strictly ascending order.
struct Sorted<'a> {
    rule: Rule,
    before: Option<PermaBytes<'a>>,
}

impl<'a> Sorted<'a> {
    fn new(rule: Rule) -> Self {
        Sorted { rule, before: None }
    }

    fn next<R: SectionRecord>(&mut self, at: At<'_, R>, name: PermaBytes<'a>) -> Result<()> {
        if self.before.is_some_and(|before| before >= name) {
            return Err(at.error(
                self.rule,
                0,
                "the offset of a name that is not greater than the name before it",
                name.offset(),
            ));
        }
        self.before = Some(name);
        Ok(())
    }
}

/// Checks that a lookup of the name of a record finds the record.
fn is_found<R: SectionRecord>(at: At<'_, R>, name: PermaBytes<'_>, found: Option<At<'_, R>>) -> Result<()> {
    match found {
        Some(found) if found.index == at.index => Ok(()),
        _ => Err(at.error(Rule::X3, 0, "the offset of a name that the index does not find", name.offset())),
    }
}

/// Checks that there are enough slots and buckets. Checks that each slot is empty or has the record and the range
/// of a name, and that exactly as many slots are used as there are records. [`is_found`] must have succeeded for
/// each record.
fn index_is_full<R: Named>(target: At<'_, TargetRecord>) -> Result<()> {
    let (first, count, index) = R::of(target.record());
    let records = target.view.records::<R>()?.get(first as usize..).unwrap_or_default();
    let (_, slots) = index_parts(target.view, index)?;
    let (buckets, slot_count) = (index.bucket_count.get(), index.slot_count.get());
    if slot_count < count || (slot_count > 0 && buckets == 0) {
        return Err(Error::value(Rule::X2, slots.offset(), "the number of slots", slot_count));
    }
    let mut used = 0u32;
    for (index, slot) in slots.records::<Slot>().iter().enumerate() {
        let place = (slot.name_offset.get(), slot.name_len.get());
        let at = |field: usize| {
            let start = (index as u64).saturating_mul(size_of::<Slot>() as u64);
            slots.offset().saturating_add(start).saturating_add(field as u64)
        };
        if slot.record.get() == NONE {
            if (slot.fingerprint.get(), place) != (0, (0, 0)) {
                let what = "the fingerprint of an empty slot that is not all zero";
                return Err(Error::value(Rule::X3, at(offset_of!(Slot, fingerprint)), what, slot.fingerprint.get()));
            }
            continue;
        }
        used = used.saturating_add(1);
        let name = records.get(slot.record.get() as usize).map(|record| record.name());
        if name.is_none_or(|(offset, len)| (offset.get(), len.get()) != place) {
            let what = "the offset of a name in a slot that differs from that in the record";
            return Err(Error::value(Rule::X3, at(offset_of!(Slot, name_offset)), what, place.0));
        }
    }
    if used != count {
        return Err(Error::value(Rule::X3, slots.offset(), "the number of used slots", used));
    }
    Ok(())
}

/// Checks that a name is not empty [N-2]. No record can state more than 65,535 bytes.
fn is_not_empty(name: PermaBytes<'_>) -> Result<()> {
    if name.is_empty() {
        return Err(Error::value(Rule::N2, name.offset(), "the length of a name", name.len_u64()));
    }
    Ok(())
}
