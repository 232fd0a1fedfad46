//! Opens an archive: maps a file, or reads standard input for `-`.

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

/// The bytes of an archive.
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
    /// The bytes, not yet checked.
    pub(crate) fn storage(&self) -> Result<Storage> {
        if self.is_stdin() {
            return read(io::stdin().lock()).map(Storage::Read).context("cannot read standard input");
        }
        let is_empty = std::fs::metadata(&self.path).is_ok_and(|metadata| metadata.is_file() && metadata.len() == 0);
        if is_empty {
            // An empty file cannot be mapped. The reader refuses it.
            return Ok(Storage::Read(Vec::new()));
        }
        // SAFETY: no process may write into an archive or truncate it while the command reads it; the README says so.
        // `bundle` replaces archives by a rename.
        #[allow(unsafe_code)]
        let mapping = unsafe { Mapping::open(&self.path) };
        mapping.map(Storage::Mapped).map_err(|error| self.failed(error))
    }

    pub(crate) fn open(&self) -> Result<Archive<Storage>> {
        Archive::open(self.storage()?).and_then(Archive::checked).map_err(|error| self.failed(error))
    }

    fn failed(&self, error: permacode_reader::Error) -> anyhow::Error {
        // The text of a system error starts with the same words.
        let is_of_system = matches!(error.kind(), ErrorKind::Io { .. });
        let error = anyhow::Error::new(error);
        if is_of_system { error } else { error.context(format!("cannot open {self}")) }
    }

    pub(crate) fn is_stdin(&self) -> bool {
        self.path == Path::new("-")
    }

    /// The argument as the user gave it.
    pub(crate) fn argument(&self) -> String {
        self.path.display().to_string()
    }

    /// The name for messages.
    pub(crate) fn name(&self) -> String {
        if self.is_stdin() { "standard input".to_owned() } else { self.path.display().to_string() }
    }
}

/// Reads an archive. It stops after the header if the magic bytes are missing, and one byte after the stated end. So an
/// endless input does not fill the memory. The reader then reports the fault.
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

    /// An endless input that starts with these bytes.
    fn endless(start: &[u8]) -> impl Read + '_ {
        start.chain(io::repeat(0))
    }

    #[test]
    fn only_the_stated_length_is_read() {
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
