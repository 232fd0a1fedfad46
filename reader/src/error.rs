//! What can be wrong with an archive: which rule it breaks, where, and what was found.

use alloc::boxed::Box;
use core::fmt;
use permacode_format::{FORMAT_VERSION, Rule};

/// Result of everything that looks at bytes of an archive.
pub type Result<T> = core::result::Result<T, Error>;

/// Why bytes are not the archive, or not the part of one, that they should be.
///
/// It is one pointer: results of everything that can fail are then small, and reading is quicker by that.
#[derive(Debug)]
pub struct Error(Box<Details>);

#[derive(Debug)]
struct Details {
    kind: ErrorKind,
    rule: Option<Rule>,
    offset: u64,
}

/// What is wrong.
#[derive(Debug)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The magic bytes are missing: this is some other file.
    NotAnArchive,
    /// An archive of a version that this reader does not know.
    UnsupportedVersion {
        /// The version it states.
        found: u32,
    },
    /// Bits that a reader must know and this one does not.
    UnknownBits {
        /// Those bits.
        found: u32,
    },
    /// A section that a reader must know and this one does not.
    UnknownSection {
        /// Its kind.
        kind: u32,
    },
    /// The file is shorter or longer than it says.
    WrongLength {
        /// Length in bytes that the header states.
        stated: u64,
        /// Length in bytes that was found.
        found: u64,
    },
    /// A range leads out of what it is a range of.
    OutOfBounds {
        /// First byte or first record.
        start: u64,
        /// Number of bytes or records.
        len: u64,
        /// How many there are.
        available: u64,
    },
    /// A checksum is not that of the bytes.
    Checksum {
        /// The one in the file.
        stored: u32,
        /// The one of the bytes.
        computed: u32,
    },
    /// A value that the rule does not allow.
    Value {
        /// What it is the value of.
        what: &'static str,
        /// The value.
        found: u64,
    },
    /// A code object was asked for through an object that was not reached through the module of the code object.
    NeedsModule {
        /// The id of the code object.
        code: u32,
    },
    /// The system could not open, map or read the file.
    #[cfg(feature = "std")]
    Io(std::io::Error),
}

impl Error {
    #[cold]
    pub(crate) fn new(kind: ErrorKind, rule: Rule, offset: u64) -> Self {
        Error(Box::new(Details { kind, rule: Some(rule), offset }))
    }

    /// A value that a rule does not allow.
    #[cold]
    pub(crate) fn value(rule: Rule, offset: u64, what: &'static str, found: impl Into<u64>) -> Self {
        Error::new(ErrorKind::Value { what, found: found.into() }, rule, offset)
    }

    /// The caller asked for a code object where its module is not known.
    #[cold]
    pub(crate) fn needs_module(code: u32, offset: u64) -> Self {
        Error(Box::new(Details { kind: ErrorKind::NeedsModule { code }, rule: None, offset }))
    }

    #[cfg(feature = "std")]
    pub(crate) fn io(error: std::io::Error) -> Self {
        Error(Box::new(Details { kind: ErrorKind::Io(error), rule: None, offset: 0 }))
    }

    /// What is wrong.
    #[must_use]
    pub fn kind(&self) -> &ErrorKind {
        &self.0.kind
    }

    /// The rule of `spec.md` that is broken; `None` where no byte is wrong: the system refused, or the caller asked for too much.
    #[must_use]
    pub fn rule(&self) -> Option<Rule> {
        self.0.rule
    }

    /// Where, in bytes from the start of the archive.
    #[must_use]
    pub fn offset(&self) -> u64 {
        self.0.offset
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0.kind {
            ErrorKind::NotAnArchive => f.write_str("this is no Permacode archive: the magic bytes are missing")?,
            ErrorKind::UnsupportedVersion { found } => write!(
                f,
                "the archive has format version {found}, this reader knows version {FORMAT_VERSION}: use a reader of that version, or bundle again"
            )?,
            ErrorKind::UnknownBits { found } => {
                write!(f, "the archive needs a newer reader: it sets the unknown bits {found:#x}")?;
            }
            ErrorKind::UnknownSection { kind } => {
                write!(f, "the archive needs a newer reader: it has a required section of the unknown kind {kind:#x}")?;
            }
            ErrorKind::WrongLength { stated, found } => {
                write!(f, "the archive says that it has {stated} bytes, but there are ")?;
                // Of an input that goes on nobody has read the rest.
                if found < stated { write!(f, "{found}: it was cut off")? } else { f.write_str("more")? }
            }
            ErrorKind::OutOfBounds { start, len, available } => {
                write!(
                    f,
                    "a range starts at {start} and has a length of {len}, but it should end at {available} at most: the \
                     archive is damaged, copy it again or bundle again"
                )?;
            }
            ErrorKind::Checksum { stored, computed } => {
                write!(f, "the checksum is {computed:#010x}, but {stored:#010x} is stored: the bytes have changed")?;
            }
            ErrorKind::NeedsModule { code } => {
                write!(
                    f,
                    "code object {code} was asked for without its module: reach it through the constants of a module"
                )?;
            }
            ErrorKind::Value { what, found } => write!(f, "{what} is {found}")?,
            #[cfg(feature = "std")]
            ErrorKind::Io(error) => return write!(f, "{error}"),
        }
        if let Some(rule) = self.0.rule {
            write!(f, "; rule {rule}: {}", rule.text())?;
        }
        write!(f, " (at offset {:#x})", self.0.offset)
    }
}

impl core::error::Error for Error {
    fn source(&self) -> Option<&(dyn core::error::Error + 'static)> {
        match &self.0.kind {
            #[cfg(feature = "std")]
            ErrorKind::Io(error) => Some(error),
            _ => None,
        }
    }
}
