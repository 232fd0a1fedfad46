//! Builds the name index: a perfect hash with a pilot of one byte for each bucket (spec.md 5.6).
//!
//! The builder searches for a pilot for each bucket, largest bucket first. If every pilot leads to an occupied slot, it
//! takes the pilot with the lowest [cost](cost_of), evicts the buckets in the way, and searches for new pilots for them
//! later. This is the method of PtrHash (Groot Koerkamp, 2025). A greedy search without eviction fails at about
//! 100,000 names.

use crate::error::{Error, ErrorKind};
use bytemuck::Zeroable;
use permacode_format::{NONE, Slot, U32, bucket_of, fingerprint_of, name_hash, slot_of};
use std::collections::VecDeque;

/// Average number of names in a bucket.
const NAMES_PER_BUCKET: usize = 3;
/// Percentage of the slots that hold a name.
const LOAD_PERCENT: usize = 95;
/// Number of seeds to try before [`build`] fails.
const SEEDS: u64 = 64;

/// An index over names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PerfectHash {
    pub(crate) seed: u64,
    pub(crate) pilots: Vec<u8>,
    pub(crate) slots: Vec<Slot>,
}

/// Builds the index of distinct names. `Slot::record` is an index in `names`. The caller fills in `Slot::name_offset`
/// and `Slot::name_len`, which are zero.
///
/// Fails with [`ErrorKind::Index`] if no seed works, for example if two names are equal.
pub(crate) fn build(names: &[&[u8]]) -> Result<PerfectHash, Error> {
    if names.is_empty() {
        return Ok(PerfectHash { seed: 0, pilots: Vec::new(), slots: Vec::new() });
    }
    (0..SEEDS).find_map(|seed| build_with_seed(names, seed)).ok_or_else(|| Error::new(ErrorKind::Index))
}

fn build_with_seed(names: &[&[u8]], seed: u64) -> Option<PerfectHash> {
    let hashes: Vec<u64> = names.iter().map(|name| name_hash(name, seed)).collect();
    let bucket_count = names.len().div_ceil(NAMES_PER_BUCKET) as u32;
    let slot_count = (names.len() * 100).div_ceil(LOAD_PERCENT) as u32;

    let mut buckets = vec![Vec::new(); bucket_count as usize];
    for (name, hash) in hashes.iter().enumerate() {
        buckets[bucket_of(*hash, bucket_count) as usize].push(name as u32);
    }
    let mut by_size: Vec<u32> = (0..bucket_count).collect();
    by_size.sort_by_key(|bucket| std::cmp::Reverse(buckets[*bucket as usize].len()));

    let mut pilots = vec![0u8; bucket_count as usize];
    let mut owner = vec![NONE; slot_count as usize];
    let mut queue: VecDeque<u32> = by_size.into_iter().filter(|bucket| !buckets[*bucket as usize].is_empty()).collect();
    let mut searches = 0usize;
    // The buckets that got a pilot last cannot be evicted. Otherwise two buckets could evict each other forever.
    let mut recent: VecDeque<u32> = VecDeque::new();
    while let Some(bucket) = queue.pop_front() {
        searches += 1;
        if searches > 64 * names.len() + 1024 {
            return None;
        }
        let members = &buckets[bucket as usize];
        let mut best: Option<(usize, u8)> = None;
        // Once evictions have begun, each search starts at another pilot, so an evicted bucket gets a different one.
        let start = (searches.wrapping_mul(0x9E37) >> 3) as u8;
        for step in 0..=u8::MAX {
            let pilot = if searches > buckets.len() { start.wrapping_add(step) } else { step };
            let slots = members.iter().map(|name| slot_of(hashes[*name as usize], pilot, slot_count));
            let Some(cost) = cost_of(slots, &owner, &buckets, &recent) else { continue };
            if best.is_none_or(|(least, _)| cost < least) {
                best = Some((cost, pilot));
                if cost == 0 {
                    break;
                }
            }
        }
        let (_, pilot) = best?;
        for name in members {
            let slot = slot_of(hashes[*name as usize], pilot, slot_count) as usize;
            let evicted = owner[slot];
            if evicted != NONE {
                for other in &buckets[evicted as usize] {
                    let slot = slot_of(hashes[*other as usize], pilots[evicted as usize], slot_count) as usize;
                    owner[slot] = NONE;
                }
                queue.push_front(evicted);
            }
        }
        for name in members {
            owner[slot_of(hashes[*name as usize], pilot, slot_count) as usize] = bucket;
        }
        pilots[bucket as usize] = pilot;
        recent.push_back(bucket);
        if recent.len() > 16 {
            recent.pop_front();
        }
    }

    let empty = Slot { record: U32::new(NONE), ..Slot::zeroed() };
    let mut slots = vec![empty; slot_count as usize];
    for (name, hash) in hashes.iter().enumerate() {
        let slot = slot_of(*hash, pilots[bucket_of(*hash, bucket_count) as usize], slot_count);
        let (fingerprint, record) = (fingerprint_of(*hash).into(), U32::new(name as u32));
        slots[slot as usize] = Slot { fingerprint, record, ..empty };
    }
    Some(PerfectHash { seed, pilots, slots })
}

/// The cost of taking these slots: the sum of the squared sizes of the buckets that own them.
///
/// `None` if two of the slots are the same, or a bucket of `recent` owns one.
fn cost_of(
    slots: impl Iterator<Item = u32> + Clone,
    owner: &[u32],
    buckets: &[Vec<u32>],
    recent: &VecDeque<u32>,
) -> Option<usize> {
    let mut cost = 0;
    for (position, slot) in slots.clone().enumerate() {
        if slots.clone().take(position).any(|other| other == slot) {
            return None;
        }
        let bucket = owner[slot as usize];
        if bucket != NONE {
            if recent.contains(&bucket) {
                return None;
            }
            cost += buckets[bucket as usize].len().pow(2);
        }
    }
    Some(cost)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn find(index: &PerfectHash, names: &[&[u8]], name: &[u8]) -> Option<u32> {
        let hash = name_hash(name, index.seed);
        let pilot = index.pilots[bucket_of(hash, index.pilots.len() as u32) as usize];
        let slot = index.slots[slot_of(hash, pilot, index.slots.len() as u32) as usize];
        let record = slot.record.get();
        (slot.fingerprint.get() == fingerprint_of(hash) && names.get(record as usize) == Some(&name)).then_some(record)
    }

    #[test]
    fn each_of_many_names_is_found() {
        for count in [1usize, 2, 3, 10, 650, 20_000, 100_000] {
            let owned: Vec<String> = (0..count).map(|i| format!("package{}.module{i}", i % 97)).collect();
            let names: Vec<&[u8]> = owned.iter().map(|name| name.as_bytes()).collect();
            let index = build(&names).unwrap();
            for (i, name) in names.iter().enumerate() {
                assert_eq!(find(&index, &names, name), Some(i as u32), "{count}");
            }
            assert_eq!(index.slots.iter().filter(|slot| slot.record.get() != NONE).count(), count);
        }
    }

    #[test]
    fn equal_names_are_an_error_after_a_bounded_search() {
        assert!(matches!(build(&[b"a", b"a"]).unwrap_err().kind(), ErrorKind::Index));
    }

    proptest! {
        #[test]
        fn any_set_of_names_is_found_and_nothing_else(
            names in proptest::collection::hash_set("[a-z.]{1,12}", 1..60),
            other in "[A-Z]{1,9}",
        ) {
            let names: Vec<&[u8]> = names.iter().map(|name| name.as_bytes()).collect();
            let index = build(&names).unwrap();
            for (i, name) in names.iter().enumerate() {
                prop_assert_eq!(find(&index, &names, name), Some(i as u32));
            }
            prop_assert_eq!(find(&index, &names, other.as_bytes()), None);
        }
    }
}
