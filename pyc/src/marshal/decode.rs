//! Decodes marshalled bytes to values (`r_object` in `Python/marshal.c`).

#![deny(clippy::indexing_slicing, clippy::arithmetic_side_effects)]

use permacode_model::{Leaf, Str};
use std::borrow::Cow;

use permacode_format::{Container, string_kind};

use super::{Code, Items, NodeId, Value, Values};
use super::{FLAG_REF, FROZEN_DICT_SINCE, MAX_DEPTH, SLICE_SINCE, code_fields, field, tag};
use crate::{
    Version,
    error::{Error, ErrorKind},
    text,
};

/// Decodes the value that takes `input` from `start` to the end. Offsets in errors count from the start of `input`.
pub(crate) fn decode(input: &[u8], start: usize, version: Version) -> Result<Values<'_>, Error> {
    let rest = input.get(start..).unwrap_or_default();
    // Each value has at least one byte, so this limits the numbers of values, items and references to 32 bits.
    if u32::try_from(rest.len()).is_err() {
        return Err(Error::new(ErrorKind::TooLarge { what: "a file of 4 GiB or more is" }, start));
    }
    let decoder = Decoder {
        rest,
        end: input.len(),
        version,
        values: Values::default(),
        refs: Vec::new(),
        frames: Vec::new(),
        pending: Vec::new(),
        singletons: [None; 5],
    };
    decoder.run()
}

/// A value whose parts are being read.
struct Frame {
    kind: FrameKind,
    /// Index of the value in `refs`, if it has `FLAG_REF`.
    slot: Option<usize>,
    /// Index in `pending` of its first part.
    first: usize,
    /// Number of its parts. [`usize::MAX`] for a mapping whose final null has not been read.
    count: usize,
}

enum FrameKind {
    Container(Container),
    Code(Box<Code>),
}

/// The result of reading one type byte and the data after it.
enum Step {
    Value(NodeId),
    Open(Frame),
    Null,
}

struct Decoder<'a> {
    rest: &'a [u8],
    end: usize,
    version: Version,
    values: Values<'a>,
    /// The values with `FLAG_REF`, by number. `None` while the parts of the value are being read.
    refs: Vec<Option<NodeId>>,
    frames: Vec<Frame>,
    /// The parts that have been read, of all open frames, outermost frame first.
    pending: Vec<NodeId>,
    singletons: [Option<NodeId>; 5],
}

impl<'a> Decoder<'a> {
    fn offset(&self) -> usize {
        self.end.saturating_sub(self.rest.len())
    }

    fn run(mut self) -> Result<Values<'a>, Error> {
        loop {
            let at = self.offset();
            if self.frames.len() >= MAX_DEPTH as usize {
                return Err(Error::new(ErrorKind::TooDeep { limit: MAX_DEPTH }, at));
            }
            match self.step()? {
                Step::Value(id) => self.pending.push(id),
                Step::Open(frame) => self.frames.push(frame),
                Step::Null => match self.frames.last_mut() {
                    // A null in place of a key ends a mapping.
                    Some(frame)
                        if frame.count == usize::MAX && self.pending.len().wrapping_sub(frame.first) % 2 == 0 =>
                    {
                        frame.count = self.pending.len().saturating_sub(frame.first);
                    }
                    _ => return Err(Error::new(ErrorKind::UnexpectedNull, at)),
                },
            }
            self.close_frames()?;
            if self.frames.is_empty() {
                break;
            }
        }
        match self.rest.len() {
            0 => Ok(self.values),
            count => Err(Error::new(ErrorKind::TrailingBytes { count: count as u64 }, self.offset())),
        }
    }

    /// Makes the values of all frames whose parts are complete.
    fn close_frames(&mut self) -> Result<(), Error> {
        while let Some(frame) = self.frames.last_mut() {
            let have = self.pending.len().saturating_sub(frame.first);
            if have < frame.count {
                if have == field::LINE_TABLE && matches!(frame.kind, FrameKind::Code(_)) {
                    let line = self.i32()?;
                    if let Some(Frame { kind: FrameKind::Code(code), .. }) = self.frames.last_mut() {
                        code.first_line = line;
                    }
                }
                return Ok(());
            }
            let Some(frame) = self.frames.pop() else { break };
            let parts = self.pending.drain(frame.first..);
            let id = match frame.kind {
                FrameKind::Container(container) => self.values.push_container(container, parts)?,
                FrameKind::Code(mut code) => {
                    code.fields = self.values.push_items(parts)?;
                    self.values.push_code(*code)?
                }
            };
            self.fill(frame.slot, id);
            self.pending.push(id);
        }
        Ok(())
    }

    /// Reserves a number for a value with `FLAG_REF`. Values are numbered in the order in which they start.
    fn reserve(&mut self, flag: bool) -> Option<usize> {
        flag.then(|| {
            self.refs.push(None);
            self.refs.len().saturating_sub(1)
        })
    }

    fn fill(&mut self, slot: Option<usize>, id: NodeId) {
        if let Some(slot) = slot.and_then(|slot| self.refs.get_mut(slot)) {
            *slot = Some(id);
        }
    }

    fn leaf(&mut self, flag: bool, leaf: Leaf<'a>) -> Result<Step, Error> {
        let id = self.values.push(Value::Leaf(leaf))?;
        if flag {
            self.refs.push(Some(id));
        }
        Ok(Step::Value(id))
    }

    /// A value of which the interpreter has only one. CPython gives it no number, even if it has `FLAG_REF`.
    fn singleton(&mut self, index: usize, leaf: Leaf<'a>) -> Result<Step, Error> {
        let id = match self.singletons.get(index).copied().flatten() {
            Some(id) => id,
            None => self.values.push(Value::Leaf(leaf))?,
        };
        if let Some(slot) = self.singletons.get_mut(index) {
            *slot = Some(id);
        }
        Ok(Step::Value(id))
    }

    fn open(&mut self, flag: bool, kind: FrameKind, count: usize) -> Step {
        let slot = self.reserve(flag);
        Step::Open(Frame { kind, slot, first: self.pending.len(), count })
    }

    fn step(&mut self) -> Result<Step, Error> {
        let at = self.offset();
        let byte = self.u8()?;
        let flag = byte & FLAG_REF != 0;
        let kind = byte & !FLAG_REF;
        Ok(match kind {
            tag::NULL => Step::Null,
            tag::NONE => self.singleton(0, Leaf::None)?,
            tag::FALSE => self.singleton(1, Leaf::False)?,
            tag::TRUE => self.singleton(2, Leaf::True)?,
            tag::ELLIPSIS => self.singleton(3, Leaf::Ellipsis)?,
            tag::STOP_ITERATION => self.singleton(4, Leaf::StopIteration)?,
            tag::REF => {
                let [a, b, c, d] = self.array()?;
                let index = u32::from_le_bytes([a, b, c, d]);
                match self.refs.get(index as usize) {
                    Some(&Some(id)) => Step::Value(id),
                    Some(None) => return Err(Error::new(ErrorKind::Cycle, at)),
                    None => {
                        let count = self.refs.len() as u64;
                        return Err(Error::new(ErrorKind::Reference { index, count }, at));
                    }
                }
            }
            tag::INT => {
                let bytes = self.bytes(4)?;
                self.leaf(flag, Leaf::Int(Cow::Borrowed(text::shortest(bytes))))?
            }
            tag::INT64 => {
                let bytes = self.bytes(8)?;
                self.leaf(flag, Leaf::Int(Cow::Borrowed(text::shortest(bytes))))?
            }
            tag::LONG => {
                let int = self.long()?;
                self.leaf(flag, Leaf::Int(int))?
            }
            tag::BINARY_FLOAT => {
                let bits = u64::from_le_bytes(self.array()?);
                self.leaf(flag, Leaf::Float(bits))?
            }
            tag::FLOAT => {
                let bits = self.float_text()?;
                self.leaf(flag, Leaf::Float(bits))?
            }
            tag::BINARY_COMPLEX => {
                let (real, imaginary) = (u64::from_le_bytes(self.array()?), u64::from_le_bytes(self.array()?));
                self.leaf(flag, Leaf::Complex(real, imaginary))?
            }
            tag::COMPLEX => {
                let (real, imaginary) = (self.float_text()?, self.float_text()?);
                self.leaf(flag, Leaf::Complex(real, imaginary))?
            }
            tag::BYTES => {
                let bytes = self.long_bytes()?;
                self.leaf(flag, Leaf::Bytes(Cow::Borrowed(bytes)))?
            }
            tag::SHORT_ASCII | tag::SHORT_ASCII_INTERNED => {
                let len = self.u8()?;
                let bytes = self.bytes(len.into())?;
                self.leaf(
                    flag,
                    Leaf::Str(Str { text: text::from_latin1(bytes), interned: kind == tag::SHORT_ASCII_INTERNED }),
                )?
            }
            tag::ASCII | tag::ASCII_INTERNED => {
                let bytes = self.long_bytes()?;
                self.leaf(
                    flag,
                    Leaf::Str(Str { text: text::from_latin1(bytes), interned: kind == tag::ASCII_INTERNED }),
                )?
            }
            tag::UNICODE | tag::INTERNED => {
                let bytes = self.long_bytes()?;
                if let Err(index) = string_kind(bytes) {
                    let start = self.offset().saturating_sub(bytes.len());
                    return Err(Error::new(ErrorKind::Encoding, start.saturating_add(index)));
                }
                self.leaf(flag, Leaf::Str(Str { text: Cow::Borrowed(bytes), interned: kind == tag::INTERNED }))?
            }
            tag::SMALL_TUPLE => {
                let count = usize::from(self.u8()?);
                self.open_sequence(flag, Container::Tuple, count)?
            }
            tag::TUPLE | tag::LIST | tag::SET | tag::FROZEN_SET => {
                let count = self.count()?;
                let container = match kind {
                    tag::TUPLE => Container::Tuple,
                    tag::LIST => Container::List,
                    tag::SET => Container::Set,
                    _ => Container::FrozenSet,
                };
                self.open_sequence(flag, container, count)?
            }
            tag::DICT => self.open(flag, FrameKind::Container(Container::Dict), usize::MAX),
            tag::FROZEN_DICT if self.version.minor() >= FROZEN_DICT_SINCE => {
                self.open(flag, FrameKind::Container(Container::FrozenDict), usize::MAX)
            }
            tag::SLICE if self.version.minor() >= SLICE_SINCE => {
                self.open(flag, FrameKind::Container(Container::Slice), 3)
            }
            tag::CODE => {
                let code = self.code_numbers(at)?;
                self.open(flag, FrameKind::Code(Box::new(code)), code_fields(self.version))
            }
            found => return Err(Error::new(ErrorKind::UnknownType { found }, at)),
        })
    }

    fn open_sequence(&mut self, flag: bool, container: Container, count: usize) -> Result<Step, Error> {
        // Each item has at least one byte. This refuses an impossible count before any item is read.
        if count > self.rest.len() {
            return Err(self.truncated(count));
        }
        Ok(self.open(flag, FrameKind::Container(container), count))
    }

    /// The plain numbers at the start of a code object.
    fn code_numbers(&mut self, offset: usize) -> Result<Code, Error> {
        let (arg_count, posonly_count, kwonly_count) = (self.i32()?, self.i32()?, self.i32()?);
        let local_count = if self.version.has_exception_table() { 0 } else { self.i32()? };
        let (stack_size, flags) = (self.i32()?, self.i32()?);
        Ok(Code {
            arg_count,
            posonly_count,
            kwonly_count,
            local_count,
            stack_size,
            flags,
            first_line: 0,
            fields: Items::EMPTY,
            offset,
        })
    }

    /// An integer of any size (`r_PyLong`): 15-bit digits. A negative number of digits means a negative integer.
    fn long(&mut self) -> Result<Cow<'a, [u8]>, Error> {
        let at = self.offset();
        let count = self.i32()?;
        let wanted = u64::from(count.unsigned_abs()).saturating_mul(2);
        let bytes = match usize::try_from(wanted) {
            Ok(len) if len <= self.rest.len() => self.bytes(len)?,
            _ => return Err(self.truncated(usize::try_from(wanted).unwrap_or(usize::MAX))),
        };
        let (digits, _) = bytes.as_chunks::<2>();
        text::int_from_digits(digits, count < 0)
            .map(Cow::Owned)
            .map_err(|problem| Error::new(ErrorKind::Integer { problem }, at))
    }

    fn float_text(&mut self) -> Result<u64, Error> {
        let at = self.offset();
        let len = self.u8()?;
        let bytes = self.bytes(len.into())?;
        let number = std::str::from_utf8(bytes).ok().and_then(|text| text.parse::<f64>().ok());
        number.map(f64::to_bits).ok_or_else(|| Error::new(ErrorKind::FloatText, at))
    }

    fn long_bytes(&mut self) -> Result<&'a [u8], Error> {
        let len = self.count()?;
        self.bytes(len)
    }

    fn count(&mut self) -> Result<usize, Error> {
        let at = self.offset();
        let count = self.i32()?;
        usize::try_from(count).map_err(|_| Error::new(ErrorKind::NegativeCount { count }, at))
    }

    fn i32(&mut self) -> Result<i32, Error> {
        self.array().map(i32::from_le_bytes)
    }

    fn u8(&mut self) -> Result<u8, Error> {
        self.array().map(|[byte]| byte)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], Error> {
        match self.rest.split_first_chunk() {
            Some((&array, rest)) => {
                self.rest = rest;
                Ok(array)
            }
            None => Err(self.truncated(N)),
        }
    }

    fn bytes(&mut self, len: usize) -> Result<&'a [u8], Error> {
        match self.rest.split_at_checked(len) {
            Some((bytes, rest)) => {
                self.rest = rest;
                Ok(bytes)
            }
            None => Err(self.truncated(len)),
        }
    }

    fn truncated(&self, wanted: usize) -> Error {
        let kind = ErrorKind::Truncated { wanted: wanted as u64, available: self.rest.len() as u64 };
        Error::new(kind, self.offset())
    }
}
