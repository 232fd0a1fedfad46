//! Tuples that the code objects of a module share: those of names, of locals, of constants.

use hashbrown::{HashTable, hash_table::Entry};
use pyo3::prelude::*;

use super::raw::{self, Held};
use crate::error::Result;

/// Tuples of objects of the cache, each once for a load. Two are the same if they have the same objects.
///
/// The compiler shares them within a module, and so does this. Sharing them between modules costs more time than it saves:
/// the table no longer fits in the processor's caches.
pub(super) struct Tuples<'py> {
    /// With their hashes, so that the table can grow without a look at them.
    table: HashTable<(u64, Bound<'py, PyAny>)>,
    empty: Option<Bound<'py, PyAny>>,
}

fn hash(items: &[Held]) -> u64 {
    // Objects are aligned to 16 bytes and lie near each other: a multiplication spreads what differs over the upper bits.
    items
        .iter()
        .fold(0, |hash: u64, item| (hash.rotate_left(5) ^ item.addr().get() as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15))
}

impl<'py> Tuples<'py> {
    /// Room for the tuples of so many code objects.
    pub(super) fn for_codes(count: usize) -> Self {
        Tuples { table: HashTable::with_capacity(count.saturating_mul(2)), empty: None }
    }

    /// The tuple of these objects, which must live until the load ends.
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
