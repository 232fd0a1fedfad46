//! Errors between a tree of files and an archive.

use std::{
    fmt, io,
    path::{Path, PathBuf},
};

use crate::{report::NotModule, text::shortened};

/// An error of this crate.
#[derive(Debug)]
pub struct Error {
    kind: Box<ErrorKind>,
}

/// What went wrong.
#[derive(Debug)]
#[non_exhaustive]
pub enum ErrorKind {
    /// A program could not be started as an interpreter.
    Start {
        /// The program.
        program: PathBuf,
        /// The error that the system reported.
        error: io::Error,
    },
    /// An interpreter did not describe itself.
    Probe {
        /// The interpreter.
        program: PathBuf,
        /// The end of its standard error, or the problem with its answer.
        message: String,
    },
    /// The interpreter is not supported.
    Unsupported {
        /// The interpreter.
        program: PathBuf,
        /// Its name and version, for example `pypy 3.10.14`.
        found: String,
    },
    /// An interpreter has no library in a folder (it may be in a zip file).
    NoLibrary {
        /// The interpreter.
        program: PathBuf,
        /// The folder that it names.
        folder: PathBuf,
    },
    /// The process that compiles does not work.
    Compiler {
        /// The interpreter.
        program: PathBuf,
        /// The end of its standard error, or the problem with its answer.
        message: String,
    },
    /// Compiling failed for another reason than the source: memory was short, or the compiler was killed.
    CompilerFailed {
        /// The source.
        file: PathBuf,
        /// What happened.
        message: String,
    },
    /// A temporary file cannot be created.
    Temporary {
        /// The folder for temporary files.
        folder: PathBuf,
        /// The error that the system reported.
        error: io::Error,
    },
    /// CPython would import these files, but they are not bundled as modules, and
    /// [`BundleOptions::strict`](crate::BundleOptions::strict) is set.
    NotModules(Vec<NotModule>),
    /// A pattern to include or exclude is not a glob.
    Pattern(globset::Error),
    /// The name of a root is empty or has characters that are not allowed.
    RootName(String),
    /// Two different folders have the same name of a root.
    DuplicateRoot(String),
    /// Nothing was given to bundle.
    Nothing,
    /// The file to write is one of the files to bundle.
    OutputIsInput(PathBuf),
    /// Nothing matches these patterns to include.
    Unmatched(Vec<String>),
    /// Two folders that were given have the same module or resource.
    Conflict {
        /// The name of the module, or the path of the resource.
        name: String,
        /// The first file.
        first: PathBuf,
        /// The second file.
        second: PathBuf,
        /// A pattern that excludes the second file; `None` if both files are below the same root.
        pattern: Option<String>,
    },
    /// Files and folders to bundle cannot be read.
    Unreadable(Vec<Unreadable>),
    /// Reading or writing a file failed.
    Io {
        /// The step that failed.
        doing: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// The error that the system reported.
        error: io::Error,
    },
    /// The writer refused a module or resource, or could not write the archive.
    Write(permacode_writer::Error),
    /// The archive cannot be read.
    Read(permacode_model::Error),
    /// A module of an archive cannot be written as a `.pyc` file.
    Pyc {
        /// The module.
        module: String,
        /// The reason.
        error: permacode_pyc::Error,
    },
    /// This crate cannot write the files of the machine of a target.
    Target {
        /// The name of the virtual machine.
        vm: String,
        /// The bytecode magic.
        magic: u32,
    },
    /// The archive has no target of the chosen number, or several targets and no number was chosen.
    TargetChoice {
        /// The number of targets.
        count: u64,
    },
    /// A name in an archive cannot be the name of a file.
    UnsafeName {
        /// The name of the module, resource or root, or the cache tag.
        name: String,
        /// The problem.
        problem: &'static str,
    },
    /// Two entries of an archive would become the same file, or a file and a folder of the same name.
    SameFile {
        /// The path below the folder that is written to.
        path: String,
    },
    /// The files of an archive would take more bytes than [`ExtractOptions::max_size`](crate::ExtractOptions::max_size)
    /// allows. Nothing was written.
    TooMuch {
        /// The most bytes that the files would take.
        bytes: u64,
        /// The limit.
        limit: u64,
    },
    /// No module or resource of the target is below a root of this name.
    NoSuchRoot {
        /// The name.
        name: String,
        /// The roots that the target has.
        roots: Vec<String>,
    },
    /// The folder to write to is not empty, and overwriting is not allowed.
    NotEmpty(PathBuf),
}

/// A file or folder that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
pub struct Unreadable {
    /// The file or folder. In JSON, bytes that are not UTF-8 are escaped.
    #[serde(serialize_with = "crate::report::path")]
    pub file: PathBuf,
    /// The error that the system reported.
    pub error: String,
}

impl Unreadable {
    pub(crate) fn new(file: &Path, error: impl fmt::Display) -> Self {
        Unreadable { file: file.to_owned(), error: error.to_string() }
    }
}

impl Error {
    pub(crate) fn new(kind: ErrorKind) -> Self {
        Error { kind: Box::new(kind) }
    }

    /// What went wrong.
    #[must_use]
    pub fn kind(&self) -> &ErrorKind {
        &self.kind
    }

    /// A conflict of two files, each with the name of its root. `path` is the path to leave out below the second root.
    pub(crate) fn conflict(name: String, first: (&str, &Path), second: (&str, &Path), path: &[u8]) -> Self {
        // In a path that is not UTF-8, `?` matches each replacement character.
        let path = globset::escape(&String::from_utf8_lossy(path)).replace(char::REPLACEMENT_CHARACTER, "?");
        let pattern = (first.0 != second.0).then(|| format!("{}={path}", second.0));
        Error::new(ErrorKind::Conflict { name, first: first.1.to_owned(), second: second.1.to_owned(), pattern })
    }

    pub(crate) fn io(doing: &'static str, path: impl Into<PathBuf>, error: io::Error) -> Self {
        Error::new(ErrorKind::Io { doing, path: path.into(), error })
    }

    /// Whether a file system refused a name because it is too long.
    pub(crate) fn is_name_too_long(&self) -> bool {
        matches!(self.kind(), ErrorKind::Io { error, .. } if error.kind() == io::ErrorKind::InvalidFilename)
    }

    pub(crate) fn unsafe_name(name: impl Into<String>, problem: &'static str) -> Self {
        Error::new(ErrorKind::UnsafeName { name: name.into(), problem })
    }
}

impl From<permacode_writer::Error> for Error {
    fn from(error: permacode_writer::Error) -> Self {
        Error::new(ErrorKind::Write(error))
    }
}

impl From<permacode_reader::Error> for Error {
    fn from(error: permacode_reader::Error) -> Self {
        permacode_model::Error::from(error).into()
    }
}

impl From<permacode_model::Error> for Error {
    fn from(error: permacode_model::Error) -> Self {
        Error::new(ErrorKind::Read(error))
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.kind() {
            ErrorKind::Start { program, .. } => write!(f, "cannot start {}", program.display()),
            ErrorKind::Probe { program, message } => {
                let program = program.display();
                write!(f, "{program} is not CPython, or does not work: `{program} -E -B -c SCRIPT` was run: {message}")
            }
            ErrorKind::Unsupported { program, found } => {
                write!(f, "{} is {found}; supported are CPython 3.8 to 3.15", program.display())
            }
            ErrorKind::NoLibrary { program, folder } => {
                let (program, folder) = (program.display(), folder.display());
                write!(f, "{program} names {folder} as its standard library, but that is not a folder")
            }
            ErrorKind::Compiler { program, message } => {
                write!(f, "{} cannot compile: {message}", program.display())
            }
            ErrorKind::CompilerFailed { file, message } => write!(
                f,
                "cannot compile {}: {message}; the cause is not in the source. Free some memory, raise the limits of the \
                 process, or exclude the file",
                file.display()
            ),
            ErrorKind::Temporary { folder, .. } => write!(
                f,
                "cannot create a temporary file in {}: set the environment variable {} to another folder",
                folder.display(),
                if cfg!(windows) { "TMP" } else { "TMPDIR" }
            ),
            ErrorKind::NotModules(files) => match files.len() {
                1 => f.write_str("1 file looks like a module, but is not bundled as one"),
                count => write!(f, "{count} files look like modules, but are not bundled as such"),
            },
            ErrorKind::Pattern(_) => f.write_str("a pattern is not a glob"),
            ErrorKind::RootName(name) => write!(
                f,
                "{name:?} cannot name a root: use at most 64 letters, digits, '_', '-' and '.', and start with a letter, a \
                 digit or '_'"
            ),
            ErrorKind::DuplicateRoot(name) => {
                write!(f, "two folders have the root name {name:?}: give each a name of its own")
            }
            ErrorKind::Nothing => {
                f.write_str("there is nothing to bundle: name a folder or a file, or include the standard library")
            }
            ErrorKind::OutputIsInput(path) => write!(
                f,
                "{} is both the output and a file to bundle: choose another output, or exclude the file",
                path.display()
            ),
            ErrorKind::Unmatched(patterns) => write!(
                f,
                "nothing matches the pattern to include {}: write a path below a root (\"test/data\") or the name of a \
                 module (\"test.data\")",
                patterns.iter().map(|pattern| format!("{pattern:?}")).collect::<Vec<_>>().join(" or ")
            ),
            ErrorKind::Conflict { name, first, second, pattern } => {
                let (first, second) = (first.display(), second.display());
                write!(f, "{name:?} is both {first} and {second}: ")?;
                match pattern {
                    Some(pattern) => write!(f, "leave out one of the two: the pattern {pattern:?} excludes one"),
                    None => f.write_str("give one of the two folders a root of its own, and exclude the file there"),
                }
            }
            ErrorKind::Unreadable(files) => {
                let noun = if files.len() == 1 { "file or folder" } else { "files or folders" };
                write!(f, "{} {noun} cannot be read", files.len())?;
                files.iter().try_for_each(|Unreadable { file, error }| write!(f, "\n  {}: {error}", file.display()))
            }
            ErrorKind::Io { doing, path, .. } => write!(f, "{doing} {}", path.display()),
            ErrorKind::Write(error) => error.fmt(f),
            ErrorKind::Read(_) => f.write_str("cannot read the archive"),
            ErrorKind::Pyc { module, .. } => write!(f, "cannot write module {:?} as a .pyc file", shortened(module)),
            ErrorKind::Target { vm, magic } => {
                write!(
                    f,
                    "the target is for {vm:?} with magic {magic:#010x}, but .pyc files are only written for CPython 3.8 \
                     to 3.15"
                )
            }
            ErrorKind::TargetChoice { count: 0 } => {
                f.write_str("the archive has no targets, so there is nothing to extract")
            }
            ErrorKind::TargetChoice { count } => {
                write!(f, "the archive has {count} targets: choose one by a number below {count}")
            }
            ErrorKind::UnsafeName { name, problem } => {
                write!(f, "{:?} cannot be the name of a file: {problem}", shortened(name))
            }
            ErrorKind::SameFile { path } => {
                write!(f, "two entries of the archive would both become the file or folder {:?}", shortened(path))
            }
            ErrorKind::TooMuch { bytes, limit } => {
                write!(f, "the files would take up to {bytes} bytes, more than the limit of {limit} bytes")
            }
            ErrorKind::NoSuchRoot { name, roots } => {
                let roots: Vec<_> = roots.iter().map(|root| format!("{:?}", shortened(root))).collect();
                write!(f, "the archive has no root {name:?}; its roots are: {}", roots.join(", "))
            }
            ErrorKind::NotEmpty(path) => {
                write!(f, "the folder {} is not empty: choose a new or empty one, or allow overwriting", path.display())
            }
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self.kind() {
            ErrorKind::Start { error, .. } | ErrorKind::Temporary { error, .. } | ErrorKind::Io { error, .. } => {
                Some(error)
            }
            ErrorKind::Pattern(error) => Some(error),
            // Display writes the error itself, so the source is its cause.
            ErrorKind::Write(error) => std::error::Error::source(error),
            ErrorKind::Read(error) => Some(error),
            ErrorKind::Pyc { error, .. } => Some(error),
            _ => None,
        }
    }
}
