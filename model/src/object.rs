//! Constants and names.

use permacode_format::Container;
use std::borrow::Cow;

/// A reference from a container or a code object: an index into the arena of its module.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Ref {
    /// Index into [`Module::objects`].
    Object(u32),
    /// Index into [`Module::codes`].
    Code(u32),
}

/// A string.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Str<'a> {
    /// Generalised UTF-8: UTF-8 in which lone surrogates may occur as three bytes.
    pub text: Cow<'a, [u8]>,
    /// Whether the machine keeps one copy of it for the whole process.
    pub interned: bool,
}

impl<'a> Str<'a> {
    /// A string that is not interned.
    pub fn plain(text: impl Into<Cow<'a, str>>) -> Self {
        Str { text: bytes_of(text.into()), interned: false }
    }

    /// An interned string.
    pub fn interned(text: impl Into<Cow<'a, str>>) -> Self {
        Str { text: bytes_of(text.into()), interned: true }
    }
}

fn bytes_of(text: Cow<'_, str>) -> Cow<'_, [u8]> {
    match text {
        Cow::Borrowed(text) => Cow::Borrowed(text.as_bytes()),
        Cow::Owned(text) => Cow::Owned(text.into_bytes()),
    }
}

/// A constant or a name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Object<'a> {
    /// The absent value.
    None,
    /// Falsehood.
    False,
    /// Truth.
    True,
    /// `...`
    Ellipsis,
    /// The exception class `StopIteration` (a marshal type of its own).
    StopIteration,
    /// An integer of any size: the shortest two's complement that holds it, little-endian; zero has no bytes.
    Int(Cow<'a, [u8]>),
    /// The bits of an IEEE 754 double.
    Float(u64),
    /// The bits of real and imaginary part.
    Complex(u64, u64),
    /// Immutable bytes.
    Bytes(Cow<'a, [u8]>),
    /// A string.
    Str(Str<'a>),
    /// The qualified name of the code object at index `constant` of the constants of the same code object.
    /// It has no meaning anywhere but directly in [`Code::constants`].
    Qualname {
        /// Index into [`Code::constants`].
        constant: u32,
        /// Whether the string is interned.
        interned: bool,
    },
    /// A container; a mapping alternates keys and values.
    Container(Container, Vec<Ref>),
}
