//! Text and data of an archive as JSON.

use serde::{Serialize, Serializer, ser::Error};
use serde_json::value::RawValue;
use std::fmt;

/// Bytes that are usually UTF-8.
///
/// In JSON, a lone surrogate, which strings of Python may have, is an escape such as `\ud800`. Python reads it back.
/// Other programs may refuse it or read U+FFFD. Here U+FFFD stands for all other invalid bytes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Text<'a>(pub(crate) &'a [u8]);

/// Bytes in hexadecimal.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Hex<'a>(pub(crate) &'a [u8]);

impl Serialize for Text<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match std::str::from_utf8(self.0) {
            Ok(text) => serializer.serialize_str(text),
            // A string of Rust cannot hold a surrogate, so this is the text of a JSON string.
            Err(_) => RawValue::from_string(json_string(self.0).map_err(S::Error::custom)?)
                .map_err(S::Error::custom)?
                .serialize(serializer),
        }
    }
}

fn json_string(bytes: &[u8]) -> serde_json::Result<String> {
    let mut json = String::from("\"");
    let mut rest = bytes;
    while let Some(chunk) = rest.utf8_chunks().next() {
        let valid = serde_json::to_string(chunk.valid())?;
        json.push_str(valid.get(1..valid.len().saturating_sub(1)).unwrap_or_default());
        let after = rest.get(chunk.valid().len()..).unwrap_or_default();
        let skipped = match surrogate(after) {
            Some(unit) => {
                json.push_str(&format!("\\u{unit:04x}"));
                3
            }
            None => {
                json.push_str(if after.is_empty() { "" } else { "\u{FFFD}" });
                chunk.invalid().len()
            }
        };
        rest = after.get(skipped..).unwrap_or_default();
    }
    json.push('"');
    Ok(json)
}

/// The surrogate that generalised UTF-8 starts with.
fn surrogate(bytes: &[u8]) -> Option<u16> {
    match *bytes {
        [0xED, middle @ 0xA0..=0xBF, last @ 0x80..=0xBF, ..] => {
            Some(0xD000 | u16::from(middle & 0x3F) << 6 | u16::from(last & 0x3F))
        }
        _ => None,
    }
}

impl fmt::Display for Text<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for chunk in self.0.utf8_chunks() {
            f.write_str(chunk.valid())?;
            f.write_str(if chunk.invalid().is_empty() { "" } else { "\u{FFFD}" })?;
        }
        Ok(())
    }
}

impl Serialize for Hex<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl fmt::Display for Hex<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

#[cfg(test)]
mod tests {
    use super::Text;

    #[test]
    fn lone_surrogates_are_escapes_and_other_invalid_bytes_are_replaced() {
        for (bytes, json) in [
            (&b"a\"\\\n"[..], r#""a\"\\\n""#),
            (b"a\xED\xA0\x80b", r#""a\ud800b""#),
            (b"\"\xED\xBF\xBF\"\xC3\xA9", r#""\"\udfff\"é""#),
            (b"\xED\xA0", "\"\u{FFFD}\u{FFFD}\""),
            (b"\xFF\xED\xB0\x80", "\"\u{FFFD}\\udc00\""),
        ] {
            assert_eq!(serde_json::to_string(&Text(bytes)).unwrap(), json);
        }
    }
}
