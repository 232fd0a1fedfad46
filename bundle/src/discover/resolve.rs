//! Several places: one file for each module name.

use std::collections::{BTreeSet, HashMap};

use super::{Claim, Discovery, FoundKind, Why, ancestors};
use crate::{
    error::Error,
    place::{Place, PlaceKind},
};

/// Decides which file a module name has if several places offer one. Returns the names that have a file, bundled or
/// not.
///
/// The first place in the search order of an interpreter wins, as in CPython, even if its file is not bundled: it may
/// be an extension module or an excluded file. Folders without `__init__` are joined, unless some place has a module or
/// package of that name, which hides them. The folders that the user named have no order, so it is an error if two of
/// them bundle a file for the same name.
pub(super) fn resolve(places: &[Place], found: &mut Discovery) -> Result<BTreeSet<String>, Error> {
    let mut bundled = HashMap::new();
    for (index, item) in found.items.iter().enumerate() {
        if let FoundKind::Module { .. } = item.kind {
            bundled.insert((item.place, &item.path[..]), index);
        }
    }
    let item = |claim: &Claim| bundled.get(&(claim.file.place, &claim.file.path[..])).copied();
    let is_given = |claim: &Claim| places[claim.file.place].kind == PlaceKind::Given;
    // Packages come before their modules. In folders that the user named, files that are not bundled give way.
    let order = |claim: &Claim| {
        let gives_way = is_given(claim) && item(claim).is_none();
        (claim.name.matches('.').count(), gives_way, claim.file.place)
    };
    let mut claims: Vec<&Claim> = found.claims.iter().collect();
    claims.sort_by_cached_key(|claim| order(claim));
    let mut owners: HashMap<&str, &Claim> = HashMap::new();
    let mut shadowed = Vec::new();
    for claim in claims {
        let folder = |claim: &Claim| &places[claim.file.place].folder;
        let is_elsewhere = |owner: &&&Claim| folder(owner) != folder(claim);
        let above = ancestors(&claim.name).filter_map(|package| owners.get(package)).find(is_elsewhere);
        let Some(owner) = above.or(owners.get(&claim.name[..])).copied() else {
            owners.insert(&claim.name, claim);
            continue;
        };
        let Some(index) = item(claim) else { continue };
        if above.is_none() && is_given(claim) {
            if let Some(first) = item(owner) {
                return Err(conflict(places, found, first, index));
            }
            owners.insert(&claim.name, claim);
            continue;
        }
        shadowed.push((index, owner.file.shown(places)));
    }
    let known = owners.into_keys().map(ToOwned::to_owned).collect();
    for (index, by) in shadowed {
        found.items[index].kind = FoundKind::Resource(Some(Why::Shadowed { by }));
    }
    Ok(known)
}

/// The error about two files for one module name.
fn conflict(places: &[Place], found: &Discovery, first: usize, second: usize) -> Error {
    let (first, second) = (&found.items[first], &found.items[second]);
    let name = second.module_name().unwrap_or_default().to_owned();
    // Leave out a whole package: the rest of it would belong to the other package.
    let path = match &second.kind {
        FoundKind::Module { is_package: true, .. } => second.path.rsplitn(2, |byte| *byte == b'/').last(),
        _ => None,
    };
    let path = path.unwrap_or(&second.path);
    let roots = [first, second].map(|item| places[item.place].root.as_str());
    Error::conflict(name, (roots[0], &first.file), (roots[1], &second.file), path)
}
