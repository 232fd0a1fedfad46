//! Writes objects into the file, and notes which words are slots.

use crate::{
    error::{Error, Result},
    facts::Facts,
    file::{PAGE_LEN, SHORTEST_CODE, version_of},
    graph::{Graph, Node, Ref},
    objects,
    order::Order,
    slots::Slot,
};
use std::collections::BTreeSet;

/// The pages of an image, and facts about them.
#[derive(Debug)]
pub(crate) struct Emitted {
    /// The file up to the end of its pages.
    pub(crate) bytes: Vec<u8>,
    /// One bit for each word of the file.
    pub(crate) slots: Vec<u64>,
    /// The first and the last page with a slot of each node.
    pub(crate) pages: Vec<Option<(u32, u32)>>,
}

/// Writes all objects that have a place.
pub(crate) fn emit(graph: &Graph<'_, '_>, order: &Order) -> Result<Emitted> {
    let facts = graph.facts;
    if facts.layout.code_units < SHORTEST_CODE {
        return Err(Error::Unsupported("code objects of less than 128 bytes"));
    }
    let len = order.end;
    let mut writer = Writer {
        facts,
        order,
        bytes: vec![0; len],
        slots: vec![0; len.div_ceil(512)],
        slots_of_object: None,
        overrun: false,
    };
    let mut pages = vec![None; graph.nodes.len()];
    for &id in &order.nodes {
        let (Some(node), Some(at)) = (graph.nodes.get(id as usize), order.place(id)) else {
            return Err(Error::Unsupported("objects without a place"));
        };
        writer.slots_of_object = None;
        writer.node(node, at)?;
        if let (Some((first, last)), Some(pages)) = (writer.slots_of_object, pages.get_mut(id as usize)) {
            *pages = Some((page(first), page(last)));
        }
    }
    match writer.overrun {
        true => Err(Error::Unsupported("objects that do not fit into their place")),
        false => Ok(Emitted { bytes: writer.bytes, slots: writer.slots, pages }),
    }
}

/// Writes the fields of objects. `at` is the offset in the file of an object, and `offset` that of a field in it.
pub(crate) struct Writer<'w> {
    facts: &'w Facts,
    order: &'w Order,
    bytes: Vec<u8>,
    slots: Vec<u64>,
    /// Offsets in the file of the first and the last slot of the current object.
    slots_of_object: Option<(usize, usize)>,
    /// Whether something would have been written beyond the end.
    overrun: bool,
}

impl Writer<'_> {
    fn node(&mut self, node: &Node<'_>, at: usize) -> Result<()> {
        let facts = self.facts;
        let layout = &facts.layout;
        match node {
            Node::Str(text) => text.write(self, at, facts)?,
            Node::Bytes(bytes) => objects::write_bytes(self, at, bytes, facts),
            Node::Int(bytes) => objects::write_int(self, at, bytes, facts),
            Node::Float(bits) => {
                self.head(at, facts.types.float);
                self.word(at, layout.float_value, *bits);
            }
            Node::Complex(real, imaginary) => {
                self.head(at, facts.types.complex);
                self.word(at, layout.complex_value, *real);
                self.word(at, layout.complex_value.saturating_add(8), *imaginary);
            }
            Node::Tuple(items) => {
                self.head(at, facts.types.tuple);
                self.word(at, layout.object_size, items.len() as u64);
                if layout.tuple_hash != 0 {
                    self.word(at, layout.tuple_hash, u64::MAX);
                }
                let mut place = at.saturating_add(layout.tuple_items as usize);
                for item in items {
                    self.reference(place, *item)?;
                    place = place.saturating_add(8);
                }
            }
            Node::Slice(items) => {
                self.head(at, facts.types.slice);
                for (offset, item) in layout.slice_items.iter().zip(items) {
                    self.reference(at.saturating_add(*offset as usize), *item)?;
                }
            }
            Node::Code(code) => {
                let version = version_of(self.order.address(at));
                code.write(self, at, version.ok_or(Error::Unsupported("addresses without a version"))?, facts)?;
            }
        }
        Ok(())
    }

    /// Writes the reference count and the type. `kind` is the address of the type, relative to the anchor.
    pub(crate) fn head(&mut self, at: usize, kind: i64) {
        self.word(at, 0, self.facts.layout.head);
        self.static_object(at.saturating_add(self.facts.layout.object_type as usize), kind);
    }

    /// Writes a field of 64 bits.
    pub(crate) fn word(&mut self, at: usize, offset: u32, word: u64) {
        self.bytes(at.saturating_add(offset as usize), &word.to_ne_bytes());
    }

    /// Writes a field of 32 bits.
    pub(crate) fn number(&mut self, at: usize, offset: u32, number: u32) {
        self.bytes(at.saturating_add(offset as usize), &number.to_ne_bytes());
    }

    /// Writes bytes at an offset of the file.
    pub(crate) fn bytes(&mut self, place: usize, bytes: &[u8]) {
        match self.bytes.get_mut(place..).and_then(|rest| rest.get_mut(..bytes.len())) {
            Some(target) => target.copy_from_slice(bytes),
            None => self.overrun = true,
        }
    }

    /// Writes a reference at an offset of the file.
    pub(crate) fn reference(&mut self, place: usize, reference: Ref) -> Result<()> {
        match reference {
            Ref::Static(offset) => self.static_object(place, offset),
            Ref::Node(id) => {
                let target = self.order.place(id).ok_or(Error::Unsupported("references to objects without a place"))?;
                self.word(place, 0, self.order.address(target));
            }
            Ref::Name(number) => self.slot(place, Slot::Name(number.into())),
            Ref::Set(number) => self.slot(place, Slot::Set(number.into())),
        }
        Ok(())
    }

    fn static_object(&mut self, place: usize, offset: i64) {
        match self.facts.fixed_anchor {
            Some(anchor) => self.word(place, 0, anchor.wrapping_add_signed(offset)),
            None => self.slot(place, Slot::Static(offset)),
        }
    }

    fn slot(&mut self, place: usize, slot: Slot) {
        self.word(place, 0, slot.encode());
        let word = place / 8;
        match self.slots.get_mut(word / 64) {
            Some(bits) if place.is_multiple_of(8) => *bits |= 1u64.wrapping_shl((word % 64) as u32),
            _ => self.overrun = true,
        }
        let (first, last) = self.slots_of_object.unwrap_or((place, place));
        self.slots_of_object = Some((first.min(place), last.max(place)));
    }
}

/// The number of the page at an offset of the file.
pub(crate) fn page(place: usize) -> u32 {
    u32::try_from(place as u64 / PAGE_LEN).unwrap_or(u32::MAX)
}

/// The pages with slots of several nodes, as ranges of consecutive pages: the first page and the number of pages.
pub(crate) fn ranges(pages: impl IntoIterator<Item = (u32, u32)>) -> Vec<(u32, u32)> {
    let all: BTreeSet<u32> = pages.into_iter().flat_map(|(first, last)| first..=last).collect();
    let mut ranges: Vec<(u32, u32)> = Vec::new();
    for page in all {
        match ranges.last_mut() {
            Some((first, count)) if first.saturating_add(*count) == page => *count = count.saturating_add(1),
            _ => ranges.push((page, 1)),
        }
    }
    ranges
}
