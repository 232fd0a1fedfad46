//! A resource: a file of a package that is no module.

use crate::{
    error::{Error, Result},
    index::name_in_section,
    perma_bytes::PermaBytes,
    view::View,
};
use permacode_format::{ResourceRecord, Rule, SectionKind, resource_flag};

/// One resource (spec.md 5.7).
#[derive(Debug, Clone, Copy)]
pub struct Resource<'a> {
    view: View<'a>,
    record: &'a ResourceRecord,
    index: usize,
}

impl<'a> Resource<'a> {
    pub(crate) fn new(view: View<'a>, record: &'a ResourceRecord, index: usize) -> Self {
        Resource { view, record, index }
    }

    /// Its name: the root, a slash, and the path below the root. Bytes as a file system gave them.
    ///
    /// # Errors
    /// `[N-1]`
    pub fn name(&self) -> Result<PermaBytes<'a>> {
        name_in_section(self.view, self.record.name_offset, self.record.name_len).map(PermaBytes::new)
    }

    /// Name of the root that the path starts at, for example `stdlib`.
    ///
    /// # Errors
    /// `[N-1]`, `[R-2]`
    pub fn root(&self) -> Result<&'a str> {
        self.parts().map(|(root, _)| root)
    }

    /// The path below the root, `/` between components.
    ///
    /// # Errors
    /// `[N-1]`, `[R-2]`
    pub fn path(&self) -> Result<PermaBytes<'a>> {
        self.parts().map(|(_, path)| path)
    }

    fn parts(&self) -> Result<(&'a str, PermaBytes<'a>)> {
        let name = self.name()?;
        let root_len = self.record.root_len.get();
        let root = name.as_slice().get(..root_len as usize).and_then(|root| core::str::from_utf8(root).ok());
        let path = (root_len as usize).checked_add(1).and_then(|start| name.slice(start..));
        match (root, path, name.as_slice().get(root_len as usize)) {
            (Some(root), Some(path), Some(b'/')) if !root.is_empty() && !root.contains('/') => Ok((root, path)),
            _ => Err(Error::value(Rule::R2, self.offset().saturating_add(8), "the length of a root", root_len)),
        }
    }

    /// Whether the owner of the file may execute it.
    #[must_use]
    pub fn is_executable(&self) -> bool {
        self.record.flags.get() & resource_flag::EXECUTABLE != 0
    }

    /// Number of its bytes.
    #[must_use]
    pub fn len(&self) -> u64 {
        self.record.data_len.get()
    }

    /// Whether it has no bytes.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Its bytes.
    ///
    /// # Errors
    /// `[R-4]`
    pub fn data(&self) -> Result<PermaBytes<'a>> {
        let (start, len) = (self.record.data_offset.get(), self.record.data_len.get());
        self.view.range(SectionKind::Files, start, len, Rule::R4).map(PermaBytes::new)
    }

    pub(crate) fn offset(&self) -> u64 {
        self.view.offset_of(SectionKind::Resources, self.index as u64)
    }

    /// Checks the record and what it refers to.
    pub(crate) fn verify(&self) -> Result<()> {
        let flags = self.record.flags.get();
        if flags & !resource_flag::KNOWN != 0 {
            return Err(Error::value(Rule::R3, self.offset().saturating_add(12), "the flags of a resource", flags));
        }
        self.root()?;
        self.data()?;
        Ok(())
    }
}
