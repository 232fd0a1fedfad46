//! Objects that hold no others (spec.md 5.11).

use crate::{bytes::Bytes, error::Error, module::Module, perma_bytes::PermaBytes, string::Str, view::View};
use permacode_format::{ObjectKind, Rule, SectionKind, U32, entry, object_flag, read_varint};

/// The value of an object that holds no others.
#[derive(Debug, Clone, Copy)]
pub enum Leaf<'a> {
    /// The absent value.
    None,
    /// Falsehood.
    False,
    /// Truth.
    True,
    /// `...`
    Ellipsis,
    /// The exception class `StopIteration`.
    StopIteration,
    /// An integer: the shortest two's complement, little-endian; zero has no bytes.
    Int(PermaBytes<'a>),
    /// An IEEE 754 double, as its bits.
    Float(u64),
    /// The bits of real and imaginary part.
    Complex(u64, u64),
    /// Immutable bytes.
    Bytes(PermaBytes<'a>),
    /// A string.
    Str(Str<'a>),
    /// The qualified name of the code object at index `constant` of the same constants.
    Qualname {
        /// Index into the constants of the code object that holds this one.
        constant: u32,
        /// Whether the string is interned.
        interned: bool,
    },
}

/// A fast lookup of the objects that hold no others, by id.
///
/// `None` means that the object is a container, is damaged, or is not there. [`crate::Object::constant`] says which.
#[derive(Debug, Clone, Copy)]
pub struct Leaves<'a> {
    view: View<'a>,
    entries: &'a [U32],
    constants: Bytes<'a>,
    docstrings: Bytes<'a>,
}

impl<'a> Module<'a> {
    /// The objects of its archive that hold no others.
    #[must_use]
    pub fn leaves(&self) -> Leaves<'a> {
        Leaves::of(self.view())
    }
}

impl<'a> Leaves<'a> {
    pub(crate) fn of(view: View<'a>) -> Leaves<'a> {
        Leaves {
            view,
            entries: view.section(SectionKind::Objects).records(),
            constants: view.section(SectionKind::Constants),
            docstrings: view.section(SectionKind::Docstrings),
        }
    }

    /// The object with this id, if it holds no others.
    #[must_use]
    #[inline]
    pub fn get(&self, id: u32) -> Option<Leaf<'a>> {
        let entry = self.entries.get(id as usize)?;
        self.view.touch(SectionKind::Objects, u64::from(id).saturating_mul(4), 4).ok()?;
        let (offset, is_cold) = entry::decode(entry.get());
        let (section, kind_of_section) = match is_cold {
            true => (self.docstrings, SectionKind::Docstrings),
            false => (self.constants, SectionKind::Constants),
        };
        let (&first, rest) = section.data().get(offset as usize..)?.split_first()?;
        let kind = ObjectKind::from_number(first & object_flag::KIND)?;
        let flags = first & !object_flag::KIND;
        if flags & !kind.allowed_flags() != 0 {
            return None;
        }
        let at = section.offset().saturating_add(offset.into()).saturating_add(1);
        let (leaf, len) = parse(kind, flags, Bytes::new(rest, at))?;
        self.view.touch(kind_of_section, offset.into(), (len as u64).saturating_add(1)).ok()?;
        Some(leaf)
    }
}

/// The value of an object of this kind whose first byte is followed by `rest`, and its length without that byte; `None` if the
/// kind holds others, or the bytes end too early.
#[inline]
pub(crate) fn parse<'a>(kind: ObjectKind, flags: u8, rest: Bytes<'a>) -> Option<(Leaf<'a>, usize)> {
    let sized = || {
        let (len, start) = read_varint(rest.data())?;
        let end = start.checked_add(len as usize)?;
        let offset = rest.offset().saturating_add(start as u64);
        Some((PermaBytes::new(Bytes::new(rest.data().get(start..end)?, offset)), end))
    };
    let bits = |start: usize| {
        let bytes = rest.data().get(start..)?.first_chunk()?;
        Some(u64::from_le_bytes(*bytes))
    };
    Some(match kind {
        ObjectKind::Ascii | ObjectKind::Utf8 | ObjectKind::Surrogates => {
            let (text, len) = sized()?;
            (Leaf::Str(Str::new(text, flags & object_flag::INTERNED != 0)), len)
        }
        ObjectKind::Int => sized().map(|(bytes, len)| (Leaf::Int(bytes), len))?,
        ObjectKind::Bytes => sized().map(|(bytes, len)| (Leaf::Bytes(bytes), len))?,
        ObjectKind::Qualname => {
            let (constant, len) = read_varint(rest.data())?;
            (Leaf::Qualname { constant, interned: flags & object_flag::INTERNED != 0 }, len)
        }
        ObjectKind::Float => (Leaf::Float(bits(0)?), 8),
        ObjectKind::Complex => (Leaf::Complex(bits(0)?, bits(8)?), 16),
        ObjectKind::None => (Leaf::None, 0),
        ObjectKind::False => (Leaf::False, 0),
        ObjectKind::True => (Leaf::True, 0),
        ObjectKind::Ellipsis => (Leaf::Ellipsis, 0),
        ObjectKind::StopIteration => (Leaf::StopIteration, 0),
        _ => return None,
    })
}

/// What is wrong with the bytes behind the first one of a leaf of this kind, which [`parse`] did not take.
#[cold]
pub(crate) fn error(kind: ObjectKind, rest: Bytes<'_>) -> Error {
    let needed = match kind {
        ObjectKind::Float => rest.get(0, 8, Rule::O2).map(drop),
        ObjectKind::Complex => rest.get(0, 8, Rule::O2).and(rest.get(8, 8, Rule::O2)).map(drop),
        ObjectKind::Qualname => rest.varint(Rule::O2).map(drop),
        _ => rest.varint(Rule::O2).and_then(|(len, rest)| rest.get(0, len.into(), Rule::O2)).map(drop),
    };
    match needed {
        Err(error) => error,
        Ok(()) => Error::value(Rule::O2, rest.offset(), "the kind of an object", kind as u8),
    }
}
