//! The start-up files: a `.pth` file with one import, and the module that it imports. From 3.15 on, a `.start` file names
//! the module instead (PEP 829).
//!
//! Python compiles a line of a `.pth` file each time, and in a virtual environment twice. The module is compiled once.

use super::Environment;
use anyhow::{Context, Result, ensure};
use std::{
    fmt::Write as _,
    fs::{self, Permissions},
    io::{self, Write as _},
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::Stdio,
};

/// Python runs the files in the order of their names.
const LINE_NAME: &str = "_permacode.pth";
const ENTRY_POINT_NAME: &str = "_permacode.start";

/// The module, after a line for each of the three paths.
const CODE: &str = include_str!("start.py");

const COMMENT: &str =
    "# Made by `permacode enable`; `permacode disable` removes it. docs/enable.md of Permacode explains it.";

/// What a file contained before it was written. `None`: there was no file.
type Previous = Vec<(PathBuf, Option<Vec<u8>>)>;

impl Environment {
    /// The start-up files: the module, and the file that Python reads, which needs the module.
    pub(super) fn start_paths(&self) -> [PathBuf; 2] {
        let read = if self.places.reads_entry_points { ENTRY_POINT_NAME } else { LINE_NAME };
        [format!("{}.py", self.places.start_module), read.to_owned()].map(|name| self.places.packages.join(name))
    }

    /// The lines of the module that say for which places it was made.
    fn start_places(&self) -> Result<String> {
        let literal = |path: &Path| path.to_str().map(literal).context("a path is not text");
        let (prefix, stem, archive) = (literal(self.prefix())?, literal(&self.stem()?)?, literal(&self.archive())?);
        Ok(format!("\nPREFIX = {prefix}\nSTEM = {stem}\nARCHIVE = {archive}\n"))
    }

    /// The texts of these files.
    fn start_texts(&self) -> Result<[String; 2]> {
        let module = format!("{COMMENT}{}\n{CODE}", self.start_places()?);
        let name = &self.places.start_module;
        let read = match self.places.reads_entry_points {
            true => format!("{COMMENT}\n{name}:start\n"),
            false => format!("{COMMENT}\nimport {name}\n"),
        };
        Ok([module, read])
    }

    /// The start-up files with their texts.
    fn start_files(&self) -> Result<impl Iterator<Item = (PathBuf, String)>> {
        Ok(self.start_paths().into_iter().zip(self.start_texts()?))
    }

    /// Whether there are start-up files, for this place of the environment or another one.
    pub(super) fn has_start_files(&self) -> bool {
        self.start_paths().iter().all(|path| path.is_file())
    }

    /// Whether the start-up module has the places of this environment and of its package.
    pub(super) fn is_made_for_here(&self) -> Result<bool> {
        let [module, _] = self.start_paths();
        let (found, places) = (fs::read(module).unwrap_or_default(), self.start_places()?);
        Ok(found.windows(places.len()).any(|part| part == places.as_bytes()))
    }

    /// How the start-up files differ from those that `enable` would write. `None`: they do not.
    pub(crate) fn start_files_differ(&self) -> Result<Option<&'static str>> {
        let is_same = |(path, text): (PathBuf, String)| fs::read(path).is_ok_and(|found| found == text.as_bytes());
        if self.start_files()?.all(is_same) {
            return Ok(None);
        }
        Ok(Some(match self.is_made_for_here()? {
            true => "they were changed; `permacode enable` makes them again",
            false => {
                "they were made for another place of the environment or of the package, or were changed; `permacode \
                 enable` makes them again"
            }
        }))
    }

    /// Writes the start-up files, and returns what was there.
    pub(super) fn write_start_files(&self) -> Result<Previous> {
        let mut previous = Vec::new();
        for (path, text) in self.start_files()? {
            let found = write(&path, text.as_bytes())?;
            previous.push((path, found));
        }
        self.compile_start_module()?;
        Ok(previous)
    }

    /// Writes what was there. If nothing was there, the caller removes the files.
    pub(super) fn restore_start_files(&self, previous: Previous) -> Result<()> {
        for (path, text) in previous {
            if let Some(text) = text {
                write(&path, &text)?;
            }
        }
        self.compile_start_module()
    }

    /// A process that cannot write to the folder of packages would compile the module each time it starts.
    fn compile_start_module(&self) -> Result<()> {
        let mut command = self.stock();
        command.args(["-m", "py_compile"]).args(self.start_paths().first()).stdin(Stdio::null());
        let failed = || format!("cannot write {:?}", self.places.start_module_cache);
        ensure!(command.output().with_context(failed)?.status.success(), failed());
        Ok(())
    }

    /// Removes the start-up files. True if there were some.
    pub(super) fn remove_start_files(&self) -> Result<bool> {
        let mut found = false;
        for path in self.start_paths().iter().rev() {
            found |= remove(path)?;
        }
        if let Some(folder) = self.places.start_module_cache.parent() {
            // Programs that run with -O compile the module, too.
            let prefix = format!("{}.", self.places.start_module);
            for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
                if entry.file_name().to_string_lossy().starts_with(&prefix) {
                    remove(&entry.path())?;
                }
            }
            // Compiled forms of other modules stay.
            let _ = fs::remove_dir(folder);
        }
        Ok(found)
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
fn write(path: &Path, text: &[u8]) -> Result<Option<Vec<u8>>> {
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
fn remove(path: &Path) -> Result<bool> {
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
