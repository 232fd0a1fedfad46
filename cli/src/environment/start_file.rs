//! The start-up file: a `.pth` file with one line that Python runs. From 3.15 on, a `.start` file and a module with the
//! same statement.

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
const NAME: &str = "_permacode.pth";

/// The first import that searches files runs it, after a line with the three paths.
const CODE: &str = include_str!("start.py");

/// Runs when Python starts, so it is short: Python compiles it each time.
///
/// Other start-up files and `sitecustomize` import modules while Python starts, and `-c` imports `linecache`. These
/// modules are not worth loading the package. Besides, PyO3 panics if there is an error while CPython 3.15 starts,
/// because it does not call itself initialized then.
const STATEMENT: &str = "sys.meta_path.insert(2, type(\"PermacodeStart\", (), {\"find_spec\": \
    lambda hook, name, path=None, target=None, site=sys.modules[\"site\"].__spec__: \
    None if site._initializing or name == \"linecache\" else (exec(CODE, found := locals()), found[\"spec\"])[1]})())";

/// Entry points that Python calls (PEP 829), in place of a `.pth` file.
const START_NAME: &str = "_permacode.start";
const MODULE_NAME: &str = "_permacode_start.py";

const COMMENT: &str =
    "# Made by `permacode enable`; `permacode disable` removes it. docs/enable.md of Permacode explains it.";

/// What a file contained before it was written. `None`: there was no file.
type Previous = Vec<(PathBuf, Option<Vec<u8>>)>;

impl Environment {
    /// The start-up files. A file comes after the one that it needs.
    pub(super) fn start_paths(&self) -> Vec<PathBuf> {
        let names = if self.places.start_module_cache.is_some() { vec![MODULE_NAME, START_NAME] } else { vec![NAME] };
        names.into_iter().map(|name| self.places.packages.join(name)).collect()
    }

    /// The start-up files with their texts.
    fn start_files(&self) -> Result<Vec<(PathBuf, String)>> {
        let statement = self.start_statement()?;
        let texts = match self.places.start_module_cache {
            Some(_) => vec![
                format!("{COMMENT}\nimport sys\n\n\ndef start():\n    {statement}\n"),
                format!("{COMMENT}\n_permacode_start:start\n"),
            ],
            None => vec![format!("{COMMENT}\nimport sys; {statement}\n")],
        };
        Ok(self.start_paths().into_iter().zip(texts).collect())
    }

    /// What runs when Python starts.
    fn start_statement(&self) -> Result<String> {
        let literal = |path: &Path| path.to_str().map(literal).context("a path is not text");
        let (prefix, stem, archive) = (literal(self.prefix())?, literal(&self.stem()?)?, literal(&self.archive())?);
        let code = format!("prefix, stem, archive = {prefix}, {stem}, {archive}\n{CODE}");
        Ok(STATEMENT.replace("CODE", &self::literal(&code)))
    }

    /// Whether there are start-up files, for this place of the environment or another one.
    pub(super) fn has_start_files(&self) -> bool {
        self.start_paths().iter().all(|path| path.is_file())
    }

    /// Whether the start-up files are as `enable` would write them.
    pub(super) fn has_current_start_files(&self) -> Result<bool> {
        let is_same = |(path, text): &(PathBuf, String)| fs::read(path).is_ok_and(|found| found == text.as_bytes());
        Ok(self.start_files()?.iter().all(is_same))
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
        if let Some(cache) = &self.places.start_module_cache {
            let mut command = self.stock();
            command.args(["-m", "py_compile"]).arg(self.places.packages.join(MODULE_NAME)).stdin(Stdio::null());
            let failed = || format!("cannot write {cache:?}");
            ensure!(command.output().with_context(failed)?.status.success(), failed());
        }
        Ok(())
    }

    /// Removes the start-up files. True if there were some.
    pub(super) fn remove_start_files(&self) -> Result<bool> {
        let mut found = false;
        for path in self.start_paths().iter().rev() {
            found |= remove(path)?;
        }
        if let Some(cache) = &self.places.start_module_cache {
            remove(cache)?;
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
