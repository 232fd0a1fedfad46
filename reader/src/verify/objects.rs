//! The checks of objects. Each of the two sections that hold objects is parsed once from start to end.

use super::Verifier;
use crate::{
    error::{Error, Result},
    leaf::Leaf,
    object::{Constant, Container, Object, Owner},
};
use alloc::{collections::BTreeMap, vec, vec::Vec};
use permacode_format::{
    CodeRecord, ItemRef, NONE, ObjectEntry, ObjectKind, Rule, SectionKind, is_shortest_int, string_kind,
};

/// The facts about an object that the checks of containers and code objects need.
#[derive(Debug, Clone, Copy)]
pub(super) struct Facts {
    depth: u16,
    /// One more than the highest id of a code object that the object reaches. Zero if it reaches none.
    bound: u32,
    /// The lowest id of a code object that the object reaches.
    pub(super) first_code: Option<u32>,
    is_qualname: bool,
}

impl<'a> Verifier<'a> {
    /// Checks all objects [O-*].
    ///
    /// Returns the lowest id of a code object that each container reaches, by the id of the container.
    pub(super) fn objects(&self) -> Result<BTreeMap<u32, u32>> {
        let starts = [SectionKind::Constants, SectionKind::Docstrings].map(|kind| self.starts(kind));
        let [mut hot, mut cold] = match starts {
            [Ok(hot), Ok(cold)] => [hot, cold],
            [Err(error), _] | [_, Err(error)] => return Err(error),
        };
        let mut known: Vec<Facts> = Vec::new();
        let mut first_codes = BTreeMap::new();
        for id in 0..self.view.count::<ObjectEntry>() {
            let object = Object::new(self.view, id, Owner::UNKNOWN);
            let is_cold = object.is_cold()?;
            let section = self.view.section(if is_cold { SectionKind::Docstrings } else { SectionKind::Constants });
            let starts = if is_cold { &mut cold } else { &mut hot };
            let offset = object.offset()?;
            if !starts.take(offset.saturating_sub(section.offset())) {
                let at = self.view.offset_of::<ObjectEntry>(id);
                return Err(Error::value(
                    Rule::O1,
                    at,
                    "the offset in an entry that does not point at the start of an unclaimed object",
                    offset,
                ));
            }
            let facts = self.facts(&object, |item| known.get(item as usize).copied())?;
            known.push(facts);
            if let Some(first) = facts.first_code {
                first_codes.insert(id, first);
            }
        }
        for (starts, kind) in [(hot, SectionKind::Constants), (cold, SectionKind::Docstrings)] {
            if let Some(offset) = starts.first() {
                let at = self.view.section(kind).offset().saturating_add(offset);
                return Err(Error::value(Rule::O1, at, "the offset of an object that has no entry", offset));
            }
        }
        Ok(first_codes)
    }

    /// Checks an object. `known` returns the facts about an item by its id.
    pub(super) fn facts(&self, object: &Object<'a>, known: impl Fn(u32) -> Option<Facts>) -> Result<Facts> {
        let (constant, bytes) = object.read()?;
        check_form(bytes.offset(), &constant, object.kind()?)?;
        match constant {
            Constant::Container(container) => self.container(&container, known, bytes.offset()),
            _ => {
                let is_qualname = matches!(constant, Constant::Leaf(Leaf::Qualname { .. }));
                Ok(Facts { depth: 0, bound: 0, first_code: None, is_qualname })
            }
        }
    }

    /// The offsets of all objects in a section, found by parsing one after the other.
    fn starts(&self, kind: SectionKind) -> Result<Bitmap> {
        let section = self.view.section(kind);
        let mut starts = Bitmap::new(section.len_u64());
        let mut rest = section;
        while !rest.is_empty() {
            starts.set(rest.offset().saturating_sub(section.offset()));
            rest = Object::new(self.view, NONE, Owner::UNKNOWN).parse(rest)?.1;
        }
        Ok(starts)
    }

    /// Compares the stated depth and bound of a container with those of its items [O-6, O-7].
    fn container(&self, container: &Container<'a>, known: impl Fn(u32) -> Option<Facts>, offset: u64) -> Result<Facts> {
        let codes = self.view.count::<CodeRecord>();
        let mut found = Facts { depth: 0, bound: 0, first_code: None, is_qualname: false };
        for index in 0..container.len() {
            let (depth, bound, first_code) = match container.item_ref(index).transpose()? {
                Some(ItemRef::Object(id)) => match known(id) {
                    Some(Facts { depth, bound, first_code, is_qualname: false }) => (depth, bound, first_code),
                    _ => return Err(Error::value(Rule::O5, offset, "the id of a qualified name in a container", id)),
                },
                Some(ItemRef::Code(code)) if code < codes => (0, code.saturating_add(1), Some(code)),
                Some(ItemRef::Code(code)) => {
                    return Err(Error::value(Rule::O7, offset, "the id of a code object that does not exist", code));
                }
                None => continue,
            };
            found.depth = found.depth.max(depth);
            found.bound = found.bound.max(bound);
            found.first_code = [found.first_code, first_code].into_iter().flatten().min();
        }
        found.depth = found.depth.saturating_add(1);
        if u32::from(found.depth) != container.depth() {
            return Err(Error::value(
                Rule::O6,
                offset,
                "the stated depth of a container whose items give another depth",
                container.depth(),
            ));
        }
        if found.bound != container.code_bound() {
            let what = "the bound of the code objects of a container";
            return Err(Error::value(Rule::O7, offset, what, container.code_bound()));
        }
        Ok(found)
    }
}

/// Checks that a value has the only form that the format allows for it [O-3, O-4].
fn check_form(offset: u64, constant: &Constant<'_>, kind: ObjectKind) -> Result<()> {
    match constant {
        Constant::Leaf(Leaf::Int(bytes)) if !is_shortest_int(bytes) => {
            let what = "the length of an integer that has a shorter form";
            Err(Error::value(Rule::O3, offset, what, bytes.len() as u64))
        }
        Constant::Leaf(Leaf::Str(text)) if string_kind(&text.bytes()) != Ok(kind) => {
            Err(Error::value(Rule::O4, offset, "the kind of a string that needs another kind", kind as u8))
        }
        _ => Ok(()),
    }
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

    /// Clears a bit and returns whether it was set.
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
