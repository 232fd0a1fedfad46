//! Resources.

use std::borrow::Cow;

/// A file of a package that is not a module.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resource<'a> {
    /// Name of the root that the path is relative to, for example `stdlib`. It has no slash.
    pub root: Cow<'a, str>,
    /// Relative path with `/` between components, as the bytes of the file system, not decoded.
    pub path: Cow<'a, [u8]>,
    /// Whether its owner may execute it.
    pub executable: bool,
    /// Its bytes.
    pub data: Cow<'a, [u8]>,
}

impl<'a> From<&'a Resource<'_>> for Resource<'a> {
    /// Borrows the fields of a resource.
    fn from(resource: &'a Resource<'_>) -> Self {
        Resource {
            root: Cow::Borrowed(&resource.root),
            path: Cow::Borrowed(&resource.path),
            executable: resource.executable,
            data: Cow::Borrowed(&resource.data),
        }
    }
}
