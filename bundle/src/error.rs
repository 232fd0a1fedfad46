//! What can go wrong between a tree of files and an archive.

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
    /// A program that should be an interpreter could not be started.
    Start {
        /// The program.
        program: PathBuf,
        /// The answer of the system.
        error: io::Error,
    },
    /// An interpreter did not say what it is.
    Probe {
        /// The interpreter.
        program: PathBuf,
        /// The end of what it wrote to its standard error, or what is wrong with its answer.
        message: String,
    },
    /// Not one of the supported interpreters.
    Unsupported {
        /// The interpreter.
        program: PathBuf,
        /// What it says it is, for example `pypy 3.10.14`.
        found: String,
    },
    /// An interpreter has no library in a folder (it may be in a zip file).
    NoLibrary {
        /// The interpreter.
        program: PathBuf,
        /// Where it says its library lies.
        folder: PathBuf,
    },
    /// The process that compiles does not work.
    Compiler {
        /// The interpreter.
        program: PathBuf,
        /// The end of what it wrote to its standard error, or what is wrong with its answer.
        message: String,
    },
    /// Compiling a source failed for a reason that is not the source's: memory, or somebody who killed the compiler.
    CompilerFailed {
        /// The source.
        file: PathBuf,
        /// What happened.
        message: String,
    },
    /// No temporary file can be made.
    Temporary {
        /// The folder for temporary files.
        folder: PathBuf,
        /// The answer of the system.
        error: io::Error,
    },
    /// Files that look like modules are not bundled as such, and [`BundleOptions::strict`](crate::BundleOptions::strict)
    /// was asked for.
    NotModules(Vec<NotModule>),
    /// A pattern of `include` or `exclude` is no glob.
    Pattern(globset::Error),
    /// The name of a root is empty or no plain name.
    RootName(String),
    /// Two roots have the same name but lie in different places.
    DuplicateRoot(String),
    /// Nothing was given to bundle.
    Nothing,
    /// The file to write is one of the files to bundle.
    OutputIsInput(PathBuf),
    /// Nothing matches these patterns to include.
    Unmatched(Vec<String>),
    /// Two folders that were given have this module or resource.
    Conflict {
        /// Name of the module, or path of the resource.
        name: String,
        /// The file that came first.
        first: PathBuf,
        /// The other one.
        second: PathBuf,
        /// A pattern to exclude that leaves the second out; `None` if both lie below the same root.
        pattern: Option<String>,
    },
    /// Files and folders to be bundled that cannot be read.
    Unreadable(Vec<Unreadable>),
    /// Reading or writing a file failed.
    Io {
        /// What was being done.
        doing: &'static str,
        /// The file it was done to.
        path: PathBuf,
        /// The answer of the system.
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
        /// Why not.
        error: permacode_pyc::Error,
    },
    /// A target is not for an interpreter whose files this crate can write.
    Target {
        /// Name of its virtual machine.
        vm: String,
        /// Its bytecode magic.
        magic: u32,
    },
    /// The archive has several targets, or none, and the choice was none of them.
    TargetChoice {
        /// How many it has.
        count: u64,
    },
    /// A name in an archive cannot be the name of a file below a folder.
    UnsafeName {
        /// The name of the module or resource, or the tag of the target.
        name: String,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// Two things of an archive would become the same file, or a file and a folder of the same name.
    SameFile {
        /// Path below the folder that is written to.
        path: String,
    },
    /// The files of an archive would take more bytes than [`ExtractOptions::max_size`](crate::ExtractOptions::max_size)
    /// allows. Nothing was written.
    TooMuch {
        /// Bytes that the files would take at most.
        bytes: u64,
        /// Bytes that they may take.
        limit: u64,
    },
    /// No module or resource of the target lies below a root of this name.
    NoSuchRoot {
        /// The name that was asked for.
        name: String,
        /// The roots that there are.
        roots: Vec<String>,
    },
    /// The folder to write to has something in it, and overwriting was not asked for.
    NotEmpty(PathBuf),
}

/// A file or folder that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
pub struct Unreadable {
    /// The file or folder; what is no text in its path is escaped in JSON.
    #[serde(serialize_with = "crate::report::path")]
    pub file: PathBuf,
    /// The answer of the system.
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
                write!(f, "{} does not say which Python it is: {message}", program.display())
            }
            ErrorKind::Unsupported { program, found } => {
                write!(f, "{} is {found}; supported are CPython 3.8 to 3.15", program.display())
            }
            ErrorKind::NoLibrary { program, folder } => {
                write!(f, "{} has no library in the folder {}", program.display(), folder.display())
            }
            ErrorKind::Compiler { program, message } => {
                write!(f, "{} does not compile: {message}", program.display())
            }
            ErrorKind::CompilerFailed { file, message } => write!(
                f,
                "cannot compile {}: {message}; the source is not the reason: free some memory or raise the limits of the \
                 process, or leave the file out with a pattern to exclude",
                file.display()
            ),
            ErrorKind::Temporary { folder, .. } => write!(
                f,
                "no temporary file can be made in {}: name another folder in the environment variable {}",
                folder.display(),
                if cfg!(windows) { "TMP" } else { "TMPDIR" }
            ),
            ErrorKind::NotModules(files) => {
                let (count, are) = (
                    files.len(),
                    if files.len() == 1 {
                        "file looks like a module and is"
                    } else {
                        "files look like modules and are"
                    },
                );
                write!(f, "{count} {are} not bundled as such")
            }
            ErrorKind::Pattern(_) => f.write_str("not a pattern"),
            ErrorKind::RootName(name) => {
                write!(f, "{name:?} cannot name a root: letters, digits, '-', '_' and '.' after the first are possible")
            }
            ErrorKind::DuplicateRoot(name) => write!(f, "two folders are called {name:?}"),
            ErrorKind::Nothing => f.write_str("there is nothing to bundle: no interpreter's library, folder or file"),
            ErrorKind::OutputIsInput(path) => write!(
                f,
                "{} is both the output and a file to bundle: choose another output, or exclude the file",
                path.display()
            ),
            ErrorKind::Unmatched(patterns) => write!(
                f,
                "nothing matches the pattern to include {}: a pattern is compared with paths below a root (\"test/data\") \
                 and with names of modules (\"test.data\")",
                patterns.iter().map(|pattern| format!("{pattern:?}")).collect::<Vec<_>>().join(" or ")
            ),
            ErrorKind::Conflict { name, first, second, pattern } => {
                let (first, second) = (first.display(), second.display());
                write!(f, "{name:?} is both {first} and {second}: ")?;
                match pattern {
                    Some(pattern) => write!(f, "leave one out, for example with the pattern {pattern:?} to exclude"),
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
                    "a target for {vm:?} with magic {magic:#010x}; .pyc files can be written for CPython 3.8 to 3.15"
                )
            }
            ErrorKind::TargetChoice { count: 0 } => {
                f.write_str("the archive has no targets, so there is nothing to extract")
            }
            ErrorKind::TargetChoice { count } => {
                write!(f, "the archive has {count} targets, and no number below {count} says which one is meant")
            }
            ErrorKind::UnsafeName { name, problem } => {
                write!(f, "{:?} cannot be the name of a file: {problem}", shortened(name))
            }
            ErrorKind::SameFile { path } => {
                write!(f, "two things of the archive would become {:?}", shortened(path))
            }
            ErrorKind::TooMuch { bytes, limit } => {
                write!(f, "the files would take up to {bytes} bytes, more than the limit of {limit} bytes")
            }
            ErrorKind::NoSuchRoot { name, roots } => {
                let roots: Vec<_> = roots.iter().map(|root| format!("{:?}", shortened(root))).collect();
                write!(f, "the archive has no root {name:?}; its roots are: {}", roots.join(", "))
            }
            ErrorKind::NotEmpty(path) => write!(f, "the folder {} is not empty", path.display()),
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
            // It speaks for itself above.
            ErrorKind::Write(error) => std::error::Error::source(error),
            ErrorKind::Read(error) => Some(error),
            ErrorKind::Pyc { error, .. } => Some(error),
            _ => None,
        }
    }
}
