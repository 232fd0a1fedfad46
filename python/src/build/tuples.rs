//! Tuples that code objects share: those of names, of locals, of constants.

#![allow(unsafe_code)]

use std::cell::RefCell;

use hashbrown::{HashTable, hash_table::Entry};
use pyo3::prelude::*;

use crate::error::Result;

use super::raw::{self, Held};

/// Tuples of objects of the cache, each once. Two are the same if they have the same objects.
#[derive(Debug, Default)]
pub(super) struct Tuples {
    /// Hashes, so that the table can grow without a look at them, and references that are owned.
    table: RefCell<HashTable<(u64, Held)>>,
}

fn hash(items: impl Iterator<Item = usize>) -> u64 {
    // Objects are aligned to 16 bytes and lie near each other: a multiplication spreads what differs over the upper bits.
    items.fold(0, |hash: u64, item| (hash.rotate_left(5) ^ item as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15))
}

impl Tuples {
    /// The tuple of these objects, which must be of the cache.
    pub(super) fn get(&self, py: Python<'_>, items: &[Held]) -> Result<Held> {
        let hash = hash(items.iter().map(|item| item.addr().get()));
        let is_same = |(other, tuple): &(u64, Held)| *other == hash && raw::is_tuple_of(*tuple, items);
        if let Some((_, found)) = self.table.borrow().find(hash, is_same) {
            return Ok(*found);
        }
        // It may run the garbage collector, and that anything: the table is not borrowed.
        let tuple = raw::tuple(py, items)?;
        let held = raw::held(&tuple);
        let mut table = self.table.borrow_mut();
        match table.entry(hash, is_same, |(hash, _)| *hash) {
            Entry::Occupied(entry) => Ok(entry.get().1),
            Entry::Vacant(entry) => {
                entry.insert((hash, held));
                std::mem::forget(tuple);
                Ok(held)
            }
        }
    }

    /// Lets go of all of them.
    pub(super) fn clear(&mut self, py: Python<'_>) {
        for (_, tuple) in std::mem::take(self.table.get_mut()) {
            // SAFETY: attached; the table owns a reference, and has just been emptied.
            drop(unsafe { Bound::from_owned_ptr(py, tuple.as_ptr()) });
        }
    }
}
