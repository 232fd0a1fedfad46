//! Which of the three kinds of string a text is (spec.md 5.11).

use crate::ObjectKind;

/// The narrowest kind of string that holds `text`; `None` if it is not generalised UTF-8 [O-4].
///
/// Generalised UTF-8 is UTF-8 in which the surrogates, U+D800 to U+DFFF, are encoded like any other character of three
/// bytes, alone or not: what CPython calls `surrogatepass`.
///
/// ```
/// use permacode_format::{string_kind, ObjectKind};
/// assert_eq!(string_kind(b"json"), Some(ObjectKind::Ascii));
/// assert_eq!(string_kind("né".as_bytes()), Some(ObjectKind::Utf8));
/// assert_eq!(string_kind(b"\xED\xA0\x80"), Some(ObjectKind::Surrogates));
/// assert_eq!(string_kind(b"\xFF"), None);
/// ```
#[must_use]
pub fn string_kind(text: &[u8]) -> Option<ObjectKind> {
    if text.is_ascii() {
        return Some(ObjectKind::Ascii);
    }
    let mut rest = text;
    let mut kind = ObjectKind::Utf8;
    loop {
        let Err(error) = core::str::from_utf8(rest) else { return Some(kind) };
        match rest.get(error.valid_up_to()..)? {
            [0xED, 0xA0..=0xBF, 0x80..=0xBF, after @ ..] => rest = after,
            _ => return None,
        }
        kind = ObjectKind::Surrogates;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pair_of_surrogates_is_two_characters_and_broken_ones_are_none() {
        assert_eq!(string_kind(b"a\xED\xA0\x80\xED\xB0\x80\xC3\xA9"), Some(ObjectKind::Surrogates));
        assert_eq!(string_kind(b"\xED\xA0"), None);
        assert_eq!(string_kind(b"\xC0\x80"), None);
        assert_eq!(string_kind(b""), Some(ObjectKind::Ascii));
    }
}
