//! The text of a source file (PEP 263).

use std::borrow::Cow;

use encoding_rs::{Encoding, REPLACEMENT, UTF_8, UTF_16BE, UTF_16LE};

use crate::refused::Refused;

/// Decodes a source as CPython does: a byte order mark, or a comment such as `# -*- coding: latin-1 -*-` in the first
/// two lines, or UTF-8.
pub(crate) fn decode(source: &[u8]) -> Result<Cow<'_, str>, Refused> {
    if let Some(text) = source.strip_prefix(b"\xEF\xBB\xBF") {
        return utf8(text);
    }
    let Some(label) = declared(source) else { return utf8(source) };
    let refused = || Refused::Encoding(String::from_utf8_lossy(label).into_owned());
    let name = String::from_utf8_lossy(label).to_ascii_lowercase().replace('_', "-");
    // `Encoding` means windows-1252 by these names, as browsers do. Python means ISO 8859-1.
    if ["latin-1", "latin1", "l1", "iso-8859-1", "iso8859-1", "8859", "cp819"].contains(&name.as_str())
        || ["latin-1-", "iso-8859-1-"].iter().any(|start| name.starts_with(start))
    {
        return Ok(encoding_rs::mem::decode_latin1(source));
    }
    if name == "utf-8" || name.starts_with("utf-8-") {
        return utf8(source);
    }
    if source.is_ascii() && ["ascii", "us-ascii"].contains(&name.as_str()) {
        return utf8(source);
    }
    // Python's names of code pages are not all labels of the web: `cp1251` is one, `euc-jp` is, `cp932` is not.
    let encoding = Encoding::for_label(name.as_bytes()).ok_or_else(refused)?;
    if [REPLACEMENT, UTF_16BE, UTF_16LE].contains(&encoding) {
        return Err(refused());
    }
    encoding.decode_without_bom_handling_and_without_replacement(source).ok_or_else(refused)
}

fn utf8(text: &[u8]) -> Result<Cow<'_, str>, Refused> {
    UTF_8.decode_without_bom_handling_and_without_replacement(text).ok_or_else(|| Refused::Encoding("utf-8".to_owned()))
}

/// The encoding that a comment in the first two lines declares. The second line counts only if the first has nothing
/// but a comment.
fn declared(source: &[u8]) -> Option<&[u8]> {
    let mut lines = source.split(|byte| matches!(byte, b'\n' | b'\r'));
    let first = lines.next()?;
    // A line that ends in "\r\n" is followed by an empty part.
    let second = match lines.next() {
        Some([]) if source.get(first.len()..first.len() + 2) == Some(b"\r\n") => lines.next(),
        second => second,
    };
    for line in [Some(first), second].into_iter().flatten() {
        let line = line.trim_ascii_start();
        match line.strip_prefix(b"#") {
            Some(comment) => {
                if let Some(label) = label(comment) {
                    return Some(label);
                }
            }
            None if line.is_empty() => {}
            None => return None,
        }
    }
    None
}

/// The name after `coding:` or `coding=`.
fn label(comment: &[u8]) -> Option<&[u8]> {
    memchr::memmem::find_iter(comment, b"coding").find_map(|at| {
        let (b':' | b'=', rest) = comment.get(at + b"coding".len()..)?.split_first()? else { return None };
        let rest = rest.trim_ascii_start();
        let is_end = |byte: &u8| !(byte.is_ascii_alphanumeric() || b"-_.".contains(byte));
        let len = rest.iter().position(is_end).unwrap_or(rest.len());
        rest.get(..len).filter(|label| !label.is_empty())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_declaration_decides() {
        for (source, text) in [
            (&b"x = '\xC3\xA9'"[..], Some("x = 'é'")),
            (b"\xEF\xBB\xBFx = '\xC3\xA9'", Some("x = 'é'")),
            (b"x = '\xE9'", None),
            (b"# -*- coding: latin-1 -*-\n'\xE9\x80'", Some("# -*- coding: latin-1 -*-\n'é\u{80}'")),
            (b"#!x\r\n# vim: fileencoding=cp1251 :\r\n\xE9", Some("#!x\r\n# vim: fileencoding=cp1251 :\r\nй")),
            (b"#!x\n# coding: utf_8\n'\xC3\xA9'", Some("#!x\n# coding: utf_8\n'é'")),
            (b"\n# coding: koi8-r\n\xC1", Some("\n# coding: koi8-r\nа")),
            // After the second line, and after code.
            (b"\n\n# coding: latin-1\n\xE9", None),
            (b"x = 1\n# coding: latin-1\n\xE9", None),
            (b"# coding: no-such\n", None),
            (b"# coding: utf-16\n", None),
            (b"# coding: ascii\n\xE9", Some("# coding: ascii\né")),
        ] {
            assert_eq!(decode(source).ok().as_deref(), text, "{}", source.escape_ascii());
        }
    }
}
