//! The order of bytes within the sections ([`Placement`]). Ids do not depend on it.

use crate::{
    entry::{CodeEntry, ModuleEntry},
    intern::{Handle, Item, Value},
    options::Placement,
    order::Order,
    writer::Writer,
};

/// The handles that modules use, in the order of their bytes.
pub(crate) fn of_objects(writer: &Writer, order: &Order) -> Vec<Handle> {
    let mut placed = order.first_use.clone();
    match writer.options.placement {
        Placement::FirstUse => {}
        Placement::BodiesFirst => {
            let is_of_body = used_by_bodies(writer, order);
            placed.sort_by_key(|handle| !is_of_body[*handle as usize]);
        }
        // This is the order of ids.
        Placement::SharedFirst => placed.sort_by_key(|handle| order.ids[*handle as usize]),
    }
    placed
}

/// All code objects as (index of the module, index of the code object in it), in the order of their lists, bytecode and
/// tables.
pub(crate) fn of_codes(placement: Placement, modules: &[&ModuleEntry]) -> Vec<(usize, u32)> {
    let of_module = |(number, module): (usize, &&ModuleEntry)| -> Vec<(usize, u32)> {
        module.first_use.iter().map(|code| (number, *code)).collect()
    };
    let mut placed: Vec<(usize, u32)> = modules.iter().enumerate().flat_map(of_module).collect();
    if placement == Placement::BodiesFirst {
        // Children come first, so the body is the last code object of its module.
        placed.sort_by_key(|(module, code)| *code as usize + 1 != modules[*module].codes.len());
    }
    placed
}

/// The blobs that lie before all others of their kind, in order: with [`Placement::SharedFirst`] those that several
/// modules use. `blob` returns the number of a code object's blob, which is less than `count`.
pub(crate) fn of_shared(
    placement: Placement,
    modules: &[&ModuleEntry],
    count: usize,
    blob: impl Fn(&CodeEntry) -> u32,
) -> Vec<u32> {
    if placement != Placement::SharedFirst {
        return Vec::new();
    }
    let mut first_user = vec![None; count];
    let mut is_shared = vec![false; count];
    let mut in_order = Vec::new();
    for (number, module) in modules.iter().enumerate() {
        for code in &module.first_use {
            let blob = blob(&module.codes[*code as usize]);
            match first_user[blob as usize] {
                Some(user) => is_shared[blob as usize] |= user != number,
                None => {
                    first_user[blob as usize] = Some(number);
                    in_order.push(blob);
                }
            }
        }
    }
    in_order.retain(|blob| is_shared[*blob as usize]);
    in_order
}

/// For each handle, whether the body of a module uses it, directly or in a container.
fn used_by_bodies(writer: &Writer, order: &Order) -> Vec<bool> {
    let mut is_used = vec![false; writer.interner.len()];
    let bodies = order.modules(writer).into_iter().filter_map(|module| module.codes.last());
    let mut waiting: Vec<Item> = bodies.flat_map(|body| body.list.iter().copied()).collect();
    while let Some(item) = waiting.pop() {
        if let Item::Object(handle) = item
            && !std::mem::replace(&mut is_used[handle as usize], true)
            && let Value::Container(container) = writer.interner.value(handle)
        {
            waiting.extend(container.items.iter().copied());
        }
    }
    is_used
}
