//! Little-endian integers of alignment 1 (spec.md 3).
//!
//! `zerocopy`'s own little-endian types do not implement [`bytemuck::Pod`]. These types implement the traits of both
//! crates, and the two derives check independently that a record has no padding.

use bytemuck::{Pod, Zeroable};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

macro_rules! little_endian {
    ($($(#[$doc:meta])* $name:ident($int:ty, $len:literal);)*) => {$(
        $(#[$doc])*
        #[derive(
            Clone, Copy, PartialEq, Eq, Hash, Default,
            FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned, Pod, Zeroable,
        )]
        #[repr(transparent)]
        pub struct $name([u8; $len]);

        impl $name {
            /// Encodes a native integer.
            #[must_use]
            pub const fn new(value: $int) -> Self {
                Self(value.to_le_bytes())
            }

            /// Decodes to a native integer.
            #[must_use]
            #[inline]
            pub const fn get(self) -> $int {
                <$int>::from_le_bytes(self.0)
            }
        }

        impl From<$int> for $name {
            fn from(value: $int) -> Self {
                Self::new(value)
            }
        }

        impl core::fmt::Debug for $name {
            fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
                core::fmt::Debug::fmt(&self.get(), f)
            }
        }
    )*};
}

little_endian! {
    /// Unsigned, 2 bytes.
    U16(u16, 2);
    /// Unsigned, 4 bytes.
    U32(u32, 4);
    /// Unsigned, 8 bytes.
    U64(u64, 8);
    /// Two's complement, 4 bytes.
    I32(i32, 4);
    /// Two's complement, 8 bytes.
    I64(i64, 8);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_little_endian_on_every_host() {
        assert_eq!(bytemuck::bytes_of(&U32::new(0x0102_0304)), [4, 3, 2, 1]);
        assert_eq!(I64::new(-2).get(), -2);
        assert_eq!(U16::from(0xBEEF).get(), 0xBEEF);
    }
}
