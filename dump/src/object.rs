//! Objects of the constants and docstrings sections (spec.md 5.11), one line for a short one and rows for a long one.

use crate::line::ascii;
use permacode_format::{Container, ItemRef, ObjectKind, U16, U32, container_item, list_item, object_flag, read_varint};
use zerocopy::FromBytes;

/// An object at the start of some bytes.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Object<'a> {
    /// Its kind, flags and numbers, in words.
    pub(crate) head: String,
    /// Length of the bytes before its text, data or items.
    pub(crate) head_len: usize,
    pub(crate) payload: Payload<'a>,
}

/// The bytes of an object after its head.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Payload<'a> {
    /// Text, or the bytes of a bytes object.
    Data(&'a [u8]),
    /// Bytes whose value the head states.
    Value(&'a [u8]),
    /// Items of four bytes.
    Wide(&'a [u8]),
    /// Items of two bytes.
    Narrow(&'a [u8]),
}

impl<'a> Payload<'a> {
    pub(crate) fn bytes(&self) -> &'a [u8] {
        match self {
            Payload::Data(bytes) | Payload::Value(bytes) | Payload::Wide(bytes) | Payload::Narrow(bytes) => bytes,
        }
    }

    /// The items in some of these bytes, or the bytes as ASCII. `own` is the id of the object.
    pub(crate) fn words(&self, bytes: &[u8], own: u32) -> String {
        let items = |items: &mut dyn Iterator<Item = Option<ItemRef>>| {
            let words = items.map(|item| match item {
                Some(ItemRef::Object(id)) => id.to_string(),
                Some(ItemRef::Code(id)) => format!("code[{id}]"),
                None => "below zero".to_owned(),
            });
            words.collect::<Vec<_>>().join(", ")
        };
        match self {
            Payload::Data(_) => ascii(bytes),
            Payload::Value(_) => String::new(),
            Payload::Wide(_) => {
                let wide = <[U32]>::ref_from_bytes(bytes).unwrap_or_default();
                items(&mut wide.iter().map(|item| Some(list_item::decode_wide(item.get()))))
            }
            Payload::Narrow(_) => {
                let narrow = <[U16]>::ref_from_bytes(bytes).unwrap_or_default();
                let decode = |item: &U16| container_item::decode_narrow(item.get(), own).map(ItemRef::Object);
                items(&mut narrow.iter().map(decode))
            }
        }
    }
}

/// Reads the object at the start of `bytes`, which may be followed by others. The error says what is wrong.
pub(crate) fn read(bytes: &[u8]) -> Result<Object<'_>, String> {
    let first = *bytes.first().ok_or("the object has no bytes")?;
    let kind = ObjectKind::from_number(first & object_flag::KIND);
    let kind = kind.ok_or_else(|| format!("no kind of object starts with the byte {first:#04x}"))?;
    let flags = first & !object_flag::KIND;
    if flags & !kind.allowed_flags() != 0 {
        return Err(format!("an object of kind {kind} has the first byte {first:#04x}, which has unknown flags"));
    }
    let mut rest = bytes.get(1..).unwrap_or_default();
    let mut varint = |what: &str| {
        let (value, len) = read_varint(rest).ok_or_else(|| format!("the {what} of a {kind} is no varint"))?;
        rest = rest.get(len..).unwrap_or_default();
        Ok::<u32, String>(value)
    };
    let mut head = kind.name().to_owned();
    if Container::of_kind(kind).is_some() {
        let (count, depth) = (varint("number of items")?, varint("depth")?);
        head = format!("{head} of {count}, depth {depth}");
        if flags & object_flag::CODE != 0 {
            head = format!("{head}, bound {}", varint("bound")?);
        }
        let is_wide = flags & object_flag::WIDE != 0;
        let len = u64::from(count).saturating_mul(if is_wide { 4 } else { 2 });
        let payload = take(rest, len, kind)?;
        let payload = if is_wide { Payload::Wide(payload) } else { Payload::Narrow(payload) };
        return Ok(Object { head, head_len: bytes.len().saturating_sub(rest.len()), payload });
    }
    if flags & object_flag::INTERNED != 0 {
        head += ", interned";
    }
    let payload = match kind {
        ObjectKind::Ascii | ObjectKind::Utf8 | ObjectKind::Surrogates | ObjectKind::Bytes => {
            let len = varint("length")?;
            head = format!("{head}, {len} {}", if len == 1 { "byte" } else { "bytes" });
            Payload::Data(take(rest, len.into(), kind)?)
        }
        ObjectKind::Int => {
            let len = varint("length")?;
            let value = take(rest, len.into(), kind)?;
            head = match integer(value) {
                Some(number) => format!("{head} {number}"),
                None => format!("{head}, {len} bytes"),
            };
            Payload::Value(value)
        }
        ObjectKind::Qualname => {
            head = format!("{head} of constant {}", varint("constant")?);
            Payload::Value(&[])
        }
        ObjectKind::Float => {
            let value = take(rest, 8, kind)?;
            head = format!("{head} {:?}", float(value));
            Payload::Value(value)
        }
        ObjectKind::Complex => {
            let value = take(rest, 16, kind)?;
            let (real, imaginary) = value.split_at_checked(8).unwrap_or_default();
            head = format!("{head} {:?}, {:?}", float(real), float(imaginary));
            Payload::Value(value)
        }
        _ => Payload::Value(&[]),
    };
    Ok(Object { head, head_len: bytes.len().saturating_sub(rest.len()), payload })
}

fn take(rest: &[u8], len: u64, kind: ObjectKind) -> Result<&[u8], String> {
    let found = usize::try_from(len).ok().and_then(|len| rest.get(..len));
    found.ok_or_else(|| format!("a {kind} needs {len} bytes; {} are left", rest.len()))
}

/// The value of a short integer: two's complement, little-endian.
fn integer(bytes: &[u8]) -> Option<i64> {
    let is_negative = bytes.last().is_some_and(|last| last & 0x80 != 0);
    let mut value = if is_negative { [0xFF; 8] } else { [0; 8] };
    value.get_mut(..bytes.len())?.copy_from_slice(bytes);
    Some(i64::from_le_bytes(value))
}

fn float(bytes: &[u8]) -> f64 {
    bytes.try_into().map(f64::from_le_bytes).unwrap_or_default()
}
