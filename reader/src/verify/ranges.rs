//! Ranges whose bytes are looked at: they may be shared, but not overlap otherwise, so that all that there is to look at
//! is no more than the section has.

use crate::error::{Error, Result};
use alloc::vec::Vec;
use permacode_format::Rule;

/// Ranges of one section.
#[derive(Default)]
pub(super) struct Ranges(Vec<Range>);

/// A range, and the record that has it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Range {
    start: u64,
    len: u64,
    record: u64,
}

impl Ranges {
    /// Notes the range of the record at offset `record` of the archive.
    pub(super) fn add(&mut self, start: impl Into<u64>, len: impl Into<u64>, record: u64) {
        self.0.push(Range { start: start.into(), len: len.into(), record });
    }

    /// Each distinct range once, in order: its start, its length, and the offset of a record that has it.
    ///
    /// # Errors
    /// `rule`, if two of them overlap without being the same.
    pub(super) fn distinct(mut self, rule: Rule) -> Result<impl Iterator<Item = (u64, u64, u64)>> {
        self.0.retain(|range| range.len > 0);
        self.0.sort_unstable();
        self.0.dedup_by_key(|range| (range.start, range.len));
        let mut end = 0;
        for range in &self.0 {
            if range.start < end {
                return Err(Error::value(
                    rule,
                    range.record,
                    "the offset of a range that overlaps another",
                    range.start,
                ));
            }
            end = range.start.saturating_add(range.len);
        }
        Ok(self.0.into_iter().map(|range| (range.start, range.len, range.record)))
    }
}
