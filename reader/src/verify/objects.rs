//! All objects: each section that holds them is walked once, from its start to its end.

use super::Verifier;
use crate::{
    error::{Error, Result},
    object::{Constant, Container, Object, Owner},
};
use alloc::{collections::BTreeMap, vec, vec::Vec};
use permacode_format::{CodeRecord, ItemRef, NONE, Rule, SectionKind, U32};

/// What must be known of an object by the containers that hold it, and by the code objects that list it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Facts {
    depth: u16,
    /// One more than the highest code object that can be reached; zero: none can.
    bound: u32,
    /// The lowest code object that can be reached.
    pub(super) first_code: Option<u32>,
    is_qualname: bool,
}

impl<'a> Verifier<'a> {
    /// All objects: each section is walked once from its start to its end [O-*].
    ///
    /// Returns the first code object that can be reached, for each container through which one can.
    pub(super) fn objects(&self) -> Result<BTreeMap<u32, u32>> {
        let count = self.view.count::<U32>(SectionKind::Objects);
        let starts = [SectionKind::Constants, SectionKind::Docstrings].map(|kind| self.starts(kind));
        let [mut hot, mut cold] = match starts {
            [Ok(hot), Ok(cold)] => [hot, cold],
            [Err(error), _] | [_, Err(error)] => return Err(error),
        };
        let mut known: Vec<Facts> = Vec::new();
        let mut first_codes = BTreeMap::new();
        for id in 0..u32::try_from(count).unwrap_or(u32::MAX) {
            let object = Object::new(self.view, id, Owner::None);
            let is_cold = object.is_cold()?;
            let section = self.view.section(if is_cold { SectionKind::Docstrings } else { SectionKind::Constants });
            let starts = if is_cold { &mut cold } else { &mut hot };
            let offset = object.offset()?;
            if !starts.take(offset.saturating_sub(section.offset())) {
                let at = self.view.offset_of(SectionKind::Objects, id.into());
                return Err(Error::value(
                    Rule::O1,
                    at,
                    "an entry that does not point at the start of an unclaimed object, but at",
                    offset,
                ));
            }
            let facts = self.facts(&object, |member| known.get(member as usize).copied())?;
            known.push(facts);
            if let Some(first) = facts.first_code {
                first_codes.insert(id, first);
            }
        }
        for (starts, kind) in [(hot, SectionKind::Constants), (cold, SectionKind::Docstrings)] {
            if let Some(offset) = starts.first() {
                let at = self.view.section(kind).offset().saturating_add(offset);
                return Err(Error::value(Rule::O1, at, "the offset of an object without an entry", offset));
            }
        }
        Ok(first_codes)
    }

    /// Checks an object of whose members everything is known.
    pub(super) fn facts(&self, object: &Object<'a>, known: impl Fn(u32) -> Option<Facts>) -> Result<Facts> {
        let (constant, bytes) = object.read()?;
        object.verify_form(bytes.offset(), &constant, object.kind()?)?;
        match constant {
            Constant::Container(container) => self.container(&container, known, bytes.offset()),
            _ => {
                let is_qualname = matches!(constant, Constant::Qualname { .. });
                Ok(Facts { depth: 0, bound: 0, first_code: None, is_qualname })
            }
        }
    }

    /// Where objects begin in a section that is nothing but objects.
    fn starts(&self, kind: SectionKind) -> Result<Bitmap> {
        let section = self.view.section(kind);
        let mut starts = Bitmap::new(section.len());
        let mut rest = section;
        while rest.len() > 0 {
            starts.set(rest.offset().saturating_sub(section.offset()));
            rest = Object::new(self.view, NONE, Owner::None).parse(rest)?.1;
        }
        Ok(starts)
    }

    /// Checks what a container says of itself against what it holds.
    fn container(&self, container: &Container<'a>, known: impl Fn(u32) -> Option<Facts>, offset: u64) -> Result<Facts> {
        let codes = self.view.count::<CodeRecord>(SectionKind::Code);
        let mut found = Facts { depth: 0, bound: 0, first_code: None, is_qualname: false };
        for index in 0..container.len() {
            let (depth, bound, first_code) = match container.item_ref(index).transpose()? {
                Some(ItemRef::Object(id)) => match known(id) {
                    Some(Facts { depth, bound, first_code, is_qualname: false }) => (depth, bound, first_code),
                    _ => return Err(Error::value(Rule::O5, offset, "the id of a qualified name in a container", id)),
                },
                Some(ItemRef::Code(code)) if u64::from(code) < codes => (0, code.saturating_add(1), Some(code)),
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
            return Err(Error::value(Rule::O6, offset, "the depth of a container", container.depth()));
        }
        if found.bound != container.code_bound() {
            let what = "the bound of the code objects of a container";
            return Err(Error::value(Rule::O7, offset, what, container.code_bound()));
        }
        Ok(found)
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
