//! Arguments that name a root or a folder to write to.

use clap::builder::{PathBufValueParser, TypedValueParser};
use clap_lex::OsStrExt;
use std::{
    ffi::OsStr,
    path::{Path, PathBuf},
};

/// A parser for a folder to write to. `-` stands for standard output elsewhere, so it is refused here.
pub(crate) fn folder() -> impl TypedValueParser<Value = PathBuf> {
    PathBufValueParser::new().try_map(|path| match path == Path::new("-") {
        true => Err("standard output cannot take a folder; for a folder of this name, write `./-`"),
        false => Ok(path),
    })
}

/// The two parts of `ROOT=PATH`. The name of a root is text. The path may have any bytes.
pub(crate) fn split_root(path: &OsStr) -> Option<(&str, &Path)> {
    let (root, folder) = path.split_once("=")?;
    let root = root.to_str()?;
    let is_name = !root.is_empty() && !root.contains(std::path::is_separator);
    is_name.then_some((root, Path::new(folder)))
}
