//! Escapes names from an archive, so that a terminal does not obey them.

use crate::output::grouped;
use std::fmt::Write;

/// The longest name in bytes that a table or a message shows whole.
const MAX_SHOWN: usize = 256;

/// The bytes of a longer name that a table or a message shows: its start and its end.
const HEAD: usize = 128;
const TAIL: usize = 64;

/// The text of a name. Printable characters stay, and all others become escapes.
///
/// Control characters, line breaks, backslashes and characters that change the direction of text become `\n`, `\u{1b}`
/// and the like. Bytes that are not UTF-8 become `\xff`. Two different names never give the same text.
pub(crate) fn escape(name: &[u8]) -> String {
    let mut text = String::with_capacity(name.len());
    for chunk in name.utf8_chunks() {
        for character in chunk.valid().chars() {
            match character {
                '"' | '\'' => text.push(character),
                _ if character.is_alphanumeric() => text.push(character),
                _ => text.extend(character.escape_debug()),
            }
        }
        for byte in chunk.invalid() {
            let _ = write!(text, "\\x{byte:02x}");
        }
    }
    text
}

/// [`escape`] for tables and messages. Of a name of more than 256 bytes, only the start, the end and the length are
/// shown.
///
/// Many records may share one long name. A table of whole names would be far larger than the archive.
pub(crate) fn escape_short(name: &[u8]) -> String {
    if name.len() <= MAX_SHOWN {
        return escape(name);
    }
    let is_start = |at: &usize| name.get(*at).is_none_or(|byte| byte & 0xC0 != 0x80);
    // A character has at most three bytes after its first. More of them in a row are not text.
    let (head, tail) = (HEAD, name.len() - TAIL);
    let head = (head - 3..=head).rev().find(is_start).unwrap_or(head);
    let tail = (tail..=tail + 3).find(is_start).unwrap_or(tail);
    format!("{}… ({} bytes) …{}", escape(&name[..head]), grouped(name.len() as u64), escape(&name[tail..]))
}

/// Escapes a text of sentences and names, some of which may be escaped already. Everything that is not printable
/// becomes an escape, even line breaks. Backslashes stay.
pub(crate) fn harmless(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for character in text.chars() {
        if is_harmless(character) {
            safe.push(character);
        } else {
            safe.extend(character.escape_debug());
        }
    }
    safe
}

/// Whether a terminal only shows the character.
pub(crate) fn is_harmless(character: char) -> bool {
    "\"'\\".contains(character) || character.is_alphanumeric() || character.escape_debug().len() == 1
}

/// Whether bytes are text that a terminal only shows.
pub(crate) fn is_text(bytes: &[u8]) -> bool {
    std::str::from_utf8(bytes)
        .is_ok_and(|text| text.chars().all(|character| !character.is_control() || "\t\n\r\x0c".contains(character)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_that_a_terminal_obeys_is_escaped() {
        assert_eq!(escape(b"a\x1b[31m\nb\\n"), r"a\u{1b}[31m\nb\\n");
        assert_eq!(
            escape("caf\u{e9} \u{202e}\u{9b}1m\u{7f}\u{200b}".as_bytes()),
            r"café \u{202e}\u{9b}1m\u{7f}\u{200b}"
        );
        assert_eq!(escape(b"\xff\xfe/it's \"x\""), r#"\xff\xfe/it's "x""#);
    }

    #[test]
    fn a_long_name_keeps_its_start_and_its_end() {
        let name = "é".repeat(128);
        assert_eq!(escape_short(name.as_bytes()), name);
        let name = format!("a{}b", "é".repeat(128));
        let short = escape_short(name.as_bytes());
        assert_eq!(short, format!("a{}… (258 bytes) …{}b", "é".repeat(63), "é".repeat(31)));
        let bytes = escape_short(&[0xBF; 300]);
        assert_eq!(bytes, format!("{}… (300 bytes) …{}", r"\xbf".repeat(HEAD), r"\xbf".repeat(TAIL)));
    }

    #[test]
    fn an_escaped_name_is_not_escaped_again() {
        for name in [&b"a\x1b[31m\nb"[..], b"odd\xff", "caf\u{e9} \u{202e}\u{9b}".as_bytes(), b"it's \"x\""] {
            let once = escape(name);
            assert_eq!(harmless(&once), once);
        }
        assert_eq!(harmless("a\x1b[31m\nb\u{202e}"), r"a\u{1b}[31m\nb\u{202e}");
    }

    #[test]
    fn text_has_line_breaks_and_no_other_control_characters() {
        assert!(is_text("# caf\u{e9}\r\n\tpass\x0c\n".as_bytes()));
        for bytes in [&b"\x1b[2J"[..], b"\0", b"\xe9", "\u{9b}2J".as_bytes()] {
            assert!(!is_text(bytes), "{bytes:?}");
        }
    }
}
