//! Finds the constant that is the docstring of a code object.

#![deny(clippy::indexing_slicing, clippy::arithmetic_side_effects)]

use crate::{Version, code::flag};

/// The opcodes that decide about docstrings, for each minor version (`Lib/opcode.py`, `Include/opcode_ids.h`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Opcodes {
    pub(crate) load_const: u8,
    /// Returns a constant (3.12 and 3.13).
    pub(crate) return_const: Option<u8>,
    pub(crate) store_name: u8,
    pub(crate) extended_arg: u8,
}

impl Opcodes {
    /// The numbers of a final release. `None` for a pre-release, which may number its instructions differently.
    pub(crate) fn of(version: Version) -> Option<Self> {
        let (load_const, return_const, store_name, extended_arg) = match version.minor() {
            _ if !version.is_final() => return None,
            8..=11 => (100, None, 90, 144),
            12 => (100, Some(121), 90, 144),
            13 => (83, Some(103), 114, 71),
            14 => (82, None, 116, 69),
            15 => (81, None, 115, 67),
            _ => return None,
        };
        Some(Opcodes { load_const, return_const, store_name, extended_arg })
    }

    /// The instructions with their whole arguments, without the prefixes.
    pub(crate) fn instructions(self, bytecode: &[u8]) -> impl Iterator<Item = (u8, usize)> {
        let (units, _) = bytecode.as_chunks::<2>();
        let mut high = 0usize;
        units.iter().filter_map(move |&[opcode, low]| {
            let argument = high << 8 | usize::from(low);
            // Keeps the low 24 bits. No compiler writes more than three prefixes, so nothing is lost.
            high = if opcode == self.extended_arg { argument & 0xFF_FFFF } else { 0 };
            (opcode != self.extended_arg).then_some((opcode, argument))
        })
    }
}

/// The facts about a code object that decide.
pub(crate) struct Facts<'v> {
    pub(crate) flags: u32,
    pub(crate) name: &'v [u8],
    /// Name of the parent.
    pub(crate) parent: Option<&'v [u8]>,
    pub(crate) bytecode: &'v [u8],
    /// Index of `__doc__` among the names of the body of a module or class.
    pub(crate) doc_name: Option<usize>,
    /// Number of constants.
    pub(crate) constants: usize,
}

/// The index of the constant that is the docstring. `is_text` returns whether a constant is a string.
pub(crate) fn docstring(version: Version, facts: &Facts<'_>, is_text: impl Fn(usize) -> bool) -> Option<u32> {
    let index = if facts.flags & flag::OPTIMIZED == 0 {
        stored(version, facts)?
    } else if version.minor() >= 14 {
        // `PyFunction_New` checks only this flag.
        if facts.flags & flag::HAS_DOCSTRING == 0 {
            return None;
        }
        0
    } else {
        if !may_have_docstring(facts) {
            return None;
        }
        0
    };
    if index < facts.constants && is_text(index) { u32::try_from(index).ok() } else { None }
}

/// How the name of a scope of type parameters starts. The name of the definition and `>` follow (CPython 3.12 and
/// later).
pub const TYPE_PARAMETERS: &[u8] = b"<generic parameters of ";

/// Length in bytes of the longest name that is compared with others. Many code objects may share a longer one, and
/// comparing it for each would take time out of proportion to the file.
const MAX_COMPARED: usize = 1 << 16;

/// Whether the first constant of a function, if it is a string, is its docstring (`PyFunction_New` up to 3.13).
///
/// `PyFunction_New` takes the first string of any function. But the first constant of a comprehension, a generator
/// expression or a scope of type parameters is the first one that its code uses. A lambda has None there.
fn may_have_docstring(facts: &Facts<'_>) -> bool {
    if facts.name.starts_with(b"<") {
        return false;
    }
    // The scope for the type parameters of X contains X itself and the bounds of its type variables. Bounds are named
    // after their variables and have no docstring.
    match facts.parent.and_then(|parent| parent.strip_prefix(TYPE_PARAMETERS)) {
        Some(of) => of.len() > MAX_COMPARED || of.strip_suffix(b">") == Some(facts.name),
        None => true,
    }
}

/// The constant that the body of a module or class stores as `__doc__`. Only the first store counts.
fn stored(version: Version, facts: &Facts<'_>) -> Option<usize> {
    let opcodes = Opcodes::of(version)?;
    let doc_name = facts.doc_name?;
    let mut loaded = None;
    for (opcode, argument) in opcodes.instructions(facts.bytecode) {
        if opcode == opcodes.store_name && argument == doc_name {
            return loaded;
        }
        loaded = (opcode == opcodes.load_const).then_some(argument);
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn version(minor: u8) -> Version {
        Version::of_minor(minor).unwrap()
    }

    fn facts<'v>(flags: u32, name: &'v [u8], parent: Option<&'v [u8]>, bytecode: &'v [u8]) -> Facts<'v> {
        Facts { flags, name, parent, bytecode, doc_name: Some(1), constants: 400 }
    }

    #[test]
    fn functions() {
        let doc = |minor, flags, name, parent| docstring(version(minor), &facts(flags, name, parent, b""), |_| true);
        assert_eq!(doc(12, 3, b"f", None), Some(0));
        assert_eq!(doc(12, 3, b"<listcomp>", None), None);
        assert_eq!(doc(12, 3, b"<lambda>", None), None);
        assert_eq!(doc(12, 3, b"<generic parameters of f>", None), None);
        assert_eq!(doc(12, 3, b"f", Some(b"<generic parameters of f>")), Some(0));
        assert_eq!(doc(12, 3, b"T", Some(b"<generic parameters of f>")), None);
        assert_eq!(doc(14, 3, b"f", None), None);
        assert_eq!(doc(14, 0x400_0003, b"f", None), Some(0));
        assert_eq!(docstring(version(8), &facts(3, b"f", None, b""), |_| false), None);
    }

    #[test]
    fn bodies_of_modules_and_classes() {
        let doc = |bytecode: &[u8]| docstring(version(11), &facts(0, b"C", None, bytecode), |_| true);
        assert_eq!(doc(&[151, 0, 101, 0, 90, 0, 100, 2, 90, 1]), Some(2));
        assert_eq!(doc(&[144, 1, 100, 2, 90, 1]), Some(258));
        // Not loaded right before, another name, no such constant, no store at all.
        assert_eq!(doc(&[100, 2, 90, 0, 90, 1]), None);
        assert_eq!(doc(&[100, 2, 144, 1, 90, 1]), None);
        assert_eq!(doc(&[144, 255, 100, 2, 90, 1]), None);
        assert_eq!(doc(&[]), None);
    }
}
