//! Checks of text and integers that writers and verifiers share (spec.md 5.5, 5.7, 5.11).

use crate::ObjectKind;

/// The narrowest kind of string that holds `text`, or `None` if it is not generalised UTF-8 [O-4].
///
/// Generalised UTF-8 is UTF-8 in which each surrogate, U+D800 to U+DFFF, may be encoded like any other character of
/// three bytes, alone or in pairs. CPython calls this `surrogatepass`.
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

/// Whether this can be the name of a module: it has no NUL and no empty component between its dots [N-3].
///
/// ```
/// use permacode_format::is_module_name;
/// assert!(is_module_name("json.decoder") && !is_module_name("json.") && !is_module_name(""));
/// ```
#[must_use]
pub fn is_module_name(name: &str) -> bool {
    !name.contains('\0') && !name.split('.').any(str::is_empty)
}

/// Whether this can be the name of a resource: a relative path that stays below its start [N-4].
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
    use super::*;

    #[test]
    fn surrogate_pairs_are_kept_and_invalid_text_is_refused() {
        assert_eq!(string_kind(b"a\xED\xA0\x80\xED\xB0\x80\xC3\xA9"), Some(ObjectKind::Surrogates));
        assert_eq!(string_kind(b"\xED\xA0"), None);
        assert_eq!(string_kind(b"\xC0\x80"), None);
        assert_eq!(string_kind(b""), Some(ObjectKind::Ascii));
    }
}
