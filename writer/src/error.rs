//! The error type of this crate.

use std::{fmt, io, path::PathBuf};

/// Why an archive could not be made or written. An archive that was to be replaced is unchanged.
#[derive(Debug)]
pub struct Error {
    kind: ErrorKind,
}

/// What went wrong.
#[derive(Debug)]
#[non_exhaustive]
pub enum ErrorKind {
    /// Two modules of one target have this name.
    DuplicateModule(String),
    /// Two resources of one target have this path.
    DuplicateResource(String),
    /// Two targets have the same machine, magic number, version and optimisation level. The string shows them.
    DuplicateTarget(String),
    /// A value of the model exceeds a limit of the format.
    Limit {
        /// The target, module or resource; `None` for the archive as a whole.
        name: Option<String>,
        /// What is limited.
        what: &'static str,
        /// The amount found.
        found: u64,
        /// The greatest amount that the format allows.
        limit: u64,
    },
    /// A module, resource or target is inconsistent or breaks a rule of the format.
    Invalid {
        /// The module, resource or target.
        name: String,
        /// The rule that it breaks.
        what: &'static str,
    },
    /// An object or code object of this module contains itself.
    Cycle(String),
    /// The name index could not be built: two names have the same hash with every seed that was tried.
    Index,
    /// The archive that [`Writer::copy_from`](crate::Writer::copy_from) reads breaks a rule of the format.
    Archive(permacode_model::Error),
    /// Writing failed.
    Io {
        /// The step that failed, for example `cannot replace`. The path completes the sentence.
        doing: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// The error that the system reported.
        error: io::Error,
    },
}

impl Error {
    pub(crate) fn new(kind: ErrorKind) -> Self {
        Error { kind }
    }

    /// What went wrong.
    #[must_use]
    pub fn kind(&self) -> &ErrorKind {
        &self.kind
    }

    pub(crate) fn invalid(name: &str, what: &'static str) -> Self {
        Error::new(ErrorKind::Invalid { name: name.to_owned(), what })
    }

    pub(crate) fn limit<'n>(name: impl Into<Option<&'n str>>, what: &'static str, found: u64, limit: u64) -> Self {
        Error::new(ErrorKind::Limit { name: name.into().map(str::to_owned), what, found, limit })
    }

    pub(crate) fn io(doing: &'static str, path: impl Into<PathBuf>, error: io::Error) -> Self {
        Error::new(ErrorKind::Io { doing, path: path.into(), error })
    }
}

impl From<permacode_model::Error> for Error {
    fn from(error: permacode_model::Error) -> Self {
        Error::new(ErrorKind::Archive(error))
    }
}

impl From<permacode_reader::Error> for Error {
    fn from(error: permacode_reader::Error) -> Self {
        permacode_model::Error::from(error).into()
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.kind {
            ErrorKind::DuplicateModule(name) => write!(f, "module {name:?} occurs twice"),
            ErrorKind::DuplicateResource(name) => write!(f, "resource {name:?} occurs twice"),
            ErrorKind::DuplicateTarget(name) => write!(f, "target {name:?} occurs twice"),
            ErrorKind::Limit { name, what, found, limit } => {
                if let Some(name) = name {
                    write!(f, "{name:?}: ")?;
                }
                write!(f, "{what}: found {found}; at most {limit} are allowed")
            }
            ErrorKind::Invalid { name, what } => write!(f, "{name:?}: {what}"),
            ErrorKind::Cycle(name) => write!(f, "{name:?}: an object or code object contains itself"),
            ErrorKind::Index => {
                f.write_str("cannot build the name index: two names have the same hash with every seed that was tried")
            }
            ErrorKind::Archive(_) => f.write_str("cannot read the archive to copy from"),
            ErrorKind::Io { doing, path, .. } => write!(f, "{doing} {}", path.display()),
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match &self.kind {
            ErrorKind::Io { error, .. } => Some(error),
            ErrorKind::Archive(error) => Some(error),
            _ => None,
        }
    }
}
