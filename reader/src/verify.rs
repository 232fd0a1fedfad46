//! Checking every rule of spec.md, at three depths.
//!
//! * *structure*: header, section table, padding, the lookup group and its checksums; linear in the number of names;
//! * *one module*: its code objects, what can be reached through them, and the checksums of what that touches;
//! * *everything*: all of the file. Each distinct record is visited once; memory is a small multiple of the number of
//!   objects.

use crate::{
    archive::{Archive, View},
    bytes::Bytes,
    error::{Error, ErrorKind, Result},
    module::Module,
    object::{Constant, Container, Item, Object, Owner},
    target::Target,
};
use alloc::{collections::BTreeSet, vec, vec::Vec};
use permacode_format::{
    CHUNK_LEN, CodeDetail, CodeRecord, Group, HEADER_LEN, ItemRef, LIST_BUDGET, MAX_IDS, MAX_NAME_LEN, MAX_PARENTS,
    ModuleRecord, NONE, ResourceRecord, Rule, SectionEntry, SectionKind, SignatureRecord, TargetRecord, U32, crc32,
};

impl<D: AsRef<[u8]>> Archive<D> {
    /// Checks header, section table, padding, and everything that is touched to find a name.
    ///
    /// # Errors
    /// The first rule that is broken.
    pub fn verify_structure(&self) -> Result<()> {
        Verifier { view: self.view() }.structure(self)
    }

    /// Checks the structure, and one module with everything that can be reached through it.
    ///
    /// # Errors
    /// The first rule that is broken.
    pub fn verify_module(&self, module: &Module<'_>) -> Result<()> {
        let verifier = Verifier { view: self.view() };
        verifier.structure(self)?;
        verifier.module(module)
    }

    /// Checks everything.
    ///
    /// # Errors
    /// The first rule that is broken.
    pub fn verify(&self) -> Result<()> {
        let verifier = Verifier { view: self.view() };
        verifier.structure(self)?;
        verifier.checksums(|_| true)?;
        verifier.all_chunks()?;
        verifier.objects()?;
        verifier.codes(self)
    }
}

struct Verifier<'a> {
    view: View<'a>,
}

impl<'a> Verifier<'a> {
    fn structure<D: AsRef<[u8]>>(&self, archive: &'a Archive<D>) -> Result<()> {
        self.padding()?;
        self.checksums(|kind| kind.group() == Group::Lookup)?;
        let (mut next_module, mut next_resource) = (0u32, 0u32);
        for (index, target) in archive.targets().enumerate() {
            self.target(&target)?;
            for other in archive.targets().take(index) {
                let key = |target: &Target<'a>| {
                    let record = target.record();
                    (record.vm, record.bytecode_magic, record.vm_version, record.optimization)
                };
                if key(&other) == key(&target) {
                    return Err(Error::value(
                        Rule::T2,
                        target.offset(),
                        "a target that occurs twice, number",
                        index as u64,
                    ));
                }
            }
            let record = target.record();
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
            (next_module, self.view.records::<ModuleRecord>(SectionKind::Modules).len(), SectionKind::Modules),
            (next_resource, self.view.records::<ResourceRecord>(SectionKind::Resources).len(), SectionKind::Resources),
        ];
        for (counted, available, kind) in totals {
            if counted as usize != available {
                return Err(Error::value(
                    Rule::T6,
                    self.view.offset_of(kind, counted.into()),
                    "the number of records that have a target",
                    counted,
                ));
            }
        }
        self.code_ranges()
    }

    /// Bytes between the sections are zero, and nothing follows the last one [S-5].
    fn padding(&self) -> Result<()> {
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
    fn checksums(&self, wanted: impl Fn(SectionKind) -> bool) -> Result<()> {
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

    fn all_chunks(&self) -> Result<()> {
        let mut expected = 0u64;
        for kind in SectionKind::ALL {
            let Some((at, entry)) = self.entry(*kind)? else { continue };
            let first = entry.first_chunk.get();
            if !kind.is_chunked() {
                if first != NONE {
                    return Err(Error::value(
                        Rule::K1,
                        at.saturating_add(28),
                        "the first chunk of a section without chunks",
                        first,
                    ));
                }
                continue;
            }
            if u64::from(first) != expected {
                return Err(Error::value(Rule::K1, at.saturating_add(28), "the first chunk of a section", first));
            }
            let chunks = entry.len.get().div_ceil(CHUNK_LEN);
            expected = expected.saturating_add(chunks);
            for chunk in 0..chunks {
                self.chunk(*kind, chunk)?;
            }
        }
        let available = self.view.records::<U32>(SectionKind::Checksums).len() as u64;
        if available != expected {
            return Err(Error::value(
                Rule::K1,
                self.view.offset_of(SectionKind::Checksums, expected),
                "the number of chunk checksums",
                available,
            ));
        }
        Ok(())
    }

    /// The CRC of one chunk [K-1].
    fn chunk(&self, kind: SectionKind, chunk: u64) -> Result<()> {
        let Some((at, entry)) = self.entry(kind)? else { return Ok(()) };
        let section = self.view.section(kind);
        let start = chunk.saturating_mul(CHUNK_LEN);
        let bytes = section.get(start, section.len().saturating_sub(start).min(CHUNK_LEN), Rule::K1)?;
        let index = u64::from(entry.first_chunk.get()).saturating_add(chunk);
        let stored = usize::try_from(index)
            .ok()
            .and_then(|index| self.view.records::<U32>(SectionKind::Checksums).get(index).copied());
        let Some(stored) = stored else {
            return Err(Error::value(
                Rule::K1,
                at.saturating_add(28),
                "the number of a chunk without a checksum",
                index,
            ));
        };
        let (stored, computed) = (stored.get(), crc32(bytes.data()));
        if stored != computed {
            let at = self.view.offset_of(SectionKind::Checksums, index);
            return Err(Error::new(ErrorKind::Checksum { stored, computed }, Rule::K1, at));
        }
        Ok(())
    }

    fn target(&self, target: &Target<'a>) -> Result<()> {
        let record: &TargetRecord = target.record();
        target.vm()?;
        target.tag()?;
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
        if record.reserved.get() != 0 {
            return Err(Error::value(
                Rule::T7,
                target.offset().saturating_add(100),
                "a reserved field",
                record.reserved.get(),
            ));
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
            if text.contains('\0') || text.split('.').any(str::is_empty) {
                return Err(Error::value(
                    Rule::N3,
                    name.offset(),
                    "the length of a module name that is none",
                    name.len(),
                ));
            }
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
            let is_component = |part: &[u8]| !matches!(part, b"" | b"." | b"..") && !part.contains(&0);
            if !name.split(|byte| *byte == b'/').all(is_component) {
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

    /// Code objects of modules do not overlap, and each belongs to one [M-3].
    fn code_ranges(&self) -> Result<()> {
        let records = self.view.records::<ModuleRecord>(SectionKind::Modules);
        let mut ranges: Vec<(u32, u32, u64)> = records
            .iter()
            .enumerate()
            .filter(|(_, record)| record.code_count.get() > 0)
            .map(|(index, record)| (record.first_code.get(), record.code_count.get(), index as u64))
            .collect();
        ranges.sort_unstable();
        let mut next = 0u32;
        for (first, count, index) in ranges {
            if first != next {
                let at = self.view.offset_of(SectionKind::Modules, index).saturating_add(12);
                return Err(Error::value(Rule::M3, at, "the first code object of a module", first));
            }
            next = first.saturating_add(count);
        }
        let available = self.view.records::<CodeRecord>(SectionKind::Code).len();
        if next as usize != available {
            return Err(Error::value(
                Rule::M3,
                self.view.offset_of(SectionKind::Code, next.into()),
                "the number of code objects that have a module",
                next,
            ));
        }
        Ok(())
    }

    /// All objects: each section is walked once from its start to its end [O-*].
    fn objects(&self) -> Result<()> {
        let entries = self.view.records::<U32>(SectionKind::Objects);
        if entries.len() as u64 >= u64::from(MAX_IDS) {
            return Err(Error::value(
                Rule::O1,
                self.view.offset_of(SectionKind::Objects, 0),
                "the number of objects",
                entries.len() as u64,
            ));
        }
        let starts = [SectionKind::Constants, SectionKind::Docstrings].map(|kind| self.starts(kind));
        let [mut hot, mut cold] = match starts {
            [Ok(hot), Ok(cold)] => [hot, cold],
            [Err(error), _] | [_, Err(error)] => return Err(error),
        };
        let mut depths: Vec<u16> = Vec::with_capacity(entries.len());
        // One more than the highest code object that can be reached; and whether it is a derived qualified name.
        let mut facts: Vec<(u32, bool)> = Vec::with_capacity(entries.len());
        for id in 0..entries.len() as u32 {
            // Every bound is allowed here: who lists the container checks it against its own id.
            let object = Object::new(self.view, id, Owner::any());
            let (bytes, is_cold) = object.place()?;
            let section = self.view.section(if is_cold { SectionKind::Docstrings } else { SectionKind::Constants });
            let starts = if is_cold { &mut cold } else { &mut hot };
            if !starts.take(bytes.offset().saturating_sub(section.offset())) {
                let at = self.view.offset_of(SectionKind::Objects, id.into());
                return Err(Error::value(
                    Rule::O1,
                    at,
                    "the offset in the archive of what is no start of an object of its own",
                    bytes.offset(),
                ));
            }
            let constant = object.constant()?;
            object.verify_form(bytes.offset(), &constant, object.kind()?)?;
            let (mut depth, mut bound) = (0u16, 0u32);
            if let Constant::Container(container) = constant {
                (depth, bound) = self.container(&container, &depths, &facts, bytes.offset())?;
            }
            depths.push(depth);
            facts.push((bound, matches!(constant, Constant::Qualname { .. })));
        }
        for (starts, kind) in [(hot, SectionKind::Constants), (cold, SectionKind::Docstrings)] {
            if let Some(offset) = starts.first() {
                let at = self.view.section(kind).offset().saturating_add(offset);
                return Err(Error::value(Rule::O1, at, "the offset of an object without an entry", offset));
            }
        }
        Ok(())
    }

    /// Where objects begin in a section that is nothing but objects.
    fn starts(&self, kind: SectionKind) -> Result<Bitmap> {
        let section = self.view.section(kind);
        let mut starts = Bitmap::new(section.len());
        let mut rest = section;
        while rest.len() > 0 {
            starts.set(rest.offset().saturating_sub(section.offset()));
            rest = Object::new(self.view, NONE, Owner::any()).parse(rest)?.1;
        }
        Ok(starts)
    }

    /// Depth and code bound of a container whose members have been checked.
    fn container(
        &self,
        container: &Container<'a>,
        depths: &[u16],
        facts: &[(u32, bool)],
        offset: u64,
    ) -> Result<(u16, u32)> {
        let (mut depth, mut bound) = (0u16, 0u32);
        for index in 0..container.len() {
            match container.item_ref(index).transpose()? {
                Some(ItemRef::Object(id)) => {
                    let (member_bound, is_qualname) = facts.get(id as usize).copied().unwrap_or((NONE, true));
                    if is_qualname {
                        return Err(Error::value(Rule::O5, offset, "the id of a qualified name in a container", id));
                    }
                    depth = depth.max(depths.get(id as usize).copied().unwrap_or(u16::MAX));
                    bound = bound.max(member_bound);
                }
                Some(ItemRef::Code(code)) => bound = bound.max(code.saturating_add(1)),
                None => {}
            }
        }
        let depth = depth.saturating_add(1);
        if u32::from(depth) != container.depth() {
            return Err(Error::value(Rule::O6, offset, "the depth of a container", container.depth()));
        }
        if bound != container.code_bound() {
            return Err(Error::value(
                Rule::O7,
                offset,
                "the bound of the code objects of a container",
                container.code_bound(),
            ));
        }
        Ok((depth, bound))
    }

    fn codes<D: AsRef<[u8]>>(&self, archive: &'a Archive<D>) -> Result<()> {
        let codes = self.view.records::<CodeRecord>(SectionKind::Code).len();
        let details = self.view.records::<CodeDetail>(SectionKind::Details).len();
        if codes != details || codes as u64 >= u64::from(MAX_IDS) {
            return Err(Error::value(
                Rule::C1,
                self.view.offset_of(SectionKind::Details, 0),
                "the number of details",
                details as u64,
            ));
        }
        let mut budget = self.view.layout.file_len.saturating_mul(LIST_BUDGET);
        for target in archive.targets() {
            for module in target.modules() {
                self.codes_of(&module?, &mut budget)?;
            }
        }
        self.signatures(codes)
    }

    fn codes_of(&self, module: &Module<'a>, budget: &mut u64) -> Result<()> {
        module.verify_source()?;
        // Parents have higher ids, so that from the last one on the number above each is known.
        let mut parents = vec![0u16; module.code_count() as usize];
        for (number, code) in module.codes().enumerate().collect::<Vec<_>>().into_iter().rev() {
            let code = code?;
            let len = code.list_len()?;
            *budget = budget
                .checked_sub(len)
                .ok_or_else(|| Error::value(Rule::C9, code.offset(), "the number of items of a list", len))?;
            code.verify_record()?;
            code.verify_list()?;
            if let Some(parent) = code.parent()? {
                let above = parents
                    .get(parent.id().saturating_sub(module.first_code()) as usize)
                    .copied()
                    .unwrap_or(u16::MAX)
                    .saturating_add(1);
                if u32::from(above) > MAX_PARENTS {
                    return Err(Error::value(Rule::C6, code.offset(), "the number of parents", above));
                }
                if let Some(slot) = parents.get_mut(number) {
                    *slot = above;
                }
            }
        }
        Ok(())
    }

    fn signatures(&self, codes: usize) -> Result<()> {
        let mut before = None;
        for (index, record) in self.view.records::<SignatureRecord>(SectionKind::Signatures).iter().enumerate() {
            let code = record.code.get();
            let at = self.view.offset_of(SectionKind::Signatures, index as u64);
            if before.is_some_and(|before| before >= code) || code as usize >= codes {
                return Err(Error::value(Rule::G1, at, "the code object of a signature", code));
            }
            before = Some(code);
            let section = self.view.section(SectionKind::SignatureText);
            let text = section.get(record.offset.get().into(), record.len.get().into(), Rule::G2)?;
            if let Err(error) = core::str::from_utf8(text.data()) {
                return Err(Error::value(
                    Rule::G2,
                    text.offset(),
                    "the length of the part that is UTF-8",
                    error.valid_up_to() as u64,
                ));
            }
        }
        Ok(())
    }

    /// One module: what everything checks, for what can be reached from it.
    fn module(&self, module: &Module<'a>) -> Result<()> {
        self.checksums(|kind| !kind.is_chunked() && kind != SectionKind::Signatures)?;
        let mut chunks: BTreeSet<(SectionKind, u64)> = BTreeSet::new();
        let mut budget = self.view.layout.file_len.saturating_mul(LIST_BUDGET);
        self.codes_of(module, &mut budget)?;
        let mut touch = |kind: SectionKind, bytes: &crate::PermaBytes<'a>| {
            let start = bytes.offset().saturating_sub(self.view.section(kind).offset());
            let last = start.saturating_add((bytes.len() as u64).saturating_sub(1));
            for chunk in start / CHUNK_LEN..=last / CHUNK_LEN {
                if !bytes.is_empty() {
                    chunks.insert((kind, chunk));
                }
            }
        };
        let mut seen: BTreeSet<u32> = BTreeSet::new();
        let mut stack: Vec<Object<'a>> = Vec::new();
        for code in module.codes() {
            let code = code?;
            touch(SectionKind::Bytecode, &code.bytecode()?);
            touch(SectionKind::Tables, &code.line_table()?);
            touch(SectionKind::Tables, &code.exception_table()?);
            for items in [code.locals()?, code.constants()?, code.names()?] {
                for item in items.iter() {
                    if let Item::Object(object) = item?
                        && seen.insert(object.id())
                    {
                        stack.push(object);
                    }
                }
            }
        }
        while let Some(object) = stack.pop() {
            let (bytes, is_cold) = object.place()?;
            let kind = if is_cold { SectionKind::Docstrings } else { SectionKind::Constants };
            let (constant, rest) = object.parse(bytes)?;
            let own = bytes.get(0, bytes.len().saturating_sub(rest.len()), Rule::O2)?;
            touch(kind, &crate::PermaBytes::new(own));
            object.verify_form(bytes.offset(), &constant, object.kind()?)?;
            if let Constant::Container(container) = constant {
                for item in container.iter() {
                    if let Item::Object(object) = item?
                        && seen.insert(object.id())
                    {
                        stack.push(object);
                    }
                }
            }
        }
        if let Some(text) = module.source()?.and_then(|source| source.text) {
            touch(SectionKind::Sources, &text);
        }
        chunks.into_iter().try_for_each(|(kind, chunk)| self.chunk(kind, chunk))
    }
}

fn check_name_len(name: Bytes<'_>) -> Result<()> {
    if name.len() == 0 || name.len() > u64::from(MAX_NAME_LEN) {
        return Err(Error::value(Rule::N2, name.offset(), "the length of a name", name.len()));
    }
    Ok(())
}

/// One bit for each byte of a section.
struct Bitmap(Vec<u64>);

impl Bitmap {
    fn new(len: u64) -> Self {
        Bitmap(vec![0; usize::try_from(len.div_ceil(64)).unwrap_or(0)])
    }

    fn word(&mut self, bit: u64) -> Option<(&mut u64, u64)> {
        let word = usize::try_from(bit / 64).ok().and_then(|word| self.0.get_mut(word))?;
        Some((word, 1u64.checked_shl((bit % 64) as u32)?))
    }

    fn set(&mut self, bit: u64) {
        if let Some((word, mask)) = self.word(bit) {
            *word |= mask;
        }
    }

    /// Clears a bit; whether it was set.
    fn take(&mut self, bit: u64) -> bool {
        match self.word(bit) {
            Some((word, mask)) if *word & mask != 0 => {
                *word &= !mask;
                true
            }
            _ => false,
        }
    }

    fn first(&self) -> Option<u64> {
        let word = self.0.iter().position(|word| *word != 0)?;
        let bit = self.0.get(word)?.trailing_zeros();
        Some((word as u64).saturating_mul(64).saturating_add(bit.into()))
    }
}
