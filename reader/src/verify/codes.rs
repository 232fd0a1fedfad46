//! All code objects, module by module, and the signatures.

use super::{Verifier, ranges::Ranges};
use crate::{
    archive::Archive,
    budget::Budget,
    code::{Code, check_signature},
    error::{Error, Result},
    module::Module,
    qualname::{Step, step, too_long},
};
use alloc::{collections::BTreeMap, vec, vec::Vec};
use permacode_format::{CodeRecord, MAX_PARENTS, MAX_QUALNAME_LEN, Rule, SectionKind, SignatureRecord, digest};

impl<'a> Verifier<'a> {
    pub(super) fn codes<D: AsRef<[u8]>>(
        &self,
        archive: &'a Archive<D>,
        first_codes: &BTreeMap<u32, u32>,
    ) -> Result<()> {
        let mut budget = Budget::of(self.view);
        for target in archive.targets() {
            for module in target.modules() {
                self.codes_of(&module?, &mut budget, first_codes)?;
            }
        }
        self.sources(archive)?;
        self.signature_order()?;
        self.signature_texts()
    }

    /// The digest of each distinct text of a source [M-7].
    fn sources<D: AsRef<[u8]>>(&self, archive: &'a Archive<D>) -> Result<()> {
        let mut ranges = Ranges::default();
        let mut sourced = Vec::new();
        for target in archive.targets() {
            for module in target.modules() {
                let module = module?;
                if let Some(text) = module.source_text()? {
                    ranges.add(text.offset(), text.len() as u64, module.offset());
                    sourced.push((text, module));
                }
            }
        }
        let mut digests = BTreeMap::new();
        for (start, len, _) in ranges.distinct(Rule::M6)? {
            digests.insert(start, digest(self.view.file().get(start, len, Rule::M6)?.data()));
        }
        for (text, module) in sourced {
            let known = if text.is_empty() { None } else { digests.get(&text.offset()).copied() };
            module.verify_digest(known.unwrap_or_else(|| digest(&[])))?;
        }
        Ok(())
    }

    pub(super) fn codes_of(
        &self,
        module: &Module<'a>,
        budget: &mut Budget,
        first_codes: &BTreeMap<u32, u32>,
    ) -> Result<()> {
        // Parents have higher ids, so that from the last one on the number above each and the length of its name are known.
        let mut known = vec![(0u16, 0u64); module.code_count() as usize];
        for (number, code) in module.codes().enumerate().rev() {
            let code = code?;
            budget.take_list(&code.list()?)?;
            code.verify_record()?;
            code.verify_list(first_codes)?;
            let place = |code: &Code<'_>| code.id().saturating_sub(module.first_code()) as usize;
            let of_parent = |parent: &Code<'_>| known.get(place(parent)).copied().unwrap_or((u16::MAX, 0));
            let above = code.parent()?.map_or(0, |parent| of_parent(&parent).0.saturating_add(1));
            if u32::from(above) > MAX_PARENTS {
                return Err(Error::value(Rule::C6, code.offset(), "the number of parents", above));
            }
            let Step { last, before } = step(code)?;
            let mut len = last.bytes().len() as u64;
            if let Some((parent, separator)) = before {
                len = len.saturating_add(separator.len() as u64).saturating_add(of_parent(&parent).1);
                if len > u64::from(MAX_QUALNAME_LEN) {
                    return Err(too_long(code, len));
                }
            }
            if let Some(slot) = known.get_mut(number) {
                *slot = (above, len);
            }
        }
        Ok(())
    }

    /// Which signature is that of a code object follows from the order [G-1].
    pub(super) fn signature_order(&self) -> Result<()> {
        let codes = self.view.count::<CodeRecord>(SectionKind::Code);
        let mut before = None;
        for (index, record) in self.view.records::<SignatureRecord>(SectionKind::Signatures)?.iter().enumerate() {
            let code = record.code.get();
            if before.is_some_and(|before| before >= code) || u64::from(code) >= codes {
                let at = self.view.offset_of(SectionKind::Signatures, index as u64);
                return Err(Error::value(Rule::G1, at, "the code object of a signature", code));
            }
            before = Some(code);
        }
        Ok(())
    }

    /// Each distinct text of a signature [G-2].
    fn signature_texts(&self) -> Result<()> {
        let mut ranges = Ranges::default();
        for (index, record) in self.view.records::<SignatureRecord>(SectionKind::Signatures)?.iter().enumerate() {
            let at = self.view.offset_of(SectionKind::Signatures, index as u64);
            ranges.add(record.offset.get(), record.len.get(), at);
        }
        for (start, len, _) in ranges.distinct(Rule::G2)? {
            check_signature(self.view.section(SectionKind::SignatureText).get(start, len, Rule::G2)?)?;
        }
        Ok(())
    }
}
