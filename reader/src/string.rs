//! A string of the archive.

use crate::perma_bytes::PermaBytes;
use core::fmt;

/// A string: its text in generalised UTF-8, and whether it is interned (spec.md 5.11).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Str<'a> {
    bytes: PermaBytes<'a>,
    interned: bool,
}

impl<'a> Str<'a> {
    pub(crate) fn new(bytes: PermaBytes<'a>, interned: bool) -> Self {
        Str { bytes, interned }
    }

    /// The text in generalised UTF-8: UTF-8 in which lone surrogates may occur as three bytes.
    ///
    /// These are the bytes as they stand. Only an archive that keeps [O-4] promises that they are text; in one that nobody has
    /// verified they may be any bytes.
    #[must_use]
    pub fn bytes(&self) -> PermaBytes<'a> {
        self.bytes
    }

    /// The text; `None` if it is not UTF-8, for example since it holds lone surrogates, which a `str` cannot.
    #[must_use]
    pub fn as_str(&self) -> Option<&'a str> {
        core::str::from_utf8(self.bytes.as_slice()).ok()
    }

    /// Whether the machine keeps one copy of the string for the whole process.
    #[must_use]
    pub fn is_interned(&self) -> bool {
        self.interned
    }
}

impl fmt::Display for Str<'_> {
    /// The text, U+FFFD for what is no UTF-8.
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
