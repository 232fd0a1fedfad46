//! Code objects, as the constructor of CPython fills them in (`init_code` in `Objects/codeobject.c`).

use crate::{
    emit::Writer,
    error::{Error, Result},
    facts::Facts,
    graph::Ref,
    layout::Layout,
};
use permacode_reader::{Code, Cold};

/// A code object.
#[derive(Debug)]
pub(crate) struct CodeObject<'a> {
    /// In the order of [`Layout::code_pointers`].
    pub(crate) pointers: [Ref; 9],
    /// In the order of [`Layout::code_numbers`]. The version is set when the object is written.
    numbers: [u32; 13],
    bytecode: &'a [u8],
}

/// Counts of the kinds of locals (`get_localsplus_counts`).
#[derive(Debug, Default)]
struct Counts {
    locals: u32,
    cells: u32,
    free: u32,
}

impl Counts {
    fn of(kinds: &[u8], layout: &Layout) -> Self {
        let mut counts = Counts::default();
        let [local, cell, free] = layout.kinds;
        for kind in kinds {
            let kind = u32::from(*kind);
            counts.locals = counts.locals.saturating_add((kind & local != 0).into());
            counts.cells = counts.cells.saturating_add((kind & cell != 0).into());
            counts.free = counts.free.saturating_add((kind & free != 0).into());
        }
        counts
    }
}

impl<'a> CodeObject<'a> {
    /// Whether this is the body of a module or a class.
    pub(crate) fn is_body(&self) -> bool {
        let [flags, ..] = self.numbers;
        !permacode_pyc::is_function(flags)
    }

    /// `co_names`
    pub(crate) fn names(&self) -> Ref {
        let [_, names, ..] = self.pointers;
        names
    }

    pub(crate) fn new(
        code: &Code<'a>,
        cold: &Cold<'a>,
        kinds: &[u8],
        pointers: [Ref; 9],
        layout: &Layout,
    ) -> Result<Self> {
        let bytecode = code.bytecode()?.as_slice();
        let (units, rest) = bytecode.as_chunks::<2>();
        if !rest.is_empty() {
            return Err(Error::Unsupported("bytecode with half a unit"));
        }
        let small = |number: u32| i32::try_from(number).map_err(|_| Error::Unsupported("counts of 2^31 or more"));
        for number in [code.arg_count(), code.posonly_count(), code.kwonly_count(), code.stack_size()] {
            small(number)?;
        }
        let locals = u32::try_from(kinds.len()).map_err(|_| Error::Unsupported("2^32 locals"))?;
        let frame = locals.saturating_add(code.stack_size()).saturating_add(layout.frame_words);
        let counts = Counts::of(kinds, layout);
        let [mask, untraced] = layout.untraced_resume;
        let resume = units.iter().position(|[opcode, argument]| {
            let is_traced = mask == 0 || u32::from(*argument) & mask != untraced;
            u32::from(*opcode) == layout.resume && is_traced
        });
        let first_traceable = resume.unwrap_or(units.len());
        let numbers = [
            code.flags(),
            code.arg_count(),
            code.posonly_count(),
            code.kwonly_count(),
            code.stack_size(),
            cold.first_line.cast_unsigned(),
            locals,
            small(frame)?.cast_unsigned(),
            counts.locals,
            counts.cells,
            counts.free,
            0,
            u32::try_from(first_traceable).map_err(|_| Error::Unsupported("bytecode of 2^32 units"))?,
        ];
        Ok(CodeObject { pointers, numbers, bytecode })
    }

    pub(crate) fn size(&self, layout: &Layout) -> usize {
        (layout.code_units as usize).saturating_add(self.bytecode.len())
    }

    /// Writes the object.
    pub(crate) fn write(&self, out: &mut Writer<'_>, at: usize, version: u32, facts: &Facts) -> Result<()> {
        let layout = &facts.layout;
        out.head(at, facts.types.code);
        out.word(at, layout.object_size, (self.bytecode.len() / 2) as u64);
        for (offset, pointer) in layout.code_pointers.iter().zip(self.pointers) {
            out.reference(at.saturating_add(*offset as usize), pointer)?;
        }
        for (offset, number) in layout.code_numbers.iter().zip(self.numbers) {
            out.number(at, *offset, number);
        }
        out.number(at, layout.code_version(), version);
        let mut units = self.bytecode.to_vec();
        quicken(&mut units, layout)?;
        out.bytes(at.saturating_add(layout.code_units as usize), &units);
        Ok(())
    }
}

/// Prepares instructions for their first run (`_PyCode_Quicken` in `Python/specialize.c`): it sets the counters in the
/// caches and, up to 3.12, joins pairs of instructions.
fn quicken(bytecode: &mut [u8], layout: &Layout) -> Result<()> {
    let (units, _) = bytecode.as_chunks_mut::<2>();
    let cut_off = Error::Unsupported("instructions that end before their last cache");
    let mut rest = units;
    let mut previous: Option<&mut [u8; 2]> = None;
    while let Some((unit, after)) = rest.split_first_mut() {
        let opcode = usize::from(unit[0]);
        match layout.caches.get(opcode) {
            Some(0) | None => {
                if let Some(first) = &mut previous
                    && let Some(join) = layout.joins.iter().find(|join| join[0] == first[0] && join[1] == unit[0])
                    && join[2] != 0
                {
                    first[0] = join[2];
                }
                previous = Some(unit);
                rest = after;
            }
            Some(caches) => {
                let Some((own, after)) = after.split_at_mut_checked(usize::from(*caches)) else { return Err(cut_off) };
                if let (Some(counter), Some(value)) = (own.first_mut(), layout.counters.get(opcode)) {
                    *counter = value.to_ne_bytes();
                }
                previous = None;
                rest = after;
            }
        }
    }
    Ok(())
}
