//! The entries of a line table or an exception table (spec.md Annex A), read one after the other.

use crate::{
    error::{Error, Result},
    perma_bytes::PermaBytes,
};
use core::slice;

/// The bytes of a table from the next entry on.
#[derive(Debug, Clone)]
pub(crate) struct Entries<'a> {
    rest: PermaBytes<'a>,
    table: &'static str,
}

/// The bytes from a place in an entry to the end of its table.
pub(crate) type EntryBytes<'a> = slice::Iter<'a, u8>;

/// Why an entry is malformed: the end of a sentence about it.
type Fault = &'static str;

/// A part of an entry, or the fault of the entry.
pub(crate) type Decoded<T> = core::result::Result<T, Fault>;

const CUT_OFF: Fault = "it needs bytes after the end of the table";
const LATER_BIT: Fault = "bit 7 of a byte after its first one is set, but must be clear";
const TOO_LARGE: Fault = "a number in it exceeds 32 bits";
pub(crate) const FIRST_BIT: &str = "bit 7 of its first byte is clear, but must be set";
pub(crate) const LINE: &str = "its line or end line does not fit a signed number of 32 bits";

impl<'a> Entries<'a> {
    /// `table` names the kind of table in errors.
    pub(crate) fn new(bytes: PermaBytes<'a>, table: &'static str) -> Self {
        Entries { rest: bytes, table }
    }

    /// Decodes the next entry. `None` at the end of the table. No entry follows a malformed one.
    #[inline]
    pub(crate) fn next<T>(&mut self, decode: impl FnOnce(&mut EntryBytes<'a>) -> Decoded<T>) -> Option<Result<T>> {
        if self.rest.is_empty() {
            return None;
        }
        let mut bytes = self.rest.as_slice().iter();
        match decode(&mut bytes) {
            Ok(entry) => {
                let used = self.rest.len().saturating_sub(bytes.len());
                self.rest = self.rest.slice(used..).unwrap_or_default();
                Some(Ok(entry))
            }
            Err(fault) => {
                let at = self.rest.offset();
                self.rest = PermaBytes::default();
                Some(Err(Error::malformed_entry(self.table, fault, at)))
            }
        }
    }
}

/// The next byte of an entry.
#[inline]
pub(crate) fn byte(bytes: &mut EntryBytes<'_>) -> Decoded<u8> {
    bytes.next().copied().ok_or(CUT_OFF)
}

/// The next byte of an entry, which must have a clear bit 7.
#[inline]
pub(crate) fn later_byte(bytes: &mut EntryBytes<'_>) -> Decoded<u8> {
    let byte = byte(bytes)?;
    if byte & 0x80 == 0 { Ok(byte) } else { Err(LATER_BIT) }
}

/// A number with six bits in each byte, the lowest bits first.
#[inline]
pub(crate) fn low_first(bytes: &mut EntryBytes<'_>) -> Decoded<u32> {
    let (mut number, mut shift) = (0u64, 0u32);
    loop {
        let byte = later_byte(bytes)?;
        let bits = u64::from(byte & 0x3F);
        // Zeros may follow without end.
        if bits != 0 {
            number |= bits.checked_shl(shift).filter(|_| shift < 32).ok_or(TOO_LARGE)?;
        }
        if byte & 0x40 == 0 {
            return u32::try_from(number).map_err(|_| TOO_LARGE);
        }
        shift = shift.saturating_add(6);
    }
}

/// A number with six bits in each byte, the highest bits first. `first` is its first byte, without bit 7.
#[inline]
pub(crate) fn high_first(first: u8, bytes: &mut EntryBytes<'_>) -> Decoded<u32> {
    let mut byte = first;
    let mut number = 0u32;
    loop {
        number = number.checked_mul(64).ok_or(TOO_LARGE)? | u32::from(byte & 0x3F);
        if byte & 0x40 == 0 {
            return Ok(number);
        }
        byte = later_byte(bytes)?;
    }
}
