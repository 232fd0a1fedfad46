//! What the writer did: bytes by section, what was merged and what that saved.

use permacode_format::SectionKind;

/// What an archive holds and what merging saved.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Report {
    /// Length of the archive in bytes.
    pub file_len: u64,
    /// Sections in the order in which they stand, with their length in bytes.
    pub sections: Vec<(SectionKind, u64)>,
    /// Number of targets.
    pub targets: u64,
    /// Number of modules of all targets.
    pub modules: u64,
    /// Number of resources of all targets.
    pub resources: u64,
    /// Number of code objects.
    pub codes: u64,
    /// Code objects that need a wide record, because something about them does not fit the narrow one.
    pub wide_records: u64,
    /// Code objects whose list needs four bytes an item.
    pub wide_lists: u64,
    /// Constants and names.
    pub objects: Merged,
    /// Lists of code objects.
    pub lists: Merged,
    /// Bytecode.
    pub bytecode: Merged,
    /// Line tables with their exception tables.
    pub tables: Merged,
    /// Sources.
    pub sources: Merged,
    /// Bytes of resources.
    pub files: Merged,
}

/// How many things there were, and how many were left when equal ones had been merged.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Merged {
    /// Things that were given.
    pub given: u64,
    /// Distinct things among them.
    pub distinct: u64,
    /// Bytes of what was given.
    pub given_bytes: u64,
    /// Bytes of what is distinct.
    pub distinct_bytes: u64,
}

impl Merged {
    /// Bytes that merging saved.
    #[must_use]
    pub fn saved_bytes(&self) -> u64 {
        self.given_bytes.saturating_sub(self.distinct_bytes)
    }
}
