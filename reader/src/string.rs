//! A string of the archive.

use crate::perma_bytes::PermaBytes;
use core::fmt;

/// A string: text in generalised UTF-8, and whether it is interned (spec.md 5.11).
///
/// It can be compared with a `str`: `name == "f"`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Str<'a> {
    bytes: PermaBytes<'a>,
    interned: bool,
}

impl<'a> Str<'a> {
    #[inline]
    pub(crate) fn new(bytes: PermaBytes<'a>, interned: bool) -> Self {
        Str { bytes, interned }
    }

    /// The text in generalised UTF-8: UTF-8 in which a lone surrogate may occur, as three bytes.
    ///
    /// This does not check the bytes. In an archive that is not verified, they may be any bytes [O-4].
    #[must_use]
    #[inline]
    pub fn bytes(&self) -> PermaBytes<'a> {
        self.bytes
    }

    /// The text; `None` if it is not UTF-8, for example because it has a lone surrogate.
    #[must_use]
    pub fn to_str(&self) -> Option<&'a str> {
        core::str::from_utf8(self.bytes.as_slice()).ok()
    }

    /// Whether it is interned: the machine keeps one copy of each interned text for the whole process.
    #[must_use]
    #[inline]
    pub fn is_interned(&self) -> bool {
        self.interned
    }
}

impl AsRef<[u8]> for Str<'_> {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

impl PartialEq<str> for Str<'_> {
    fn eq(&self, other: &str) -> bool {
        self.bytes == other
    }
}

impl PartialEq<&str> for Str<'_> {
    fn eq(&self, other: &&str) -> bool {
        self.bytes == *other
    }
}

impl PartialEq<[u8]> for Str<'_> {
    fn eq(&self, other: &[u8]) -> bool {
        self.bytes == *other
    }
}

impl fmt::Display for Str<'_> {
    /// The text, with U+FFFD in place of bytes that are not UTF-8.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for chunk in self.bytes.as_slice().utf8_chunks() {
            f.write_str(chunk.valid())?;
            if !chunk.invalid().is_empty() {
                f.write_str("\u{FFFD}")?;
            }
        }
        Ok(())
    }
}
