//! Storage: a mapped file, or one aligned block of memory. All `unsafe` of this crate is in this file.

use crate::error::{Error, Result};
use std::{fs::File, io::Read, path::Path};

/// A whole file mapped read-only. The descriptor is closed as soon as it is mapped.
///
/// # The file under the map
///
/// The pages are shared with the file. Replacing the file by a rename, as every writer of this project does, leaves a
/// mapping untouched. A file that is *written into* while it is mapped changes under the reader's feet, and one that is
/// *truncated* ends the process with a bus error when a lost page is touched. Nobody but its owner should be able to
/// write an archive that is mapped; where that cannot be had, use [`Block`].
#[cfg(feature = "mmap")]
#[derive(Debug)]
pub struct Mapping(memmap2::Mmap);

#[cfg(feature = "mmap")]
impl Mapping {
    /// Maps a file.
    ///
    /// # Errors
    /// Those of the system; an empty file, which cannot be mapped, gives one as well.
    pub fn open(path: impl AsRef<Path>) -> Result<Mapping> {
        let file = open_file(path.as_ref())?;
        // SAFETY: `Mmap::map` asks that the file is neither changed nor truncated while it is mapped. Writers of this
        // format replace files and never write into them; who lets others write into the file of a mapping breaks the
        // promise that the documentation of `Mapping` asks for.
        #[allow(unsafe_code)]
        let map = unsafe { memmap2::Mmap::map(&file) };
        map.map(Mapping).map_err(Error::io)
    }
}

#[cfg(feature = "mmap")]
impl AsRef<[u8]> for Mapping {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

/// Opens a regular file; a folder, a pipe or a device is refused before anything waits for it.
fn open_file(path: &Path) -> Result<File> {
    let metadata = std::fs::metadata(path).map_err(Error::io)?;
    if !metadata.is_file() {
        return Err(Error::io(std::io::Error::new(std::io::ErrorKind::InvalidInput, "not a regular file")));
    }
    File::open(path).map_err(Error::io)
}

/// A page of memory.
#[derive(Clone, Copy, zerocopy::FromBytes, zerocopy::IntoBytes, zerocopy::Immutable)]
#[repr(C, align(4096))]
struct Page([u8; 4096]);

/// A copy of an archive in memory of its own, aligned to a page: nothing that happens to the file can reach it.
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
    /// Those of the system.
    pub fn read(path: impl AsRef<Path>) -> Result<Block> {
        let mut file = open_file(path.as_ref())?;
        let len = file.metadata().map_err(Error::io)?.len();
        let len = usize::try_from(len).map_err(|_| Error::io(std::io::ErrorKind::FileTooLarge.into()))?;
        let mut block = Block { pages: vec![Page([0; 4096]); len.div_ceil(size_of::<Page>())], len };
        if let Some(start) = block.room().get_mut(..len) {
            file.read_exact(start).map_err(Error::io)?;
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
