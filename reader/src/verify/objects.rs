//! All objects: each section that holds them is walked once, from its start to its end.

use super::Verifier;
use crate::{
    error::{Error, Result},
    object::{Constant, Container, Object, Owner},
};
use alloc::{collections::BTreeMap, vec, vec::Vec};
use permacode_format::{ItemRef, MAX_IDS, NONE, Rule, SectionKind, U32};

impl<'a> Verifier<'a> {
    /// All objects: each section is walked once from its start to its end [O-*].
    ///
    /// Returns the first code object that can be reached, for each container through which one can.
    pub(super) fn objects(&self) -> Result<BTreeMap<u32, u32>> {
        let entries = self.view.records::<U32>(SectionKind::Objects)?;
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
        let mut first_codes = BTreeMap::new();
        for id in 0..entries.len() as u32 {
            // Every bound is allowed here: who lists the container checks it against its own id.
            let object = Object::new(self.view, id, Owner::any());
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
            let constant = object.constant()?;
            object.verify_form(offset, &constant, object.kind()?)?;
            let (mut depth, mut bound) = (0u16, 0u32);
            if let Constant::Container(container) = constant {
                (depth, bound) = self.container(&container, &depths, &facts, offset)?;
                if let Some(first) = first_code(&container, &first_codes)? {
                    first_codes.insert(id, first);
                }
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
        Ok(first_codes)
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
}

/// The first code object that can be reached through a container whose members are known.
fn first_code(container: &Container<'_>, known: &BTreeMap<u32, u32>) -> Result<Option<u32>> {
    let mut first = None;
    if container.has_code() {
        for index in 0..container.len() {
            let code = match container.item_ref(index).transpose()? {
                Some(ItemRef::Object(id)) => known.get(&id).copied(),
                Some(ItemRef::Code(code)) => Some(code),
                None => None,
            };
            first = [first, code].into_iter().flatten().min();
        }
    }
    Ok(first)
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
