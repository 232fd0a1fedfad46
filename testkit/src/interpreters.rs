//! The CPython interpreters of this machine.

use permacode_bundle::{Error, Interpreter};
use permacode_pyc::Version;
use std::{
    collections::BTreeSet,
    env, fmt, fs,
    ops::RangeInclusive,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

/// The environment variable that names the interpreters for all tests, separated as in `PATH`.
pub const VARIABLE: &str = "PERMACODE_PYTHONS";

/// Minor versions of Python 3 that the tests must use if they are installed.
pub const EXPECTED: RangeInclusive<u8> = 8..=13;

/// What [`find_all`] found.
#[derive(Debug)]
pub struct Found {
    /// Supported interpreters, each once, the oldest first.
    pub interpreters: Vec<Interpreter>,
    /// Programs that are called like an interpreter but are not supported, and why.
    pub refused: Vec<(PathBuf, Error)>,
}

/// One interpreter of each minor version, the oldest first.
///
/// # Panics
/// If there is none.
#[must_use]
pub fn one_per_minor() -> Vec<Interpreter> {
    let found = find_all();
    println!("{found}");
    let chosen: Vec<Interpreter> = found.one_per_minor().into_iter().cloned().collect();
    assert!(!chosen.is_empty(), "no supported CPython was found; refused: {:?}", found.refused);
    chosen
}

/// The newest interpreter.
///
/// # Panics
/// If there is none.
#[must_use]
pub fn newest() -> Interpreter {
    one_per_minor().pop().unwrap()
}

/// Finds interpreters: the programs that the variable [`VARIABLE`] names. If it is not set: the versions of pyenv, and
/// `python3` and `python3.N` in `PATH` for each supported version.
#[must_use]
pub fn find_all() -> Found {
    let candidates = match env::var_os(VARIABLE) {
        Some(list) => env::split_paths(&list).filter(|path| !path.as_os_str().is_empty()).collect(),
        None => [of_pyenv(), of_path()].concat(),
    };
    let mut found = Found { interpreters: Vec::new(), refused: Vec::new() };
    let mut seen = BTreeSet::new();
    for candidate in candidates {
        if !seen.insert(real(&candidate)) {
            continue;
        }
        match Interpreter::probe(&candidate) {
            Ok(interpreter) => {
                let executable = real(&interpreter.executable);
                let is_new = |other: &Interpreter| real(&other.executable) != executable;
                if found.interpreters.iter().all(is_new) {
                    seen.insert(executable);
                    found.interpreters.push(interpreter);
                }
            }
            Err(error) => found.refused.push((candidate, error)),
        }
    }
    found
        .interpreters
        .sort_by(|one, other| (one.hexversion, &one.executable).cmp(&(other.hexversion, &other.executable)));
    found
}

impl Found {
    /// The latest interpreter of each minor version. If several have that version, the first by path.
    #[must_use]
    pub fn one_per_minor(&self) -> Vec<&Interpreter> {
        let mut chosen: Vec<&Interpreter> = Vec::new();
        for interpreter in &self.interpreters {
            match chosen.last_mut() {
                Some(last) if last.version.minor() == interpreter.version.minor() => {
                    if interpreter.hexversion > last.hexversion {
                        *last = interpreter;
                    }
                }
                _ => chosen.push(interpreter),
            }
        }
        chosen
    }

    /// The [`EXPECTED`] minor versions that are missing.
    fn missing(&self) -> Vec<u8> {
        let has = |minor: &u8| self.interpreters.iter().any(|found| found.version.minor() == *minor);
        EXPECTED.filter(|minor| !has(minor)).collect()
    }
}

impl fmt::Display for Found {
    /// For example `5 of 6 versions of 3.8 to 3.13 (missing: 3.9)`, and a line for each interpreter.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let missing = self.missing();
        let (all, first, last) = (EXPECTED.len(), EXPECTED.start(), EXPECTED.end());
        write!(f, "{} of {all} versions of 3.{first} to 3.{last}", all - missing.len())?;
        if !missing.is_empty() {
            let names: Vec<String> = missing.iter().map(|minor| format!("3.{minor}")).collect();
            write!(f, " (missing: {})", names.join(", "))?;
        }
        for interpreter in &self.interpreters {
            write!(f, "\n  {} {}", interpreter.version_text, interpreter.executable.display())?;
        }
        Ok(())
    }
}

fn of_pyenv() -> Vec<PathBuf> {
    let output = Command::new("pyenv").arg("root").stdin(Stdio::null()).stderr(Stdio::null()).output();
    let Ok(output) = output else { return Vec::new() };
    let Ok(root) = String::from_utf8(output.stdout) else { return Vec::new() };
    let Ok(entries) = fs::read_dir(Path::new(root.trim_end()).join("versions")) else { return Vec::new() };
    let mut programs: Vec<PathBuf> = entries.flatten().map(|entry| entry.path().join("bin").join("python")).collect();
    programs.retain(|program| program.is_file());
    programs.sort();
    programs
}

fn of_path() -> Vec<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    let supported = (0..=u8::MAX).filter(|minor| Version::of_minor(*minor).is_some());
    let suffixes: Vec<String> = [String::new()].into_iter().chain(supported.map(|minor| format!(".{minor}"))).collect();
    let mut programs = Vec::new();
    for folder in env::split_paths(&path).filter(|folder| folder.is_absolute()) {
        // The shims of pyenv start versions that `of_pyenv` finds.
        if folder.ends_with("shims") {
            continue;
        }
        for suffix in &suffixes {
            let program = folder.join(format!("python3{suffix}{}", env::consts::EXE_SUFFIX));
            if program.is_file() {
                programs.push(program);
            }
        }
    }
    programs
}

/// The program with links resolved. The program of a virtual environment keeps its link, because only the link
/// distinguishes it from its base.
fn real(program: &Path) -> PathBuf {
    let folder = program.parent().and_then(Path::parent);
    if folder.is_some_and(|folder| folder.join("pyvenv.cfg").is_file()) {
        return program.to_owned();
    }
    program.canonicalize().unwrap_or_else(|_| program.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_machine_has_interpreters() {
        let found = find_all();
        println!("{found}");
        assert!(!found.interpreters.is_empty(), "no supported CPython was found; refused: {:?}", found.refused);
        let minors: Vec<u8> = found.one_per_minor().iter().map(|one| one.version.minor()).collect();
        assert!(minors.is_sorted_by(|one, next| one < next), "{minors:?}");
        for interpreter in &found.interpreters {
            assert!(interpreter.stdlib.join("os.py").is_file(), "{interpreter:?}");
        }
    }
}
