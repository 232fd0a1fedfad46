//! Takes docstrings and line tables out of a module. Everything else stays as it is.

#![deny(clippy::indexing_slicing, clippy::arithmetic_side_effects)]

use crate::{Version, code::flag, docstring::Opcodes};
use permacode_model::{Code, Leaf, Module, Object, Ref};
use std::borrow::Cow;

/// What [`strip_docstrings`] did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct StrippedDocstrings {
    /// Docstrings that were replaced by `None`.
    pub removed: u64,
    /// Docstrings that stayed, because the code loads the same constant for another purpose.
    pub kept: u64,
}

/// Replaces the docstring of each code object by `None`, so that `__doc__` of the module, class or function is `None`.
///
/// Constants keep their positions, and instructions stay as they are. A docstring stays if the code also loads it for
/// another purpose: `def f(): "text"; return "text"` has one constant for both. It also stays if `version` is a
/// pre-release, whose instructions this crate does not know.
///
/// This differs from compiling with `-OO`, which also removes assertions and sets `__debug__` to false. Programs that
/// read their own docstrings, such as PLY or docopt, fail with either.
///
/// ```
/// use permacode_pyc::{decode_pyc, strip_docstrings};
///
/// let file = concat!(env!("CARGO_MANIFEST_DIR"), "/../testdata/pyc/3.14/features_314.pyc");
/// let bytes = std::fs::read(file)?;
/// let mut pyc = decode_pyc(&bytes)?;
/// let documented = pyc.module.codes.iter().filter(|code| code.docstring.is_some()).count() as u64;
/// let stripped = strip_docstrings(&mut pyc.module, pyc.header.version);
/// assert_eq!((stripped.removed, stripped.kept), (documented, 0));
/// assert!(pyc.module.codes.iter().all(|code| code.docstring.is_none()));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn strip_docstrings(module: &mut Module<'_>, version: Version) -> StrippedDocstrings {
    let mut stripped = StrippedDocstrings::default();
    let opcodes = Opcodes::of(version);
    let mut none = module.objects.iter().position(|object| matches!(object, Object::Leaf(Leaf::None)));
    for code in &mut module.codes {
        let Some(index) = code.docstring else { continue };
        let is_free = opcodes.is_some_and(|opcodes| is_only_docstring(code, index, opcodes));
        let Some(constant) = code.constants.get_mut(index as usize).filter(|_| is_free) else {
            stripped.kept = stripped.kept.saturating_add(1);
            continue;
        };
        let none = *none.get_or_insert_with(|| {
            module.objects.push(Object::Leaf(Leaf::None));
            module.objects.len().saturating_sub(1)
        });
        *constant = Ref::Object(none as u32);
        code.docstring = None;
        code.flags &= !flag::HAS_DOCSTRING;
        stripped.removed = stripped.removed.saturating_add(1);
    }
    stripped
}

/// Whether the instructions load the constant only to set `__doc__`: once in the body of a module or class, never in a
/// function.
fn is_only_docstring(code: &Code<'_>, index: u32, opcodes: Opcodes) -> bool {
    let loads = opcodes.instructions(&code.bytecode).filter(|&(opcode, argument)| {
        (opcode == opcodes.load_const || Some(opcode) == opcodes.return_const) && argument == index as usize
    });
    loads.count() == usize::from(code.flags & flag::OPTIMIZED == 0)
}

/// Replaces each line table by the shortest one that gives no instruction a line.
///
/// Tracebacks then name the file and the function, and no line. Up to 3.9 a line table cannot say that there is no
/// line: all instructions get the first line of their code object. `co_firstlineno` stays in every version.
///
/// From 3.10 on, `frame.f_lineno` is then `None`. `inspect.stack` and `inspect.trace` raise a `TypeError`, and
/// `logging` with `%(lineno)d` in its format prints an error instead of the message.
///
/// ```
/// use permacode_pyc::{decode_pyc, strip_lines};
///
/// let file = concat!(env!("CARGO_MANIFEST_DIR"), "/../testdata/pyc/3.14/features_314.pyc");
/// let bytes = std::fs::read(file)?;
/// let mut pyc = decode_pyc(&bytes)?;
/// strip_lines(&mut pyc.module, pyc.header.version);
/// let code = &pyc.module.codes[0];
/// // One byte covers up to eight units of two bytes.
/// assert_eq!(code.line_table.len(), code.bytecode.len().div_ceil(16));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn strip_lines(module: &mut Module<'_>, version: Version) {
    for code in &mut module.codes {
        code.line_table = Cow::Owned(no_lines(code.bytecode.len(), version));
    }
}

/// The shortest line table without lines for bytecode of this length.
fn no_lines(bytecode_len: usize, version: Version) -> Vec<u8> {
    match version.minor() {
        ..=9 => Vec::new(),
        // Pairs of a length in bytes, at most 254, and -128 for "no line" (`Objects/lnotab_notes.txt`).
        10 => parts(bytecode_len, 254).flat_map(|len| [len, -128_i8 as u8]).collect(),
        // Kind 15 has no location. The three lowest bits are the number of units minus one. CPython 3.11 to 3.13 crash
        // when a traceback needs the line of a unit that no entry covers.
        _ => parts(bytecode_len / 2, 8).map(|units| 0x80 | 15 << 3 | units.saturating_sub(1)).collect(),
    }
}

/// Splits a length into parts of at most `most`.
fn parts(len: usize, most: u8) -> impl Iterator<Item = u8> {
    (0..len)
        .step_by(most.into())
        .map(move |start| u8::try_from(len.saturating_sub(start)).map_or(most, |rest| rest.min(most)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shortest_tables_cover_every_unit() {
        let table = |len, minor| no_lines(len, Version::of_minor(minor).unwrap());
        assert_eq!(table(600, 9), b"");
        assert_eq!(table(600, 10), [254, 128, 254, 128, 92, 128]);
        assert_eq!(table(16, 11), [0xFF]);
        assert_eq!(table(18, 13), [0xFF, 0xF8]);
        assert_eq!(table(2 * 300, 12).len(), 38);
        assert_eq!(table(0, 14), b"");
    }
}
