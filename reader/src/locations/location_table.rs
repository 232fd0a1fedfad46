//! The line table of CPython 3.11 and later (spec.md A.3).

use super::Entry;
use crate::{
    entries::{Decoded, Entries, EntryBytes, FIRST_BIT, LINE, byte, later_byte, low_first},
    error::Result,
};

#[derive(Debug, Clone)]
pub(super) struct LocationTable<'a> {
    entries: Entries<'a>,
    line: i32,
    unit_size: u8,
}

impl<'a> LocationTable<'a> {
    pub(super) fn new(entries: Entries<'a>, first_line: i32, unit_size: u8) -> Self {
        LocationTable { entries, line: first_line, unit_size }
    }

    #[inline]
    pub(super) fn next(&mut self) -> Option<Result<Entry>> {
        let (line, unit_size) = (&mut self.line, self.unit_size);
        self.entries.next(|bytes| {
            let first = byte(bytes)?;
            if first & 0x80 == 0 {
                return Err(FIRST_BIT);
            }
            let units = u64::from(first & 7).saturating_add(1);
            entry(units.saturating_mul(unit_size.into()), first >> 3 & 15, line, bytes)
        })
    }
}

/// The entry of kind `kind` whose further bytes are `bytes`. `current` is the line of the entry before it, and becomes
/// the line of this entry.
#[inline]
fn entry(len: u64, kind: u8, current: &mut i32, bytes: &mut EntryBytes<'_>) -> Decoded<Entry> {
    let mut grow = |delta: i32| -> Decoded<i32> {
        *current = current.checked_add(delta).ok_or(LINE)?;
        Ok(*current)
    };
    let on_line =
        |line: i32, column, end_column| Entry { len, line: Some(line), end_line: Some(line), column, end_column };
    Ok(match kind {
        0..=9 => {
            let columns = later_byte(bytes)?;
            let start = u32::from(kind) << 3 | u32::from(columns >> 4);
            on_line(grow(0)?, Some(start), Some(start.saturating_add(u32::from(columns & 15))))
        }
        10..=12 => {
            let (start, end) = (later_byte(bytes)?, later_byte(bytes)?);
            on_line(grow(i32::from(kind).saturating_sub(10))?, Some(start.into()), Some(end.into()))
        }
        13 => on_line(grow(signed(low_first(bytes)?))?, None, None),
        14 => {
            let delta = signed(low_first(bytes)?);
            let (lines, start, end) = (low_first(bytes)?, low_first(bytes)?, low_first(bytes)?);
            let line = grow(delta)?;
            let end_line = line.checked_add_unsigned(lines).ok_or(LINE)?;
            Entry {
                len,
                line: Some(line),
                end_line: Some(end_line),
                column: start.checked_sub(1),
                end_column: end.checked_sub(1),
            }
        }
        _ => Entry { len, line: None, end_line: None, column: None, end_column: None },
    })
}

/// The value of a svarint that was read as `number`.
#[inline]
fn signed(number: u32) -> i32 {
    let magnitude = (number >> 1).cast_signed();
    if number & 1 == 0 { magnitude } else { magnitude.saturating_neg() }
}
