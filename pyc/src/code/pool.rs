//! The values to marshal. Equal immutable values are merged.

use std::{
    borrow::Cow,
    collections::{HashMap, hash_map::Entry},
};

use permacode_format::{Container, string_kind};
use permacode_model::{Leaf, Str};

use crate::{
    error::Error,
    marshal::{Code, NodeId, Value, Values},
};

/// The values to marshal. Each call for a mutable container or a code object adds a value. For anything else, equal
/// calls return the same value.
#[derive(Default)]
pub(super) struct Pool<'m> {
    values: Values<'m>,
    leaves: HashMap<Leaf<'m>, NodeId>,
    /// Bytes objects by the address and the length of their bytes in the model.
    addresses: HashMap<(usize, usize), NodeId>,
    /// Immutable containers by kind and items.
    containers: HashMap<(Container, Vec<NodeId>), NodeId>,
}

impl<'m> Pool<'m> {
    /// A value that is not a container or code object.
    pub(super) fn leaf(&mut self, leaf: Leaf<'m>) -> Result<NodeId, Error> {
        match self.leaves.entry(leaf) {
            Entry::Occupied(entry) => Ok(*entry.get()),
            Entry::Vacant(entry) => {
                let id = self.values.push(Value::Leaf(entry.key().clone()))?;
                Ok(*entry.insert(id))
            }
        }
    }

    /// A bytes object.
    pub(super) fn bytes(&mut self, bytes: &'m [u8]) -> Result<NodeId, Error> {
        // Many code objects may borrow the same long bytes. The address avoids hashing them for each code object.
        let address = (bytes.as_ptr().addr(), bytes.len());
        if let Some(&id) = self.addresses.get(&address) {
            return Ok(id);
        }
        let id = self.leaf(Leaf::Bytes(Cow::Borrowed(bytes)))?;
        self.addresses.insert(address, id);
        Ok(id)
    }

    /// A string.
    pub(super) fn string(&mut self, text: Cow<'m, [u8]>, interned: bool) -> Result<NodeId, Error> {
        if string_kind(&text).is_err() {
            return Err(Error::model("a string must be generalised UTF-8"));
        }
        self.leaf(Leaf::Str(Str { text, interned }))
    }

    /// A container.
    pub(super) fn container(&mut self, container: Container, items: Vec<NodeId>) -> Result<NodeId, Error> {
        if container.is_mutable() {
            return self.values.push_container(container, items);
        }
        match self.containers.entry((container, items)) {
            Entry::Occupied(entry) => Ok(*entry.get()),
            Entry::Vacant(entry) => {
                let (container, items) = entry.key();
                let id = self.values.push_container(*container, items.iter().copied())?;
                Ok(*entry.insert(id))
            }
        }
    }

    /// A code object with these fields. Its own [`Code::fields`] are replaced.
    pub(super) fn code(&mut self, fields: &[NodeId], code: Code) -> Result<NodeId, Error> {
        let fields = self.values.push_items(fields.iter().copied())?;
        self.values.push_code(Code { fields, ..code })
    }

    /// All values.
    pub(super) fn into_values(self) -> Values<'m> {
        self.values
    }
}
