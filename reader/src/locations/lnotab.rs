//! The line table of CPython 3.6 to 3.9 (spec.md A.1).

use super::Entry;
use crate::{
    entries::{Entries, LINE, byte},
    error::Result,
};

#[derive(Debug, Clone)]
pub(super) struct Lnotab<'a> {
    entries: Entries<'a>,
    /// The current line. `None` after the last entry.
    line: Option<i32>,
}

impl<'a> Lnotab<'a> {
    pub(super) fn new(entries: Entries<'a>, first_line: i32) -> Self {
        Lnotab { entries, line: Some(first_line) }
    }

    pub(super) fn next(&mut self) -> Option<Result<Entry>> {
        let line = self.line?;
        let pair = self.entries.next(|bytes| {
            let (len, delta) = (byte(bytes)?, byte(bytes)?.cast_signed());
            Ok((len, line.checked_add(delta.into()).ok_or(LINE)?))
        });
        match pair {
            Some(Ok((len, next))) => {
                self.line = Some(next);
                Some(Ok(Entry::of_line(len.into(), Some(line))))
            }
            Some(Err(error)) => Some(Err(error)),
            None => {
                self.line = None;
                // The last line holds to the end of the instructions.
                Some(Ok(Entry::of_line(u64::MAX, Some(line))))
            }
        }
    }
}
