//! Opening: a file is mapped, `-` is read from standard input.

use anyhow::{Context, Result};
use permacode_reader::{Archive, Block, Mapping};
use std::{
    fmt,
    io::Read,
    path::{Path, PathBuf},
};

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
    Read(Block),
}

impl AsRef<[u8]> for Storage {
    fn as_ref(&self) -> &[u8] {
        match self {
            Storage::Mapped(mapping) => mapping.as_ref(),
            Storage::Read(block) => block.as_ref(),
        }
    }
}

impl ArchiveArg {
    /// The bytes, not looked at yet.
    pub(crate) fn storage(&self) -> Result<Storage> {
        if self.is_stdin() {
            let mut bytes = Vec::new();
            std::io::stdin().lock().read_to_end(&mut bytes).context("cannot read standard input")?;
            return Ok(Storage::Read(Block::copy_of(&bytes)));
        }
        let is_empty = std::fs::metadata(&self.path).is_ok_and(|metadata| metadata.is_file() && metadata.len() == 0);
        if is_empty {
            // Nothing can be mapped; that nothing is no archive is for the reader to say.
            return Ok(Storage::Read(Block::copy_of(&[])));
        }
        Mapping::open(&self.path).map(Storage::Mapped).with_context(|| format!("cannot open {self}"))
    }

    pub(crate) fn open(&self) -> Result<Archive<Storage>> {
        Archive::open(self.storage()?).and_then(Archive::checked).with_context(|| format!("cannot open {self}"))
    }

    pub(crate) fn is_stdin(&self) -> bool {
        self.path == Path::new("-")
    }

    /// The name for people.
    pub(crate) fn name(&self) -> String {
        if self.is_stdin() { "standard input".to_owned() } else { self.path.display().to_string() }
    }
}

impl fmt::Display for ArchiveArg {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_stdin() { f.write_str("standard input") } else { write!(f, "{:?}", self.path) }
    }
}
