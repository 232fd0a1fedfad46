//! Objects that hold no others (spec.md 5.11).

use crate::{
    bytes::Bytes,
    error::{Error, Result},
    module::Module,
    object::first_byte,
    perma_bytes::PermaBytes,
    string::Str,
    view::View,
};
use permacode_format::{ObjectKind, Rule, SectionKind, U32, U64, entry, object_flag};

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
}

/// The objects of an archive that hold no others, by id: for who makes many of them.
///
/// It has the tables at hand and says of what is none only that it is none; [`crate::Object::constant`] says what it is
/// instead, or what is wrong with it.
#[derive(Debug, Clone, Copy)]
pub struct Leaves<'a> {
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
            entries: view.records(SectionKind::Objects),
            constants: view.section(SectionKind::Constants),
            docstrings: view.section(SectionKind::Docstrings),
        }
    }

    /// The object with this id, if it holds no others.
    #[must_use]
    #[inline]
    pub fn get(&self, id: u32) -> Option<Leaf<'a>> {
        let (offset, is_cold) = entry::decode(self.entries.get(id as usize)?.get());
        let section = if is_cold { self.docstrings } else { self.constants };
        let bytes = section.from(offset.into(), Rule::O1).ok()?;
        let (kind, flags) = first_byte(bytes).ok()?;
        let (leaf, _) = parse(kind, flags, bytes.from(1, Rule::O2).ok()?)?.ok()?;
        Some(leaf)
    }
}

/// The value of an object of this kind whose first byte is followed by `rest`, and what comes behind it; `None` if the kind
/// holds others.
#[inline(always)]
pub(crate) fn parse<'a>(kind: ObjectKind, flags: u8, rest: Bytes<'a>) -> Option<Result<(Leaf<'a>, Bytes<'a>)>> {
    let sized = || {
        let (len, rest) = rest.varint(Rule::O2)?;
        Ok::<_, Error>((PermaBytes::new(rest.get(0, len.into(), Rule::O2)?), rest.from(len.into(), Rule::O2)?))
    };
    let bits = |start| rest.get(start, 8, Rule::O2)?.record::<U64>(Rule::O2).map(|bits| bits.get());
    Some(match kind {
        ObjectKind::None => Ok((Leaf::None, rest)),
        ObjectKind::False => Ok((Leaf::False, rest)),
        ObjectKind::True => Ok((Leaf::True, rest)),
        ObjectKind::Ellipsis => Ok((Leaf::Ellipsis, rest)),
        ObjectKind::StopIteration => Ok((Leaf::StopIteration, rest)),
        ObjectKind::Float => bits(0).and_then(|bits| Ok((Leaf::Float(bits), rest.from(8, Rule::O2)?))),
        ObjectKind::Complex => bits(0).and_then(|real| Ok((Leaf::Complex(real, bits(8)?), rest.from(16, Rule::O2)?))),
        ObjectKind::Int => sized().map(|(bytes, rest)| (Leaf::Int(bytes), rest)),
        ObjectKind::Bytes => sized().map(|(bytes, rest)| (Leaf::Bytes(bytes), rest)),
        ObjectKind::Ascii | ObjectKind::Utf8 | ObjectKind::Surrogates => {
            let is_interned = flags & object_flag::INTERNED != 0;
            sized().map(|(bytes, rest)| (Leaf::Str(Str::new(bytes, is_interned)), rest))
        }
        _ => return None,
    })
}
