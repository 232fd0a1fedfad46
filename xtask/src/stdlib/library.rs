//! A standard library that goes into an archive and out again.

use super::marshal::Starts;
use crate::run::{output, permacode, run, script};
use anyhow::{Context, Result, bail, ensure};
use permacode_bundle::Interpreter;
use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    time::Instant,
};

/// Patterns that leave the test suites out.
const TESTS: [&str; 5] = ["test", "**/test", "**/tests", "**/idle_test", "**/_test"];

/// The library of an interpreter, and the folder of its archive and trees.
#[derive(Debug)]
pub(crate) struct Library {
    pub(crate) interpreter: Interpreter,
    folder: PathBuf,
}

/// The size of an archive without sources and resources, beside that of the compiled files.
#[derive(Debug)]
pub(super) struct Size {
    pub(super) files: u64,
    pub(super) compiled: u64,
    pub(super) archive: u64,
}

impl Library {
    pub(crate) fn new(interpreter: Interpreter, folder: PathBuf) -> Self {
        Library { interpreter, folder }
    }

    /// The interpreter.
    pub(crate) fn python(&self) -> &Path {
        &self.interpreter.executable
    }

    pub(crate) fn archive(&self) -> PathBuf {
        self.folder.join("library.perma")
    }

    /// The folder of the compiled files that were bundled.
    pub(crate) fn compiled(&self) -> PathBuf {
        self.folder.join("compiled")
    }

    fn extracted(&self) -> PathBuf {
        self.folder.join("extracted")
    }

    /// `permacode bundle` for this interpreter.
    pub(super) fn command(&self, archive: &Path) -> Command {
        let mut command = permacode();
        command.arg("bundle").arg("--python").arg(self.python()).arg("--output").arg(archive);
        command
    }

    /// Makes the archive and keeps the compiled files.
    pub(crate) fn bundle(&self, with_tests: bool) -> Result<()> {
        fs::create_dir_all(&self.folder)?;
        let mut command = self.command(&self.archive());
        command.arg("--keep-compiled").arg(self.compiled());
        if !with_tests {
            exclude_tests(&mut command);
        }
        timed("bundle", || run(&mut command))
    }

    pub(super) fn verify(&self) -> Result<()> {
        timed("verify", || run(permacode().arg("verify").arg(self.archive())))
    }

    /// Checks that the archive holds no marshal bytes.
    pub(super) fn search_for_marshal(&self) -> Result<()> {
        let mut starts = Starts::default();
        for file in files(&self.compiled())? {
            starts.add(fs::read(file)?.get(16..).unwrap_or_default());
        }
        ensure!(starts.len() > 0, "no code object was found in the compiled files");
        let archive = fs::read(self.archive())?;
        if let Some(at) = starts.find_in(&archive) {
            bail!("a code object in marshal form lies at {at:#x} of the archive");
        }
        println!("marshal: none of {} code objects is in the archive in marshal form", starts.len());
        Ok(())
    }

    /// Extracts for the original folders, so that code objects keep their file names.
    pub(super) fn extract(&self) -> Result<()> {
        let mut command = permacode();
        command.arg("extract").arg(self.archive()).arg("--output").arg(self.extracted());
        let (stdlib, platstdlib) = (&self.interpreter.stdlib, &self.interpreter.platstdlib);
        // If both are the same folder, the archive has it as stdlib only.
        let platstdlib = (platstdlib != stdlib).then_some(("platstdlib", platstdlib));
        for (name, folder) in [("stdlib", stdlib)].into_iter().chain(platstdlib) {
            let mut base = std::ffi::OsString::from(format!("{name}="));
            base.push(folder);
            command.arg("--base").arg(base);
        }
        timed("extract", || run(&mut command))
    }

    /// Checks that every extracted file equals the compiled file.
    pub(super) fn compare(&self) -> Result<()> {
        let mut command = Command::new(self.python());
        command.arg(script("comparison/compare.py")).arg(self.compiled()).arg(self.extracted());
        timed("compare", || run(&mut command))
    }

    /// Makes an archive without sources and resources, and measures it.
    pub(super) fn size(&self, with_tests: bool) -> Result<Size> {
        let archive = self.folder.join("bare.perma");
        let compiled = self.folder.join("compiled-bare");
        let mut command = self.command(&archive);
        command.args(["--strip=source", "--no-resources", "--json", "--keep-compiled"]).arg(&compiled);
        if !with_tests {
            exclude_tests(&mut command);
        }
        output(&mut command)?;
        let mut size = Size { files: 0, compiled: 0, archive: fs::metadata(&archive)?.len() };
        for file in files(&compiled)? {
            size.files += 1;
            size.compiled += fs::metadata(file)?.len();
        }
        fs::remove_dir_all(compiled)?;
        Ok(size)
    }

    /// The file in which `regress.py` keeps the outcomes of the interpreter's own library.
    pub(super) fn regress_reference(&self) -> PathBuf {
        self.folder.join("regress.json")
    }

    /// Extracts without a base: code objects name files in the tree.
    pub(super) fn tree_with_sources(&self) -> Result<PathBuf> {
        let tree = self.folder.join("tree");
        run(permacode().arg("extract").arg(self.archive()).arg("--output").arg(&tree))?;
        Ok(tree)
    }

    /// The same, from an archive without the parts that `--strip` names.
    pub(super) fn tree_without(&self, parts: &str) -> Result<PathBuf> {
        let tree = self.folder.join(format!("without-{}", parts.replace(',', "-")));
        let archive = tree.with_extension("perma");
        output(self.command(&archive).arg("--strip").arg(parts).arg("--json"))?;
        run(permacode().arg("extract").arg(archive).arg("--output").arg(&tree))?;
        Ok(tree)
    }

    /// Removes the archive and the trees.
    pub(crate) fn remove(&self) {
        let _ = fs::remove_dir_all(&self.folder);
    }
}

/// Adds the options that leave out the test suites.
pub(crate) fn exclude_tests(command: &mut Command) {
    for pattern in TESTS {
        command.args(["--exclude", pattern]);
    }
}

/// All files below a folder.
fn files(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).with_context(|| format!("cannot list {}", folder.display()))? {
            let entry = entry?;
            if entry.file_type()?.is_dir() {
                folders.push(entry.path());
            } else {
                files.push(entry.path());
            }
        }
    }
    Ok(files)
}

/// Runs a step and prints its duration.
pub(crate) fn timed<T>(step: &str, what: impl FnOnce() -> Result<T>) -> Result<T> {
    let start = Instant::now();
    let result = what().with_context(|| step.to_owned())?;
    println!("{step}: {:.1} s", start.elapsed().as_secs_f64());
    Ok(result)
}
