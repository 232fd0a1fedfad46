//! One module: what everything checks, for what can be reached from it.

use super::{Verifier, codes::check_utf8};
use crate::{
    bytes::Bytes,
    error::{Error, Result},
    module::Module,
    object::{Constant, Item, Object},
    perma_bytes::PermaBytes,
};
use alloc::{
    collections::{BTreeMap, BTreeSet},
    vec::Vec,
};
use permacode_format::{CHUNK_LEN, ObjectKind, Rule, SectionKind, digest};

impl<'a> Verifier<'a> {
    /// One module: what everything checks, for what can be reached from it.
    pub(super) fn module(&self, module: &Module<'a>) -> Result<()> {
        self.checksums(|kind| !kind.is_chunked() && kind != SectionKind::Signatures)?;
        // First and last chunk of what is touched: it may overlap, and be as much as it is often.
        let mut chunks: Vec<(SectionKind, u64, u64)> = Vec::new();
        let mut budget = module.budget();
        // What containers hold is looked at below, item by item.
        self.codes_of(module, &mut budget, &BTreeMap::new())?;
        let mut touch = |kind: SectionKind, bytes: &PermaBytes<'a>| {
            let start = bytes.offset().saturating_sub(self.view.section(kind).offset());
            let last = start.saturating_add((bytes.len() as u64).saturating_sub(1));
            if !bytes.is_empty() {
                chunks.push((kind, start / CHUNK_LEN, last / CHUNK_LEN));
            }
        };
        let mut seen: BTreeSet<u32> = BTreeSet::new();
        let mut stack: Vec<Object<'a>> = Vec::new();
        for code in module.codes() {
            let code = code?;
            if let Some(text) = code.signature()? {
                check_utf8(Bytes::new(text.as_slice(), text.offset()))?;
            }
            touch(SectionKind::Bytecode, &code.bytecode()?);
            touch(SectionKind::Tables, &code.line_table()?);
            touch(SectionKind::Tables, &code.exception_table()?);
            for item in code.list()?.all().iter() {
                if let Item::Object(object) = item?
                    && seen.insert(object.id())
                {
                    stack.push(object);
                }
            }
        }
        while let Some(object) = stack.pop() {
            let (bytes, is_cold) = object.place()?;
            let kind = if is_cold { SectionKind::Docstrings } else { SectionKind::Constants };
            // Objects that overlap could be many and large at once.
            budget.take_object(&object)?;
            let constant = object.constant()?;
            touch(kind, &PermaBytes::new(object.own_bytes()?));
            object.verify_form(bytes.offset(), &constant, object.kind()?)?;
            if let Constant::Container(container) = constant {
                for item in container.iter() {
                    let Item::Object(member) = item? else { continue };
                    if member.kind()? == ObjectKind::Qualname {
                        let what = "the id of a qualified name in a container";
                        return Err(Error::value(Rule::O5, bytes.offset(), what, member.id()));
                    }
                    if seen.insert(member.id()) {
                        stack.push(member);
                    }
                }
            }
        }
        if let Some(text) = module.source()?.and_then(|source| source.text) {
            touch(SectionKind::Sources, &text);
            module.verify_digest(digest(&text))?;
        }
        chunks.sort_unstable();
        let mut next = None;
        for (kind, first, last) in chunks {
            let first = next.filter(|(of, _)| *of == kind).map_or(first, |(_, next)| first.max(next));
            (first..=last).try_for_each(|chunk| self.chunk(kind, chunk))?;
            next = Some((kind, last.saturating_add(1).max(first)));
        }
        Ok(())
    }
}
