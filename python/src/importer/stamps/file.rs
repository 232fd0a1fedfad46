//! The file of stamps: flat tables, in the byte order of the machine.
//!
//! ```text
//!   header │ modules, by key │ folders, by hash of the path │ stems │ extension modules │ context
//! ```
//!
//! The stems and the extension modules of each folder are sorted.

#![allow(unsafe_code)]

use std::{mem::offset_of, path::Path};

use bytemuck::{Pod, Zeroable};
use memmap2::Mmap;

use super::super::source::State;
use crate::local_file::{self, Refused, because};

const MAGIC: [u8; 8] = *b"\x89STAMPS\n";
/// Another number for each change of the format.
const FORMAT: u32 = 2;
/// What a folder number is for a module that is no package.
pub(super) const NO_FOLDER: u32 = u32::MAX;
/// The largest file that is read: about a million modules.
const LONGEST: u64 = 1 << 28;

/// The start of the file.
#[derive(Debug, Clone, Copy, Pod, Zeroable)]
#[repr(C)]
struct Header {
    magic: [u8; 8],
    format: u32,
    /// Length of the context in bytes.
    context_len: u32,
    /// The digest of everything after this field.
    digest: [u8; 16],
    file_len: u64,
    module_count: u32,
    folder_count: u32,
    stem_count: u32,
    extension_count: u32,
}

const DIGESTED: usize = offset_of!(Header, file_len);
const _: () = assert!(size_of::<Header>() == 56 && DIGESTED == 32);

/// The facts that the system reports about a file or a folder and that change whenever the content changes. The device
/// is not among them: some file systems have another number after each start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Pod, Zeroable)]
#[repr(C)]
pub(super) struct Facts {
    inode: u64,
    /// `st_mtime` in nanoseconds since 1970.
    modified: i64,
    /// `st_ctime` in nanoseconds since 1970. A program can set the other time, and not this one.
    pub(super) changed: i64,
}

impl Facts {
    /// `None` if a time is farther than 292 years from 1970.
    pub(super) fn of(state: &State) -> Option<Facts> {
        let nanoseconds = |(seconds, rest): (i64, i64)| seconds.checked_mul(1_000_000_000)?.checked_add(rest);
        let (modified, changed) = (nanoseconds(state.modified)?, nanoseconds(state.changed)?);
        Some(Facts { inode: state.inode, modified, changed })
    }

    pub(super) fn are_of(&self, state: &State) -> bool {
        Facts::of(state).is_some_and(|facts| facts == *self)
    }
}

/// A module whose source is what the archive was made from.
#[derive(Debug, Clone, Copy, Pod, Zeroable)]
#[repr(C)]
pub(in super::super) struct ModuleStamp {
    /// Offset of the record of the module in the archive.
    pub(super) key: u64,
    pub(super) size: u64,
    pub(super) facts: Facts,
    /// The number of the folder that must be searched to find the file.
    pub(super) folder: u32,
    /// The number of the folder of a package, otherwise [`NO_FOLDER`].
    pub(super) package: u32,
}

impl ModuleStamp {
    /// Whether the file of the module is as it was.
    pub(in super::super) fn is_of(&self, state: &State) -> bool {
        self.size == state.size && self.facts.are_of(state)
    }
}

/// A folder.
#[derive(Debug, Clone, Copy, Pod, Zeroable)]
#[repr(C)]
pub(super) struct FolderStamp {
    /// The hash of the path.
    pub(super) path: u64,
    pub(super) facts: Facts,
    /// The hashes of the stems of the names in the folder: a range of the table of stems.
    pub(super) first_stem: u32,
    pub(super) stem_count: u32,
    /// A range of the table of extension modules.
    pub(super) first_extension: u32,
    pub(super) extension_count: u32,
}

/// An extension module that CPython would find in a folder, if its file is a regular one.
#[derive(Debug, Clone, Copy, Pod, Zeroable)]
#[repr(C)]
pub(super) struct ExtensionStamp {
    /// The hash of its name without the names of packages, which is the stem of its file.
    pub(super) stem: u64,
    /// The number of its suffix, in the order in which CPython tries them.
    pub(super) suffix: u32,
    /// Zero.
    pub(super) reserved: u32,
}

const _: () = assert!(size_of::<ModuleStamp>() == 48 && size_of::<FolderStamp>() == 48);
const _: () = assert!(size_of::<ExtensionStamp>() == 16);

/// The content of a file of stamps.
#[derive(Debug)]
pub(super) struct Tables {
    file: Mmap,
    header: Header,
}

impl Tables {
    /// Maps a file and checks it as a whole.
    pub(super) fn open(path: &Path) -> Result<Tables, Refused> {
        let (file, metadata) = local_file::open(path, "the stamp file")?;
        let len = metadata.len();
        if !(size_of::<Header>() as u64..=LONGEST).contains(&len) {
            return because(format!("a stamp file cannot have a length of {len} bytes"));
        }
        // SAFETY: the file must not change as long as it is mapped. Only its owner can write to it, and `publish`
        // replaces such files as a whole. If the owner changes it anyway, facts differ: every number is checked when it
        // is used.
        let file = unsafe { Mmap::map(&file)? };
        let bytes = file.get(..len as usize).unwrap_or_default();
        let header: Header = match bytes.get(..size_of::<Header>()) {
            Some(header) => bytemuck::pod_read_unaligned(header),
            None => return because("the stamp file is too short"),
        };
        if header.magic != MAGIC || header.format != FORMAT {
            return because("the file is not a stamp file of this version of permacode");
        }
        if header.file_len != len {
            return because(format!("the stamp file has {len} bytes, and its header states {}", header.file_len));
        }
        if header.digest != permacode_format::digest(bytes.get(DIGESTED..).unwrap_or_default()) {
            return because("the stamp file is damaged: its checksum is wrong");
        }
        let tables = Tables { file, header };
        if tables.context_start() + u64::from(header.context_len) != len {
            return because("the header of the stamp file states tables of another length");
        }
        Ok(tables)
    }

    /// The bytes of a file. `modules` and `folders` must be sorted.
    pub(super) fn encode(
        modules: &[ModuleStamp],
        folders: &[FolderStamp],
        stems: &[u64],
        extensions: &[ExtensionStamp],
        context: &[u8],
    ) -> Vec<u8> {
        let mut bytes = vec![0; size_of::<Header>()];
        bytes.extend_from_slice(bytemuck::cast_slice(modules));
        bytes.extend_from_slice(bytemuck::cast_slice(folders));
        bytes.extend_from_slice(bytemuck::cast_slice(stems));
        bytes.extend_from_slice(bytemuck::cast_slice(extensions));
        bytes.extend_from_slice(context);
        let mut header = Header {
            magic: MAGIC,
            format: FORMAT,
            context_len: context.len() as u32,
            digest: [0; 16],
            file_len: bytes.len() as u64,
            module_count: modules.len() as u32,
            folder_count: folders.len() as u32,
            stem_count: stems.len() as u32,
            extension_count: extensions.len() as u32,
        };
        bytes.splice(..size_of::<Header>(), bytemuck::bytes_of(&header).to_vec());
        header.digest = permacode_format::digest(bytes.get(DIGESTED..).unwrap_or_default());
        bytes.splice(..size_of::<Header>(), bytemuck::bytes_of(&header).to_vec());
        bytes
    }

    fn modules_end(&self) -> u64 {
        size_of::<Header>() as u64 + u64::from(self.header.module_count) * size_of::<ModuleStamp>() as u64
    }

    fn folders_end(&self) -> u64 {
        self.modules_end() + u64::from(self.header.folder_count) * size_of::<FolderStamp>() as u64
    }

    fn stems_end(&self) -> u64 {
        self.folders_end() + u64::from(self.header.stem_count) * 8
    }

    fn context_start(&self) -> u64 {
        self.stems_end() + u64::from(self.header.extension_count) * size_of::<ExtensionStamp>() as u64
    }

    fn part(&self, start: u64, end: u64) -> &[u8] {
        self.file.get(start as usize..end as usize).unwrap_or_default()
    }

    /// A table. Each has entries of a multiple of eight bytes, and so has the header, so tables are aligned.
    fn table<T: Pod>(&self, start: u64, end: u64) -> &[T] {
        bytemuck::try_cast_slice(self.part(start, end)).unwrap_or_default()
    }

    pub(super) fn modules(&self) -> &[ModuleStamp] {
        self.table(size_of::<Header>() as u64, self.modules_end())
    }

    pub(super) fn folders(&self) -> &[FolderStamp] {
        self.table(self.modules_end(), self.folders_end())
    }

    pub(super) fn stems(&self, folder: &FolderStamp) -> &[u64] {
        range(self.table(self.folders_end(), self.stems_end()), folder.first_stem, folder.stem_count)
    }

    pub(super) fn extensions(&self, folder: &FolderStamp) -> &[ExtensionStamp] {
        let extensions = self.table(self.stems_end(), self.context_start());
        range(extensions, folder.first_extension, folder.extension_count)
    }

    pub(super) fn context(&self) -> &[u8] {
        self.part(self.context_start(), self.header.file_len)
    }
}

fn range<T>(table: &[T], first: u32, count: u32) -> &[T] {
    let first = first as usize;
    table.get(first..first.saturating_add(count as usize)).unwrap_or_default()
}
