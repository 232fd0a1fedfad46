//! Interpreters and the folders of their libraries.

use std::{
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use permacode_pyc::{PackagesFolders, Version};

use crate::{
    error::{Error, ErrorKind},
    text::shortened,
};

/// The description of an interpreter by itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Interpreter {
    /// The program, as an absolute path.
    pub executable: PathBuf,
    /// The version that belongs to the magic number of its bytecode.
    pub version: Version,
    /// The version as text, for example `3.11.7`.
    pub version_text: String,
    /// `sys.hexversion`
    pub hexversion: u32,
    /// The cache tag: the part of the names of its compiled files, for example `cpython-311`.
    pub tag: String,
    /// Whether it runs without the global lock.
    pub free_threaded: bool,
    /// The folder of its standard library.
    pub stdlib: PathBuf,
    /// The folder of the modules that depend on the platform. It is usually the same.
    pub platstdlib: PathBuf,
    /// The folder of the extension modules of its standard library. It is searched after `platstdlib`.
    pub extensions: Option<PathBuf>,
    /// The folders of installed packages, in the order of the search.
    pub site_packages: Vec<PackagesFolder>,
    /// The suffixes of extension modules, in the order of the search. They come before the suffixes of sources.
    pub extension_suffixes: Vec<String>,
    /// The suffixes of sources. They come before the suffixes of bytecode.
    pub source_suffixes: Vec<String>,
    /// The suffixes of bytecode that has the place of its source.
    pub bytecode_suffixes: Vec<String>,
}

/// A folder of installed packages that an interpreter searches.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PackagesFolder {
    /// The folder, as in `sys.path`.
    pub folder: PathBuf,
    /// The name of its root in an archive. It states the role of the folder, so that an interpreter finds the folder
    /// again (see [`PackagesFolders`]). `None` if the folder has no such role.
    pub root: Option<String>,
}

/// The answer of `python/probe.py`.
#[derive(serde::Deserialize)]
struct Answer {
    implementation: String,
    version: String,
    #[serde(default)]
    hexversion: u32,
    executable: Option<PathBuf>,
    magic: Option<Vec<u8>>,
    tag: Option<String>,
    stdlib: Option<PathBuf>,
    platstdlib: Option<PathBuf>,
    extensions: Option<PathBuf>,
    #[serde(default)]
    site_packages: Vec<PathBuf>,
    prefix: Option<PathBuf>,
    exec_prefix: Option<PathBuf>,
    base_prefix: Option<PathBuf>,
    base_exec_prefix: Option<PathBuf>,
    platlibdir: Option<String>,
    user_site: Option<PathBuf>,
    #[serde(default)]
    extension_suffixes: Vec<String>,
    #[serde(default)]
    source_suffixes: Vec<String>,
    #[serde(default)]
    bytecode_suffixes: Vec<String>,
    #[serde(default)]
    free_threaded: bool,
}

impl Answer {
    /// The folders of installed packages with their roots, in the order of the search.
    fn packages(&self) -> Vec<PackagesFolder> {
        let bytes = |path: &Option<PathBuf>| path.as_deref().map(bytes_of).unwrap_or_default();
        let version = self.stdlib.as_deref().and_then(Path::file_name).unwrap_or_default();
        let roles = PackagesFolders {
            prefix: bytes(&self.prefix),
            exec_prefix: bytes(&self.exec_prefix),
            base_prefix: bytes(&self.base_prefix),
            base_exec_prefix: bytes(&self.base_exec_prefix),
            platform_library: self.platlibdir.as_deref().unwrap_or("lib").as_bytes().to_vec(),
            version: version.as_encoded_bytes().to_vec(),
            user: self.user_site.as_deref().map(bytes_of),
        };
        let folders = self.site_packages.iter();
        folders.map(|folder| PackagesFolder { folder: folder.clone(), root: roles.root(&bytes_of(folder)) }).collect()
    }
}

fn bytes_of(path: &Path) -> Vec<u8> {
    path.as_os_str().as_encoded_bytes().to_vec()
}

impl Interpreter {
    /// Runs a program and reads the description that it prints.
    ///
    /// A program without a folder in its name is searched in `PATH`. It runs without the environment variables that
    /// Python reads, and does not import modules of the current folder. The packages of the user are included.
    ///
    /// # Errors
    /// If it cannot be started, is not Python, or is not CPython 3.8 to 3.15. The error has its name and version.
    pub fn probe(program: impl AsRef<Path>) -> Result<Self, Error> {
        let program = absolute_program(program.as_ref())?;
        let output = command(&program)
            .args(["-E", "-B", "-c", include_str!("python/probe.py")])
            .stdin(Stdio::null())
            .output()
            .map_err(|error| Error::new(ErrorKind::Start { program: program.clone(), error }))?;
        let refused = |message: String| Error::new(ErrorKind::Probe { program: program.clone(), message });
        if !output.status.success() {
            let line = last_line(&output.stderr).unwrap_or_else(|| "no message".to_owned());
            return Err(refused(format!("it ended with {}: {line}", output.status)));
        }
        // Earlier lines may come from site or a .pth file.
        let line = output.stdout.trim_ascii_end().rsplit(|byte| *byte == b'\n').next().unwrap_or_default();
        let answer: Answer = serde_json::from_slice(line).map_err(|error| {
            let found = match line {
                [] => "nothing".to_owned(),
                line => format!("{:?} ({error})", shortened(&String::from_utf8_lossy(line))),
            };
            refused(format!("it printed {found}, but a description of CPython in JSON was expected"))
        })?;
        Self::of_answer(&program, answer)
    }

    fn of_answer(program: &Path, answer: Answer) -> Result<Self, Error> {
        let unsupported = || {
            let found = format!("{} {}", answer.implementation, answer.version);
            Error::new(ErrorKind::Unsupported { program: program.to_owned(), found })
        };
        let missing = |what: &str| {
            let message = format!("it does not report its {what}");
            Error::new(ErrorKind::Probe { program: program.to_owned(), message })
        };
        if answer.implementation != permacode_pyc::VM {
            return Err(unsupported());
        }
        let version = match answer.magic.as_deref() {
            Some(&[low, high, b'\r', b'\n']) => Version::of_magic(u16::from_le_bytes([low, high])),
            _ => return Err(unsupported()),
        };
        let version = version.map_err(|_| unsupported())?;
        let site_packages = answer.packages();
        let stdlib = answer.stdlib.ok_or_else(|| missing("library"))?;
        if answer.source_suffixes.is_empty() {
            return Err(missing("suffixes of sources"));
        }
        Ok(Interpreter {
            executable: answer.executable.unwrap_or_else(|| program.to_owned()),
            version,
            version_text: answer.version,
            hexversion: answer.hexversion,
            tag: answer.tag.unwrap_or_else(|| version.cache_tag()),
            free_threaded: answer.free_threaded,
            platstdlib: answer.platstdlib.unwrap_or_else(|| stdlib.clone()),
            stdlib,
            extensions: answer.extensions,
            site_packages,
            extension_suffixes: answer.extension_suffixes,
            source_suffixes: answer.source_suffixes,
            bytecode_suffixes: answer.bytecode_suffixes,
        })
    }
}

/// A command without the environment variables that Python reads. It uses no archive of an environment, whose image may
/// be damaged.
pub(crate) fn command(program: &Path) -> Command {
    let mut command = Command::new(program);
    command.env("PERMACODE_OFF", "1");
    for (name, _) in std::env::vars_os() {
        if name.as_encoded_bytes().starts_with(b"PYTHON") {
            command.env_remove(name);
        }
    }
    command
}

/// The last line that is not empty. In a traceback, it is the message.
pub(crate) fn last_line(text: &[u8]) -> Option<String> {
    let text = String::from_utf8_lossy(text);
    text.lines().rev().map(str::trim).find(|line| !line.is_empty()).map(ToOwned::to_owned)
}

/// The absolute path of a program. A name without a folder is looked up in `PATH` and stays as it is.
fn absolute_program(program: &Path) -> Result<PathBuf, Error> {
    if program.components().count() <= 1 {
        return Ok(program.to_owned());
    }
    std::path::absolute(program).map_err(|error| Error::io("cannot find", program, error))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(json: &str) -> Result<Interpreter, Error> {
        Interpreter::of_answer(Path::new("py"), serde_json::from_str(json).unwrap())
    }

    #[test]
    fn an_unsupported_interpreter_is_refused_by_name() {
        for (json, text) in [
            (
                r#"{"implementation":"pypy","version":"3.10.14","hexversion":51,"executable":null}"#,
                "py is pypy 3.10.14",
            ),
            (
                r#"{"implementation":"Python","version":"2.7.18","hexversion":51,"executable":null}"#,
                "py is Python 2.7.18; supported are CPython",
            ),
            (r#"{"implementation":"rustpython","version":"3.14.0"}"#, "py is rustpython 3.14.0; supported are CPython"),
            (
                r#"{"implementation":"cpython","version":"3.7.16","hexversion":51,"executable":null,"magic":[66,13,13,10]}"#,
                "py is cpython 3.7.16; supported are CPython 3.8 to 3.15",
            ),
        ] {
            let error = answer(json).unwrap_err().to_string();
            assert!(error.contains(text), "{error}");
        }
    }

    #[test]
    fn another_implementation_is_named_even_if_it_has_no_library() {
        let interpreter = permacode_testkit::interpreters::newest();
        let pretend = "import sys\nsys.implementation.name = 'rustpython'\nsys.modules['json'] = None\n";
        let script = format!("{pretend}{}", include_str!("python/probe.py"));
        let output = Command::new(&interpreter.executable).args(["-I", "-c", &script]).output().unwrap();
        let error = answer(std::str::from_utf8(&output.stdout).unwrap()).unwrap_err().to_string();
        assert_eq!(error, format!("py is rustpython {}; supported are CPython 3.8 to 3.15", interpreter.version_text));
    }

    #[test]
    fn a_program_that_is_not_python_is_refused() {
        let error = Interpreter::probe("permacode-no-such-program").unwrap_err();
        assert!(matches!(error.kind(), ErrorKind::Start { .. }), "{error}");
        for (program, message) in [
            ("false", "it ended with exit status: 1: no message"),
            ("true", "it printed nothing, but a description of CPython in JSON was expected"),
            ("echo", "it printed \""),
        ] {
            let error = Interpreter::probe(program).unwrap_err();
            assert!(matches!(error.kind(), ErrorKind::Probe { .. }), "{error}");
            let error = error.to_string();
            let start = format!("{program} is not CPython, or does not work: `{program} -E -B -c SCRIPT` was run: ");
            assert!(error.starts_with(&start) && error.contains(message), "{error}");
        }
    }
}
