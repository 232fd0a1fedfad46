//! The error type of this crate.

use std::fmt;

use crate::version::Foreign;

/// Why a `.pyc` file could not be read, or why a module could not be written as one.
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

    /// The offset of the fault in bytes from the start of the file. For a module that cannot be written, the number of
    /// bytes that were written before the fault, including the header. It is zero if nothing was written.
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
    /// The file ends in the middle of a value.
    Truncated {
        /// Number of bytes that the value needs from here on.
        wanted: u64,
        /// Number of bytes that are left.
        available: u64,
    },
    /// Bytes follow the code object of the module.
    TrailingBytes {
        /// Number of these bytes.
        count: u64,
    },
    /// The first four bytes are not those of any `.pyc` file.
    NotPyc {
        /// The first four bytes.
        found: [u8; 4],
    },
    /// Compiled by another implementation of Python, or by a version of CPython that is not supported.
    Foreign(Foreign),
    /// The header has flags other than 0, 1 and 3, which are the values that CPython accepts.
    HeaderFlags {
        /// The flags.
        flags: u32,
    },
    /// A type byte that the marshal of this version of CPython does not define.
    UnknownType {
        /// The type byte without `FLAG_REF`.
        found: u8,
    },
    /// A count or length is negative.
    NegativeCount {
        /// The count.
        count: i32,
    },
    /// An integer is not in the form that marshal writes.
    Integer {
        /// What is wrong, as a clause about the integer.
        problem: &'static str,
    },
    /// The text of a floating point number does not have the form of one.
    FloatText,
    /// A string is not generalised UTF-8: UTF-8 in which surrogates may occur.
    Encoding,
    /// A null in place of a value.
    UnexpectedNull,
    /// A reference to a value that does not exist.
    Reference {
        /// The number of the value.
        index: u32,
        /// Number of values before this point that references can refer to.
        count: u64,
    },
    /// A value that contains itself.
    Cycle,
    /// Values are nested more deeply than marshal allows.
    TooDeep {
        /// The greatest depth that is allowed.
        limit: u32,
    },
    /// A field of a code object, or the value in the file, has the wrong type.
    WrongType {
        /// The field.
        field: &'static str,
        /// The type that it must have.
        expected: &'static str,
        /// The type that it has.
        found: &'static str,
    },
    /// A number in a code object is negative.
    NegativeField {
        /// The field.
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
    /// The module is inconsistent, or a `.pyc` file of this version cannot express it.
    Model {
        /// The requirement that it does not meet.
        problem: &'static str,
    },
    /// A part of the file or module exceeds a limit of marshal or of this crate.
    TooLarge {
        /// The part, with its verb: `an integer is`.
        what: &'static str,
    },
}

impl fmt::Display for ErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Truncated { wanted, available } => {
                write!(f, "{wanted} bytes needed, but only {available} left: the file is cut off")
            }
            Self::TrailingBytes { count } => write!(f, "{count} bytes follow the end of the module"),
            Self::NotPyc { found } => {
                write!(f, "not a .pyc file: it starts with the bytes {}", found.escape_ascii())
            }
            Self::Foreign(foreign) => foreign.fmt(f),
            Self::HeaderFlags { flags } => {
                write!(f, "the flags of the header are {flags:#x}, expected 0 (timestamp), 1 or 3 (hash of the source)")
            }
            Self::UnknownType { found } => {
                write!(f, "unknown marshal type '{}' ({found:#04x})", found.escape_ascii())
            }
            Self::NegativeCount { count } => write!(f, "a count is {count}, expected zero or more"),
            Self::Integer { problem } => write!(f, "an integer is not in the form that marshal writes: {problem}"),
            Self::FloatText => f.write_str("the text of a floating point number is not a number"),
            Self::Encoding => f.write_str("a string is not UTF-8"),
            Self::UnexpectedNull => f.write_str("found a null, expected a value"),
            Self::Reference { index, count } => {
                write!(f, "a reference to value {index}, but only {count} values can be referred to so far")
            }
            Self::Cycle => f.write_str("a value contains a reference to itself"),
            Self::TooDeep { limit } => write!(f, "values are nested more than {limit} levels deep"),
            Self::WrongType { field, expected, found } => write!(f, "{field} is {found}, expected {expected}"),
            Self::NegativeField { field, value } => write!(f, "{field} is {value}, expected zero or more"),
            Self::LocalKinds { names, kinds } => {
                write!(f, "co_localsplusnames has {names} names, but co_localspluskinds has {kinds} kinds")
            }
            Self::Model { problem } => write!(f, "the module cannot be written as a .pyc file: {problem}"),
            Self::TooLarge { what } => write!(f, "{what} too large"),
        }
    }
}
