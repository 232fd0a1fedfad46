//! The layout of targets, modules, resources, names and name indexes: the lookup group (spec.md 5.4 to 5.7).

use crate::{
    codes::Placed,
    entry::{ModuleEntry, PathEntry},
    error::Error,
    intern::Handle,
    order::{ModuleBase, Order},
    perfect_hash,
    writer::Writer,
};
use bytemuck::Zeroable;
use hashbrown::HashMap;
use permacode_format::{
    I64, IndexHeader, MAX_U32_SECTION, ModuleRecord, NONE, ResourceRecord, TargetRecord, U16, U32, target_flag,
};

/// The sections of the lookup group.
#[derive(Debug, Default)]
pub(crate) struct Records {
    pub(crate) targets: Vec<TargetRecord>,
    pub(crate) modules: Vec<ModuleRecord>,
    pub(crate) resources: Vec<ResourceRecord>,
    pub(crate) index: Vec<u8>,
    pub(crate) names: Vec<u8>,
}

/// The source texts of modules and the bytes of resources.
#[derive(Debug)]
pub(crate) struct Payloads {
    pub(crate) sources: Placed,
    pub(crate) files: Placed,
}

/// Lays out records, names and indexes. Places source texts and files in the order of their records.
pub(crate) fn lay_out(writer: &Writer, order: &Order) -> Result<(Records, Payloads), Error> {
    let mut payloads = Payloads { sources: Placed::new(&writer.sources, 1), files: Placed::new(&writer.files, 1) };
    let mut records = Records::default();
    let mut names = Names::default();
    let mut bases = order.bases.iter();
    for ((target, modules), resources) in order.targets.iter().zip(&order.modules).zip(&order.resources) {
        let entry = &writer.targets[*target];
        let first_module = records.modules.len() as u32;
        let first_resource = records.resources.len() as u32;
        let modules: Vec<&ModuleEntry> = modules.iter().map(|module| &entry.modules[*module]).collect();
        let module_names: Vec<&[u8]> = modules.iter().map(|module| module.name.as_bytes()).collect();
        for (module, base) in modules.iter().zip(&mut bases) {
            let name = names.add_short(module.name.as_bytes())?;
            records.modules.push(module_record(writer, order, module, *base, name, &mut payloads.sources));
        }
        let resources: Vec<_> = resources.iter().map(|resource| &entry.resources[*resource]).collect();
        let resource_names: Vec<&[u8]> = resources.iter().map(|resource| resource.name.as_slice()).collect();
        for resource in &resources {
            let (name_offset, name_len) = names.add_short(&resource.name)?;
            records.resources.push(ResourceRecord {
                name_offset,
                name_len,
                root_len: resource.root_len.into(),
                flags: resource.flags.into(),
                data_offset: payloads.files.place(&writer.files, resource.data).into(),
                data_len: resource.len.into(),
            });
        }
        let module_ranges: Vec<_> = records.modules[first_module as usize..]
            .iter()
            .map(|record| (record.name_offset, record.name_len))
            .collect();
        let resource_ranges: Vec<_> = records.resources[first_resource as usize..]
            .iter()
            .map(|record| (record.name_offset, record.name_len))
            .collect();
        let target = &entry.target;
        let mut vm = [0; 16];
        vm[..target.vm.len()].copy_from_slice(target.vm.as_bytes());
        let cache_tag_offset = names.add(target.cache_tag.as_bytes())?;
        records.targets.push(TargetRecord {
            vm,
            bytecode_magic: target.bytecode_magic.into(),
            vm_version: target.vm_version.into(),
            optimization: target.optimization,
            unit_size: target.unit_size,
            line_encoding: target.line_encoding as u8,
            exception_encoding: target.exception_encoding as u8,
            cache_tag_offset,
            cache_tag_len: (target.cache_tag.len() as u32).into(),
            first_module: first_module.into(),
            module_count: (modules.len() as u32).into(),
            first_resource: first_resource.into(),
            resource_count: (resources.len() as u32).into(),
            module_index: write_index(&module_names, &module_ranges, &mut records.index)?,
            resource_index: write_index(&resource_names, &resource_ranges, &mut records.index)?,
            flags: U32::new(
                target
                    .stripped
                    .iter()
                    .fold(if target.sealed { target_flag::SEALED } else { 0 }, |flags, part| flags | part.flag()),
            ),
        });
    }
    records.names = names.bytes;
    Ok((records, payloads))
}

fn module_record(
    writer: &Writer,
    order: &Order,
    module: &ModuleEntry,
    base: ModuleBase,
    (name_offset, name_len): (U32, U16),
    sources: &mut Placed,
) -> ModuleRecord {
    let id = |handle: Option<Handle>| U32::new(handle.map_or(NONE, |handle| order.ids[handle as usize]));
    let path_of = |path: Option<PathEntry>| (id(path.map(|path| path.path)), id(path.and_then(|path| path.root)));
    let (filename, filename_root) = path_of(module.filename);
    let (source_path, source_root) = path_of(module.source.as_ref().map(|source| source.path));
    let mut record = ModuleRecord {
        name_offset,
        name_len,
        flags: module.flags.into(),
        first_code: base.first_code.into(),
        code_count: (module.codes.len() as u32).into(),
        object_base: base.object_base.into(),
        filename,
        filename_root,
        source_path,
        source_root,
        ..ModuleRecord::zeroed()
    };
    if let Some(source) = &module.source {
        record.source_size = source.size.into();
        record.source_digest = source.digest;
        record.source_mtime = I64::new(source.mtime.unwrap_or(0));
        if let Some(text) = source.text {
            record.source_offset = sources.place(&writer.sources, text).into();
        }
    }
    record
}

/// Writes the index over `names`. `ranges` has the offset and the length of each name in the names section.
fn write_index(names: &[&[u8]], ranges: &[(U32, U16)], section: &mut Vec<u8>) -> Result<IndexHeader, Error> {
    let mut index = perfect_hash::build(names)?;
    for slot in &mut index.slots {
        if let Some(range) = ranges.get(slot.record.get() as usize) {
            (slot.name_offset, slot.name_len) = *range;
        }
    }
    let offset_of_next = |section: &[u8]| {
        u32::try_from(section.len())
            .map_err(|_| Error::limit(None, "bytes of the index", section.len() as u64, MAX_U32_SECTION - 1))
    };
    let pilots_offset = offset_of_next(section)?;
    section.extend_from_slice(&index.pilots);
    section.resize(section.len().next_multiple_of(8), 0);
    let slots_offset = offset_of_next(section)?;
    section.extend_from_slice(bytemuck::cast_slice(&index.slots));
    Ok(IndexHeader {
        seed: index.seed.into(),
        pilots_offset: pilots_offset.into(),
        bucket_count: (index.pilots.len() as u32).into(),
        slots_offset: slots_offset.into(),
        slot_count: (index.slots.len() as u32).into(),
    })
}

/// The names section. Equal names share their bytes.
#[derive(Debug, Default)]
struct Names {
    bytes: Vec<u8>,
    offsets: HashMap<Vec<u8>, u32>,
}

impl Names {
    /// Adds the name of a module or resource, and returns its offset and length.
    fn add_short(&mut self, name: &[u8]) -> Result<(U32, U16), Error> {
        // `check` has limited the length to 65,535 bytes [N-2].
        Ok((self.add(name)?, (name.len() as u16).into()))
    }

    fn add(&mut self, name: &[u8]) -> Result<U32, Error> {
        let offset = match self.offsets.get(name) {
            Some(offset) => *offset,
            None => {
                let offset = u32::try_from(self.bytes.len())
                    .map_err(|_| Error::limit(None, "bytes of names", self.bytes.len() as u64, MAX_U32_SECTION - 1))?;
                self.bytes.extend_from_slice(name);
                self.offsets.insert(name.to_vec(), offset);
                offset
            }
        };
        Ok(offset.into())
    }
}
