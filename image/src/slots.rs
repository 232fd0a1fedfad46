//! Slots: the words of an image that the loader replaces by addresses.
//!
//! A slot holds a *sentinel* until then: a kind in its highest byte, and a payload in the other seven. No address of a
//! process has such a highest byte, so the loader can tell whether it has replaced a slot.

use crate::file::PAGE_LEN;

/// Length in bytes of the list of slots of a page: one bit for each word.
pub const SLOTS_LEN: usize = (PAGE_LEN / 64) as usize;

/// What a slot stands for until it is replaced.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Slot {
    /// A static object of the interpreter, relative to the anchor.
    Static(i64),
    /// The object of the interpreter for the name with this number.
    Name(u64),
    /// The frozenset with this number.
    Set(u64),
}

const STATIC: u64 = 0xa1;
const NAME: u64 = 0xa2;
const SET: u64 = 0xa3;
const PAYLOAD_BITS: u32 = 56;
const PAYLOAD: u64 = (1 << PAYLOAD_BITS) - 1;

impl Slot {
    /// The sentinel.
    #[must_use]
    pub fn encode(self) -> u64 {
        let (kind, payload) = match self {
            Slot::Static(offset) => (STATIC, offset.cast_unsigned()),
            Slot::Name(number) => (NAME, number),
            Slot::Set(number) => (SET, number),
        };
        kind << PAYLOAD_BITS | payload & PAYLOAD
    }

    /// The meaning of a word. `None` if it is not a sentinel.
    #[must_use]
    #[inline]
    pub fn decode(word: u64) -> Option<Slot> {
        let payload = word & PAYLOAD;
        match word >> PAYLOAD_BITS {
            // The shifts fill the highest byte with copies of the sign.
            STATIC => Some(Slot::Static(word.cast_signed() << 8 >> 8)),
            NAME => Some(Slot::Name(payload)),
            SET => Some(Slot::Set(payload)),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sentinel_keeps_its_meaning() {
        for slot in [Slot::Static(0), Slot::Static(-8), Slot::Static(1 << 40), Slot::Name(7), Slot::Set(1 << 30)] {
            assert_eq!(Slot::decode(slot.encode()), Some(slot));
        }
    }

    #[test]
    fn an_address_is_not_a_sentinel() {
        for word in [0, 8, 0x20_0000_0000, 0x7fff_ffff_ffff, u64::MAX] {
            assert_eq!(Slot::decode(word), None);
        }
    }
}
