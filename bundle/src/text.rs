//! Paths as text, in the form of Python and in messages.

use std::{borrow::Cow, path::Path};

/// The text that `os.fsdecode` gives, as generalised UTF-8. A byte that is not UTF-8 becomes a lone surrogate, U+DC00
/// plus the byte, which takes three bytes here.
pub(crate) fn fsdecode(bytes: &[u8]) -> Vec<u8> {
    if cfg!(windows) {
        // File names are UTF-16 there, and their bytes are generalised UTF-8 already.
        return bytes.to_vec();
    }
    let mut text = Vec::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        text.extend_from_slice(chunk.valid().as_bytes());
        for byte in chunk.invalid() {
            let low = 0xDC00 + u32::from(*byte);
            text.extend_from_slice(&[0xED, 0x80 | (low >> 6 & 0x3F) as u8, 0x80 | (low & 0x3F) as u8]);
        }
    }
    text
}

/// [`fsdecode`] of a whole path.
pub(crate) fn of_path(path: &Path) -> Vec<u8> {
    fsdecode(path.as_os_str().as_encoded_bytes())
}

/// The text for messages. Bytes that are not UTF-8 are escaped.
pub(crate) fn shown(bytes: &[u8]) -> String {
    match std::str::from_utf8(bytes) {
        Ok(text) => text.to_owned(),
        Err(_) => bytes.escape_ascii().to_string(),
    }
}

/// The characters of a longer name that a message shows.
const MAX_SHOWN: usize = 200;

/// A name for a message. The end of a long name is left out.
pub(crate) fn shortened(name: &str) -> Cow<'_, str> {
    match name.char_indices().nth(MAX_SHOWN) {
        Some((end, _)) => Cow::Owned(format!("{}… ({} bytes)", &name[..end], name.len())),
        None => Cow::Borrowed(name),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_names_are_shortened() {
        assert_eq!(shortened("né"), "né");
        assert_eq!(shortened(&"é".repeat(300)), format!("{}… (600 bytes)", "é".repeat(200)));
    }

    #[cfg(unix)]
    #[test]
    fn bytes_that_are_not_text_become_surrogates() {
        assert_eq!(fsdecode("/né.py".as_bytes()), "/né.py".as_bytes());
        // b'\xff' is '\udcff', b'\xed\xa0\x80' is three of them.
        assert_eq!(fsdecode(b"a\xFFb"), b"a\xED\xB3\xBFb");
        assert_eq!(fsdecode(b"\xED\xA0\x80"), b"\xED\xB3\xAD\xED\xB2\xA0\xED\xB2\x80");
        assert_eq!(shown(b"a\xFF"), "a\\xff");
    }
}
