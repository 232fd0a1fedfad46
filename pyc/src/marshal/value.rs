//! An arena of marshalled values.
//!
//! Values refer to each other by number. What is one object in the stream is one value here, however often it is referred to,
//! and the parts of a value come before the value: there are no cycles, and nothing needs recursion.

use permacode_model::{Container, Leaf};

/// The number of a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub(crate) struct NodeId(u32);

impl NodeId {
    pub(crate) fn index(self) -> usize {
        self.0 as usize
    }
}

/// A run of numbers in [`Values`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Items {
    start: u32,
    len: u32,
}

impl Items {
    /// None at all.
    pub(crate) const EMPTY: Items = Items { start: 0, len: 0 };

    pub(crate) fn len(self) -> usize {
        self.len as usize
    }
}

/// One value.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum Value<'a> {
    /// A value that holds no others. Marshal has no [`Leaf::Qualname`].
    Leaf(Leaf<'a>),
    /// Keys and values of a mapping alternate.
    Container(Container, Items),
    /// The number of a [`Code`].
    Code(u32),
}

impl Value<'_> {
    /// The type, as error messages call it.
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

/// Numbers of the fields of [`Code::fields`], in the order in which marshal writes them. Both layouts (up to 3.10, from 3.11
/// on) have the first line after the first eight of them.
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

/// The numbers and fields of a code object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Code {
    pub(crate) arg_count: i32,
    pub(crate) posonly_count: i32,
    pub(crate) kwonly_count: i32,
    /// `co_nlocals`; always zero from 3.11 on, where it is not written.
    pub(crate) local_count: i32,
    pub(crate) stack_size: i32,
    pub(crate) flags: i32,
    pub(crate) first_line: i32,
    /// The values, numbered by [`field`].
    pub(crate) fields: Items,
    /// Where the code object starts in the input.
    pub(crate) offset: usize,
}

/// The arena. The last value is the whole.
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

    /// Every number, parts before what they are parts of.
    pub(crate) fn ids(&self) -> impl DoubleEndedIterator<Item = NodeId> + use<> {
        (0..self.nodes.len() as u32).map(NodeId)
    }

    /// Numbers are made by [`Self::push`] only, so they are never out of range; the same holds for [`Items`] and codes.
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

    /// The values that a value consists of.
    pub(crate) fn parts(&self, id: NodeId) -> &[NodeId] {
        match *self.value(id) {
            Value::Container(_, items) => self.items(items),
            Value::Code(code) => self.items(self.code(code).fields),
            _ => &[],
        }
    }

    /// A value, to move its bytes out.
    pub(crate) fn value_mut(&mut self, id: NodeId) -> &mut Value<'a> {
        &mut self.nodes[id.index()]
    }

    pub(crate) fn push(&mut self, value: Value<'a>) -> NodeId {
        // Inputs are bounded well below 2^32 values by `decode` and by the counts in the model.
        let id = NodeId(u32::try_from(self.nodes.len()).expect("fewer than 2^32 values"));
        self.nodes.push(value);
        id
    }

    pub(crate) fn push_items(&mut self, items: impl IntoIterator<Item = NodeId>) -> Items {
        let start = self.items.len();
        self.items.extend(items);
        let len = self.items.len() - start;
        let narrow = |number| u32::try_from(number).expect("fewer than 2^32 items");
        Items { start: narrow(start), len: narrow(len) }
    }

    pub(crate) fn push_container(&mut self, container: Container, items: impl IntoIterator<Item = NodeId>) -> NodeId {
        let items = self.push_items(items);
        self.push(Value::Container(container, items))
    }

    pub(crate) fn push_code(&mut self, code: Code) -> NodeId {
        let number = u32::try_from(self.codes.len()).expect("fewer than 2^32 code objects");
        self.codes.push(code);
        self.push(Value::Code(number))
    }
}
