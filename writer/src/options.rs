//! How an archive is laid out.

/// How to lay an archive out. The default aligns bytecode to 8 bytes and puts shared values first.
///
/// ```
/// use permacode_writer::{Options, Placement};
///
/// let options = Options::default().code_align_log2(4).placement(Placement::FirstUse);
/// # let _ = options;
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    pub(crate) code_align_log2: u8,
    pub(crate) placement: Placement,
}

impl Default for Options {
    fn default() -> Self {
        Options { code_align_log2: 3, placement: Placement::default() }
    }
}

impl Options {
    /// Aligns bytecode to this power of two of bytes: 3 stands for 8 bytes. A page (12) is the most.
    #[must_use]
    pub fn code_align_log2(mut self, power: u8) -> Self {
        self.code_align_log2 = power;
        self
    }

    /// Which values lie next to each other within a section.
    #[must_use]
    pub fn placement(mut self, placement: Placement) -> Self {
        self.placement = placement;
        self
    }
}

/// Which values lie next to each other within a section. The ids stay the same: only the pages that a process touches change.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Placement {
    /// Values that several modules use come first. Values of one module follow, module by module in the order of names.
    #[default]
    SharedFirst,
    /// Each value lies with the first module that uses it, in the order of names.
    FirstUse,
    /// Values that module bodies use come before values that only functions use.
    BodiesFirst,
}
