//! The reasons why a source has no signatures.

use std::fmt;

use crate::nesting::MAX_NESTING;

/// Why a source has no signatures. Its functions have names and kinds of parameters all the same.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Refused {
    /// It declares an encoding that is unknown, or that its bytes do not have.
    Encoding(String),
    /// It has 4 GiB or more, or its defaults and annotations repeat too much text.
    TooLarge,
    /// Its brackets, operators and blocks are nested too deeply.
    Nesting,
    /// The parser reports an error of syntax.
    Syntax(String),
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Refused::Encoding(label) => {
                write!(f, "the encoding is {label:?}, which is unknown, or the bytes are not in it")
            }
            Refused::TooLarge => f.write_str("the source or its defaults and annotations are too large"),
            Refused::Nesting => write!(f, "more than {MAX_NESTING} brackets, operators and blocks are nested"),
            Refused::Syntax(message) => write!(f, "the parser refuses it: {message}"),
        }
    }
}

impl std::error::Error for Refused {}
