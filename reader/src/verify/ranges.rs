//! Checks that ranges of a section do not overlap. The sum of their lengths is then at most the length of the section,
//! which limits the work on them.

use crate::error::{Error, Result};
use alloc::vec::Vec;
use permacode_format::Rule;

/// Ranges of one section.
#[derive(Default)]
pub(super) struct Ranges(Vec<Range>);

/// A range, and the offset in the archive of the record that states it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Range {
    start: u64,
    len: u64,
    record: u64,
}

impl Ranges {
    /// Adds the range of the record at offset `record` of the archive.
    pub(super) fn add(&mut self, start: impl Into<u64>, len: impl Into<u64>, record: u64) {
        self.0.push(Range { start: start.into(), len: len.into(), record });
    }

    /// The distinct ranges in order. Each has its start, its length, and the offset of a record that states it.
    ///
    /// # Errors
    /// `rule`, if two ranges overlap and are not equal.
    pub(super) fn distinct(mut self, rule: Rule) -> Result<impl Iterator<Item = (u64, u64, u64)>> {
        self.sort();
        self.0.dedup_by_key(|range| (range.start, range.len));
        self.check(rule)?;
        Ok(self.0.into_iter().map(|range| (range.start, range.len, range.record)))
    }

    /// Checks that no two ranges overlap or are equal.
    ///
    /// # Errors
    /// `rule`, if two do.
    pub(super) fn apart(mut self, rule: Rule) -> Result<()> {
        self.sort();
        self.check(rule)
    }

    /// Sorts the ranges, and removes empty ones, which cannot overlap.
    fn sort(&mut self) {
        self.0.retain(|range| range.len > 0);
        self.0.sort_unstable();
    }

    fn check(&self, rule: Rule) -> Result<()> {
        let mut end = 0;
        for range in &self.0 {
            if range.start < end {
                return Err(Error::value(
                    rule,
                    range.record,
                    "the start of a range that overlaps another",
                    range.start,
                ));
            }
            end = range.start.saturating_add(range.len);
        }
        Ok(())
    }
}
