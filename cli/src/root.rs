//! Arguments that name a root.

use clap_lex::OsStrExt;
use std::{ffi::OsStr, path::Path};

/// The two parts of `ROOT=PATH`. The name of a root is text, the path need not be.
pub(crate) fn split_root(path: &OsStr) -> Option<(&str, &Path)> {
    let (root, folder) = path.split_once("=")?;
    let root = root.to_str()?;
    let is_name = !root.is_empty() && !root.contains(std::path::is_separator);
    is_name.then_some((root, Path::new(folder)))
}
