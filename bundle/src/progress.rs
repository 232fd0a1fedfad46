//! Reports about the progress of the work.

/// A part of the work.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Phase {
    /// Searching files. Their number is not known.
    Discover,
    /// Compiling modules and merging their contents.
    Compile,
    /// Reading resources.
    Resources,
    /// Planning the archive.
    Layout,
    /// Writing the files of an archive.
    Extract,
}

/// Receives reports about the progress of [`bundle`](crate::bundle) and [`extract`](crate::extract).
///
/// The default methods do nothing. `()` uses them.
pub trait Progress: Sync {
    /// A part of the work starts. It has `total` steps, or an unknown number if `total` is zero.
    fn begin(&self, phase: Phase, total: u64) {
        let _ = (phase, total);
    }

    /// A step of the current part is done. Several threads may call this at once.
    fn step(&self) {}
}

impl Progress for () {}
