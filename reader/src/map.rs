//! Storage: a mapped file, or one aligned block of memory.

use crate::error::{Error, Result};
use std::{fs::File, io::Read, path::Path};

/// A file that is mapped read-only as a whole. Its descriptor is closed after mapping.
#[cfg(feature = "mmap")]
#[derive(Debug)]
pub struct Mapping(memmap2::Mmap);

#[cfg(feature = "mmap")]
impl Mapping {
    /// Maps a file.
    ///
    /// # Errors
    /// [`crate::ErrorKind::Io`] if the file cannot be opened or mapped, or is not a regular file. An empty file cannot
    /// be mapped.
    ///
    /// # Safety
    /// No process may write into the file or truncate it while it is mapped. A write changes the bytes of a `&[u8]`,
    /// which is undefined behaviour. After a truncation, an access ends the process with a bus error. A program may
    /// replace the file with a rename, as `permacode-writer` does. If other users can write to the file, use
    /// [`Block::read`].
    #[allow(unsafe_code)]
    pub unsafe fn open(path: impl AsRef<Path>) -> Result<Mapping> {
        let path = path.as_ref();
        let file = open_file(path)?;
        // SAFETY: the caller promises that the file is neither changed nor truncated while it is mapped, which is what
        // `Mmap::map` requires.
        let map = unsafe { memmap2::Mmap::map(&file) };
        map.map(Mapping).map_err(|error| Error::io(path, error))
    }
}

#[cfg(feature = "mmap")]
impl AsRef<[u8]> for Mapping {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

/// Opens a regular file. Refuses folders, pipes and devices: opening or reading a pipe could block forever.
fn open_file(path: &Path) -> Result<File> {
    let metadata = std::fs::metadata(path).map_err(|error| Error::io(path, error))?;
    if !metadata.is_file() {
        let error = std::io::Error::new(std::io::ErrorKind::InvalidInput, "not a regular file");
        return Err(Error::io(path, error));
    }
    File::open(path).map_err(|error| Error::io(path, error))
}

/// A page of memory.
#[derive(Clone, Copy, zerocopy::FromBytes, zerocopy::IntoBytes, zerocopy::Immutable)]
#[repr(C, align(4096))]
struct Page([u8; 4096]);

/// A copy of an archive in memory, aligned to a page. Later changes of the file have no effect.
///
/// ```
/// use permacode_reader::Block;
/// let block = Block::copy_of(b"any bytes");
/// assert_eq!(block.as_ref(), b"any bytes");
/// assert_eq!(block.as_ref().as_ptr().addr() % 4096, 0);
/// ```
pub struct Block {
    pages: Vec<Page>,
    len: usize,
}

impl Block {
    /// A copy of these bytes.
    #[must_use]
    pub fn copy_of(bytes: &[u8]) -> Block {
        let mut block =
            Block { pages: vec![Page([0; 4096]); bytes.len().div_ceil(size_of::<Page>())], len: bytes.len() };
        if let Some(start) = block.room().get_mut(..bytes.len()) {
            start.copy_from_slice(bytes);
        }
        block
    }

    /// Reads a whole file.
    ///
    /// # Errors
    /// [`crate::ErrorKind::Io`] if the file cannot be read, or is not a regular file.
    pub fn read(path: impl AsRef<Path>) -> Result<Block> {
        let path = path.as_ref();
        let failed = |error| Error::io(path, error);
        let mut file = open_file(path)?;
        let len = file.metadata().map_err(failed)?.len();
        let len = usize::try_from(len).map_err(|_| failed(std::io::ErrorKind::FileTooLarge.into()))?;
        let mut block = Block { pages: vec![Page([0; 4096]); len.div_ceil(size_of::<Page>())], len };
        if let Some(start) = block.room().get_mut(..len) {
            file.read_exact(start).map_err(failed)?;
        }
        Ok(block)
    }

    fn room(&mut self) -> &mut [u8] {
        zerocopy::IntoBytes::as_mut_bytes(&mut self.pages[..])
    }
}

impl AsRef<[u8]> for Block {
    fn as_ref(&self) -> &[u8] {
        zerocopy::IntoBytes::as_bytes(&self.pages[..]).get(..self.len).unwrap_or_default()
    }
}

impl std::fmt::Debug for Block {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Block").field("len", &self.len).finish_non_exhaustive()
    }
}
