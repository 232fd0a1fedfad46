//! The error type of this crate.

use permacode_reader as reader;
use std::fmt;

/// Why a target, module or resource of an archive could not be converted to the model.
#[derive(Debug)]
pub struct Error {
    kind: Box<ErrorKind>,
}

/// What went wrong.
#[derive(Debug)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The archive breaks a rule of the format.
    Archive(reader::Error),
    /// The reader returned a value that its own checks exclude. This is a defect of the reader.
    Reader {
        /// The value, as a noun phrase.
        what: &'static str,
        /// Id of the object or code object.
        id: u32,
    },
}

impl Error {
    /// What went wrong.
    #[must_use]
    pub fn kind(&self) -> &ErrorKind {
        &self.kind
    }

    /// What went wrong, by value.
    #[must_use]
    pub fn into_kind(self) -> ErrorKind {
        *self.kind
    }
}

impl From<ErrorKind> for Error {
    fn from(kind: ErrorKind) -> Self {
        Error { kind: Box::new(kind) }
    }
}

impl From<reader::Error> for Error {
    fn from(error: reader::Error) -> Self {
        ErrorKind::Archive(error).into()
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.kind() {
            ErrorKind::Archive(error) => error.fmt(f),
            ErrorKind::Reader { what, id } => {
                write!(f, "the reader returned {what} (id {id}): this is a defect, please report it")
            }
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self.kind() {
            ErrorKind::Archive(error) => error.source(),
            ErrorKind::Reader { .. } => None,
        }
    }
}
