//! Targets, modules, resources and their names: what is touched to find a name.

use super::{Verifier, ranges::Ranges};
use crate::{
    archive::Archive,
    bytes::Bytes,
    error::{Error, Result},
    index::{Index, slots_len},
    target::Target,
};
use alloc::collections::BTreeSet;
use permacode_format::{
    CodeDetail, CodeRecord, Group, MAX_NAME_LEN, ModuleRecord, ResourceRecord, Rule, SectionKind, TargetRecord,
    is_resource_name, target_flag,
};

impl<'a> Verifier<'a> {
    pub(super) fn structure<D: AsRef<[u8]>>(&self, archive: &'a Archive<D>) -> Result<()> {
        self.padding()?;
        self.checksums(|kind| kind.group() == Group::Lookup)?;
        let (mut next_module, mut next_resource) = (0u32, 0u32);
        self.name_ranges()?;
        self.index_ranges(archive)?;
        let mut seen = BTreeSet::new();
        // Targets may share a tag: its text is looked at once.
        let mut tags = BTreeSet::new();
        for target in archive.targets() {
            let record = target.record();
            self.target(&target, tags.insert((record.cache_tag_offset.get(), record.cache_tag_len.get())))?;
            let key = (record.vm, record.bytecode_magic.get(), record.vm_version.get(), record.optimization);
            if !seen.insert(key) {
                let version = record.vm_version.get();
                return Err(Error::value(
                    Rule::T2,
                    target.offset(),
                    "the version of a target that occurs twice",
                    version,
                ));
            }
            for (field, first, next, count) in [
                (36, record.first_module, &mut next_module, record.module_count),
                (44, record.first_resource, &mut next_resource, record.resource_count),
            ] {
                if first.get() != *next {
                    return Err(Error::value(
                        Rule::T6,
                        target.offset().saturating_add(field),
                        "the first record of a target",
                        first.get(),
                    ));
                }
                *next = next.saturating_add(count.get());
            }
            self.modules(&target)?;
            self.resources(&target)?;
        }
        let totals = [
            (next_module, self.view.count::<ModuleRecord>(SectionKind::Modules), SectionKind::Modules),
            (next_resource, self.view.count::<ResourceRecord>(SectionKind::Resources), SectionKind::Resources),
        ];
        for (counted, available, kind) in totals {
            if u64::from(counted) != available {
                return Err(Error::value(
                    Rule::T6,
                    self.view.offset_of(kind, counted.into()),
                    "the number of records that have a target",
                    counted,
                ));
            }
        }
        self.code_ranges()?;
        let codes = self.view.count::<CodeRecord>(SectionKind::Code);
        let details = self.view.count::<CodeDetail>(SectionKind::Details);
        if codes != details {
            let at = self.view.offset_of(SectionKind::Details, 0);
            return Err(Error::value(Rule::C1, at, "the number of details", details));
        }
        Ok(())
    }

    /// Names are shared or apart [N-1].
    fn name_ranges(&self) -> Result<()> {
        let mut ranges = Ranges::default();
        for (index, record) in self.view.records::<TargetRecord>(SectionKind::Targets)?.iter().enumerate() {
            let at = self.view.offset_of(SectionKind::Targets, index as u64);
            ranges.add(record.cache_tag_offset.get(), record.cache_tag_len.get(), at);
        }
        for (index, record) in self.view.records::<ModuleRecord>(SectionKind::Modules)?.iter().enumerate() {
            let at = self.view.offset_of(SectionKind::Modules, index as u64);
            ranges.add(record.name_offset.get(), record.name_len.get(), at);
        }
        for (index, record) in self.view.records::<ResourceRecord>(SectionKind::Resources)?.iter().enumerate() {
            let at = self.view.offset_of(SectionKind::Resources, index as u64);
            ranges.add(record.name_offset.get(), record.name_len.get(), at);
        }
        ranges.distinct(Rule::N1).map(|_| ())
    }

    /// Pilots and slots lie in their section and do not overlap. So all slots are no more than the section has.
    fn index_ranges<D: AsRef<[u8]>>(&self, archive: &'a Archive<D>) -> Result<()> {
        let mut ranges = Ranges::default();
        for target in archive.targets() {
            let record = target.record();
            for (field, header) in [(52, &record.module_index), (76, &record.resource_index)] {
                Index::new(self.view, header)?;
                let at = target.offset().saturating_add(field);
                ranges.add(header.pilots_offset.get(), header.bucket_count.get(), at);
                ranges.add(header.slots_offset.get(), slots_len(header), at);
            }
        }
        ranges.apart(Rule::X1)
    }

    fn target(&self, target: &Target<'a>, is_new_tag: bool) -> Result<()> {
        let record: &TargetRecord = target.record();
        target.vm()?;
        if is_new_tag {
            target.cache_tag()?;
        }
        target.line_encoding()?;
        target.exception_encoding()?;
        if record.unit_size == 0 {
            return Err(Error::value(
                Rule::T3,
                target.offset().saturating_add(25),
                "the size of a bytecode unit",
                0u32,
            ));
        }
        let flags = record.flags.get();
        if flags & !target_flag::KNOWN != 0 {
            return Err(Error::value(Rule::T7, target.offset().saturating_add(100), "the flags of a target", flags));
        }
        Ok(())
    }

    fn modules(&self, target: &Target<'a>) -> Result<()> {
        let mut before: Option<&[u8]> = None;
        for module in target.modules() {
            let module = module?;
            let name = module.name_bytes()?;
            check_name_len(name)?;
            let text = module.name()?;
            if before.is_some_and(|before| before >= name.data()) {
                return Err(Error::value(
                    Rule::M1,
                    module.offset(),
                    "the offset of a name that is out of order",
                    name.offset(),
                ));
            }
            before = Some(name.data());
            match target.find(text)? {
                Some(found) if found.offset() == module.offset() => {}
                _ => {
                    return Err(Error::value(
                        Rule::X3,
                        module.offset(),
                        "the offset of a name that the index does not find",
                        name.offset(),
                    ));
                }
            }
            module.verify_record()?;
        }
        target.module_index()?.verify(target.module_count())
    }

    fn resources(&self, target: &Target<'a>) -> Result<()> {
        let mut before: Option<&[u8]> = None;
        for resource in target.resources() {
            let resource = resource?;
            let name = resource.name()?;
            check_name_len(Bytes::new(name.as_slice(), name.offset()))?;
            if !is_resource_name(&name) {
                return Err(Error::value(
                    Rule::N4,
                    name.offset(),
                    "the length of a resource name that is no relative path",
                    name.len() as u64,
                ));
            }
            if before.is_some_and(|before| before >= name.as_slice()) {
                return Err(Error::value(
                    Rule::R1,
                    resource.offset(),
                    "the offset of a name that is out of order",
                    name.offset(),
                ));
            }
            before = Some(name.as_slice());
            match target.find_resource(&name)? {
                Some(found) if found.offset() == resource.offset() => {}
                _ => {
                    return Err(Error::value(
                        Rule::X3,
                        resource.offset(),
                        "the offset of a name that the index does not find",
                        name.offset(),
                    ));
                }
            }
            resource.verify()?;
        }
        target.resource_index()?.verify(target.resource_count())
    }

    /// Code objects of modules do not overlap [M-3].
    fn code_ranges(&self) -> Result<()> {
        let records = self.view.records::<ModuleRecord>(SectionKind::Modules)?;
        let mut ranges = Ranges::default();
        for (index, record) in records.iter().enumerate() {
            let at = self.view.offset_of(SectionKind::Modules, index as u64).saturating_add(12);
            ranges.add(record.first_code.get(), record.code_count.get(), at);
        }
        ranges.apart(Rule::M3)
    }
}

fn check_name_len(name: Bytes<'_>) -> Result<()> {
    if name.len() == 0 || name.len() > u64::from(MAX_NAME_LEN) {
        return Err(Error::value(Rule::N2, name.offset(), "the length of a name", name.len()));
    }
    Ok(())
}
