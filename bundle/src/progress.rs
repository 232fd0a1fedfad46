//! Saying how far the work is.

/// A part of the work.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Phase {
    /// Looking for files; how many there are is not known before.
    Discover,
    /// Compiling modules and merging what they hold.
    Compile,
    /// Reading resources.
    Resources,
    /// Laying the archive out.
    Layout,
    /// Writing files that come out of an archive.
    Extract,
}

/// Is told how far the work is: [`bundle`](crate::bundle) and [`extract`](crate::extract) call it.
///
/// All methods do nothing unless they are overridden, and `()` overrides none.
pub trait Progress: Sync {
    /// A part of the work begins that has `total` steps, or an unknown number of them if that is zero.
    fn begin(&self, phase: Phase, total: u64) {
        let _ = (phase, total);
    }

    /// A step of the part that began last is done. May be called by several threads at once.
    fn step(&self) {}
}

impl Progress for () {}
