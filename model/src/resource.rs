//! Resources.

use std::borrow::Cow;

/// A file of a package that is no module.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resource<'a> {
    /// Name of the root it lies under: one component, without a slash.
    pub root: Cow<'a, str>,
    /// Path below the root: bytes as the file system gave them, `/` between components.
    pub path: Cow<'a, [u8]>,
    /// Whether its owner may execute it.
    pub executable: bool,
    /// Its bytes.
    pub data: Cow<'a, [u8]>,
}

/// The same resource, borrowed.
impl<'a> From<&'a Resource<'_>> for Resource<'a> {
    fn from(resource: &'a Resource<'_>) -> Self {
        Resource {
            root: Cow::Borrowed(&resource.root),
            path: Cow::Borrowed(&resource.path),
            executable: resource.executable,
            data: Cow::Borrowed(&resource.data),
        }
    }
}
