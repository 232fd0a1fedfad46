//! The layout of objects: the two sections that hold them, and the entry of each id (spec.md 5.10, 5.11).

use crate::{
    error::Error,
    intern::{ContainerValue, Handle, Interner, Item, Value},
    order::{ModuleBase, Order},
};
use bytemuck::Zeroable;
use permacode_format::{ItemRef, MAX_IDS, MAX_POOL, ObjectEntry, container_item, list_item, object_flag, write_varint};

/// The sections of objects.
#[derive(Debug, Default)]
pub(crate) struct Objects {
    pub(crate) entries: Vec<ObjectEntry>,
    pub(crate) hot: Vec<u8>,
    pub(crate) cold: Vec<u8>,
}

/// Lays out the objects `placed`, in that order.
///
/// `code_base` returns the bases of the module that a container belongs to. It is called only for containers that
/// reach code objects.
pub(crate) fn lay_out(
    interner: &Interner,
    order: &Order,
    placed: &[Handle],
    code_base: impl Fn(Handle) -> ModuleBase,
) -> Result<Objects, Error> {
    let count = placed.len() as u64;
    if count >= u64::from(MAX_IDS) {
        return Err(Error::limit(None, "objects", count, u64::from(MAX_IDS) - 1));
    }
    let mut objects = Objects { entries: vec![ObjectEntry::zeroed(); placed.len()], ..Objects::default() };
    for handle in placed {
        let is_cold = !order.hot[*handle as usize];
        let section = if is_cold { &mut objects.cold } else { &mut objects.hot };
        let offset = section.len() as u64;
        match interner.value(*handle) {
            Value::Scalar { start, len } => section.extend_from_slice(interner.scalar(*start, *len)),
            Value::Container(container) => {
                let base = if container.code_bound > 0 { Some(code_base(*handle)) } else { None };
                write_container(section, container, order, order.ids[*handle as usize], base)?;
            }
        }
        if section.len() as u64 > MAX_POOL {
            return Err(Error::limit(None, "bytes of objects", section.len() as u64, MAX_POOL));
        }
        let entry = u32::try_from(offset).ok().and_then(|offset| ObjectEntry::new(offset, is_cold));
        let entry = entry.ok_or_else(|| Error::limit(None, "bytes of objects", offset, MAX_POOL))?;
        objects.entries[order.ids[*handle as usize] as usize] = entry;
    }
    Ok(objects)
}

fn write_container(
    out: &mut Vec<u8>,
    container: &ContainerValue,
    order: &Order,
    id: u32,
    base: Option<ModuleBase>,
) -> Result<(), Error> {
    let narrow: Option<Vec<u16>> = container
        .items
        .iter()
        .map(|item| match item {
            Item::Object(handle) => container_item::encode_narrow(order.ids[*handle as usize], id),
            Item::Code(_) => None,
        })
        .collect();
    // A container that can reach code objects must have wide items, even where its items would fit narrow ones [O-7].
    let narrow = narrow.filter(|_| base.is_none());
    let mut first = container.kind.object_kind() as u8;
    if narrow.is_none() {
        first |= object_flag::WIDE;
    }
    if base.is_some() {
        first |= object_flag::CODE;
    }
    out.push(first);
    let mut number = |value: u32| {
        let (bytes, len) = write_varint(value);
        out.extend_from_slice(&bytes[..len]);
    };
    number(container.items.len() as u32);
    number(container.depth);
    if let Some(base) = base {
        number(base.first_code + container.code_bound);
    }
    match narrow {
        Some(items) => items.iter().for_each(|item| out.extend_from_slice(&item.to_le_bytes())),
        None => {
            for item in &container.items {
                let item = match item {
                    Item::Object(handle) => ItemRef::Object(order.ids[*handle as usize]),
                    Item::Code(code) => ItemRef::Code(base.map_or(0, |base| base.first_code) + code),
                };
                let item = list_item::encode_wide(item)
                    .ok_or_else(|| Error::limit(None, "ids", u64::from(MAX_IDS), u64::from(MAX_IDS) - 1))?;
                out.extend_from_slice(&item.to_le_bytes());
            }
        }
    }
    Ok(())
}
