//! What can go wrong before an archive is written, and while it is.

use std::{fmt, io, path::PathBuf};

/// An error of the writer. Whatever it is, a file that was there before is untouched.
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
    /// Two targets are the same.
    DuplicateTarget(String),
    /// A value of the model exceeds a limit of the format.
    Limit {
        /// The module or resource, or the empty string for the archive as a whole.
        name: String,
        /// What is limited.
        what: &'static str,
        /// How much there was.
        found: u64,
        /// How much there may be.
        limit: u64,
    },
    /// A module, resource or target does not hold together.
    Invalid {
        /// The module, resource or target.
        name: String,
        /// What is wrong with it.
        what: &'static str,
    },
    /// An object or code object contains itself.
    Cycle(String),
    /// No arrangement of these names into an index was found: two names hash alike under every seed tried.
    Index,
    /// Writing failed.
    Io {
        /// What was being done.
        doing: &'static str,
        /// The file it was done to.
        path: PathBuf,
        /// The answer of the system.
        error: io::Error,
    },
}

impl Error {
    /// What went wrong.
    #[must_use]
    pub fn kind(&self) -> &ErrorKind {
        &self.kind
    }

    pub(crate) fn invalid(name: &str, what: &'static str) -> Self {
        ErrorKind::Invalid { name: name.to_owned(), what }.into()
    }

    pub(crate) fn limit(name: &str, what: &'static str, found: u64, limit: u64) -> Self {
        ErrorKind::Limit { name: name.to_owned(), what, found, limit }.into()
    }

    pub(crate) fn io(doing: &'static str, path: impl Into<PathBuf>, error: io::Error) -> Self {
        ErrorKind::Io { doing, path: path.into(), error }.into()
    }
}

impl From<ErrorKind> for Error {
    fn from(kind: ErrorKind) -> Self {
        Error { kind }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.kind {
            ErrorKind::DuplicateModule(name) => write!(f, "module {name:?} occurs twice"),
            ErrorKind::DuplicateResource(name) => write!(f, "resource {name:?} occurs twice"),
            ErrorKind::DuplicateTarget(name) => write!(f, "target {name:?} occurs twice"),
            ErrorKind::Limit { name, what, found, limit } if name.is_empty() => {
                write!(f, "{what}: {found}, but an archive may have at most {limit}")
            }
            ErrorKind::Limit { name, what, found, limit } => {
                write!(f, "{name:?}: {what}: {found}, but at most {limit} are possible")
            }
            ErrorKind::Invalid { name, what } => write!(f, "{name:?}: {what}"),
            ErrorKind::Cycle(name) => write!(f, "{name:?}: an object contains itself"),
            ErrorKind::Index => f.write_str("no index could be made of these names"),
            ErrorKind::Io { doing, path, .. } => write!(f, "{doing} {}", path.display()),
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match &self.kind {
            ErrorKind::Io { error, .. } => Some(error),
            _ => None,
        }
    }
}
