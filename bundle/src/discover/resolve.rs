//! Several places: a module name once.

use std::collections::{HashMap, HashSet};

use super::{Item, ItemKind, Why, ancestors};
use crate::{
    error::{Error, ErrorKind},
    place::{Place, PlaceKind},
};

/// Decides who has a module that several places have.
///
/// Between the places of an interpreter, the first in its search order has it, as in CPython: a package of a later place is
/// hidden with all that is in it. Folders without `__init__.py` are joined. What the user named has no search order: there,
/// it is an error. Expects items in the order of places.
pub(super) fn resolve(places: &[Place], items: &mut Vec<Item>) -> Result<(), Error> {
    // The same file by way of two places that overlap.
    let mut seen = HashSet::new();
    items.retain(|item| {
        let place = &places[item.place];
        seen.insert((&place.root, &place.folder, item.path.clone()))
    });
    let mut order: Vec<(usize, usize)> = Vec::new();
    for (index, item) in items.iter().enumerate() {
        if let ItemKind::Module { name, .. } = &item.kind {
            order.push((name.matches('.').count(), index));
        }
    }
    // Packages before what is in them; items are in the order of places already.
    order.sort_unstable();
    let mut owners: HashMap<String, usize> = HashMap::new();
    for (_, index) in order {
        let item = &items[index];
        let ItemKind::Module { name, .. } = &item.kind else { continue };
        let place = &places[item.place];
        let is_elsewhere = |owner: &&usize| places[items[**owner].place].folder != place.folder;
        let above = ancestors(name).filter_map(|package| owners.get(package)).find(is_elsewhere);
        let Some(owner) = owners.get(name).or(above) else {
            owners.insert(name.clone(), index);
            continue;
        };
        let first = &items[*owner];
        if place.kind == PlaceKind::Given {
            let (first, second) = (first.file.clone(), item.file.clone());
            return Err(ErrorKind::Conflict { name: name.clone(), first, second }.into());
        }
        let root = places[first.place].root.clone();
        items[index].kind = ItemKind::Resource(Some(Why::HiddenByRoot { root }));
    }
    Ok(())
}
