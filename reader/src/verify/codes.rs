//! The checks of code objects, module by module, of source texts and of signatures.

use super::{Verifier, ranges::Ranges};
use crate::{
    archive::Archive,
    budget::Budget,
    code::Code,
    error::{Error, Result},
    leaf::Leaf,
    module::Module,
    object::{Constant, Item},
    qualname::{Step, no_parent, step, too_long},
};
use alloc::{collections::BTreeMap, vec, vec::Vec};
use core::mem::offset_of;
use permacode_format::{
    CodeRecord, MAX_PARENTS, MAX_QUALNAME_LEN, ModuleRecord, QualnameForm, Rule, SectionKind, SignatureRecord,
    code_form, digest,
};

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

    /// Checks the digest of each source text [M-7]. A text that several modules share is hashed once.
    fn sources<D: AsRef<[u8]>>(&self, archive: &'a Archive<D>) -> Result<()> {
        let mut ranges = Ranges::default();
        let mut sourced = Vec::new();
        for target in archive.targets() {
            for module in target.modules() {
                let module = module?;
                if let Some(text) = module.source_text()? {
                    ranges.add(text.offset(), text.len_u64(), module.offset());
                    sourced.push((text, module));
                }
            }
        }
        let mut digests = BTreeMap::new();
        for (start, len, _) in ranges.distinct(Rule::M6)? {
            digests.insert(start, digest(&self.view.file().part(start, len, Rule::M6)?));
        }
        for (text, module) in sourced {
            let known = if text.is_empty() { None } else { digests.get(&text.offset()).copied() };
            check_digest(&module, known.unwrap_or_else(|| digest(&[])))?;
        }
        Ok(())
    }

    pub(super) fn codes_of(
        &self,
        module: &Module<'a>,
        budget: &mut Budget,
        first_codes: &BTreeMap<u32, u32>,
    ) -> Result<()> {
        // The number of parents of each code object, and the length of its qualified name. The loop starts at the
        // highest id. A parent has a higher id than its children, so its entry exists before theirs.
        let mut known = vec![(0u16, 0u64); module.code_count() as usize];
        for (number, code) in module.codes().enumerate().rev() {
            let code = code?;
            budget.take_list(&code.list()?)?;
            check_record(&code)?;
            check_list(&code, first_codes)?;
            let index = |code: &Code<'_>| code.id().saturating_sub(module.first_code()) as usize;
            let of_parent = |parent: &Code<'_>| known.get(index(parent)).copied().unwrap_or((u16::MAX, 0));
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

    /// Checks that signature records are in the order of existing code ids [G-1].
    pub(super) fn signature_order(&self) -> Result<()> {
        let codes = self.view.count::<CodeRecord>();
        let mut before = None;
        for (index, record) in (0..).zip(self.view.records::<SignatureRecord>()?) {
            let code = record.code.get();
            if before.is_some_and(|before| before >= code) || code >= codes {
                let at = self.view.offset_of::<SignatureRecord>(index);
                return Err(Error::value(Rule::G1, at, "the id of the code object of a signature", code));
            }
            before = Some(code);
        }
        Ok(())
    }

    /// Checks each distinct text of a signature [G-2].
    fn signature_texts(&self) -> Result<()> {
        let mut ranges = Ranges::default();
        for (index, record) in (0..).zip(self.view.records::<SignatureRecord>()?) {
            ranges.add(record.offset.get(), record.len.get(), self.view.offset_of::<SignatureRecord>(index));
        }
        for (start, len, _) in ranges.distinct(Rule::G2)? {
            self.view.section(SectionKind::SignatureText).part(start, len, Rule::G2)?.utf8(Rule::G2)?;
        }
        Ok(())
    }
}

/// Checks that the stated digest of the source of a module is `computed` [M-7].
pub(super) fn check_digest(module: &Module<'_>, computed: [u8; 16]) -> Result<()> {
    let at = module.at();
    if at.source_digest != computed {
        let field = offset_of!(ModuleRecord, source_digest);
        return Err(at.error(Rule::M7, field, "the first byte of the digest", at.source_digest[0]));
    }
    Ok(())
}

/// Checks the records of a code object and their ranges [C-2, C-3, C-5, C-6].
fn check_record(code: &Code<'_>) -> Result<()> {
    let at = code.at();
    if at.form & !code_form::KNOWN != 0 {
        return Err(at.error(Rule::C3, offset_of!(CodeRecord, form), "the form of a code object", at.form));
    }
    if code.wide().is_some() {
        let detail = code.detail()?;
        let narrow = [at.name_count, at.local_count, at.stack_size, detail.line_len];
        let rest = [detail.first_line, detail.parent_delta];
        let small = [at.arg_count, at.posonly_count, at.kwonly_count, at.docstring, at.exception_len];
        if narrow.iter().chain(&rest).any(|field| field.get() != 0) || small.iter().any(|field| *field != 0) {
            let what = "the id of a code object with a wide record and a narrow field that is not zero";
            return Err(at.error(Rule::C3, 0, what, code.id()));
        }
    }
    let is_derived = matches!(code.qualname_form(), QualnameForm::Member | QualnameForm::Local);
    if is_derived && code.parent()?.is_none() {
        return Err(no_parent(*code));
    }
    code.bytecode()?;
    code.cold()?;
    Ok(())
}

/// Checks that each item of the list of a code object has the type that its position requires [C-7 to C-11, O-5].
///
/// `first_codes` has the lowest code object that each container reaches.
fn check_list(code: &Code<'_>, first_codes: &BTreeMap<u32, u32>) -> Result<()> {
    code.local_kinds()?;
    code.name()?;
    if let Some(object) = code.qualname_object()? {
        object.as_str(Rule::C10)?;
    }
    code.filename()?;
    code.locals()?.strings().chain(code.names()?.strings()).try_for_each(|text| text.map(drop))?;
    let constants = code.constants()?;
    let first_code = code.module().first_code();
    for item in constants {
        let item = item?;
        let Item::Object(object) = item else { continue };
        if let Some(first) = first_codes.get(&object.id()).filter(|first| **first < first_code) {
            let at = object.own_bytes()?.offset();
            return Err(Error::value(Rule::C11, at, "the id of a code object of another module", *first));
        }
        if let Constant::Leaf(Leaf::Qualname { constant, .. }) = object.constant()?
            && !matches!(constants.get(constant as usize).transpose()?, Some(Item::Code(_)))
        {
            let what = "the number of a constant that a qualified name refers to and that is not a code object";
            return Err(Error::value(Rule::O5, code.offset(), what, constant));
        }
    }
    code.docstring()?;
    Ok(())
}
