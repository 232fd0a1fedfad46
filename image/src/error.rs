//! Why a module or an archive has no image.

use permacode_reader as reader;
use std::fmt;

/// The reason why a module is not in an image, or why there is no image.
#[derive(Debug)]
pub enum Error {
    /// The archive breaks a rule of the format.
    Archive(reader::Error),
    /// An image cannot hold the object, or its length exceeds a limit.
    Unsupported(&'static str),
    /// The module that tests the image has no marshal form.
    Probe(String),
}

/// The result of a function that reads an archive.
pub type Result<T> = std::result::Result<T, Error>;

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::Archive(error) => error.fmt(f),
            Error::Unsupported(what) => write!(f, "an image cannot hold {what}"),
            Error::Probe(reason) => write!(f, "the module that tests the image: {reason}"),
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Error::Archive(error) => Some(error),
            Error::Unsupported(_) | Error::Probe(_) => None,
        }
    }
}

impl From<reader::Error> for Error {
    fn from(error: reader::Error) -> Self {
        Error::Archive(error)
    }
}
