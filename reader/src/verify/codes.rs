//! All code objects, module by module, and the signatures.

use super::Verifier;
use crate::{
    archive::Archive,
    error::{Error, Result},
    module::Module,
};
use alloc::{vec, vec::Vec};
use permacode_format::{CodeDetail, CodeRecord, LIST_BUDGET, MAX_IDS, MAX_PARENTS, Rule, SectionKind, SignatureRecord};

impl<'a> Verifier<'a> {
    pub(super) fn codes<D: AsRef<[u8]>>(&self, archive: &'a Archive<D>) -> Result<()> {
        let codes = self.view.records::<CodeRecord>(SectionKind::Code).len();
        let details = self.view.records::<CodeDetail>(SectionKind::Details).len();
        if codes != details || codes as u64 >= u64::from(MAX_IDS) {
            return Err(Error::value(
                Rule::C1,
                self.view.offset_of(SectionKind::Details, 0),
                "the number of details",
                details as u64,
            ));
        }
        let mut budget = self.view.layout.file_len.saturating_mul(LIST_BUDGET);
        for target in archive.targets() {
            for module in target.modules() {
                self.codes_of(&module?, &mut budget)?;
            }
        }
        self.signatures(codes)
    }

    pub(super) fn codes_of(&self, module: &Module<'a>, budget: &mut u64) -> Result<()> {
        module.verify_source()?;
        // Parents have higher ids, so that from the last one on the number above each is known.
        let mut parents = vec![0u16; module.code_count() as usize];
        for (number, code) in module.codes().enumerate().collect::<Vec<_>>().into_iter().rev() {
            let code = code?;
            let len = code.list_len()?;
            *budget = budget
                .checked_sub(len)
                .ok_or_else(|| Error::value(Rule::C9, code.offset(), "the number of items of a list", len))?;
            code.verify_record()?;
            code.verify_list()?;
            if let Some(parent) = code.parent()? {
                let above = parents
                    .get(parent.id().saturating_sub(module.first_code()) as usize)
                    .copied()
                    .unwrap_or(u16::MAX)
                    .saturating_add(1);
                if u32::from(above) > MAX_PARENTS {
                    return Err(Error::value(Rule::C6, code.offset(), "the number of parents", above));
                }
                if let Some(slot) = parents.get_mut(number) {
                    *slot = above;
                }
            }
        }
        Ok(())
    }

    fn signatures(&self, codes: usize) -> Result<()> {
        let mut before = None;
        for (index, record) in self.view.records::<SignatureRecord>(SectionKind::Signatures).iter().enumerate() {
            let code = record.code.get();
            let at = self.view.offset_of(SectionKind::Signatures, index as u64);
            if before.is_some_and(|before| before >= code) || code as usize >= codes {
                return Err(Error::value(Rule::G1, at, "the code object of a signature", code));
            }
            before = Some(code);
            let section = self.view.section(SectionKind::SignatureText);
            let text = section.get(record.offset.get().into(), record.len.get().into(), Rule::G2)?;
            if let Err(error) = core::str::from_utf8(text.data()) {
                return Err(Error::value(
                    Rule::G2,
                    text.offset(),
                    "the length of the part that is UTF-8",
                    error.valid_up_to() as u64,
                ));
            }
        }
        Ok(())
    }
}
