//! Limits the number of values that CPython visits in constants (spec.md 8.2, [P-6]).
//!
//! Sixty tuples, each of which contains the previous one twice, have a few hundred bytes in an archive and stand for
//! 2^60 values. To make them takes no time. But CPython visits each value, once for each path to it, when it makes a
//! code object (it interns strings in nested tuples and frozensets) and when it hashes a tuple in a set or dict. It
//! cannot be interrupted there. So this module computes the *weight* of a constant first: the number of values that
//! CPython visits.

use hashbrown::{HashMap, HashSet};
use permacode_reader::{Budget, Constant, Container, ContainerKind, Item, ItemRef, List, Object};

use crate::error::{Error, Result};

/// The weight that a module may have in every archive. CPython visits that many values in about half a second.
const VALUES: u64 = 1 << 24;

/// The additional weight for each byte of the archive. The compiler of CPython makes at most 86 values from a byte of
/// source, when it folds `((0,)*4,)*256` into a constant.
const VALUES_A_BYTE: u64 = 128;

/// The greatest weight that is not counted. The number of constants is at most the number of items of all lists, which
/// `Budget::take_list` limits.
pub(super) const LIGHT: u64 = 64;

/// The weight that a module may have in an archive of this length in bytes.
pub(super) fn budget(archive_len: u64) -> u64 {
    archive_len.saturating_mul(VALUES_A_BYTE).saturating_add(VALUES)
}

/// The weights of containers. The weight of a container is one plus the weights of its items.
///
/// Light containers without containers among their items are not stored. [`Weights::of`] computes their weights again.
#[derive(Debug, Default)]
pub(super) struct Weights {
    by_id: HashMap<u32, u64>,
    /// The ids of the containers that [`add_all`](Self::add_all) has visited.
    visited: HashSet<u32>,
}

impl Weights {
    /// Adds a container whose items have been added, and returns its weight. For a set or dict, the weight is taken
    /// from `left`, because CPython hashes the items when it makes the container.
    pub(super) fn add(&mut self, object: Object<'_>, container: &Container<'_>, left: &mut u64) -> Result<u64> {
        let mut weight = 1 + container.len() as u64;
        if container.depth() > 1 {
            for item in container.iter() {
                if let Item::Object(item) = item? {
                    weight = weight.saturating_add(self.of(item)? - 1);
                }
            }
        }
        if weight > LIGHT || container.depth() > 1 {
            self.by_id.insert(object.id(), weight);
        }
        match container.kind() {
            ContainerKind::Set | ContainerKind::FrozenSet | ContainerKind::Dict | ContainerKind::FrozenDict => {
                take(left, weight, object.offset()?)?;
            }
            ContainerKind::Tuple | ContainerKind::List | ContainerKind::Slice => {}
        }
        Ok(weight)
    }

    /// Adds an object and everything that it reaches. An explicit stack replaces recursion, because containers may be
    /// 2,000 levels deep.
    pub(super) fn add_all(&mut self, outermost: Object<'_>, budget: &mut Budget, left: &mut u64) -> Result<()> {
        let mut stack = vec![(outermost, false)];
        while let Some((object, are_items_added)) = stack.pop() {
            let Constant::Container(container) = object.constant()? else { continue };
            if are_items_added {
                self.add(object, &container, left)?;
                continue;
            }
            if !self.visited.insert(object.id()) {
                continue;
            }
            budget.take_object(&object)?;
            stack.push((object, true));
            for item in container.iter() {
                if let Item::Object(item) = item? {
                    stack.push((item, false));
                }
            }
        }
        Ok(())
    }

    /// The weight of an object. A container must have been added.
    fn of(&self, object: Object<'_>) -> Result<u64> {
        if let Some(weight) = self.by_id.get(&object.id()) {
            return Ok(*weight);
        }
        Ok(match object.constant()? {
            Constant::Container(container) => 1 + container.len() as u64,
            _ => 1,
        })
    }

    /// Takes the weights of the stored constants of a code object from `left`.
    pub(super) fn take_constants(&self, list: &List<'_>, left: &mut u64) -> Result<()> {
        for (index, reference) in list.constants().references().enumerate() {
            let ItemRef::Object(id) = reference? else { continue };
            if let Some(weight) = self.by_id.get(&id)
                && let Some(Item::Object(object)) = list.constants().get(index).transpose()?
            {
                take(left, *weight, object.offset()?)?;
            }
        }
        Ok(())
    }
}

fn take(left: &mut u64, weight: u64, offset: u64) -> Result<()> {
    match left.checked_sub(weight) {
        Some(rest) => *left = rest,
        None => return Err(Error::out_of_proportion(weight, *left, offset)),
    }
    Ok(())
}
