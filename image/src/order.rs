//! The order of modules and of objects in the file.
//!
//! A page costs time when a process first touches it, so objects that are used together lie together. Modules are in the
//! order in which programs probably import them, in groups: the first 128, the next 384, and so on. What the modules of
//! a group need, and no earlier group, lies together: first what several modules use, the most used at the very
//! beginning, then module by module what one module uses alone.
//!
//! Where the interpreter lies at fixed addresses, only some kinds of objects are written to. Each kind then has a
//! region of its own, so that few pages become private. What every import of a module writes to is *early*: it lies
//! apart from what programs write to later, if ever, and the loader makes its pages writable beforehand. Elsewhere
//! every page with an object is written to, because every object has a pointer to its type, and one region needs fewer
//! pages.

use crate::{
    emit,
    error::{Error, Result},
    file::{PAGE_LEN, base_of},
    graph::{Graph, Node, Ref},
    objects,
};
use hashbrown::HashMap;
use permacode_reader::Module;
use std::cmp::Reverse;

/// The places of objects.
#[derive(Debug)]
pub(crate) struct Order {
    /// The objects in the order of their places.
    pub(crate) nodes: Vec<u32>,
    /// Offsets in the file.
    places: Vec<Option<usize>>,
    /// The address of the file.
    pub(crate) base: u64,
    /// The end of the last page.
    pub(crate) end: usize,
}

/// Objects that a running program writes to at different times.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Region {
    /// Strings that the loader may make the interpreter's own: it writes their state and hash.
    Names,
    /// Other names of bodies, which become keys when the bodies run. CPython writes their hash.
    Keys,
    /// Other interned strings, which may be keys.
    Strings,
    /// The bodies of modules and classes. CPython runs them at import, and writes to the instructions that it runs.
    Bodies,
    /// Other code.
    Code,
    /// Tuples with slots. The loader writes to them.
    Tuples,
    /// Everything else. Nothing writes to it.
    Rest,
}

impl Region {
    /// In the order of the file.
    const ALL: [Region; 7] =
        [Region::Names, Region::Keys, Region::Bodies, Region::Strings, Region::Code, Region::Tuples, Region::Rest];
}

impl Order {
    /// Gives a place to every object that a root reaches. `start` is the offset in the file of the first page.
    pub(crate) fn new(graph: &Graph<'_, '_>, roots: &[u32], start: usize) -> Result<Self> {
        let mut visited = visited(graph, roots);
        visited.sort_by_key(|used| (used.group, Reverse(if used.users > 1 { used.users } else { 0 })));
        let mut regions = vec![Region::Rest; graph.nodes.len()];
        let is_slot = |item: &Ref| matches!(item, Ref::Name(_) | Ref::Set(_));
        let mut set = |id: u32, region: Region| {
            if let Some(slot) = regions.get_mut(id as usize) {
                *slot = region;
            }
        };
        if graph.facts.fixed_anchor.is_some() {
            graph.interned().for_each(|id| set(id, Region::Strings));
            for (node, id) in graph.nodes.iter().zip(0u32..) {
                match node {
                    Node::Code(code) if code.is_body() => {
                        set(id, Region::Bodies);
                        graph.items(code.names()).for_each(|name| set(name, Region::Keys));
                    }
                    Node::Code(_) => set(id, Region::Code),
                    Node::Tuple(items) if items.iter().any(is_slot) => set(id, Region::Tuples),
                    _ => {}
                }
            }
        }
        graph.names.iter().for_each(|id| set(*id, Region::Names));
        let base = base_of(graph.facts.fingerprint.as_bytes());
        let mut order = Order { nodes: Vec::new(), places: vec![None; graph.nodes.len()], base, end: start };
        for current in Region::ALL {
            order.end = order.end.next_multiple_of(PAGE_LEN as usize);
            for used in &visited {
                if regions.get(used.node as usize) == Some(&current) {
                    order.append(graph, used.node)?;
                }
            }
        }
        order.end = order.end.next_multiple_of(PAGE_LEN as usize);
        // The addresses and page numbers must be exact.
        if order.end > u32::MAX as usize { Err(Error::Unsupported("4 GiB of objects")) } else { Ok(order) }
    }

    fn append(&mut self, graph: &Graph<'_, '_>, id: u32) -> Result<()> {
        let layout = &graph.facts.layout;
        let node = graph.nodes.get(id as usize).ok_or(Error::Unsupported("objects that do not exist"))?;
        let items = |count: usize| (layout.tuple_items as usize).saturating_add(count.saturating_mul(8));
        let (head, size) = match node {
            Node::Str(text) => (0, text.size(layout)),
            Node::Bytes(bytes) => (0, objects::bytes_size(bytes, layout)),
            Node::Int(bytes) => (0, objects::int_size(bytes, layout)),
            Node::Float(_) => (0, layout.float_size as usize),
            Node::Complex(..) => (0, layout.complex_size as usize),
            Node::Tuple(tuple) => (layout.gc_head as usize, items(tuple.len())),
            Node::Slice(_) => (layout.gc_head as usize, layout.slice_size as usize),
            Node::Code(code) => (0, code.size(layout)),
        };
        let place = self.end.saturating_add(head);
        self.end = place.saturating_add(size).saturating_add(7) & !7;
        if let Some(slot) = self.places.get_mut(id as usize) {
            *slot = Some(place);
        }
        self.nodes.push(id);
        Ok(())
    }

    /// The pages that each import writes to because it runs a body: the first and the last page of the body, and those
    /// of the hashes of its names. None if the code is not a body, or if all pages are written to anyway.
    pub(crate) fn early_pages(&self, graph: &Graph<'_, '_>, id: u32) -> Vec<(u32, u32)> {
        let layout = &graph.facts.layout;
        let Some(Node::Code(code)) = graph.nodes.get(id as usize) else { return Vec::new() };
        if graph.facts.fixed_anchor.is_none() || !code.is_body() {
            return Vec::new();
        }
        let pages = |id: u32, start: usize, end: usize| {
            let place = self.place(id)?;
            Some((emit::page(place.saturating_add(start)), emit::page(place.saturating_add(end))))
        };
        let hash = layout.str_hash as usize;
        let names = graph.items(code.names()).filter_map(|name| pages(name, hash, hash));
        names.chain(pages(id, 0, code.size(layout).saturating_sub(1))).collect()
    }

    /// The offset in the file of an object.
    pub(crate) fn place(&self, id: u32) -> Option<usize> {
        self.places.get(id as usize).copied().flatten()
    }

    /// The address of an offset in the file.
    pub(crate) fn address(&self, place: usize) -> u64 {
        self.base.saturating_add(place as u64)
    }

    /// The address of an object.
    pub(crate) fn address_of(&self, id: u32) -> Option<u64> {
        self.place(id).map(|place| self.address(place))
    }
}

/// An object that roots reach.
struct Used {
    node: u32,
    /// The group of the first root that reaches it.
    group: u32,
    /// The number of roots that reach it.
    users: u32,
}

/// The group of a root. Each group has three times as many roots as all groups before it.
#[allow(clippy::arithmetic_side_effects, reason = "the divisors are not zero")]
fn group(root: usize) -> u32 {
    const FIRST: usize = 128;
    (root / FIRST).checked_ilog2().map_or(0, |log| 1 + log / 2)
}

/// All objects that the roots reach, in the order of first use.
fn visited(graph: &Graph<'_, '_>, roots: &[u32]) -> Vec<Used> {
    let mut users = vec![0u32; graph.nodes.len()];
    let mut order = Vec::new();
    let mut seen = Seen::new(graph);
    for (index, root) in roots.iter().enumerate() {
        seen.restart();
        seen.visit(graph, *root, |node| {
            if let Some(users) = users.get_mut(node as usize) {
                if *users == 0 {
                    order.push(Used { node, group: group(index), users: 0 });
                }
                *users = users.saturating_add(1);
            }
        });
    }
    for used in &mut order {
        used.users = users.get(used.node as usize).copied().unwrap_or(0);
    }
    order
}

/// The objects that a walk has visited.
pub(crate) struct Seen {
    /// The number of the last walk that visited each object.
    walks: Vec<u32>,
    walk: u32,
    stack: Vec<u32>,
}

impl Seen {
    pub(crate) fn new(graph: &Graph<'_, '_>) -> Self {
        Seen { walks: vec![0; graph.nodes.len()], walk: 1, stack: Vec::new() }
    }

    /// Begins a new walk, in which each object is visited again.
    pub(crate) fn restart(&mut self) {
        self.walk = self.walk.wrapping_add(1);
    }

    /// Visits each object that `root` reaches and that this walk has not visited, in the order of first use.
    pub(crate) fn visit(&mut self, graph: &Graph<'_, '_>, root: u32, mut visit: impl FnMut(u32)) {
        self.stack.push(root);
        while let Some(id) = self.stack.pop() {
            let (Some(walk), Some(node)) = (self.walks.get_mut(id as usize), graph.nodes.get(id as usize)) else {
                continue;
            };
            if std::mem::replace(walk, self.walk) == self.walk {
                continue;
            }
            visit(id);
            let target = |reference: &Ref| match reference {
                Ref::Static(_) => None,
                Ref::Node(id) => Some(*id),
                Ref::Name(number) => graph.names.get(*number as usize).copied(),
                Ref::Set(number) => graph.sets.get(*number as usize).copied(),
            };
            let references: &[Ref] = match node {
                Node::Tuple(items) => items,
                Node::Slice(items) => items,
                Node::Code(code) => &code.pointers,
                _ => &[],
            };
            self.stack.extend(references.iter().rev().filter_map(target));
        }
    }
}

/// The order in which programs probably import modules: the modules that many others import come first, and after
/// each module the modules that it imports.
///
/// The archive does not say what a module imports. But the names of its body include every module that it imports, so
/// this takes each name of the body that is the name of a module.
pub(crate) fn import_order(modules: &[Module<'_>]) -> Result<Vec<usize>> {
    let mut by_name = HashMap::new();
    for (index, module) in modules.iter().enumerate() {
        by_name.insert(module.name()?, index);
    }
    let mut imports = Vec::new();
    let mut importers = vec![0u32; modules.len()];
    for module in modules {
        let mut found = Vec::new();
        let name = module.name()?;
        let package = if module.is_package() { Some(name) } else { name.rsplit_once('.').map(|(package, _)| package) };
        if let Some(body) = module.body()? {
            for text in body.names()?.strings() {
                let Some(text) = text?.to_str() else { continue };
                let relative = package.and_then(|package| by_name.get(format!("{package}.{text}").as_str()));
                found.extend(by_name.get(text).into_iter().chain(relative).copied());
            }
        }
        for index in &found {
            if let Some(count) = importers.get_mut(*index) {
                *count = count.saturating_add(1);
            }
        }
        imports.push(found);
    }
    let mut popular: Vec<usize> = (0..modules.len()).collect();
    popular.sort_by_key(|index| Reverse(importers.get(*index)));
    let (mut order, mut seen) = (Vec::new(), vec![false; modules.len()]);
    for root in popular {
        let mut stack = vec![root];
        while let Some(index) = stack.pop() {
            match seen.get_mut(index) {
                Some(seen) if !*seen => *seen = true,
                _ => continue,
            }
            order.push(index);
            stack.extend(imports.get(index).into_iter().flatten().rev());
        }
    }
    Ok(order)
}

#[cfg(test)]
mod tests {
    use super::group;

    #[test]
    fn groups_grow() {
        assert_eq!([0, 127, 128, 511, 512, 2047, 2048].map(group), [0, 0, 1, 1, 2, 2, 3]);
    }
}
