//! Encodes values as marshalled bytes (`w_object` in `Python/marshal.c`, marshal version 4 and later).
//!
//! CPython sets `FLAG_REF` on each value whose reference count is above one, even if no reference in the file follows.
//! This encoder sets it only on values that occur at least twice. A decoder makes the same objects from both.

use permacode_format::Container;
use permacode_model::{Leaf, Str};

use super::{FLAG_REF, FROZEN_DICT_SINCE, MAX_DEPTH, NodeId, SLICE_SINCE, Value, Values, field, tag};
use crate::{
    Version,
    error::{Error, ErrorKind},
    text,
};

/// Appends the bytes of the root of `values` to `out`.
pub(crate) fn encode(values: &Values<'_>, version: Version, out: &mut Vec<u8>) -> Result<(), Error> {
    let mut uses = vec![0u8; values.len()];
    for part in values.ids().flat_map(|id| values.parts(id)) {
        uses[part.index()] = uses[part.index()].saturating_add(1);
    }
    let mut encoder =
        Encoder { values, version, uses, slots: vec![NO_SLOT; values.len()], next_slot: 0, tasks: Vec::new(), out };
    if let Some(root) = values.root() {
        encoder.tasks.push(Task::Value(root, 1));
    }
    while let Some(task) = encoder.tasks.pop() {
        match task {
            Task::Value(id, depth) => encoder.value(id, depth)?,
            Task::Number(number) => encoder.out.extend_from_slice(&number.to_le_bytes()),
            Task::Null => encoder.out.push(tag::NULL),
        }
    }
    Ok(())
}

const NO_SLOT: u32 = u32::MAX;

enum Task {
    Value(NodeId, u32),
    Number(i32),
    Null,
}

struct Encoder<'v, 'a, 'o> {
    values: &'v Values<'a>,
    version: Version,
    uses: Vec<u8>,
    slots: Vec<u32>,
    next_slot: u32,
    /// The parts to write, in reverse order.
    tasks: Vec<Task>,
    out: &'o mut Vec<u8>,
}

impl Encoder<'_, '_, '_> {
    fn error(&self, kind: ErrorKind) -> Error {
        Error::new(kind, self.out.len())
    }

    fn value(&mut self, id: NodeId, depth: u32) -> Result<(), Error> {
        if depth > MAX_DEPTH {
            return Err(self.error(ErrorKind::TooDeep { limit: MAX_DEPTH }));
        }
        let values = self.values;
        let value = values.value(id);
        let single = match value {
            Value::Leaf(Leaf::None) => Some(tag::NONE),
            Value::Leaf(Leaf::False) => Some(tag::FALSE),
            Value::Leaf(Leaf::True) => Some(tag::TRUE),
            Value::Leaf(Leaf::Ellipsis) => Some(tag::ELLIPSIS),
            Value::Leaf(Leaf::StopIteration) => Some(tag::STOP_ITERATION),
            _ => None,
        };
        if let Some(single) = single {
            self.out.push(single);
            return Ok(());
        }
        let mut flag = 0;
        if self.uses[id.index()] > 1 {
            let slot = self.slots[id.index()];
            if slot != NO_SLOT {
                self.out.push(tag::REF);
                self.out.extend_from_slice(&slot.to_le_bytes());
                return Ok(());
            }
            // A decoder numbers a value before its parts, so the encoder must, too.
            self.slots[id.index()] = self.next_slot;
            self.next_slot += 1;
            flag = FLAG_REF;
        }
        match value {
            Value::Leaf(Leaf::None)
            | Value::Leaf(Leaf::False)
            | Value::Leaf(Leaf::True)
            | Value::Leaf(Leaf::Ellipsis)
            | Value::Leaf(Leaf::StopIteration) => {}
            Value::Leaf(Leaf::Int(bytes)) => self.int(flag, bytes)?,
            Value::Leaf(Leaf::Float(bits)) => {
                self.out.push(tag::BINARY_FLOAT | flag);
                self.out.extend_from_slice(&bits.to_le_bytes());
            }
            Value::Leaf(Leaf::Complex(real, imaginary)) => {
                self.out.push(tag::BINARY_COMPLEX | flag);
                self.out.extend_from_slice(&real.to_le_bytes());
                self.out.extend_from_slice(&imaginary.to_le_bytes());
            }
            Value::Leaf(Leaf::Bytes(bytes)) => {
                self.out.push(tag::BYTES | flag);
                self.sized(bytes)?;
            }
            Value::Leaf(Leaf::Str(Str { text, interned })) => self.string(flag, text, *interned)?,
            Value::Leaf(Leaf::Qualname { .. }) => {
                return Err(self.error(ErrorKind::Model { problem: "a derived qualified name must be a string here" }));
            }
            Value::Container(container, items) => self.container(flag, *container, values.items(*items), depth)?,
            Value::Code(code) => {
                let code = values.code(*code);
                self.out.push(tag::CODE | flag);
                let mut numbers = vec![code.arg_count, code.posonly_count, code.kwonly_count];
                if !self.version.has_exception_table() {
                    numbers.push(code.local_count);
                }
                numbers.extend([code.stack_size, code.flags]);
                self.out.extend(numbers.iter().flat_map(|number| number.to_le_bytes()));
                let (before, after) = values.items(code.fields).split_at(field::LINE_TABLE);
                self.push_tasks(after, depth);
                self.tasks.push(Task::Number(code.first_line));
                self.push_tasks(before, depth);
            }
        }
        Ok(())
    }

    fn push_tasks(&mut self, parts: &[NodeId], depth: u32) {
        self.tasks.extend(parts.iter().rev().map(|&part| Task::Value(part, depth + 1)));
    }

    fn container(&mut self, flag: u8, container: Container, items: &[NodeId], depth: u32) -> Result<(), Error> {
        let since = |version: Version, minor, problem| {
            if version.minor() >= minor { Ok(()) } else { Err(ErrorKind::Model { problem }) }
        };
        let (kind, counted) = match container {
            Container::Tuple if items.len() <= usize::from(u8::MAX) => {
                self.out.extend_from_slice(&[tag::SMALL_TUPLE | flag, items.len() as u8]);
                self.push_tasks(items, depth);
                return Ok(());
            }
            Container::Tuple => (tag::TUPLE, true),
            Container::List => (tag::LIST, true),
            Container::Set => (tag::SET, true),
            Container::FrozenSet => (tag::FROZEN_SET, true),
            Container::Dict => (tag::DICT, false),
            Container::FrozenDict => {
                since(self.version, FROZEN_DICT_SINCE, "a frozendict needs CPython 3.15 or later")
                    .map_err(|kind| self.error(kind))?;
                (tag::FROZEN_DICT, false)
            }
            Container::Slice => {
                since(self.version, SLICE_SINCE, "a slice needs CPython 3.14 or later")
                    .map_err(|kind| self.error(kind))?;
                if items.len() != 3 {
                    let problem = "a slice must have three items: start, stop and step";
                    return Err(self.error(ErrorKind::Model { problem }));
                }
                self.out.push(tag::SLICE | flag);
                self.push_tasks(items, depth);
                return Ok(());
            }
        };
        self.out.push(kind | flag);
        if counted {
            self.size(items.len())?;
        } else {
            if !items.len().is_multiple_of(2) {
                return Err(self.error(ErrorKind::Model { problem: "a mapping must have one value for each key" }));
            }
            self.tasks.push(Task::Null);
        }
        self.push_tasks(items, depth);
        Ok(())
    }

    fn int(&mut self, flag: u8, bytes: &[u8]) -> Result<(), Error> {
        if let Some(number) = text::int_to_i32(bytes) {
            self.out.push(tag::INT | flag);
            self.out.extend_from_slice(&number.to_le_bytes());
            return Ok(());
        }
        let (digits, negative) = text::int_to_digits(bytes);
        self.out.push(tag::LONG | flag);
        let count = i32::try_from(digits.len())
            .map_err(|_| self.error(ErrorKind::TooLarge { what: "an integer of 2^31 digits or more is" }))?;
        self.out.extend_from_slice(&(if negative { -count } else { count }).to_le_bytes());
        self.out.extend_from_slice(digits.as_flattened());
        Ok(())
    }

    fn string(&mut self, flag: u8, text: &[u8], interned: bool) -> Result<(), Error> {
        let choose = |plain, other| if interned { other } else { plain };
        if !text.is_ascii() {
            self.out.push(choose(tag::UNICODE, tag::INTERNED) | flag);
            self.sized(text)
        } else if let Ok(len) = u8::try_from(text.len()) {
            self.out.extend_from_slice(&[choose(tag::SHORT_ASCII, tag::SHORT_ASCII_INTERNED) | flag, len]);
            self.out.extend_from_slice(text);
            Ok(())
        } else {
            self.out.push(choose(tag::ASCII, tag::ASCII_INTERNED) | flag);
            self.sized(text)
        }
    }

    fn sized(&mut self, bytes: &[u8]) -> Result<(), Error> {
        self.size(bytes.len())?;
        self.out.extend_from_slice(bytes);
        Ok(())
    }

    fn size(&mut self, size: usize) -> Result<(), Error> {
        let size =
            i32::try_from(size).map_err(|_| self.error(ErrorKind::TooLarge { what: "a value of 2 GiB or more is" }))?;
        self.out.extend_from_slice(&size.to_le_bytes());
        Ok(())
    }
}
