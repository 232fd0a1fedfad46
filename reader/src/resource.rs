//! A resource: a file of a package that is not a module.

use crate::{error::Result, perma_bytes::PermaBytes, table::name_of, view::At};
use core::mem::offset_of;
use permacode_format::{ResourceRecord, Rule, SectionKind, resource_flag};

/// One resource (spec.md 5.7).
#[derive(Debug, Clone, Copy)]
pub struct Resource<'a> {
    at: At<'a, ResourceRecord>,
}

impl<'a> Resource<'a> {
    pub(crate) fn new(at: At<'a, ResourceRecord>) -> Self {
        Resource { at }
    }

    /// Its name `ROOT/PATH`, in the bytes of the file system.
    ///
    /// # Errors
    /// `[N-1]`
    pub fn name(&self) -> Result<PermaBytes<'a>> {
        name_of(self.at)
    }

    /// Name of the root that the path is relative to, for example `stdlib`.
    ///
    /// # Errors
    /// `[N-1]`, `[R-2]`
    pub fn root(&self) -> Result<&'a str> {
        self.root_and_path().map(|(root, _)| root)
    }

    /// The path relative to the root, with `/` between components.
    ///
    /// # Errors
    /// `[N-1]`, `[R-2]`
    pub fn path(&self) -> Result<PermaBytes<'a>> {
        self.root_and_path().map(|(_, path)| path)
    }

    fn root_and_path(&self) -> Result<(&'a str, PermaBytes<'a>)> {
        let name = self.name()?;
        let root_len = usize::from(self.at.root_len.get());
        let root = name.as_slice().get(..root_len).and_then(|root| core::str::from_utf8(root).ok());
        let path = root_len.checked_add(1).and_then(|start| name.slice(start..));
        match (root, path, name.as_slice().get(root_len)) {
            (Some(root), Some(path), Some(b'/')) if !root.is_empty() && !root.contains('/') => Ok((root, path)),
            _ => {
                let field = offset_of!(ResourceRecord, root_len);
                Err(self.at.error(
                    Rule::R2,
                    field,
                    "the stated length of the root in a resource name, which has no root of this length",
                    self.at.root_len.get(),
                ))
            }
        }
    }

    /// Whether the owner of the file may execute it.
    #[must_use]
    pub fn is_executable(&self) -> bool {
        self.at.flags.get() & resource_flag::EXECUTABLE != 0
    }

    /// Number of its bytes.
    #[must_use]
    pub fn len(&self) -> u64 {
        self.at.data_len.get()
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
        self.at.view.range(SectionKind::Files, self.at.data_offset.get(), self.at.data_len.get(), Rule::R4)
    }

    pub(crate) fn at(&self) -> At<'a, ResourceRecord> {
        self.at
    }
}

impl PartialEq for Resource<'_> {
    /// Whether both are the same resource of the same archive.
    fn eq(&self, other: &Self) -> bool {
        self.at.is_same(&other.at)
    }
}

impl Eq for Resource<'_> {}
