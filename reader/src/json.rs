//! The few forms of JSON that signatures have, read in place (spec.md B.2).

use core::{fmt, str::Chars};

/// The rest of a JSON text. Each method consumes what it returns.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Json<'a> {
    rest: &'a str,
}

impl<'a> Json<'a> {
    pub(crate) fn new(rest: &'a str) -> Self {
        Json { rest }
    }

    /// Length in bytes of the rest.
    pub(crate) fn len(&self) -> usize {
        self.rest.len()
    }

    /// The text before `rest`, which must be a later state of this text.
    pub(crate) fn until(&self, rest: Json<'a>) -> Json<'a> {
        let len = self.len().saturating_sub(rest.len());
        Json { rest: self.rest.get(..len).unwrap_or_default() }
    }

    /// Whether `text` comes next.
    pub(crate) fn eat(&mut self, text: &str) -> bool {
        match self.rest.strip_prefix(text) {
            Some(rest) => {
                self.rest = rest;
                true
            }
            None => false,
        }
    }

    /// The string that comes next. `None` if no valid string does.
    pub(crate) fn string(&mut self) -> Option<Text<'a>> {
        let after = self.rest.strip_prefix('"')?;
        let mut chars = Unescaped(after.chars());
        loop {
            let rest = chars.0.as_str();
            if let Some(end) = rest.strip_prefix('"') {
                let raw = after.get(..after.len().saturating_sub(rest.len()))?;
                self.rest = end;
                return Some(Text { raw });
            }
            chars.step()?;
        }
    }
}

/// A text of the archive, such as the default of a parameter. It is stored as a JSON string, and unescaped when it is
/// used.
///
/// It can be compared with a `str`: `text == "None"`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Text<'a> {
    /// The valid contents of a JSON string.
    raw: &'a str,
}

impl<'a> Text<'a> {
    /// The text as it is stored; `None` if it has escapes.
    #[must_use]
    pub fn as_str(&self) -> Option<&'a str> {
        (!self.raw.contains('\\')).then_some(self.raw)
    }

    /// The text. It is a copy only if it has escapes.
    #[must_use]
    pub fn to_cow(&self) -> alloc::borrow::Cow<'a, str> {
        match self.as_str() {
            Some(text) => text.into(),
            None => self.chars().collect::<alloc::string::String>().into(),
        }
    }

    /// The characters of the text.
    pub fn chars(&self) -> impl Iterator<Item = char> + use<'a> {
        Unescaped(self.raw.chars())
    }
}

impl PartialEq<str> for Text<'_> {
    fn eq(&self, other: &str) -> bool {
        match self.as_str() {
            Some(text) => text == other,
            None => self.chars().eq(other.chars()),
        }
    }
}

impl PartialEq<&str> for Text<'_> {
    fn eq(&self, other: &&str) -> bool {
        self == *other
    }
}

impl fmt::Display for Text<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.as_str() {
            Some(text) => f.write_str(text),
            None => self.chars().try_for_each(|char| fmt::Write::write_char(f, char)),
        }
    }
}

/// The characters of a JSON string. It ends early at an invalid escape.
struct Unescaped<'a>(Chars<'a>);

impl Unescaped<'_> {
    fn step(&mut self) -> Option<char> {
        let char = self.0.next()?;
        if char != '\\' {
            return (char >= ' ').then_some(char);
        }
        match self.0.next()? {
            char @ ('"' | '\\' | '/') => Some(char),
            'b' => Some('\u{8}'),
            'f' => Some('\u{C}'),
            'n' => Some('\n'),
            'r' => Some('\r'),
            't' => Some('\t'),
            'u' => {
                let units = [self.unit()?];
                match char::decode_utf16(units).next()? {
                    Ok(char) => Some(char),
                    // The first half of a pair.
                    Err(_) => match (self.0.next()?, self.0.next()?) {
                        ('\\', 'u') => char::decode_utf16([units[0], self.unit()?]).next()?.ok(),
                        _ => None,
                    },
                }
            }
            _ => None,
        }
    }

    fn unit(&mut self) -> Option<u16> {
        let digits = self.0.as_str().get(..4).filter(|digits| digits.bytes().all(|byte| byte.is_ascii_hexdigit()))?;
        self.0 = self.0.as_str().get(4..)?.chars();
        u16::from_str_radix(digits, 16).ok()
    }
}

impl Iterator for Unescaped<'_> {
    type Item = char;

    fn next(&mut self) -> Option<char> {
        self.step()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn text(json: &str) -> Option<String> {
        let mut rest = Json::new(json);
        rest.string().filter(|_| rest.len() == 0).map(|text| text.to_cow().into_owned())
    }

    #[test]
    fn escapes() {
        assert_eq!(text(r#""a\"\\\/\b\f\n\r\t\u00e9\uD83D\uDE00é""#).unwrap(), "a\"\\/\u{8}\u{C}\n\r\té😀é");
        for invalid in [
            "",
            "\"",
            "a",
            "\"\\\"",
            r#""\x""#,
            r#""\u12""#,
            r#""\u+123""#,
            r#""\uD83D""#,
            r#""\uD83Dx""#,
            r#""\uD83D\n""#,
            r#""\uD83D\u0041""#,
            r#""\uDE00""#,
            "\"\n\"",
            r#""\u12é""#,
        ] {
            assert_eq!(text(invalid), None, "{invalid}");
        }
    }

    proptest! {
        #[test]
        fn every_string_is_read_like_serde_reads_it(
            json in r#""([a-f0-9éu\\"/\n]|\\u[dD][89a-fA-F][0-9]{2}|\\[nu"\\]){0,8}""#
        ) {
            prop_assert_eq!(text(&json), serde_json::from_str(&json).ok());
        }

        #[test]
        fn what_serde_writes_is_read(value in ".{0,12}") {
            let json = serde_json::to_string(&value).unwrap();
            let mut rest = Json::new(&json);
            let read = rest.string().unwrap();
            prop_assert!(read == value.as_str() && read.to_string() == value && rest.len() == 0);
        }
    }
}
