//! The arena of marshalled values.
//!
//! Values refer to their parts by number. An object of the file is one value, even if many references lead to it. The
//! parts of a value come before the value. So there are no cycles, and no code needs recursion.

use permacode_model::{Container, Leaf};

use crate::error::{Error, ErrorKind};

/// The number of a value in a [`Values`]. [`Values::push`] makes it, so it is never out of range in the same arena.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub(crate) struct NodeId(u32);

impl NodeId {
    pub(crate) fn index(self) -> usize {
        self.0 as usize
    }
}

/// A list of values: a range of the list of all items in [`Values`], which made it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Items {
    start: u32,
    len: u32,
}

impl Items {
    /// The empty list.
    pub(crate) const EMPTY: Items = Items { start: 0, len: 0 };

    pub(crate) fn len(self) -> usize {
        self.len as usize
    }
}

/// One value.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum Value<'a> {
    /// A value without parts. Marshal has no [`Leaf::Qualname`].
    Leaf(Leaf<'a>),
    /// A container. Keys and values of a mapping alternate.
    Container(Container, Items),
    /// A code object, by its number for [`Values::code`].
    Code(u32),
}

impl Value<'_> {
    /// The type for error messages.
    pub(crate) fn type_name(&self) -> &'static str {
        match self {
            Self::Leaf(leaf) => match leaf {
                Leaf::None => "None",
                Leaf::False | Leaf::True => "a bool",
                Leaf::Ellipsis => "an ellipsis",
                Leaf::StopIteration => "StopIteration",
                Leaf::Int(_) => "an int",
                Leaf::Float(_) => "a float",
                Leaf::Complex(..) => "a complex",
                Leaf::Bytes(_) => "bytes",
                Leaf::Str(_) | Leaf::Qualname { .. } => "a str",
            },
            Self::Container(container, _) => match container {
                Container::Tuple => "a tuple",
                Container::FrozenSet => "a frozenset",
                Container::List => "a list",
                Container::Set => "a set",
                Container::Dict => "a dict",
                Container::FrozenDict => "a frozendict",
                Container::Slice => "a slice",
            },
            Self::Code(_) => "a code object",
        }
    }
}

/// Indexes in [`Code::fields`], in the order in which marshal writes the fields. In both layouts (up to 3.10, and from
/// 3.11 on), the first line comes after the first eight fields.
pub(crate) mod field {
    pub(crate) const BYTECODE: usize = 0;
    pub(crate) const CONSTANTS: usize = 1;
    pub(crate) const NAMES: usize = 2;
    /// `co_varnames` up to 3.10, `co_localsplusnames` from 3.11 on.
    pub(crate) const LOCALS: usize = 3;
    /// Up to 3.10.
    pub(crate) const FREE_NAMES: usize = 4;
    /// Up to 3.10.
    pub(crate) const CELL_NAMES: usize = 5;
    /// Up to 3.10.
    pub(crate) const OLD_FILENAME: usize = 6;
    /// Up to 3.10.
    pub(crate) const OLD_NAME: usize = 7;
    /// From 3.11 on.
    pub(crate) const LOCAL_KINDS: usize = 4;
    /// From 3.11 on.
    pub(crate) const FILENAME: usize = 5;
    /// From 3.11 on.
    pub(crate) const NAME: usize = 6;
    /// From 3.11 on.
    pub(crate) const QUALNAME: usize = 7;
    /// `co_lnotab` up to 3.9, `co_linetable` from 3.10 on.
    pub(crate) const LINE_TABLE: usize = 8;
    /// From 3.11 on.
    pub(crate) const EXCEPTION_TABLE: usize = 9;
}

/// A code object: its plain numbers and the values of its fields.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Code {
    pub(crate) arg_count: i32,
    pub(crate) posonly_count: i32,
    pub(crate) kwonly_count: i32,
    /// `co_nlocals` up to 3.10. Zero from 3.11 on, where marshal does not write it.
    pub(crate) local_count: i32,
    pub(crate) stack_size: i32,
    pub(crate) flags: i32,
    pub(crate) first_line: i32,
    /// The values at the indexes of [`field`].
    pub(crate) fields: Items,
    /// Offset of the code object in the file.
    pub(crate) offset: usize,
}

/// The arena. The last value is the root.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Values<'a> {
    nodes: Vec<Value<'a>>,
    items: Vec<NodeId>,
    codes: Vec<Code>,
}

impl<'a> Values<'a> {
    /// The value that holds all others.
    pub(crate) fn root(&self) -> Option<NodeId> {
        self.nodes.len().checked_sub(1).map(|last| NodeId(last as u32))
    }

    pub(crate) fn len(&self) -> usize {
        self.nodes.len()
    }

    /// The numbers of all values, in order. The parts of a value come before it.
    pub(crate) fn ids(&self) -> impl DoubleEndedIterator<Item = NodeId> + use<> {
        (0..self.nodes.len() as u32).map(NodeId)
    }

    pub(crate) fn value(&self, id: NodeId) -> &Value<'a> {
        &self.nodes[id.index()]
    }

    pub(crate) fn items(&self, items: Items) -> &[NodeId] {
        let start = items.start as usize;
        &self.items[start..start + items.len as usize]
    }

    pub(crate) fn code(&self, code: u32) -> &Code {
        &self.codes[code as usize]
    }

    /// The parts of a value: items of a container, fields of a code object.
    pub(crate) fn parts(&self, id: NodeId) -> &[NodeId] {
        match *self.value(id) {
            Value::Container(_, items) => self.items(items),
            Value::Code(code) => self.items(self.code(code).fields),
            _ => &[],
        }
    }

    pub(crate) fn value_mut(&mut self, id: NodeId) -> &mut Value<'a> {
        &mut self.nodes[id.index()]
    }

    /// Adds a value.
    ///
    /// # Errors
    /// [`ErrorKind::TooLarge`] for more than 2^32 values. [`decode`](super::decode) refuses such a file earlier, but a
    /// model can have code objects with that many items.
    pub(crate) fn push(&mut self, value: Value<'a>) -> Result<NodeId, Error> {
        let id = NodeId(narrow(self.nodes.len())?);
        self.nodes.push(value);
        Ok(id)
    }

    /// Adds a list of values. The errors are those of [`Values::push`].
    pub(crate) fn push_items(&mut self, items: impl IntoIterator<Item = NodeId>) -> Result<Items, Error> {
        let start = self.items.len();
        self.items.extend(items);
        Ok(Items { start: narrow(start)?, len: narrow(self.items.len() - start)? })
    }

    /// Adds a container. The errors are those of [`Values::push`].
    pub(crate) fn push_container(
        &mut self,
        container: Container,
        items: impl IntoIterator<Item = NodeId>,
    ) -> Result<NodeId, Error> {
        let items = self.push_items(items)?;
        self.push(Value::Container(container, items))
    }

    /// Adds a code object. The errors are those of [`Values::push`].
    pub(crate) fn push_code(&mut self, code: Code) -> Result<NodeId, Error> {
        let number = narrow(self.codes.len())?;
        self.codes.push(code);
        self.push(Value::Code(number))
    }
}

/// A number of values, items or code objects in 32 bits.
fn narrow(number: usize) -> Result<u32, Error> {
    u32::try_from(number).map_err(|_| Error::new(ErrorKind::TooLarge { what: "a module of 2^32 values is" }, 0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(target_pointer_width = "64")]
    #[test]
    fn more_than_32_bits_of_values_are_an_error() {
        assert_eq!(narrow(u32::MAX as usize), Ok(u32::MAX));
        let error = narrow(u32::MAX as usize + 1).unwrap_err();
        assert_eq!(error.to_string(), "a module of 2^32 values is too large (at offset 0x0)");
    }
}
