//! The error type of this crate.

use alloc::boxed::Box;
use core::fmt;
use permacode_format::{FORMAT_VERSION, Rule};

/// Result of reading an archive.
pub type Result<T> = core::result::Result<T, Error>;

/// Why an archive, or a part of it, cannot be read.
///
/// The details are boxed so that `Result<T, Error>` fits in registers.
///
/// ```
/// use permacode_reader::{Archive, Rule};
///
/// let error = Archive::open(b"PK\x03\x04").unwrap_err();
/// assert_eq!((error.rule(), error.offset()), (Some(Rule::H1), Some(0)));
/// assert_eq!(std::io::Error::from(error).kind(), std::io::ErrorKind::InvalidData);
/// ```
#[derive(Debug)]
pub struct Error(Box<Details>);

#[derive(Debug)]
struct Details {
    kind: ErrorKind,
    rule: Option<Rule>,
    offset: Option<u64>,
}

/// What is wrong.
#[derive(Debug)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The magic bytes are missing: this is another kind of file.
    NotAnArchive {
        /// Whether there are no bytes at all.
        is_empty: bool,
    },
    /// The archive has a format version that this reader does not know.
    UnsupportedVersion {
        /// The version it states.
        found: u32,
    },
    /// The header sets incompatible feature bits that this reader does not know.
    UnknownBits {
        /// The unknown bits.
        found: u32,
    },
    /// A required section has a kind that this reader does not know.
    UnknownSection {
        /// Its kind.
        kind: u32,
    },
    /// The file is shorter or longer than its header states.
    WrongLength {
        /// Length in bytes that the header states.
        stated: u64,
        /// Length in bytes that was found.
        found: u64,
    },
    /// A range ends beyond the bytes or records that exist.
    OutOfBounds {
        /// First byte or first record.
        start: u64,
        /// Number of bytes or records.
        len: u64,
        /// Number of bytes or records that exist.
        available: u64,
    },
    /// A checksum does not match the bytes.
    Checksum {
        /// The checksum in the file.
        stored: u32,
        /// The checksum of the bytes.
        computed: u32,
    },
    /// A value breaks the rule.
    Value {
        /// The thing that has the value, as a noun phrase.
        what: &'static str,
        /// The value.
        found: u64,
    },
    /// An entry of a line table or exception table is malformed (spec.md Annex A). No rule forbids that, so the archive
    /// may be valid.
    MalformedEntry {
        /// The kind of table.
        table: &'static str,
        /// The fault, as a clause about the entry.
        fault: &'static str,
    },
    /// A code object was requested through an object that was not reached through a module.
    NeedsModule {
        /// The id of the code object.
        code: u32,
    },
    /// The signature of a code object is not one of CPython (spec.md B.2). For another machine this is no fault.
    Signature {
        /// What is wrong with it, as a sentence.
        problem: &'static str,
    },
    /// The system could not open, map or read a file.
    #[cfg(feature = "std")]
    Io {
        /// The file.
        path: std::path::PathBuf,
        /// The error that the system reported.
        error: std::io::Error,
    },
}

impl Error {
    #[cold]
    pub(crate) fn new(kind: ErrorKind, rule: Rule, offset: u64) -> Self {
        Error(Box::new(Details { kind, rule: Some(rule), offset: Some(offset) }))
    }

    /// `what` has the value `found`, which breaks the rule.
    #[cold]
    pub(crate) fn value(rule: Rule, offset: u64, what: &'static str, found: impl Into<u64>) -> Self {
        Error::new(ErrorKind::Value { what, found: found.into() }, rule, offset)
    }

    /// Item `index` was requested, but only `available` items exist.
    #[cold]
    pub(crate) fn no_item(index: u32, available: u32, rule: Rule, offset: u64) -> Self {
        let kind = ErrorKind::OutOfBounds { start: index.into(), len: 1, available: available.into() };
        Error::new(kind, rule, offset)
    }

    /// The code object was requested where its module is not known.
    #[cold]
    pub(crate) fn needs_module(code: u32, offset: u64) -> Self {
        Error(Box::new(Details { kind: ErrorKind::NeedsModule { code }, rule: None, offset: Some(offset) }))
    }

    /// An entry of a table is malformed.
    #[cold]
    pub(crate) fn malformed_entry(table: &'static str, fault: &'static str, offset: u64) -> Self {
        Error(Box::new(Details { kind: ErrorKind::MalformedEntry { table, fault }, rule: None, offset: Some(offset) }))
    }

    /// The signature breaks annex B.2. That is no rule of the format, because other machines may have other signatures.
    #[cold]
    pub(crate) fn signature(problem: &'static str, offset: u64) -> Self {
        Error(Box::new(Details { kind: ErrorKind::Signature { problem }, rule: None, offset: Some(offset) }))
    }

    #[cfg(feature = "std")]
    pub(crate) fn io(path: &std::path::Path, error: std::io::Error) -> Self {
        Error(Box::new(Details { kind: ErrorKind::Io { path: path.to_owned(), error }, rule: None, offset: None }))
    }

    /// What is wrong.
    #[must_use]
    pub fn kind(&self) -> &ErrorKind {
        &self.0.kind
    }

    /// The rule of `spec.md` that the bytes break. `None` for [`ErrorKind::Io`], [`ErrorKind::NeedsModule`],
    /// [`ErrorKind::MalformedEntry`] and [`ErrorKind::Signature`], which do not mean that the archive is invalid.
    #[must_use]
    pub fn rule(&self) -> Option<Rule> {
        self.0.rule
    }

    /// The offset of the fault in bytes from the start of the archive. `None` for [`ErrorKind::Io`].
    #[must_use]
    pub fn offset(&self) -> Option<u64> {
        self.0.offset
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0.kind {
            ErrorKind::NotAnArchive { is_empty: true } => f.write_str("not a Permacode archive: it is empty")?,
            ErrorKind::NotAnArchive { is_empty: false } => {
                f.write_str("not a Permacode archive: the magic bytes are missing")?;
            }
            ErrorKind::UnsupportedVersion { found } => write!(
                f,
                "the archive has format version {found}, but this reader knows version {FORMAT_VERSION}: use a reader \
                 of that version, or bundle again"
            )?,
            ErrorKind::UnknownBits { found } => {
                write!(f, "the archive sets the unknown bits {found:#x}: use a newer reader")?;
            }
            ErrorKind::UnknownSection { kind } => {
                write!(f, "the archive has a required section of the unknown kind {kind:#x}: use a newer reader")?;
            }
            ErrorKind::WrongLength { stated, found } if found < stated => {
                write!(f, "the archive states a length of {stated} bytes, but only {found} are there: copy it again")?;
            }
            // The program may have read only a part of the rest, so this does not name the length that was found.
            ErrorKind::WrongLength { stated, .. } => {
                write!(f, "the archive states a length of {stated} bytes, but more are there: copy it again")?;
            }
            ErrorKind::OutOfBounds { start, len, available } => {
                write!(f, "a range of length {len} starts at {start}, but only {available} are there")?;
            }
            ErrorKind::Checksum { stored, computed } => {
                write!(
                    f,
                    "the stored checksum is {stored:#010x}, but the bytes have {computed:#010x}: they have changed"
                )?;
            }
            ErrorKind::NeedsModule { code } => {
                write!(
                    f,
                    "code object {code} was asked for without its module: reach it through the constants of a module"
                )?;
            }
            ErrorKind::MalformedEntry { table, fault } => {
                write!(f, "an entry of the {table} is malformed: {fault}; compile and bundle the module again")?;
            }
            ErrorKind::Signature { problem } => {
                write!(f, "no function of CPython has this signature: {problem}; bundle the module again")?;
            }
            ErrorKind::Value { what, found } => write!(f, "{what} is {found}")?,
            #[cfg(feature = "std")]
            ErrorKind::Io { path, error } => return write!(f, "cannot open {path:?}: {error}"),
        }
        if let Some(rule) = self.0.rule {
            write!(f, "; rule {rule}: {}", rule.text())?;
        }
        match self.0.offset {
            Some(offset) => write!(f, " (at offset {offset:#x})"),
            None => Ok(()),
        }
    }
}

impl core::error::Error for Error {
    fn source(&self) -> Option<&(dyn core::error::Error + 'static)> {
        match &self.0.kind {
            #[cfg(feature = "std")]
            ErrorKind::Io { error, .. } => Some(error),
            _ => None,
        }
    }
}

#[cfg(feature = "std")]
impl From<Error> for std::io::Error {
    /// Keeps the kind of an error of the system. Every other error becomes `InvalidData`.
    fn from(error: Error) -> Self {
        let kind = match error.kind() {
            ErrorKind::Io { error, .. } => error.kind(),
            _ => std::io::ErrorKind::InvalidData,
        };
        std::io::Error::new(kind, error)
    }
}
