//! The start-up file: a `.pth` file with one line that Python runs.

use super::{Environment, OFF};
use anyhow::{Context, Result};
use std::{
    fmt::Write as _,
    fs::{self, Permissions},
    io::{self, Write as _},
    os::unix::fs::PermissionsExt,
    path::Path,
};

/// Python runs the files in the order of their names.
pub(super) const NAME: &str = "_permacode.pth";

/// The first import that searches files runs it.
pub(super) const CODE: &str = include_str!("start.py");

/// Python itself imports these modules before, or with `-c` instead of, the imports of a program. They are not worth
/// loading the package.
const NOT_OF_PROGRAMS: &str = r#"("sitecustomize", "usercustomize", "linecache")"#;

impl Environment {
    /// The text of the start-up file.
    pub(super) fn start_text(&self) -> Result<String> {
        let literal = |path: &Path| path.to_str().map(literal).context("a path is not text");
        let (prefix, stem, archive) = (literal(self.prefix())?, literal(&self.stem()?)?, literal(&self.archive())?);
        let code = self::literal(CODE);
        Ok(format!(
            "# Made by `permacode enable`; `permacode disable` removes it. docs/enable.md of Permacode explains it.\n\
             import os, sys; sys.prefix != {prefix} or \"{OFF}\" in os.environ or \
             sys.meta_path.insert(2, type(\"PermacodeStart\", (), {{\"find_spec\": \
             lambda hook, name, path=None, target=None: name not in {NOT_OF_PROGRAMS} and \
             (exec({code}, found := {{**locals(), \"stem\": {stem}, \"archive\": {archive}}}), found[\"spec\"])[1] \
             or None}})())\n"
        ))
    }
}

/// A text as a literal of Python on one line. Only ASCII, because old versions read the file in the encoding of the
/// locale.
fn literal(text: &str) -> String {
    let mut literal = String::from("\"");
    for c in text.chars() {
        match c {
            '"' | '\\' => literal.extend(['\\', c]),
            '\n' => literal.push_str("\\n"),
            ' '..='~' => literal.push(c),
            // Writing to a string cannot fail.
            _ => _ = write!(literal, "\\U{:08x}", u32::from(c)),
        }
    }
    literal + "\""
}

/// Puts a start-up file into its place as a whole, and returns what was there. A file that is as wanted is left alone,
/// because each change of its folder makes stamps stale.
pub(super) fn write(path: &Path, text: &[u8]) -> Result<Option<Vec<u8>>> {
    let failed = || format!("cannot write {path:?}");
    let found = match fs::read(path) {
        Ok(found) => Some(found),
        Err(error) if error.kind() == io::ErrorKind::NotFound => None,
        Err(error) => return Err(error).with_context(failed),
    };
    if found.as_deref() != Some(text) {
        let folder = path.parent().context("the start-up file has no folder")?;
        fs::create_dir_all(folder).with_context(failed)?;
        let mut builder = tempfile::Builder::new();
        builder.prefix(".permacode-").permissions(Permissions::from_mode(0o644));
        let mut file = builder.tempfile_in(folder).with_context(failed)?;
        file.write_all(text).with_context(failed)?;
        file.as_file().sync_all().with_context(failed)?;
        file.persist(path).with_context(failed)?;
    }
    Ok(found)
}

/// True if there was one.
pub(super) fn remove(path: &Path) -> Result<bool> {
    match fs::remove_file(path) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error).with_context(|| format!("cannot remove {path:?}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_literal_is_one_line_of_ascii() {
        assert_eq!(literal("/a \"b\"\\c\n\u{e9}\u{1f600}"), r#""/a \"b\"\\c\n\U000000e9\U0001f600""#);
    }
}
