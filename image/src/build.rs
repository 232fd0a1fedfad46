//! From an archive and facts to the bytes of an image.

use crate::{
    emit::{self, emit},
    error::{Error, Result},
    facts::Facts,
    file::{
        FORMAT, HEADER_LEN, HUGE_LEN, HUGE_PAGE, Header, MAGIC, ModuleEntry, PAGE_LEN, Range, SetEntry, header_crc,
    },
    graph::Graph,
    order::{Order, Seen, import_order},
    slots::SLOTS_LEN,
};
use bytemuck::Zeroable;
use permacode_reader::{Archive, Constant, Leaf, Module, Target};
use std::collections::BTreeSet;

/// An image.
#[derive(Debug)]
pub struct Image {
    /// The file.
    pub bytes: Vec<u8>,
    /// Number of modules in it.
    pub module_count: usize,
    /// The modules that are not in it, and why.
    pub left_out: Vec<(String, String)>,
}

/// A module of an image.
struct Root<'a> {
    module: Module<'a>,
    code: u32,
}

/// What the caller knows about modules.
pub trait Modules<'a> {
    /// The file name of a module, in generalised UTF-8. Must refuse modules that would lead CPython out of its memory.
    ///
    /// # Errors
    /// The reason why the module stays out of the image.
    fn admit(&mut self, module: &Module<'a>) -> std::result::Result<Vec<u8>, String>;

    /// The marshal form of the body of a module, with an empty file name.
    ///
    /// # Errors
    /// The reason why the module has no marshal form.
    fn marshal(&mut self, module: &Module<'a>) -> std::result::Result<Vec<u8>, String>;
}

/// Builds the image of a target.
///
/// # Errors
/// If the archive breaks a rule that concerns more than one module, or if no module is left.
pub fn build<'a, D: AsRef<[u8]>>(
    archive: &'a Archive<D>,
    target: &Target<'a>,
    facts: &Facts,
    modules: &mut dyn Modules<'a>,
) -> Result<Image> {
    let mut of_target = Vec::new();
    for module in target.modules() {
        let module = module?;
        if !module.is_namespace() {
            of_target.push(module);
        }
    }
    let mut graph = Graph::new(archive, facts);
    let (mut roots, mut left_out) = (Vec::new(), Vec::new());
    for index in import_order(&of_target)? {
        let Some(module) = of_target.get(index) else { continue };
        let added =
            modules.admit(module).and_then(|filename| graph.add(module, filename).map_err(|error| error.to_string()));
        match added {
            Ok(code) => roots.push(Root { module: *module, code }),
            Err(reason) => left_out.push((module.name()?.to_owned(), reason)),
        }
    }
    left_out.sort();
    if roots.is_empty() {
        return Err(Error::Unsupported("an archive without a module that fits"));
    }
    let bytes = Plan::new(&graph, &roots)?.file(&graph, &roots, modules)?;
    Ok(Image { bytes, module_count: roots.len(), left_out })
}

/// The texts of all interned strings of an archive. [`Facts::names`] says for which of them an image uses objects of
/// the interpreter.
///
/// # Errors
/// The rule that an object breaks.
pub fn interned_texts<D: AsRef<[u8]>>(archive: &Archive<D>) -> Result<BTreeSet<Vec<u8>>> {
    let mut texts = BTreeSet::new();
    for object in (0..archive.object_count()).filter_map(|id| archive.object(id)) {
        if let Constant::Leaf(Leaf::Str(text)) = object.constant()?
            && text.is_interned()
        {
            texts.insert(text.bytes().as_slice().to_vec());
        }
    }
    Ok(texts)
}

/// The tables of a file.
#[derive(Default)]
struct Tables {
    modules: Vec<ModuleEntry>,
    ranges: Vec<Range>,
    sets: Vec<SetEntry>,
    /// The module with the fewest objects, as an index in the list of roots.
    probe: usize,
}

impl Tables {
    /// Appends ranges. Returns the index of the first and their number.
    fn add_ranges(&mut self, pages: &[(u32, u32)]) -> Result<(u32, u32)> {
        let number = |len: usize| u32::try_from(len).map_err(|_| Error::Unsupported("2^32 ranges of pages"));
        let first = number(self.ranges.len())?;
        self.ranges.extend(pages.iter().map(|&(page, count)| Range { page, count }));
        Ok((first, number(pages.len())?))
    }
}

/// The order of the objects, and the length of the first part of the file.
struct Plan {
    order: Order,
    first_page: u32,
}

impl Plan {
    fn new(graph: &Graph<'_, '_>, roots: &[Root<'_>]) -> Result<Self> {
        let head = HEADER_LEN.saturating_add(graph.facts.fingerprint.len());
        let start = head.next_multiple_of(PAGE_LEN as usize);
        let codes: Vec<u32> = roots.iter().map(|root| root.code).collect();
        let order = Order::new(graph, &codes, start)?;
        let first_page =
            u32::try_from(start as u64 / PAGE_LEN).map_err(|_| Error::Unsupported("a long fingerprint"))?;
        Ok(Plan { order, first_page })
    }

    fn tables(&self, graph: &Graph<'_, '_>, roots: &[Root<'_>], pages: &[Option<(u32, u32)>]) -> Result<Tables> {
        let mut tables = Tables::default();
        let mut seen = Seen::new(graph);
        let mut reach = |root: u32| {
            let (mut found, mut count) = (Vec::new(), 0u32);
            seen.restart();
            seen.visit(graph, root, |node| {
                found.extend(pages.get(node as usize).copied().flatten());
                found.extend(self.order.early_pages(graph, node));
                count = count.saturating_add(1);
            });
            (emit::ranges(found), count)
        };
        let mut fewest = None;
        let mut sorted: Vec<(usize, &Root<'_>)> = roots.iter().enumerate().collect();
        sorted.sort_by_key(|(_, root)| root.module.offset());
        for (index, root) in sorted {
            let (pages, count) = reach(root.code);
            let (first_range, range_count) = tables.add_ranges(&pages)?;
            let code = self.order.address_of(root.code).ok_or(Error::Unsupported("modules without a place"))?;
            let key = root.module.offset();
            tables.modules.push(ModuleEntry { key, code, first_range, range_count });
            // A module without functions would test little.
            if root.module.code_count() > 2 && fewest.is_none_or(|fewest| count < fewest) {
                fewest = Some(count);
                tables.probe = index;
            }
        }
        for set in &graph.sets {
            // A set of a module that was left out has no place.
            let items = self.order.address_of(*set).unwrap_or_default();
            let pages = if items == 0 { Vec::new() } else { reach(*set).0 };
            let (first_range, range_count) = tables.add_ranges(&pages)?;
            tables.sets.push(SetEntry { items, first_range, range_count });
        }
        Ok(tables)
    }

    fn file<'a>(&self, graph: &Graph<'_, '_>, roots: &[Root<'a>], modules: &mut dyn Modules<'a>) -> Result<Vec<u8>> {
        let emitted = emit(graph, &self.order)?;
        let tables = self.tables(graph, roots, &emitted.pages)?;
        let names: Vec<u64> = graph.names.iter().map(|name| self.order.address_of(*name).unwrap_or_default()).collect();
        let first_word = (self.first_page as usize).saturating_mul(PAGE_LEN as usize / 512);
        let slots = emitted.slots.get(first_word..).unwrap_or_default();
        let count = |len: usize| u32::try_from(len).map_err(|_| Error::Unsupported("2^32 entries of a table"));
        let fingerprint = graph.facts.fingerprint.as_bytes();
        let probe = roots.get(tables.probe).ok_or(Error::Unsupported("an archive without modules"))?;
        let probe_code = self.order.address_of(probe.code).ok_or(Error::Unsupported("modules without a place"))?;
        let marshalled = modules.marshal(&probe.module).map_err(Error::Probe)?;
        // At fixed addresses, most pages stay shared.
        let has_huge_page =
            graph.facts.fixed_anchor.is_none() && self.order.end as u64 >= HUGE_PAGE * PAGE_LEN + HUGE_LEN;
        let huge_page = if has_huge_page { HUGE_PAGE as u32 } else { 0 };
        let mut header = Header {
            magic: MAGIC,
            format: FORMAT,
            base: self.order.base,
            fingerprint_len: count(fingerprint.len())?,
            first_page: self.first_page,
            page_count: count(slots.chunks(SLOTS_LEN / 8).count())?,
            module_count: count(tables.modules.len())?,
            range_count: count(tables.ranges.len())?,
            name_count: count(names.len())?,
            set_count: count(tables.sets.len())?,
            probe_len: count(marshalled.len())?,
            probe_code,
            probe_crc: permacode_format::crc32(&marshalled),
            huge_page,
            ..Header::zeroed()
        };
        let mut bytes = emitted.bytes;
        let mut append = |table: &[u8]| {
            let offset = bytes.len() as u64;
            bytes.extend_from_slice(table);
            offset
        };
        // Each entry has a multiple of eight bytes, so each table is aligned.
        header.modules = append(bytemuck::cast_slice(&tables.modules));
        header.ranges = append(bytemuck::cast_slice(&tables.ranges));
        header.names = append(bytemuck::cast_slice(&names));
        header.sets = append(bytemuck::cast_slice(&tables.sets));
        header.slots = append(bytemuck::cast_slice(slots));
        header.probe = append(&marshalled);
        header.file_len = bytes.len() as u64;
        header.header_crc = header_crc(&header, fingerprint);
        let (head, rest) = bytes.split_at_mut_checked(HEADER_LEN).ok_or(Error::Unsupported("an empty image"))?;
        head.copy_from_slice(bytemuck::bytes_of(&header));
        match rest.get_mut(..fingerprint.len()) {
            Some(place) => place.copy_from_slice(fingerprint),
            None => return Err(Error::Unsupported("a long fingerprint")),
        }
        Ok(bytes)
    }
}
