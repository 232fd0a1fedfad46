//! A line of a dump, as text and as JSON.

use serde::{Serialize, Serializer};
use std::fmt;

/// The most bytes on a line.
pub(crate) const WIDTH: usize = 16;

/// A line of a dump.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "line", rename_all = "lowercase")]
pub enum Line<'a> {
    /// What the lines after it belong to: a section, a named record, the data of a code object.
    Heading {
        /// The address of the thing, and its name in the archive. The name may have control characters.
        text: String,
    },
    /// Some bytes: a field, an object, or a row of text or data.
    Bytes {
        /// Offset of the first byte in the archive.
        offset: u64,
        /// The bytes, in hexadecimal in JSON.
        #[serde(serialize_with = "hex_value")]
        bytes: &'a [u8],
        /// An address of these bytes.
        address: String,
        /// The meaning of the bytes.
        value: Value,
    },
    /// Bytes of zero between two sections.
    Zeros {
        /// Offset of the first byte in the archive.
        offset: u64,
        /// Number of bytes.
        len: u64,
    },
    /// Something that is damaged or could not be decoded.
    Problem {
        /// Offset in the archive.
        offset: u64,
        /// What was found, and what was expected.
        text: String,
    },
}

/// The meaning of the bytes of a line.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(untagged)]
pub enum Value {
    /// Text or data, which the text form shows as ASCII.
    Data,
    /// An unsigned number.
    Unsigned(u64),
    /// A signed number.
    Signed(i64),
    /// An object or a row of items, in words.
    Words(String),
}

fn hex_value<S: Serializer>(bytes: &&[u8], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(&Hex { bytes, separator: "" })
}

/// Bytes in hexadecimal.
struct Hex<'a> {
    bytes: &'a [u8],
    separator: &'static str,
}

impl fmt::Display for Hex<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, byte) in self.bytes.iter().enumerate() {
            write!(f, "{}{byte:02x}", if index > 0 { self.separator } else { "" })?;
        }
        Ok(())
    }
}

/// Bytes as ASCII, with a dot in place of every byte that is not printable.
pub(crate) fn ascii(bytes: &[u8]) -> String {
    let shown = |byte: &u8| if byte.is_ascii_graphic() || *byte == b' ' { char::from(*byte) } else { '.' };
    let text: String = bytes.iter().map(shown).collect();
    format!("|{text}|")
}

impl fmt::Display for Line<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Line::Heading { text } => write!(f, "# {text}"),
            Line::Zeros { offset, len } => {
                write!(f, "{offset:08x}  {len} {} of zero", if *len == 1 { "byte" } else { "bytes" })
            }
            Line::Problem { offset, text } => write!(f, "{offset:08x}  ! {text}"),
            Line::Bytes { offset, bytes, address, value } => {
                let hex = Hex { bytes, separator: " " }.to_string();
                write!(f, "{offset:08x}  {hex:<47}  {address}")?;
                match value {
                    Value::Data => write!(f, "  {}", ascii(bytes)),
                    Value::Unsigned(number) if bytes.len() == 4 && *number == permacode_format::NONE.into() => {
                        write!(f, " = {number} (NONE)")
                    }
                    Value::Unsigned(number @ ..10) => write!(f, " = {number}"),
                    Value::Unsigned(number) => write!(f, " = {number} ({number:#x})"),
                    Value::Signed(number) => write!(f, " = {number}"),
                    Value::Words(words) => write!(f, " = {words}"),
                }
            }
        }
    }
}
