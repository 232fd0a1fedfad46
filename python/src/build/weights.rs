//! How many values a constant stands for, and a limit to that (spec.md 8.2, [P-6]).
//!
//! Sixty tuples, each of which holds the one before twice, take a few hundred bytes of an archive and stand for 2^60 values.
//! They are made in no time. But CPython goes through the constants of a code object value by value when it makes one (it
//! interns strings, at any depth of tuples and frozensets), and so does the hash of a tuple in a set or a dict. Neither can be
//! interrupted. So values are counted first, each as often as CPython meets it.

use hashbrown::{HashMap, HashSet};
use permacode_reader::{Budget, Constant, Container, ContainerKind, Item, ItemRef, List, Object};

use crate::error::{Error, Result};

/// Values that a module may stand for whatever the length of the archive: half a second's work.
const VALUES: u64 = 1 << 24;

/// Values for each byte of the archive besides. The compiler of CPython makes at most 86 out of a byte of source, by folding
/// `((0,)*4,)*256` into a constant.
const VALUES_A_BYTE: u64 = 128;

/// A constant of so many values is not worth counting: there are no more constants than the archive's lists have items, and
/// `Budget::take_list` counts those.
pub(super) const LIGHT: u64 = 64;

/// How many values a module of an archive of this length may lead CPython through.
pub(super) fn budget(archive_len: u64) -> u64 {
    archive_len.saturating_mul(VALUES_A_BYTE).saturating_add(VALUES)
}

/// How many values containers stand for: themselves, and what each of their items stands for.
///
/// Those of [`LIGHT`] ones that hold no containers are not kept: a look at the container tells.
#[derive(Debug, Default)]
pub(super) struct Weights {
    by_id: HashMap<u32, u64>,
    /// What [`add_all`](Self::add_all) has met.
    met: HashSet<u32>,
}

impl Weights {
    /// The values of a container whose members have been added. What it takes to hash its members goes off `left`.
    pub(super) fn add(&mut self, object: Object<'_>, container: &Container<'_>, left: &mut u64) -> Result<u64> {
        let mut weight = 1 + container.len() as u64;
        if container.depth() > 1 {
            for item in container.iter() {
                if let Item::Object(member) = item? {
                    weight = weight.saturating_add(self.of(member)? - 1);
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

    /// Adds an object and all that it holds, unless it has been met. It does not recurse: containers may be 2,000 deep.
    pub(super) fn add_all(&mut self, outermost: Object<'_>, budget: &mut Budget, left: &mut u64) -> Result<()> {
        let mut stack = vec![(outermost, false)];
        while let Some((object, are_members_added)) = stack.pop() {
            let Constant::Container(container) = object.constant()? else { continue };
            if are_members_added {
                self.add(object, &container, left)?;
                continue;
            }
            if !self.met.insert(object.id()) {
                continue;
            }
            budget.take_object(&object)?;
            stack.push((object, true));
            for item in container.iter() {
                if let Item::Object(member) = item? {
                    stack.push((member, false));
                }
            }
        }
        Ok(())
    }

    /// The values of an object; of a container, one that was added.
    fn of(&self, object: Object<'_>) -> Result<u64> {
        if let Some(weight) = self.by_id.get(&object.id()) {
            return Ok(*weight);
        }
        Ok(match object.constant()? {
            Constant::Container(container) => 1 + container.len() as u64,
            _ => 1,
        })
    }

    /// Takes the values of all constants of a code object off `left`.
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
