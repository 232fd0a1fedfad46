//! Bytes that know where in the archive they came from: what all parsing goes through.

use crate::error::{Error, ErrorKind, Result};
use permacode_format::{Rule, read_varint};
use zerocopy::{FromBytes, Immutable, KnownLayout, Unaligned};

/// A slice of the archive and its offset. No method panics.
#[derive(Clone, Copy)]
pub(crate) struct Bytes<'a> {
    data: &'a [u8],
    offset: u64,
}

impl<'a> Bytes<'a> {
    pub(crate) const fn new(data: &'a [u8], offset: u64) -> Self {
        Bytes { data, offset }
    }

    #[inline]
    pub(crate) const fn data(self) -> &'a [u8] {
        self.data
    }

    #[inline]
    pub(crate) const fn offset(self) -> u64 {
        self.offset
    }

    #[inline]
    pub(crate) const fn len(self) -> u64 {
        self.data.len() as u64
    }

    /// `len` bytes from `start` on, which `rule` promises to be there.
    #[inline]
    pub(crate) fn get(self, start: u64, len: u64, rule: Rule) -> Result<Bytes<'a>> {
        let range = match (usize::try_from(start), usize::try_from(len)) {
            (Ok(start), Ok(len)) => start.checked_add(len).and_then(|end| self.data.get(start..end)),
            _ => None,
        };
        match range {
            Some(data) => Ok(Bytes { data, offset: self.offset.saturating_add(start) }),
            None => Err(self.out_of_bounds(start, len, rule)),
        }
    }

    /// Everything from `start` on.
    #[inline]
    pub(crate) fn from(self, start: u64, rule: Rule) -> Result<Bytes<'a>> {
        let len = self.len().checked_sub(start).ok_or_else(|| self.out_of_bounds(start, 0, rule))?;
        self.get(start, len, rule)
    }

    #[cold]
    fn out_of_bounds(self, start: u64, len: u64, rule: Rule) -> Error {
        let available = self.len();
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

    /// All of it as records; what is left over at the end is not looked at.
    #[inline]
    pub(crate) fn records<T>(self) -> &'a [T]
    where
        T: FromBytes + Immutable + Unaligned,
    {
        let whole = self.data.len().checked_rem(size_of::<T>()).and_then(|rest| self.data.len().checked_sub(rest));
        let data = whole.and_then(|whole| self.data.get(..whole)).unwrap_or_default();
        <[T]>::ref_from_bytes(data).unwrap_or_default()
    }

    /// The number at the start, and what follows it.
    #[inline]
    pub(crate) fn varint(self, rule: Rule) -> Result<(u32, Bytes<'a>)> {
        match read_varint(self.data) {
            Some((value, len)) => Ok((value, self.from(len as u64, rule)?)),
            None => Err(Error::value(
                rule,
                self.offset,
                "the first byte of a number that is too long or cut off",
                self.first(),
            )),
        }
    }

    /// The first byte; zero if there is none.
    pub(crate) fn first(self) -> u8 {
        self.data.first().copied().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_name_the_offset_in_the_archive() {
        let bytes = Bytes::new(&[1, 2, 3], 0x40);
        let error = bytes.get(2, 2, Rule::N1).unwrap_err();
        assert_eq!(error.offset(), 0x42);
        assert!(
            error
                .to_string()
                .starts_with("a range starts at 2 and has a length of 2, but it should end at 3 at most: "),
            "{error}"
        );
        assert!(bytes.get(u64::MAX, 1, Rule::N1).is_err());
        assert!(bytes.get(1, u64::MAX, Rule::N1).is_err());
        assert!(bytes.from(4, Rule::N1).is_err());
        assert_eq!(bytes.from(3, Rule::N1).unwrap().len(), 0);
    }
}
