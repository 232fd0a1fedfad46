//! The one error type of this crate.

use std::fmt;

use crate::version::Foreign;

/// A `.pyc` file that cannot be read, or a module that cannot be written as one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Error {
    kind: ErrorKind,
    offset: u64,
}

impl Error {
    pub(crate) fn new(kind: ErrorKind, offset: usize) -> Self {
        Error { kind, offset: offset as u64 }
    }

    /// A module that cannot be written.
    pub(crate) fn model(problem: &'static str) -> Self {
        Error::new(ErrorKind::Model { problem }, 0)
    }

    /// What is wrong.
    #[must_use]
    pub fn kind(&self) -> &ErrorKind {
        &self.kind
    }

    /// Where: a byte offset in the file that was read. For a module that cannot be written, the length of what had been
    /// written up to there, header included, or zero if nothing had.
    #[must_use]
    pub fn offset(&self) -> u64 {
        self.offset
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (at offset {:#x})", self.kind, self.offset)
    }
}

impl std::error::Error for Error {}

/// What is wrong with a `.pyc` file or a module.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The input ends before what it announces.
    Truncated {
        /// Bytes that were expected.
        wanted: u64,
        /// Bytes that are left.
        available: u64,
    },
    /// Bytes follow the value.
    TrailingBytes {
        /// How many.
        count: u64,
    },
    /// The first four bytes are not those of any `.pyc` file.
    NotPyc {
        /// The first four bytes.
        found: [u8; 4],
    },
    /// Compiled by another implementation of Python, or by a version of CPython that is not supported.
    Foreign(Foreign),
    /// The flags of the header have bits that CPython does not know (it accepts 0, 1 and 3).
    HeaderFlags {
        /// The flags.
        flags: u32,
    },
    /// A type byte that marshal does not know, or not yet in this version.
    UnknownType {
        /// The type byte, without the flag that makes it referable.
        found: u8,
    },
    /// A count or length is negative.
    NegativeCount {
        /// The count.
        count: i32,
    },
    /// An integer is not in the one form that marshal writes.
    Integer {
        /// What is wrong with it.
        problem: &'static str,
    },
    /// Text that should be a floating point number is not.
    FloatText,
    /// A string is not UTF-8, even if lone surrogates are admitted.
    Encoding,
    /// A null where a value is needed.
    UnexpectedNull,
    /// A reference to a value that does not exist.
    Reference {
        /// The number of the value.
        index: u32,
        /// How many there are so far.
        count: u64,
    },
    /// A value that contains itself.
    Cycle,
    /// Values are nested more deeply than marshal allows.
    TooDeep {
        /// The greatest depth that is allowed.
        limit: u32,
    },
    /// A field of a code object, or what the file holds as a whole, has the wrong type.
    WrongType {
        /// Which field.
        field: &'static str,
        /// The type it should have.
        expected: &'static str,
        /// The type it has.
        found: &'static str,
    },
    /// A number in a code object is negative.
    NegativeField {
        /// Which field.
        field: &'static str,
        /// Its value.
        value: i32,
    },
    /// `co_localsplusnames` and `co_localspluskinds` have different lengths.
    LocalKinds {
        /// Number of names.
        names: u64,
        /// Number of kinds.
        kinds: u64,
    },
    /// The module cannot be expressed as a `.pyc` file of this version.
    Model {
        /// Why not.
        problem: &'static str,
    },
    /// Something is longer or more than marshal can express.
    TooLarge {
        /// What.
        what: &'static str,
    },
}

impl fmt::Display for ErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Truncated { wanted, available } => {
                write!(f, "{wanted} bytes wanted, {available} available: the file is cut off")
            }
            Self::TrailingBytes { count } => write!(f, "{count} bytes follow the value"),
            Self::NotPyc { found } => {
                write!(f, "no .pyc file: it starts with the bytes {}", found.escape_ascii())
            }
            Self::Foreign(foreign) => foreign.fmt(f),
            Self::HeaderFlags { flags } => {
                write!(f, "the header has the flags {flags:#x}, expected 0 (timestamp), 1 or 3 (hash of the source)")
            }
            Self::UnknownType { found } => {
                write!(f, "unknown marshal type '{}' ({found:#04x})", found.escape_ascii())
            }
            Self::NegativeCount { count } => write!(f, "a count of {count}, expected zero or more"),
            Self::Integer { problem } => write!(f, "not an integer as marshal writes it: {problem}"),
            Self::FloatText => f.write_str("text that is no floating point number where one was expected"),
            Self::Encoding => f.write_str("a string that is not UTF-8"),
            Self::UnexpectedNull => f.write_str("a null where a value was expected"),
            Self::Reference { index, count } => {
                write!(f, "a reference to value {index}, but there are only {count} so far")
            }
            Self::Cycle => f.write_str("a reference to a value from within itself"),
            Self::TooDeep { limit } => write!(f, "values nested more than {limit} deep"),
            Self::WrongType { field, expected, found } => write!(f, "{field}: {expected} expected, {found} found"),
            Self::NegativeField { field, value } => write!(f, "{field} is {value}, expected zero or more"),
            Self::LocalKinds { names, kinds } => {
                write!(f, "{names} names of local variables, but {kinds} kinds")
            }
            Self::Model { problem } => write!(f, "the module cannot be written as a .pyc file: {problem}"),
            Self::TooLarge { what } => write!(f, "{what} too large for marshal"),
        }
    }
}
