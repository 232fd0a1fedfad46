//! The line table of CPython 3.10 (spec.md A.2).

use super::Entry;
use crate::{
    entries::{Entries, LINE, byte},
    error::Result,
};

/// The line delta of instructions without a line.
const NO_LINE: i8 = -128;

#[derive(Debug, Clone)]
pub(super) struct LineTable310<'a> {
    entries: Entries<'a>,
    line: i32,
}

impl<'a> LineTable310<'a> {
    pub(super) fn new(entries: Entries<'a>, first_line: i32) -> Self {
        LineTable310 { entries, line: first_line }
    }

    pub(super) fn next(&mut self) -> Option<Result<Entry>> {
        let current = &mut self.line;
        self.entries.next(|bytes| {
            let (len, delta) = (byte(bytes)?, byte(bytes)?.cast_signed());
            let line = if delta == NO_LINE {
                None
            } else {
                *current = current.checked_add(delta.into()).ok_or(LINE)?;
                Some(*current)
            };
            Ok(Entry::of_line(len.into(), line))
        })
    }
}
