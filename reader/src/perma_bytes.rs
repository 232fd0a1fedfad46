//! Bytes in place in an archive.
//!
//! All parsing uses this type, so an error about a range names the offset in the archive.

use crate::error::{Error, ErrorKind, Result};
use core::{
    borrow::Borrow,
    cmp::Ordering,
    fmt, hash,
    ops::{Bound, Deref, RangeBounds},
};
use permacode_format::{Rule, read_varint};
use zerocopy::{FromBytes, Immutable, KnownLayout, Unaligned};

/// Immutable bytes in place in an archive: a slice that knows its offset.
///
/// It borrows from the storage of the archive and cannot outlive it. [`crate::Archive::to_owned_bytes`] makes a handle
/// that keeps the archive alive instead. `PermaBytes` derefs to `[u8]`, and compares, orders and hashes like it.
///
/// ```
/// use permacode_reader::PermaBytes;
///
/// let bytes = PermaBytes::from(b"import json\n");
/// assert_eq!(bytes.slice(7..11).unwrap(), *b"json");
/// assert_eq!(bytes.find(b"json"), Some(7));
/// assert_eq!(format!("{bytes:?}"), r#"b"import json\n""#);
/// assert!(bytes.slice(7..99).is_none());
/// ```
#[derive(Clone, Copy, Default)]
pub struct PermaBytes<'a> {
    data: &'a [u8],
    offset: u64,
}

/// A code unit of bytecode: an unsigned integer of 1, 2, 4 or 8 bytes.
pub trait Unit: sealed::Unit {}

mod sealed {
    pub trait Unit: zerocopy::FromBytes + zerocopy::Immutable {}
}

macro_rules! units {
    ($($int:ty)*) => { $(impl Unit for $int {} impl sealed::Unit for $int {})* };
}
units! { u8 u16 u32 u64 }

impl<'a> PermaBytes<'a> {
    #[inline]
    pub(crate) const fn new(data: &'a [u8], offset: u64) -> Self {
        PermaBytes { data, offset }
    }

    /// The bytes, with the lifetime of the archive.
    #[must_use]
    #[inline]
    pub const fn as_slice(&self) -> &'a [u8] {
        self.data
    }

    /// Offset of the first byte from the start of the archive; 0 for bytes that are not from an archive.
    #[must_use]
    #[inline]
    pub const fn offset(&self) -> u64 {
        self.offset
    }

    /// A part of the bytes, without a copy; `None` if the range is not within them.
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

    /// Index of the first occurrence of `needle`, in bytes. An empty needle occurs at 0.
    #[must_use]
    pub fn find(&self, needle: &[u8]) -> Option<usize> {
        memchr::memmem::find(self.data, needle)
    }

    /// The bytes as code units, without a copy. `None` on a big-endian machine, if the address is not aligned for `U`,
    /// or if the length is not a multiple of the size of `U`.
    ///
    /// `U` should have the size [`crate::Target::unit_size`]: `u16` for CPython.
    ///
    /// ```
    /// # use permacode_reader::PermaBytes;
    /// let aligned = [0x0164_u16, 0x0053];
    /// let bytes = PermaBytes::from(zerocopy::IntoBytes::as_bytes(&aligned));
    /// assert_eq!(bytes.as_units::<u16>(), cfg!(target_endian = "little").then_some(&aligned[..]));
    /// assert_eq!(bytes.slice(..3).unwrap().as_units::<u16>(), None);
    /// ```
    #[must_use]
    pub fn as_units<U: Unit>(&self) -> Option<&'a [U]> {
        if cfg!(target_endian = "little") { FromBytes::ref_from_bytes(self.data).ok() } else { None }
    }
}

/// Checked access for parsers. No method panics.
impl<'a> PermaBytes<'a> {
    #[inline]
    pub(crate) const fn len_u64(self) -> u64 {
        self.data.len() as u64
    }

    /// `len` bytes from `start` on. If the range is out of bounds, the error names `rule`.
    #[inline]
    pub(crate) fn part(self, start: u64, len: u64, rule: Rule) -> Result<PermaBytes<'a>> {
        let range = match (usize::try_from(start), usize::try_from(len)) {
            (Ok(start), Ok(len)) => start.checked_add(len).and_then(|end| self.data.get(start..end)),
            _ => None,
        };
        match range {
            Some(data) => Ok(PermaBytes { data, offset: self.offset.saturating_add(start) }),
            None => Err(self.out_of_bounds(start, len, rule)),
        }
    }

    /// All bytes from `start` on. If `start` is after the end, the error names `rule`.
    #[inline]
    pub(crate) fn tail(self, start: u64, rule: Rule) -> Result<PermaBytes<'a>> {
        let len = self.len_u64().checked_sub(start).ok_or_else(|| self.out_of_bounds(start, 0, rule))?;
        self.part(start, len, rule)
    }

    #[cold]
    fn out_of_bounds(self, start: u64, len: u64, rule: Rule) -> Error {
        let available = self.len_u64();
        Error::new(ErrorKind::OutOfBounds { start, len, available }, rule, self.offset.saturating_add(start))
    }

    /// The record at the start.
    #[inline]
    pub(crate) fn record<T>(self, rule: Rule) -> Result<&'a T>
    where
        T: FromBytes + Immutable + KnownLayout + Unaligned,
    {
        match T::ref_from_prefix(self.data) {
            Ok((record, _)) => Ok(record),
            Err(_) => Err(self.out_of_bounds(0, size_of::<T>() as u64, rule)),
        }
    }

    /// The whole records in the bytes. An incomplete record at the end is ignored.
    #[inline]
    pub(crate) fn records<T>(self) -> &'a [T]
    where
        T: FromBytes + Immutable + Unaligned,
    {
        let whole = self.data.len().checked_rem(size_of::<T>()).and_then(|rest| self.data.len().checked_sub(rest));
        let data = whole.and_then(|whole| self.data.get(..whole)).unwrap_or_default();
        <[T]>::ref_from_bytes(data).unwrap_or_default()
    }

    /// The varint at the start, and the bytes after it.
    #[inline]
    pub(crate) fn varint(self, rule: Rule) -> Result<(u32, PermaBytes<'a>)> {
        match read_varint(self.data) {
            Some((value, len)) => Ok((value, self.tail(len as u64, rule)?)),
            None => Err(Error::value(
                rule,
                self.offset,
                "the first byte of a varint that is too long or cut off",
                self.first_or_zero(),
            )),
        }
    }

    /// The first byte, or zero if there are no bytes.
    #[inline]
    pub(crate) fn first_or_zero(self) -> u8 {
        self.data.first().copied().unwrap_or_default()
    }

    /// The bytes as text. If they are not UTF-8, the error names `rule`.
    pub(crate) fn utf8(self, rule: Rule) -> Result<&'a str> {
        core::str::from_utf8(self.data).map_err(|error| {
            let what = "the number of bytes before the first one that is not UTF-8";
            Error::value(rule, self.offset, what, error.valid_up_to() as u64)
        })
    }
}

impl<'a> From<&'a [u8]> for PermaBytes<'a> {
    /// Bytes that are not from an archive.
    fn from(data: &'a [u8]) -> Self {
        PermaBytes { data, offset: 0 }
    }
}

impl<'a, const N: usize> From<&'a [u8; N]> for PermaBytes<'a> {
    /// Bytes that are not from an archive.
    fn from(data: &'a [u8; N]) -> Self {
        PermaBytes { data, offset: 0 }
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

/// Writes bytes as `b"..."`, with escapes for all bytes that are not printable ASCII.
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
        fn perma_bytes_behave_like_a_slice(bytes: Vec<u8>, other: Vec<u8>, start in 0usize..20, end in 0usize..20) {
            let perma = PermaBytes { data: &bytes, offset: 7 };
            let state = RandomState::new();
            prop_assert_eq!(state.hash_one(perma), state.hash_one(&bytes[..]));
            prop_assert_eq!(perma == other, bytes == other);
            prop_assert_eq!(perma.partial_cmp(&other), bytes.partial_cmp(&other));
            prop_assert_eq!(perma.slice(start..end).map(|part| part.as_slice()), bytes.get(start..end));
            let offset = bytes.get(start..).map(|_| 7 + start as u64);
            prop_assert_eq!(perma.slice(start..).map(|part| part.offset()), offset);
            prop_assert_eq!(perma.find(&other), (0..=bytes.len()).find(|at| bytes[*at..].starts_with(&other)));
        }

        #[test]
        fn units_are_aligned_whole_and_in_place(words: Vec<u16>, skip in 0usize..3) {
            let bytes = zerocopy::IntoBytes::as_bytes(&words[..]);
            let Some(data) = bytes.get(skip..) else { return Ok(()) };
            let units = PermaBytes { data, offset: 0 }.as_units::<u16>();
            let fits = data.len() % 2 == 0 && data.as_ptr().addr() % 2 == 0;
            prop_assert_eq!(units.is_some(), cfg!(target_endian = "little") && fits);
            if let Some(units) = units {
                prop_assert_eq!(units.as_ptr().addr(), data.as_ptr().addr());
            }
        }
    }
    #[test]
    fn errors_name_the_offset_in_the_archive() {
        let bytes = PermaBytes::new(&[1, 2, 3], 0x40);
        let error = bytes.part(2, 2, Rule::N1).unwrap_err();
        assert_eq!(error.offset(), Some(0x42));
        assert!(error.to_string().starts_with("a range of length 2 starts at 2, but only 3 are there"), "{error}");
        assert!(bytes.part(u64::MAX, 1, Rule::N1).is_err());
        assert!(bytes.part(1, u64::MAX, Rule::N1).is_err());
        assert!(bytes.tail(4, Rule::N1).is_err());
        assert_eq!(bytes.tail(3, Rule::N1).unwrap().len(), 0);
    }
}
