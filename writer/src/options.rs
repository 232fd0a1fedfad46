//! Options of the layout.

/// Options of the layout of an archive. The default aligns bytecode to 8 bytes and places shared values first.
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
    /// Aligns bytecode to 2 to the power of `power` bytes: 3 means 8 bytes. The greatest power is 12, a page.
    #[must_use]
    pub fn code_align_log2(mut self, power: u8) -> Self {
        self.code_align_log2 = power;
        self
    }

    /// Chooses the order of the values within a section.
    #[must_use]
    pub fn placement(mut self, placement: Placement) -> Self {
        self.placement = placement;
        self
    }
}

/// The order of the values within a section. It decides which pages a process touches. It does not change ids.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Placement {
    /// Values that several modules use come first. Values of a single module follow, module by module in the order of
    /// names.
    #[default]
    SharedFirst,
    /// Each value lies with the first module that uses it. Modules are in the order of names.
    FirstUse,
    /// Values that module bodies use come before values that only functions use.
    BodiesFirst,
}
