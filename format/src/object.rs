//! Objects: constants and names (spec.md 5.10, 5.11).

use crate::{SectionKind, U32, named::named, record::record};

record! {
    /// One entry of the objects section, at the index of the object id: the position of the object [O-1].
    pub struct ObjectEntry[4] in Objects {
        /// Offset in the constants section, or with [`ObjectEntry::COLD`] in the docstrings section.
        0 place: U32,
    }
}

impl ObjectEntry {
    /// The bit that is set if the object lies in the docstrings section, and clear if it lies in the constants section.
    pub const COLD: u32 = 0x8000_0000;

    /// The entry of an object at `offset` of its section. `None` for an offset of 2^31 or more.
    #[must_use]
    pub const fn new(offset: u32, is_cold: bool) -> Option<Self> {
        match (offset & Self::COLD, is_cold) {
            (0, false) => Some(ObjectEntry { place: U32::new(offset) }),
            (0, true) => Some(ObjectEntry { place: U32::new(offset | Self::COLD) }),
            _ => None,
        }
    }

    /// Offset of the object in its section, in bytes.
    #[must_use]
    #[inline]
    pub const fn offset_in_section(self) -> u32 {
        self.place.get() & !Self::COLD
    }

    /// The section that holds the object.
    #[must_use]
    #[inline]
    pub const fn section(self) -> SectionKind {
        if self.place.get() & Self::COLD != 0 { SectionKind::Docstrings } else { SectionKind::Constants }
    }
}

/// Parts of the first byte of an object [O-2].
pub mod object_flag {
    /// The bits that hold the [`super::ObjectKind`].
    pub const KIND: u8 = 0x1F;
    /// Of a string or qualified name: it is interned.
    pub const INTERNED: u8 = 0x20;
    /// Of a container: its items have four bytes instead of two.
    pub const WIDE: u8 = 0x20;
    /// Of a container: it reaches code objects, and its bound follows [O-7].
    pub const CODE: u8 = 0x40;
}

macro_rules! object_kinds {
    ($($(#[$doc:meta])* $value:literal $name:ident $text:literal $flags:literal;)*) => {
        /// The kind of an object: the low five bits of its first byte (spec.md 5.11).
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[repr(u8)]
        pub enum ObjectKind { $($(#[$doc])* $name = $value,)* }

        impl ObjectKind {
            /// All kinds, in the order of their numbers.
            pub const ALL: &'static [ObjectKind] = &[$(ObjectKind::$name),*];

            /// The kind with this number.
            #[must_use]
            #[inline]
            pub const fn from_number(number: u8) -> Option<Self> {
                match number { $($value => Some(Self::$name),)* _ => None }
            }

            /// Name in `spec.md`.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(Self::$name => $text,)* }
            }

            /// Bits of [`object_flag`] that an object of this kind may have [O-2].
            #[must_use]
            #[inline]
            pub const fn allowed_flags(self) -> u8 {
                match self { $(Self::$name => $flags,)* }
            }
        }
    };
}

named!(ObjectKind: u8);

object_kinds! {
    /// The absent value.
    1 None "none" 0x00;
    /// Falsehood.
    2 False "false" 0x00;
    /// Truth.
    3 True "true" 0x00;
    /// `...`
    4 Ellipsis "ellipsis" 0x00;
    /// The exception class `StopIteration`.
    5 StopIteration "stop-iteration" 0x00;
    /// An integer: length, then the shortest two's complement, little-endian; zero has no bytes [O-3].
    6 Int "int" 0x00;
    /// The eight bytes of an IEEE 754 double.
    7 Float "float" 0x00;
    /// Two doubles: real part, imaginary part.
    8 Complex "complex" 0x00;
    /// Length, then the bytes.
    9 Bytes "bytes" 0x00;
    /// A string of ASCII: length, then the text [O-4].
    10 Ascii "ascii" 0x20;
    /// A string in UTF-8 that is not ASCII: length in bytes, then the text [O-4].
    11 Utf8 "utf8" 0x20;
    /// A string with surrogates, in generalised UTF-8: length in bytes, then the text [O-4].
    12 Surrogates "surrogates" 0x20;
    /// The qualified name of a code object; the index of that constant follows [O-5].
    13 Qualname "qualname" 0x20;
    /// An immutable sequence.
    16 Tuple "tuple" 0x60;
    /// An immutable set, in a fixed order.
    17 FrozenSet "frozenset" 0x60;
    /// A mutable sequence.
    18 List "list" 0x60;
    /// A mutable set, in a fixed order.
    19 Set "set" 0x60;
    /// A mutable mapping: keys and values alternate [O-8].
    20 Dict "dict" 0x60;
    /// An immutable mapping: keys and values alternate [O-8].
    21 FrozenDict "frozendict" 0x60;
    /// Start, stop and step [O-8].
    22 Slice "slice" 0x60;
}

/// The value of an object without items. `B` is the type of bytes, `S` the type of strings.
///
/// Each crate of the project chooses `B` and `S`: borrowed in the reader, `Cow` in the model.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Leaf<B, S> {
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
    Int(B),
    /// An IEEE 754 double, as its bits.
    Float(u64),
    /// The bits of real and imaginary part.
    Complex(u64, u64),
    /// Immutable bytes.
    Bytes(B),
    /// A string.
    Str(S),
    /// The qualified name of the code object at index `constant` of the same constants.
    Qualname {
        /// Index into the constants of the code object that lists this object.
        constant: u32,
        /// Whether the string is interned.
        interned: bool,
    },
}

impl<B, S> Leaf<B, S> {
    /// The same value with other bytes and strings.
    ///
    /// ```
    /// use permacode_format::Leaf;
    /// let borrowed: Leaf<&[u8], &str> = Leaf::Str("x");
    /// assert_eq!(borrowed.map(Vec::from, String::from), Leaf::Str("x".to_owned()));
    /// ```
    pub fn map<C, T>(self, bytes: impl FnOnce(B) -> C, text: impl FnOnce(S) -> T) -> Leaf<C, T> {
        match self {
            Leaf::None => Leaf::None,
            Leaf::False => Leaf::False,
            Leaf::True => Leaf::True,
            Leaf::Ellipsis => Leaf::Ellipsis,
            Leaf::StopIteration => Leaf::StopIteration,
            Leaf::Int(value) => Leaf::Int(bytes(value)),
            Leaf::Float(bits) => Leaf::Float(bits),
            Leaf::Complex(real, imaginary) => Leaf::Complex(real, imaginary),
            Leaf::Bytes(value) => Leaf::Bytes(bytes(value)),
            Leaf::Str(value) => Leaf::Str(text(value)),
            Leaf::Qualname { constant, interned } => Leaf::Qualname { constant, interned },
        }
    }
}

/// The kinds of objects with items.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Container {
    /// An immutable sequence.
    Tuple,
    /// An immutable set, in a fixed order.
    FrozenSet,
    /// A mutable sequence.
    List,
    /// A mutable set, in a fixed order.
    Set,
    /// A mutable mapping: keys and values alternate.
    Dict,
    /// An immutable mapping: keys and values alternate.
    FrozenDict,
    /// Start, stop and step.
    Slice,
}

impl Container {
    /// The object kind of the container.
    #[must_use]
    pub const fn object_kind(self) -> ObjectKind {
        match self {
            Self::Tuple => ObjectKind::Tuple,
            Self::FrozenSet => ObjectKind::FrozenSet,
            Self::List => ObjectKind::List,
            Self::Set => ObjectKind::Set,
            Self::Dict => ObjectKind::Dict,
            Self::FrozenDict => ObjectKind::FrozenDict,
            Self::Slice => ObjectKind::Slice,
        }
    }

    /// The container of an object kind, if it is one.
    #[must_use]
    pub const fn of_kind(kind: ObjectKind) -> Option<Self> {
        match kind {
            ObjectKind::Tuple => Some(Self::Tuple),
            ObjectKind::FrozenSet => Some(Self::FrozenSet),
            ObjectKind::List => Some(Self::List),
            ObjectKind::Set => Some(Self::Set),
            ObjectKind::Dict => Some(Self::Dict),
            ObjectKind::FrozenDict => Some(Self::FrozenDict),
            ObjectKind::Slice => Some(Self::Slice),
            _ => None,
        }
    }

    /// Whether the value can change at run time. Such values are never merged.
    #[must_use]
    pub const fn is_mutable(self) -> bool {
        matches!(self, Self::List | Self::Set | Self::Dict)
    }

    /// Whether it may hold this many items [O-8].
    #[must_use]
    pub const fn takes(self, count: u64) -> bool {
        match self {
            Self::Dict | Self::FrozenDict => count.is_multiple_of(2),
            Self::Slice => count == 3,
            _ => true,
        }
    }
}

/// Narrow items of containers (spec.md 5.11). They reach the 32,768 objects with the lowest ids, and the 32,768 objects
/// directly before the container. Wide items are those of [`crate::list_item`].
pub mod container_item {
    /// Lowest narrow item that counts backwards from the container.
    pub const BACK: u16 = 0x8000;

    /// The object id that a narrow item of the container with id `own` refers to, or `None` if it would be negative
    /// [O-6].
    #[must_use]
    #[inline]
    pub const fn decode_narrow(item: u16, own: u32) -> Option<u32> {
        if item < BACK {
            return Some(item as u32);
        }
        own.checked_sub((item - BACK) as u32 + 1)
    }

    /// The narrow item of the container with id `own` for object `id`. `None` if narrow items do not reach the object.
    #[must_use]
    pub fn encode_narrow(id: u32, own: u32) -> Option<u16> {
        if id < BACK as u32 {
            return u16::try_from(id).ok();
        }
        let back = own.checked_sub(id)?.checked_sub(1)?;
        u16::try_from(back).ok().filter(|back| *back < BACK).map(|back| back | BACK)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn narrow_container_items_round_trip(id: u32, own: u32) {
            if let Some(item) = container_item::encode_narrow(id, own) {
                prop_assert_eq!(container_item::decode_narrow(item, own), Some(id));
            }
        }

        #[test]
        fn object_entries_round_trip(offset in 0u32..1 << 31, cold: bool) {
            let entry = ObjectEntry::new(offset, cold).unwrap();
            prop_assert_eq!((entry.offset_in_section(), entry.section() == SectionKind::Docstrings), (offset, cold));
        }
    }

    #[test]
    fn each_container_has_its_own_kind() {
        for kind in ObjectKind::ALL {
            assert_eq!(ObjectKind::from_number(*kind as u8), Some(*kind));
            if let Some(container) = Container::of_kind(*kind) {
                assert_eq!(container.object_kind(), *kind);
                assert_eq!(kind.allowed_flags(), object_flag::WIDE | object_flag::CODE);
            }
        }
        assert_eq!(ObjectKind::from_number(0), None);
    }
}
