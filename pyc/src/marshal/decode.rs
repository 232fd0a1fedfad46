//! Bytes to values (`r_object` in `Python/marshal.c`).

#![deny(clippy::indexing_slicing, clippy::arithmetic_side_effects)]

use permacode_model::{Leaf, Str};
use std::borrow::Cow;

use permacode_format::Container;

use super::{Code, Items, NodeId, Value, Values};
use super::{FLAG_REF, FROZEN_DICT_SINCE, MAX_DEPTH, SLICE_SINCE, code_fields, field, tag};
use crate::{
    Version,
    error::{Error, ErrorKind},
    text,
};

/// Decodes the one value that fills `input` from `start` to its end. Offsets in errors count from the start of `input`.
pub(crate) fn decode(input: &[u8], start: usize, version: Version) -> Result<Values<'_>, Error> {
    let rest = input.get(start..).unwrap_or_default();
    // A value takes a byte or more, so with this no count of values, items or references exceeds 32 bits.
    if u32::try_from(rest.len()).is_err() {
        return Err(Error::new(ErrorKind::TooLarge { what: "a file of 4 GiB or more is" }, start));
    }
    let decoder = Decoder {
        rest,
        end: input.len(),
        version,
        // A value takes about 20 bytes in a standard library.
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
    what: What,
    /// Its number in `refs`.
    slot: Option<usize>,
    /// Where its parts start in `pending`.
    first: usize,
    /// How many parts it has; a mapping goes on until a null.
    count: usize,
}

enum What {
    Container(Container),
    Code(Box<Code>),
}

/// What one type byte started.
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
    /// Values that can be referred to; `None`: still being read.
    refs: Vec<Option<NodeId>>,
    frames: Vec<Frame>,
    /// The parts of all open frames, one frame after the other.
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
                    // A null ends a mapping, if it stands where a key would.
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

    /// Makes values of the frames whose parts are complete.
    fn close_frames(&mut self) -> Result<(), Error> {
        while let Some(frame) = self.frames.last_mut() {
            let have = self.pending.len().saturating_sub(frame.first);
            if have < frame.count {
                if have == field::LINE_TABLE && matches!(frame.what, What::Code(_)) {
                    let line = self.i32()?;
                    if let Some(Frame { what: What::Code(code), .. }) = self.frames.last_mut() {
                        code.first_line = line;
                    }
                }
                return Ok(());
            }
            let Some(frame) = self.frames.pop() else { break };
            let parts = self.pending.drain(frame.first..);
            let id = match frame.what {
                What::Container(container) => self.values.push_container(container, parts),
                What::Code(mut code) => {
                    code.fields = self.values.push_items(parts);
                    self.values.push_code(*code)
                }
            };
            self.fill(frame.slot, id);
            self.pending.push(id);
        }
        Ok(())
    }

    /// Reserves a number for a value, if it has one. Numbers are given in the order in which values start.
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

    fn leaf(&mut self, flag: bool, value: Value<'a>) -> Step {
        let id = self.values.push(value);
        if flag {
            self.refs.push(Some(id));
        }
        Step::Value(id)
    }

    /// One of the values that exist once; these never have a number.
    fn singleton(&mut self, index: usize, value: Value<'a>) -> Step {
        let known = self.singletons.get(index).copied().flatten();
        let id = known.unwrap_or_else(|| self.values.push(value));
        if let Some(place) = self.singletons.get_mut(index) {
            *place = Some(id);
        }
        Step::Value(id)
    }

    fn open(&mut self, flag: bool, what: What, count: usize) -> Step {
        let slot = self.reserve(flag);
        Step::Open(Frame { what, slot, first: self.pending.len(), count })
    }

    fn step(&mut self) -> Result<Step, Error> {
        let at = self.offset();
        let byte = self.u8()?;
        let flag = byte & FLAG_REF != 0;
        let kind = byte & !FLAG_REF;
        Ok(match kind {
            tag::NULL => Step::Null,
            tag::NONE => self.singleton(0, Value::Leaf(Leaf::None)),
            tag::FALSE => self.singleton(1, Value::Leaf(Leaf::False)),
            tag::TRUE => self.singleton(2, Value::Leaf(Leaf::True)),
            tag::ELLIPSIS => self.singleton(3, Value::Leaf(Leaf::Ellipsis)),
            tag::STOP_ITERATION => self.singleton(4, Value::Leaf(Leaf::StopIteration)),
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
                self.leaf(flag, Value::Leaf(Leaf::Int(Cow::Borrowed(text::shortest(bytes)))))
            }
            tag::INT64 => {
                let bytes = self.bytes(8)?;
                self.leaf(flag, Value::Leaf(Leaf::Int(Cow::Borrowed(text::shortest(bytes)))))
            }
            tag::LONG => {
                let int = self.long()?;
                self.leaf(flag, Value::Leaf(Leaf::Int(int)))
            }
            tag::BINARY_FLOAT => {
                let bits = u64::from_le_bytes(self.array()?);
                self.leaf(flag, Value::Leaf(Leaf::Float(bits)))
            }
            tag::FLOAT => {
                let bits = self.float_text()?;
                self.leaf(flag, Value::Leaf(Leaf::Float(bits)))
            }
            tag::BINARY_COMPLEX => {
                let (real, imaginary) = (u64::from_le_bytes(self.array()?), u64::from_le_bytes(self.array()?));
                self.leaf(flag, Value::Leaf(Leaf::Complex(real, imaginary)))
            }
            tag::COMPLEX => {
                let (real, imaginary) = (self.float_text()?, self.float_text()?);
                self.leaf(flag, Value::Leaf(Leaf::Complex(real, imaginary)))
            }
            tag::BYTES => {
                let bytes = self.long_bytes()?;
                self.leaf(flag, Value::Leaf(Leaf::Bytes(Cow::Borrowed(bytes))))
            }
            tag::SHORT_ASCII | tag::SHORT_ASCII_INTERNED => {
                let len = self.u8()?;
                let bytes = self.bytes(len.into())?;
                self.leaf(
                    flag,
                    Value::Leaf(Leaf::Str(Str {
                        text: text::from_latin1(bytes),
                        interned: kind == tag::SHORT_ASCII_INTERNED,
                    })),
                )
            }
            tag::ASCII | tag::ASCII_INTERNED => {
                let bytes = self.long_bytes()?;
                self.leaf(
                    flag,
                    Value::Leaf(Leaf::Str(Str {
                        text: text::from_latin1(bytes),
                        interned: kind == tag::ASCII_INTERNED,
                    })),
                )
            }
            tag::UNICODE | tag::INTERNED => {
                let bytes = self.long_bytes()?;
                if let Err(index) = text::check(bytes) {
                    let start = self.offset().saturating_sub(bytes.len());
                    return Err(Error::new(ErrorKind::Encoding, start.saturating_add(index)));
                }
                self.leaf(
                    flag,
                    Value::Leaf(Leaf::Str(Str { text: Cow::Borrowed(bytes), interned: kind == tag::INTERNED })),
                )
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
            tag::DICT => self.open(flag, What::Container(Container::Dict), usize::MAX),
            tag::FROZEN_DICT if self.version.minor() >= FROZEN_DICT_SINCE => {
                self.open(flag, What::Container(Container::FrozenDict), usize::MAX)
            }
            tag::SLICE if self.version.minor() >= SLICE_SINCE => self.open(flag, What::Container(Container::Slice), 3),
            tag::CODE => {
                let code = self.code_numbers(at)?;
                self.open(flag, What::Code(Box::new(code)), code_fields(self.version))
            }
            found => return Err(Error::new(ErrorKind::UnknownType { found }, at)),
        })
    }

    fn open_sequence(&mut self, flag: bool, container: Container, count: usize) -> Result<Step, Error> {
        // Every item takes a byte or more: a count that cannot be is an error here, not after reading what there is.
        if count > self.rest.len() {
            return Err(self.truncated(count));
        }
        Ok(self.open(flag, What::Container(container), count))
    }

    /// The numbers with which a code object begins.
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

    /// An integer of any size: digits of 15 bits, the sign in the count (`r_PyLong`).
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
