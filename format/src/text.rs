//! Checks of strings, integers and names that writers and verifiers share (spec.md 5.5, 5.7, 5.11).

use crate::ObjectKind;

/// The narrowest kind of string that holds `text` [O-4].
///
/// Generalised UTF-8 is UTF-8 in which each surrogate, U+D800 to U+DFFF, may be encoded like any other character of
/// three bytes, alone or in pairs. CPython reads it with the error handler `surrogatepass`.
///
/// # Errors
/// If `text` is not generalised UTF-8. The error is the number of bytes before the first invalid sequence.
///
/// ```
/// use permacode_format::{string_kind, ObjectKind};
/// assert_eq!(string_kind(b"json"), Ok(ObjectKind::Ascii));
/// assert_eq!(string_kind("né".as_bytes()), Ok(ObjectKind::Utf8));
/// assert_eq!(string_kind(b"\xED\xA0\x80"), Ok(ObjectKind::Surrogates));
/// assert_eq!(string_kind(b"a\xFF"), Err(1));
/// ```
pub fn string_kind(text: &[u8]) -> Result<ObjectKind, usize> {
    if text.is_ascii() {
        return Ok(ObjectKind::Ascii);
    }
    let mut rest = text;
    let mut kind = ObjectKind::Utf8;
    loop {
        let Err(error) = core::str::from_utf8(rest) else { return Ok(kind) };
        match rest.split_at(error.valid_up_to()).1 {
            [0xED, 0xA0..=0xBF, 0x80..=0xBF, after @ ..] => rest = after,
            invalid => return Err(text.len() - invalid.len()),
        }
        kind = ObjectKind::Surrogates;
    }
}

/// Whether this little-endian two's complement has the fewest bytes for its value [O-3]. Zero has no bytes.
///
/// ```
/// use permacode_format::is_shortest_int;
/// assert!(is_shortest_int(&[]) && is_shortest_int(&[0xFF]) && is_shortest_int(&[0x80, 0]));
/// assert!(!is_shortest_int(&[0]) && !is_shortest_int(&[1, 0]) && !is_shortest_int(&[0x80, 0xFF]));
/// ```
#[must_use]
pub const fn is_shortest_int(bytes: &[u8]) -> bool {
    match bytes {
        [] => true,
        [last] => *last != 0,
        [.., before, last] => !matches!((*last, *before & 0x80), (0, 0) | (0xFF, 0x80)),
    }
}

/// Whether `name` is valid as the name of a module: no NUL character, and no empty component between dots [N-3].
///
/// ```
/// use permacode_format::is_module_name;
/// assert!(is_module_name("json.decoder") && !is_module_name("json.") && !is_module_name(""));
/// ```
#[must_use]
pub fn is_module_name(name: &str) -> bool {
    !name.contains('\0') && !name.split('.').any(str::is_empty)
}

/// Whether `name` is valid as the name of a resource: a relative path without NUL bytes and without empty, `.` or `..`
/// components [N-4].
///
/// ```
/// use permacode_format::is_resource_name;
/// assert!(is_resource_name(b"stdlib/a.txt") && !is_resource_name(b"stdlib/../a") && !is_resource_name(b"/a"));
/// ```
#[must_use]
pub fn is_resource_name(name: &[u8]) -> bool {
    name.split(|byte| *byte == b'/').all(|part| !matches!(part, b"" | b"." | b"..") && !part.contains(&0))
}

#[cfg(test)]
mod tests {
    extern crate std;

    use super::*;
    use proptest::prelude::*;
    use std::vec::Vec;

    #[test]
    fn surrogates_are_text_and_invalid_bytes_are_found() {
        assert_eq!(string_kind(b""), Ok(ObjectKind::Ascii));
        assert_eq!(string_kind("aé€🐍".as_bytes()), Ok(ObjectKind::Utf8));
        assert_eq!(string_kind(b"a\xED\xA0\x80\xED\xB0\x80\xC3\xA9"), Ok(ObjectKind::Surrogates));
        assert_eq!(string_kind(b"ab\xFF"), Err(2));
        assert_eq!(string_kind(b"\xED\xA0\x80\xC0\x80"), Err(3));
        assert_eq!(string_kind(b"\xED\xA0"), Err(0));
        assert_eq!(string_kind(b"\xF4\x90\x80\x80"), Err(0));
    }

    proptest! {
        #[test]
        fn all_characters_and_surrogates_are_generalised_utf8(
            units in proptest::collection::vec(0u32..0x11_0000, 0..20),
        ) {
            let (mut bytes, mut expected) = (Vec::new(), ObjectKind::Ascii);
            for unit in units {
                match char::from_u32(unit) {
                    Some(character) => {
                        let kind = if character.is_ascii() { ObjectKind::Ascii } else { ObjectKind::Utf8 };
                        expected = expected.max(kind);
                        bytes.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
                    }
                    None => {
                        expected = ObjectKind::Surrogates;
                        bytes.extend([0xED, 0x80 | (unit >> 6 & 0x3F) as u8, 0x80 | (unit & 0x3F) as u8]);
                    }
                }
            }
            prop_assert_eq!(string_kind(&bytes), Ok(expected));
        }
    }
}
