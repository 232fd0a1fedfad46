//! The name index: a perfect hash whose slots hold fingerprints (spec.md 5.6).
//!
//! A lookup hashes the name once. The high half of the hash selects a bucket. The bucket has a pilot of one byte. Hash
//! and pilot together select a slot, and each name has a slot of its own. The slot holds a fingerprint of the hash and
//! the length of the name, so the lookup of an absent name nearly always ends without a comparison of names. The slot
//! also holds the offset of the name, so the lookup compares names before it reads a record.

use crate::{U16, U32, U64, record::record};

record! {
    /// The position of one index in the index section (spec.md 5.6).
    pub struct IndexHeader[24] {
        /// Seed of the name hash.
        0 seed: U64,
        /// Offset in bytes of the pilots, one byte for each bucket, in the index section.
        8 pilots_offset: U32,
        /// Number of buckets. It is zero only if there are no slots.
        12 bucket_count: U32,
        /// Offset in bytes of the slots in the index section.
        16 slots_offset: U32,
        /// Number of slots.
        20 slot_count: U32,
    }
}

record! {
    /// One slot of an index (spec.md 5.6).
    pub struct Slot[12] {
        /// Low 16 bits of the hash of the name, or zero in an empty slot.
        0 fingerprint: U16,
        /// Length of the name in bytes, as in the record; zero in an empty slot.
        2 name_len: U16,
        /// Offset of the name in the names section, as in the record; zero in an empty slot.
        4 name_offset: U32,
        /// Number of the record, counted from the first one of the target, or [`crate::NONE`] in an empty slot.
        8 record: U32,
    }
}

/// The bucket of a hash, one of `bucket_count` (spec.md 5.6).
#[must_use]
#[inline]
pub const fn bucket_of(hash: u64, bucket_count: u32) -> u32 {
    (((hash >> 32) * bucket_count as u64) >> 32) as u32
}

/// The slot of a hash with the pilot of its bucket, one of `slot_count` (spec.md 5.6).
#[must_use]
#[inline]
pub const fn slot_of(hash: u64, pilot: u8, slot_count: u32) -> u32 {
    // The next pilot adds twice the low half of the hash, so it moves each name by another distance. Two names that get
    // the same slot with one pilot nearly always get different slots with the next.
    let moved = (hash as u32).wrapping_mul(0x9E37_79B1 + 2 * pilot as u32);
    ((moved as u64 * slot_count as u64) >> 32) as u32
}

/// The fingerprint of a hash: its low 16 bits.
#[must_use]
#[inline]
pub const fn fingerprint_of(hash: u64) -> u16 {
    hash as u16
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn buckets_and_slots_are_in_range(hash: u64, pilot: u8, count in 1u32..) {
            prop_assert!(bucket_of(hash, count) < count);
            prop_assert!(slot_of(hash, pilot, count) < count);
        }
    }
}
