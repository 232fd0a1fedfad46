//! One module: what everything checks, for what can be reached from it.

use super::{Verifier, codes::check_utf8};
use crate::{
    bytes::Bytes,
    error::Result,
    module::Module,
    object::{Constant, Item, Object},
};
use alloc::{collections::BTreeSet, vec::Vec};
use permacode_format::{CHUNK_LEN, LIST_BUDGET, Rule, SectionKind, digest};

impl<'a> Verifier<'a> {
    /// One module: what everything checks, for what can be reached from it.
    pub(super) fn module(&self, module: &Module<'a>) -> Result<()> {
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
            if let Some(text) = code.signature()? {
                check_utf8(Bytes::new(text.as_slice(), text.offset()))?;
            }
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
            module.verify_digest(digest(&text))?;
        }
        chunks.into_iter().try_for_each(|(kind, chunk)| self.chunk(kind, chunk))
    }
}
