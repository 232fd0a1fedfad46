//! Constants and names.

use permacode_format::Container;
use std::borrow::Cow;

/// A reference from a container or a code object: an index into the arena of its module.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Ref {
    /// Index in [`Module::objects`](crate::Module::objects).
    Object(u32),
    /// Index in [`Module::codes`](crate::Module::codes).
    Code(u32),
}

/// A string.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Str<'a> {
    /// Generalised UTF-8: UTF-8 in which lone surrogates may occur as three bytes.
    pub text: Cow<'a, [u8]>,
    /// Whether it is interned: the machine keeps one copy of each interned text for the whole process.
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

impl<'a, T: Into<Cow<'a, str>>> From<T> for Str<'a> {
    /// A string that is not interned.
    fn from(text: T) -> Self {
        Str::plain(text)
    }
}

fn bytes_of(text: Cow<'_, str>) -> Cow<'_, [u8]> {
    match text {
        Cow::Borrowed(text) => Cow::Borrowed(text.as_bytes()),
        Cow::Owned(text) => Cow::Owned(text.into_bytes()),
    }
}

/// The value of an object without items. A [`Leaf::Qualname`] may occur only directly in
/// [`Code::constants`](crate::Code::constants).
pub type Leaf<'a> = permacode_format::Leaf<Cow<'a, [u8]>, Str<'a>>;

/// A constant or a name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Object<'a> {
    /// A value without items.
    Leaf(Leaf<'a>),
    /// A container and its items. Keys and values of a mapping alternate.
    Container(Container, Vec<Ref>),
}

impl<'a> From<Leaf<'a>> for Object<'a> {
    fn from(leaf: Leaf<'a>) -> Self {
        Object::Leaf(leaf)
    }
}
