//! The tuples that the code objects of a module share: names, locals and constants.

use hashbrown::{HashTable, hash_table::Entry};
use pyo3::prelude::*;

use super::raw::{self, Held};
use crate::error::Result;

/// The tuples of one load. Tuples with the same objects are made once.
///
/// The compiler shares such tuples within a module, too. To share them between modules would cost more time than it
/// saves, because the hash table would no longer fit into the caches of the processor.
pub(super) struct Tuples<'py> {
    /// Each tuple with its hash, so that the table can grow without reading the tuples.
    table: HashTable<(u64, Bound<'py, PyAny>)>,
    empty: Option<Bound<'py, PyAny>>,
}

fn hash(items: &[Held]) -> u64 {
    // Addresses of objects differ only in a few middle bits. The multiplication spreads the differences to the high
    // bits.
    items
        .iter()
        .fold(0, |hash: u64, item| (hash.rotate_left(5) ^ item.addr().get() as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15))
}

impl<'py> Tuples<'py> {
    /// Reserves memory for the tuples of `count` code objects.
    pub(super) fn for_codes(count: usize) -> Self {
        Tuples { table: HashTable::with_capacity(count.saturating_mul(2)), empty: None }
    }

    /// The tuple of these objects. It lives until the load ends.
    pub(super) fn get(&mut self, py: Python<'py>, items: &[Held], is_tracked: bool) -> Result<Held> {
        if items.is_empty() {
            let empty = self.empty.take().map_or_else(|| raw::tuple(py, items, false), Ok)?;
            return Ok(raw::held(self.empty.insert(empty)));
        }
        let hash = hash(items);
        let is_same =
            |(other, tuple): &(u64, Bound<'_, PyAny>)| *other == hash && raw::is_tuple_of(raw::held(tuple), items);
        match self.table.entry(hash, is_same, |(hash, _)| *hash) {
            Entry::Occupied(entry) => Ok(raw::held(&entry.get().1)),
            Entry::Vacant(entry) => {
                let tuple = raw::tuple(py, items, is_tracked)?;
                let held = raw::held(&tuple);
                entry.insert((hash, tuple));
                Ok(held)
            }
        }
    }
}
