//! The layout of code objects: hot, cold and wide records, lists, bytecode, tables and signatures (spec.md 5.8, 5.9).

use crate::{
    entry::CodeEntry,
    error::Error,
    intern::{Blobs, Item},
    order::{ModuleBase, Order},
    placement,
    report::Merged,
    writer::Writer,
};
use permacode_format::{
    CodeDetail, CodeRecord, I32, ItemRef, MAX_IDS, MAX_U32_SECTION, NO_DOCSTRING, NONE, SignatureRecord, U16, U32,
    WideCode, code_form, list_item,
};

/// The sections of code objects.
#[derive(Debug, Default)]
pub(crate) struct Codes {
    pub(crate) records: Vec<CodeRecord>,
    pub(crate) details: Vec<CodeDetail>,
    pub(crate) wide: Vec<WideCode>,
    pub(crate) lists: Vec<u8>,
    pub(crate) bytecode: Placed,
    pub(crate) tables: Placed,
    pub(crate) signatures: Vec<SignatureRecord>,
    pub(crate) signature_text: Placed,
    pub(crate) wide_lists: u64,
    pub(crate) merged_lists: Merged,
    /// Number of items in the lists of all code objects. A shared list counts once for each code object that has it.
    pub(crate) list_items: u64,
}

/// The order and the offsets of the blobs of one section.
#[derive(Debug, Default)]
pub(crate) struct Placed {
    /// Offset of each blob in the section. [`u64::MAX`] marks a blob that has not been placed.
    offsets: Vec<u64>,
    /// The placed blobs, by ascending offset.
    pub(crate) order: Vec<u32>,
    /// Length of the section in bytes.
    pub(crate) len: u64,
    /// Alignment of each blob in bytes.
    pub(crate) align: u64,
}

impl Placed {
    pub(crate) fn new(blobs: &Blobs, align: u64) -> Placed {
        Placed { offsets: vec![u64::MAX; blobs.len()], order: Vec::new(), len: 0, align }
    }

    /// Returns the offset of a blob. The first call for a blob places it after those placed before.
    pub(crate) fn place(&mut self, blobs: &Blobs, blob: u32) -> u64 {
        let offset = &mut self.offsets[blob as usize];
        if *offset == u64::MAX {
            *offset = self.len.next_multiple_of(self.align);
            self.len = *offset + blobs.get(blob).len() as u64;
            self.order.push(blob);
        }
        *offset
    }
}

/// Lays out all code objects. With `share_lists`, code objects with equal lists share one.
pub(crate) fn lay_out(writer: &Writer, order: &Order, share_lists: bool) -> Result<Codes, Error> {
    if order.code_count >= u64::from(MAX_IDS) {
        return Err(Error::limit(None, "code objects", order.code_count, u64::from(MAX_IDS) - 1));
    }
    let mut codes = Codes {
        bytecode: Placed::new(&writer.bytecode, 1 << writer.options.code_align_log2),
        tables: Placed::new(&writer.tables, 1),
        signature_text: Placed::new(&writer.signatures, 1),
        ..Codes::default()
    };
    let mut lists = Lists { blobs: Blobs::default(), placed: Placed::new(&Blobs::default(), 2), share: share_lists };
    let (modules, placement) = (order.modules(writer), writer.options.placement);
    for blob in placement::of_shared(placement, &modules, writer.bytecode.len(), |code| code.bytecode) {
        codes.bytecode.place(&writer.bytecode, blob);
    }
    for blob in placement::of_shared(placement, &modules, writer.tables.len(), |code| code.tables) {
        codes.tables.place(&writer.tables, blob);
    }
    let mut offsets: Vec<_> = modules.iter().map(|module| vec![Offsets::default(); module.codes.len()]).collect();
    for (module, index) in placement::of_codes(placement, &modules) {
        let code = &modules[module].codes[index as usize];
        offsets[module][index as usize] = Offsets {
            list: lists.place(code, order, &order.bases[module], &mut codes)?,
            bytecode: narrow_offset("bytes of bytecode", codes.bytecode.place(&writer.bytecode, code.bytecode))?,
            tables: narrow_offset("bytes of tables", codes.tables.place(&writer.tables, code.tables))?,
        };
    }
    // Blobs were placed in the order of `placement`. Records are in the order of ids, so children come first.
    for ((module, base), offsets) in modules.into_iter().zip(&order.bases).zip(offsets) {
        for (index, (code, offsets)) in module.codes.iter().zip(offsets).enumerate() {
            let id = base.first_code + index as u32;
            codes.push_records(code, index as u32, offsets);
            if let Some(text) = code.signature {
                let offset = codes.signature_text.place(&writer.signatures, text);
                codes.signatures.push(SignatureRecord {
                    code: id.into(),
                    offset: narrow_offset("bytes of signatures", offset)?.into(),
                    len: (writer.signatures.get(text).len() as u32).into(),
                });
            }
        }
    }
    for placed in [&codes.bytecode, &codes.tables, &codes.signature_text, &lists.placed] {
        if placed.len > MAX_U32_SECTION {
            return Err(Error::limit(None, "bytes of a section", placed.len, MAX_U32_SECTION));
        }
    }
    codes.lists = lists.placed.order.iter().flat_map(|list| lists.blobs.get(*list)).copied().collect();
    codes.merged_lists = Merged {
        given: lists.blobs.asked,
        distinct: lists.blobs.len() as u64,
        given_bytes: lists.blobs.asked_bytes,
        distinct_bytes: lists.blobs.distinct_bytes(),
    };
    Ok(codes)
}

/// Where the parts of a code object lie in their sections.
#[derive(Debug, Clone, Copy, Default)]
struct Offsets {
    /// Offset of the list in units of two bytes, and whether its items are wide.
    list: (u32, bool),
    bytecode: u32,
    tables: u32,
}

fn narrow_offset(what: &'static str, offset: u64) -> Result<u32, Error> {
    u32::try_from(offset).map_err(|_| Error::limit(None, what, offset, MAX_U32_SECTION))
}

/// The encoded lists of code objects.
struct Lists {
    blobs: Blobs,
    placed: Placed,
    share: bool,
}

impl Lists {
    /// Encodes and places the list of a code object. Items are narrow if every one of them fits the narrow form.
    ///
    /// Returns the offset in units of two bytes, and whether the items are wide.
    fn place(
        &mut self,
        code: &CodeEntry,
        order: &Order,
        base: &ModuleBase,
        codes: &mut Codes,
    ) -> Result<(u32, bool), Error> {
        let item = |item: &Item| match item {
            Item::Object(handle) => ItemRef::Object(order.ids[*handle as usize]),
            Item::Code(index) => ItemRef::Code(base.first_code + index),
        };
        let narrow = |of: &Item| list_item::encode_narrow(item(of), base.object_base, base.first_code);
        codes.list_items += code.list.len() as u64;
        let mut is_wide = false;
        let bytes: Vec<u8> = match code.list.iter().map(narrow).collect::<Option<Vec<u16>>>() {
            Some(items) => items.into_iter().flat_map(u16::to_le_bytes).collect(),
            None => {
                codes.wide_lists += 1;
                is_wide = true;
                let wide: Option<Vec<u32>> = code.list.iter().map(|of| list_item::encode_wide(item(of))).collect();
                let wide = wide.ok_or_else(|| Error::limit(None, "ids", u64::from(MAX_IDS), u64::from(MAX_IDS) - 1))?;
                wide.into_iter().flat_map(u32::to_le_bytes).collect()
            }
        };
        let list = if self.share { self.blobs.intern(&[&bytes]) } else { self.blobs.push(&bytes) };
        self.placed.grow(&self.blobs);
        let units = self.placed.place(&self.blobs, list) / 2;
        Ok((narrow_offset("bytes of lists", units)?, is_wide))
    }
}

impl Placed {
    /// Makes room for the blobs that were added to `blobs` since [`Placed::new`].
    fn grow(&mut self, blobs: &Blobs) {
        self.offsets.resize(blobs.len(), u64::MAX);
    }
}

impl Codes {
    fn push_records(&mut self, code: &CodeEntry, index: u32, offsets: Offsets) {
        let parent_delta = code.parent.map_or(0, |parent| parent - index);
        let mut form = code.form;
        let (list_offset, is_wide) = offsets.list;
        if is_wide {
            form |= code_form::WIDE_LIST;
        }
        let mut record = CodeRecord {
            bytecode_offset: offsets.bytecode.into(),
            list_offset: list_offset.into(),
            flags: code.flags.into(),
            form,
            ..bytemuck::Zeroable::zeroed()
        };
        let mut detail = CodeDetail { tables_offset: offsets.tables.into(), ..bytemuck::Zeroable::zeroed() };
        if fill_narrow(&mut record, &mut detail, code, parent_delta).is_none() {
            record = CodeRecord {
                bytecode_offset: offsets.bytecode.into(),
                list_offset: list_offset.into(),
                flags: code.flags.into(),
                form: form | code_form::WIDE_RECORD,
                ..bytemuck::Zeroable::zeroed()
            };
            detail = CodeDetail { tables_offset: offsets.tables.into(), ..bytemuck::Zeroable::zeroed() };
            // These two fields together hold the number of the wide record (spec.md 5.8).
            let wide = self.wide.len() as u32;
            record.bytecode_len = U16::new(wide as u16);
            record.constant_count = U16::new((wide >> 16) as u16);
            self.wide.push(wide_code(code, parent_delta));
        }
        self.records.push(record);
        self.details.push(detail);
    }
}

/// Fills the narrow fields. Returns `None` if a value does not fit; some fields are then already filled.
fn fill_narrow(record: &mut CodeRecord, detail: &mut CodeDetail, code: &CodeEntry, parent_delta: u32) -> Option<()> {
    fn narrow<N: TryFrom<u32>>(value: u32) -> Option<N> {
        N::try_from(value).ok()
    }
    if code.stated_local_count.is_some() {
        return None;
    }
    record.bytecode_len = U16::new(narrow(code.bytecode_len)?);
    record.constant_count = U16::new(narrow(code.constant_count)?);
    record.name_count = U16::new(narrow(code.name_count)?);
    record.local_count = U16::new(narrow(code.local_count)?);
    record.stack_size = U16::new(narrow(code.stack_size)?);
    record.arg_count = narrow(code.arg_count)?;
    record.posonly_count = narrow(code.posonly_count)?;
    record.kwonly_count = narrow(code.kwonly_count)?;
    record.docstring = match code.docstring {
        None => NO_DOCSTRING,
        Some(index) => narrow(index).filter(|index| *index != NO_DOCSTRING)?,
    };
    detail.line_len = U16::new(narrow(code.line_len)?);
    record.exception_len = narrow(code.exception_len)?;
    detail.first_line = U16::new(u16::try_from(code.first_line).ok()?);
    detail.parent_delta = U16::new(narrow(parent_delta)?);
    Some(())
}

fn wide_code(code: &CodeEntry, parent_delta: u32) -> WideCode {
    WideCode {
        bytecode_len: code.bytecode_len.into(),
        constant_count: code.constant_count.into(),
        name_count: code.name_count.into(),
        local_count: code.local_count.into(),
        stack_size: code.stack_size.into(),
        arg_count: code.arg_count.into(),
        posonly_count: code.posonly_count.into(),
        kwonly_count: code.kwonly_count.into(),
        docstring: code.docstring.unwrap_or(NONE).into(),
        stated_local_count: U32::new(code.stated_local_count.unwrap_or(NONE)),
        line_len: code.line_len.into(),
        exception_len: code.exception_len.into(),
        first_line: I32::new(code.first_line),
        parent_delta: parent_delta.into(),
    }
}
