//! The report of the writer: sizes, counts, and what merging saved.

use permacode_format::SectionKind;

/// The contents of an archive in numbers, and what merging saved.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Report {
    /// Length of the archive in bytes.
    pub file_len: u64,
    /// The sections in the order of the file, with their lengths in bytes.
    pub sections: Vec<(SectionKind, u64)>,
    /// Number of targets.
    pub targets: u64,
    /// Number of modules in all targets.
    pub modules: u64,
    /// Number of resources in all targets.
    pub resources: u64,
    /// Number of code objects.
    pub codes: u64,
    /// Number of code objects that need a wide record, because a field does not fit the narrow one.
    pub wide_records: u64,
    /// Number of code objects whose list needs items of four bytes.
    pub wide_lists: u64,
    /// Constants and names.
    pub objects: Merged,
    /// Lists of code objects.
    pub lists: Merged,
    /// Bytecode.
    pub bytecode: Merged,
    /// Line tables, each together with its exception table.
    pub tables: Merged,
    /// Sources.
    pub sources: Merged,
    /// Bytes of resources.
    pub files: Merged,
}

/// The effect of merging on one kind of value.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Merged {
    /// Number of values before merging.
    pub given: u64,
    /// Number of distinct values.
    pub distinct: u64,
    /// Bytes of the values before merging.
    pub given_bytes: u64,
    /// Bytes of the distinct values.
    pub distinct_bytes: u64,
}

impl Merged {
    /// Bytes that merging saved.
    #[must_use]
    pub fn saved_bytes(&self) -> u64 {
        self.given_bytes.saturating_sub(self.distinct_bytes)
    }
}
