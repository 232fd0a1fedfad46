//! The bytes-like object whose body lies in the archive.

use crate::bytes::Bytes;
use core::{
    borrow::Borrow,
    cmp::Ordering,
    fmt, hash,
    ops::{Bound, Deref, RangeBounds},
};

/// Bytes that lie in an archive and are not copied: what CPython's `bytes` are, without an allocation.
///
/// It borrows from the storage of the archive and cannot outlive it; [`crate::Archive::to_owned_bytes`] makes a handle that
/// keeps the archive alive instead. It derefs to `[u8]`, and compares, orders and hashes as that does.
///
/// ```
/// use permacode_reader::PermaBytes;
///
/// let bytes = PermaBytes::from_static(b"import json\n");
/// assert_eq!(bytes.slice(7..11).unwrap(), *b"json");
/// assert_eq!(bytes.find(b"json"), Some(7));
/// assert_eq!(format!("{bytes:?}"), r#"b"import json\n""#);
/// assert!(bytes.slice(7..99).is_none());
/// ```
#[derive(Clone, Copy)]
pub struct PermaBytes<'a> {
    data: &'a [u8],
    offset: u64,
}

impl<'a> PermaBytes<'a> {
    pub(crate) const fn new(bytes: Bytes<'a>) -> Self {
        PermaBytes { data: bytes.data(), offset: bytes.offset() }
    }

    /// Bytes that lie in no archive, at offset 0.
    #[must_use]
    pub const fn from_static(data: &'static [u8]) -> PermaBytes<'static> {
        PermaBytes { data, offset: 0 }
    }

    /// The bytes, with the lifetime of the archive rather than of this value.
    #[must_use]
    pub const fn as_slice(&self) -> &'a [u8] {
        self.data
    }

    /// Offset of the first byte from the start of the archive.
    #[must_use]
    pub const fn offset(&self) -> u64 {
        self.offset
    }

    /// A part of the bytes, without a copy; `None` if the range leads out of them.
    #[must_use]
    pub fn slice(&self, range: impl RangeBounds<usize>) -> Option<PermaBytes<'a>> {
        let start = match range.start_bound() {
            Bound::Included(start) => *start,
            Bound::Excluded(start) => start.checked_add(1)?,
            Bound::Unbounded => 0,
        };
        let end = match range.end_bound() {
            Bound::Included(end) => end.checked_add(1)?,
            Bound::Excluded(end) => *end,
            Bound::Unbounded => self.data.len(),
        };
        let data = self.data.get(start..end)?;
        Some(PermaBytes { data, offset: self.offset.checked_add(start as u64)? })
    }

    /// Where `needle` first occurs, in bytes from the start; an empty one occurs at 0.
    #[must_use]
    pub fn find(&self, needle: &[u8]) -> Option<usize> {
        memchr::memmem::find(self.data, needle)
    }

    /// The bytes as code units of two bytes, where they can be used as they lie: on a little-endian machine, if they
    /// lie at an even address and their number is even.
    #[must_use]
    pub fn as_units(&self) -> Option<&'a [u16]> {
        if cfg!(target_endian = "little") { zerocopy::FromBytes::ref_from_bytes(self.data).ok() } else { None }
    }
}

impl Deref for PermaBytes<'_> {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        self.data
    }
}

impl AsRef<[u8]> for PermaBytes<'_> {
    fn as_ref(&self) -> &[u8] {
        self.data
    }
}

impl Borrow<[u8]> for PermaBytes<'_> {
    fn borrow(&self) -> &[u8] {
        self.data
    }
}

impl<T: AsRef<[u8]> + ?Sized> PartialEq<T> for PermaBytes<'_> {
    fn eq(&self, other: &T) -> bool {
        self.data == other.as_ref()
    }
}

impl Eq for PermaBytes<'_> {}

impl<T: AsRef<[u8]> + ?Sized> PartialOrd<T> for PermaBytes<'_> {
    fn partial_cmp(&self, other: &T) -> Option<Ordering> {
        self.data.partial_cmp(other.as_ref())
    }
}

impl Ord for PermaBytes<'_> {
    fn cmp(&self, other: &Self) -> Ordering {
        self.data.cmp(other.data)
    }
}

impl hash::Hash for PermaBytes<'_> {
    fn hash<H: hash::Hasher>(&self, state: &mut H) {
        self.data.hash(state);
    }
}

impl fmt::Debug for PermaBytes<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_escaped(f, self.data)
    }
}

/// Writes bytes as `b"..."`, with escapes for what is no printable ASCII.
pub(crate) fn write_escaped(f: &mut fmt::Formatter<'_>, bytes: &[u8]) -> fmt::Result {
    write!(f, "b\"{}\"", bytes.escape_ascii())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::hash::{BuildHasher, RandomState};

    proptest! {
        #[test]
        fn it_is_what_a_slice_is(bytes: Vec<u8>, other: Vec<u8>, start in 0usize..20, end in 0usize..20) {
            let perma = PermaBytes { data: &bytes, offset: 7 };
            let state = RandomState::new();
            prop_assert_eq!(state.hash_one(perma), state.hash_one(&bytes[..]));
            prop_assert_eq!(perma == other, bytes == other);
            prop_assert_eq!(perma.partial_cmp(&other), bytes.partial_cmp(&other));
            prop_assert_eq!(perma.slice(start..end).map(|part| part.as_slice()), bytes.get(start..end));
            prop_assert_eq!(perma.slice(start..).map(|part| part.offset()), bytes.get(start..).map(|_| 7 + start as u64));
            prop_assert_eq!(perma.find(&other), (0..=bytes.len()).find(|at| bytes[*at..].starts_with(&other)));
        }

        #[test]
        fn units_are_given_only_where_they_can_be_used_in_place(words: Vec<u16>, skip in 0usize..3) {
            let bytes = zerocopy::IntoBytes::as_bytes(&words[..]);
            let Some(data) = bytes.get(skip..) else { return Ok(()) };
            let units = PermaBytes { data, offset: 0 }.as_units();
            prop_assert_eq!(units.is_some(), cfg!(target_endian = "little") && data.len() % 2 == 0 && data.as_ptr().addr() % 2 == 0);
            if let Some(units) = units {
                prop_assert_eq!(units.as_ptr().addr(), data.as_ptr().addr());
            }
        }
    }
}
