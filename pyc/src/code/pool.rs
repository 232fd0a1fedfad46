//! Values to be marshalled, equal immutable ones once.

use std::{borrow::Cow, collections::HashMap};

use permacode_format::Container;
use permacode_model::{Leaf, Str};

use crate::{
    error::Error,
    marshal::{Code, NodeId, Value, Values},
    text,
};

/// Values to be marshalled. Mutable containers and code objects are always new; anything else is made once.
#[derive(Default)]
pub(super) struct Pool<'m> {
    values: Values<'m>,
    leaves: HashMap<Leaf<'m>, NodeId>,
    /// Bytes by where they lie.
    places: HashMap<(usize, usize), NodeId>,
    /// Immutable containers by what they hold.
    containers: HashMap<(Container, Vec<NodeId>), NodeId>,
}

impl<'m> Pool<'m> {
    /// A value that is not a container or code object.
    pub(super) fn leaf(&mut self, leaf: Leaf<'m>) -> NodeId {
        *self.leaves.entry(leaf).or_insert_with_key(|leaf| self.values.push(Value::Leaf(leaf.clone())))
    }

    /// A bytes object.
    pub(super) fn bytes(&mut self, bytes: &'m [u8]) -> NodeId {
        // Code objects may share bytes. They are hashed once, so that the work does not exceed what the module holds.
        let place = (bytes.as_ptr().addr(), bytes.len());
        if let Some(&id) = self.places.get(&place) {
            return id;
        }
        let id = self.leaf(Leaf::Bytes(Cow::Borrowed(bytes)));
        self.places.insert(place, id);
        id
    }

    /// A string.
    pub(super) fn string(&mut self, text: Cow<'m, [u8]>, interned: bool) -> Result<NodeId, Error> {
        if text::check(&text).is_err() {
            return Err(Error::model("a string is not generalised UTF-8"));
        }
        Ok(self.leaf(Leaf::Str(Str { text, interned })))
    }

    /// A container.
    pub(super) fn container(&mut self, container: Container, items: Vec<NodeId>) -> NodeId {
        if container.is_mutable() {
            return self.values.push_container(container, items);
        }
        *self
            .containers
            .entry((container, items))
            .or_insert_with_key(|(container, items)| self.values.push_container(*container, items.iter().copied()))
    }

    /// A code object with these fields.
    pub(super) fn code(&mut self, fields: &[NodeId], code: Code) -> NodeId {
        let fields = self.values.push_items(fields.iter().copied());
        self.values.push_code(Code { fields, ..code })
    }

    /// All values.
    pub(super) fn into_values(self) -> Values<'m> {
        self.values
    }
}
