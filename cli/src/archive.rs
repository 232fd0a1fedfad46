//! Opening: a file is mapped, `-` is read from standard input.

use anyhow::{Context, Result};
use permacode_format::{GenericHeader, MAGIC};
use permacode_reader::{Archive, ErrorKind, Mapping};
use std::{
    fmt,
    io::{self, Read},
    path::{Path, PathBuf},
};
use zerocopy::FromBytes;

/// The argument that names an archive.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct ArchiveArg {
    /// The archive; `-` reads it from standard input
    #[arg(value_name = "FILE")]
    pub(crate) path: PathBuf,
}

/// Where the bytes of an archive are.
#[derive(Debug)]
pub(crate) enum Storage {
    Mapped(Mapping),
    Read(Vec<u8>),
}

impl AsRef<[u8]> for Storage {
    fn as_ref(&self) -> &[u8] {
        match self {
            Storage::Mapped(mapping) => mapping.as_ref(),
            Storage::Read(bytes) => bytes,
        }
    }
}

impl ArchiveArg {
    /// The bytes, not looked at yet.
    pub(crate) fn storage(&self) -> Result<Storage> {
        if self.is_stdin() {
            return read(io::stdin().lock()).map(Storage::Read).context("cannot read standard input");
        }
        let is_empty = std::fs::metadata(&self.path).is_ok_and(|metadata| metadata.is_file() && metadata.len() == 0);
        if is_empty {
            // Nothing can be mapped; that nothing is no archive is for the reader to say.
            return Ok(Storage::Read(Vec::new()));
        }
        // SAFETY: nobody may write into an archive or truncate it while the command reads it; the help says so. `bundle` replaces
        // archives by a rename.
        #[allow(unsafe_code)]
        let mapping = unsafe { Mapping::open(&self.path) };
        mapping.map(Storage::Mapped).map_err(|error| self.failed(error))
    }

    pub(crate) fn open(&self) -> Result<Archive<Storage>> {
        Archive::open(self.storage()?).and_then(Archive::checked).map_err(|error| self.failed(error))
    }

    fn failed(&self, error: permacode_reader::Error) -> anyhow::Error {
        // The text of a system error begins with the same words.
        let is_of_system = matches!(error.kind(), ErrorKind::Io { .. });
        let error = anyhow::Error::new(error);
        if is_of_system { error } else { error.context(format!("cannot open {self}")) }
    }

    pub(crate) fn is_stdin(&self) -> bool {
        self.path == Path::new("-")
    }

    /// The name for people.
    pub(crate) fn name(&self) -> String {
        if self.is_stdin() { "standard input".to_owned() } else { self.path.display().to_string() }
    }
}

/// Reads an archive. What does not begin like one is read no further, and what goes on after its stated end by one byte only,
/// so that an input that never ends does not fill the memory. What is wrong then is for the reader to say.
fn read(mut input: impl Read) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    input.by_ref().take(size_of::<GenericHeader>() as u64).read_to_end(&mut bytes)?;
    if let Ok((header, _)) = GenericHeader::read_from_prefix(&bytes)
        && header.magic == MAGIC
    {
        let rest = header.file_len.get().saturating_add(1).saturating_sub(bytes.len() as u64);
        input.take(rest).read_to_end(&mut bytes)?;
    }
    Ok(bytes)
}

impl fmt::Display for ArchiveArg {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_stdin() { f.write_str("standard input") } else { write!(f, "{:?}", self.path) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An input that begins with these bytes and never ends.
    fn endless(start: &[u8]) -> impl Read + '_ {
        start.chain(io::repeat(0))
    }

    #[test]
    fn no_more_is_read_than_the_first_bytes_ask_for() {
        assert_eq!(read(endless(b"")).unwrap().len(), size_of::<GenericHeader>());
        let mut header = [0; size_of::<GenericHeader>()];
        header[..8].copy_from_slice(&MAGIC);
        header[16..24].copy_from_slice(&100_000u64.to_le_bytes());
        assert_eq!(read(endless(&header)).unwrap().len(), 100_001);
        assert_eq!(read(&header[..]).unwrap(), header);
        assert_eq!(read(&header[..10]).unwrap(), header[..10]);
        // Shorter than its own header.
        header[16..24].copy_from_slice(&3u64.to_le_bytes());
        assert_eq!(read(endless(&header)).unwrap().len(), size_of::<GenericHeader>());
    }
}
