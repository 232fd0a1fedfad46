//! Objects without items (spec.md 5.11).

use crate::{
    error::Error,
    perma_bytes::PermaBytes,
    string::Str,
    view::{Section, View},
};
use permacode_format::{ObjectEntry, ObjectKind, Rule, SectionKind, object_flag, read_varint};

/// The value of an object without items.
pub type Leaf<'a> = permacode_format::Leaf<PermaBytes<'a>, Str<'a>>;

/// A fast lookup of leaves, which are objects without items, by id. [`crate::Module::leaves`] returns it.
#[derive(Debug, Clone, Copy)]
pub struct Leaves<'a> {
    entries: &'a [ObjectEntry],
    objects: Section<'a>,
    constants: Section<'a>,
    docstrings: Section<'a>,
}

impl<'a> Leaves<'a> {
    pub(crate) fn of(view: View<'a>) -> Leaves<'a> {
        Leaves {
            entries: view.section(SectionKind::Objects).records(),
            objects: Section::of(view, SectionKind::Objects),
            constants: Section::of(view, SectionKind::Constants),
            docstrings: Section::of(view, SectionKind::Docstrings),
        }
    }

    /// The value of the object with this id.
    ///
    /// `None` means that the object is a container, is damaged, or does not exist. [`crate::Object::constant`]
    /// distinguishes the three.
    #[must_use]
    #[inline]
    pub fn get(&self, id: u32) -> Option<Leaf<'a>> {
        let entry = self.entries.get(id as usize)?;
        self.objects.touch(u64::from(id).saturating_mul(4), 4).ok()?;
        let section = match entry.section() {
            SectionKind::Docstrings => &self.docstrings,
            _ => &self.constants,
        };
        let offset = entry.offset_in_section();
        let (&first, rest) = section.bytes.as_slice().get(offset as usize..)?.split_first()?;
        let kind = ObjectKind::from_number(first & object_flag::KIND)?;
        let flags = first & !object_flag::KIND;
        if flags & !kind.allowed_flags() != 0 {
            return None;
        }
        let at = section.bytes.offset().saturating_add(offset.into()).saturating_add(1);
        let (leaf, len) = parse(kind, flags, PermaBytes::new(rest, at))?;
        section.touch(offset.into(), (len as u64).saturating_add(1)).ok()?;
        Some(leaf)
    }
}

/// Parses the bytes after the first byte of a leaf. Returns the value and its length without the first byte.
///
/// `None` if the kind is that of a container, or if the bytes are invalid. [`error`] returns the reason.
#[inline]
pub(crate) fn parse<'a>(kind: ObjectKind, flags: u8, rest: PermaBytes<'a>) -> Option<(Leaf<'a>, usize)> {
    let data = rest.as_slice();
    let sized = || {
        let (len, start) = read_varint(data)?;
        let end = start.checked_add(len as usize)?;
        let offset = rest.offset().saturating_add(start as u64);
        Some((PermaBytes::new(data.get(start..end)?, offset), end))
    };
    let bits = |start: usize| Some(u64::from_le_bytes(*data.get(start..)?.first_chunk()?));
    Some(match kind {
        ObjectKind::Ascii | ObjectKind::Utf8 | ObjectKind::Surrogates => {
            let (text, len) = sized()?;
            (Leaf::Str(Str::new(text, flags & object_flag::INTERNED != 0)), len)
        }
        ObjectKind::Int => sized().map(|(bytes, len)| (Leaf::Int(bytes), len))?,
        ObjectKind::Bytes => sized().map(|(bytes, len)| (Leaf::Bytes(bytes), len))?,
        ObjectKind::Qualname => {
            let (constant, len) = read_varint(data)?;
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

/// The reason why [`parse`] refused the bytes after the first byte of a leaf.
#[cold]
pub(crate) fn error(kind: ObjectKind, rest: PermaBytes<'_>) -> Error {
    let needed = match kind {
        ObjectKind::Float => rest.part(0, 8, Rule::O2).map(drop),
        ObjectKind::Complex => rest.part(0, 8, Rule::O2).and(rest.part(8, 8, Rule::O2)).map(drop),
        ObjectKind::Qualname => rest.varint(Rule::O2).map(drop),
        _ => rest.varint(Rule::O2).and_then(|(len, rest)| rest.part(0, len.into(), Rule::O2)).map(drop),
    };
    match needed {
        Err(error) => error,
        Ok(()) => Error::value(Rule::O2, rest.offset(), "the kind of an object", kind as u8),
    }
}
