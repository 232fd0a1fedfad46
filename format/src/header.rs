//! The header: the generic part, which no version ever changes, and the part of this version (spec.md 5.1, 5.2).

use crate::{U32, U64, record::record};

/// First eight bytes of every archive of every version [H-1].
///
/// The first byte is not ASCII and the last two are a line break. A transfer that treats the file as text changes them,
/// so a reader detects such damage.
pub const MAGIC: [u8; 8] = *b"\x89PERMA\r\n";

/// The version of the format that this crate describes [H-2].
pub const FORMAT_VERSION: u32 = 1;

/// Size of the generic header in bytes.
pub const GENERIC_HEADER_LEN: u32 = 32;

/// Size of the header of this version in bytes; the section table follows it [H-3].
pub const HEADER_LEN: u32 = 64;

/// Base-2 logarithm of [`PAGE_LEN`] [H-8].
pub const PAGE_LOG2: u8 = 12;

/// Length in bytes of a page: the alignment of groups of sections [S-4].
pub const PAGE_LEN: u64 = 1 << PAGE_LOG2;

record! {
    /// The part of the header that is the same in all versions (spec.md 5.1).
    pub struct GenericHeader[32] {
        /// [`MAGIC`]; anything else is not an archive [H-1].
        0 magic: [u8; 8],
        /// Version of the format. A reader refuses all versions that it does not know [H-2].
        8 version: U32,
        /// Length of the whole header in bytes, this part included [H-3].
        12 header_len: U32,
        /// Length of the whole archive in bytes [H-4].
        16 file_len: U64,
        /// CRC-32 of the `header_len` bytes of the header, computed with zeros in place of these four [H-5].
        24 header_crc: U32,
        /// Zero [H-7].
        28 reserved: U32,
    }
}

record! {
    /// The header of this version (spec.md 5.2).
    pub struct Header[64] {
        /// [`MAGIC`] [H-1].
        0 magic: [u8; 8],
        /// [`FORMAT_VERSION`] [H-2].
        8 version: U32,
        /// [`HEADER_LEN`] [H-3].
        12 header_len: U32,
        /// Length of the whole archive in bytes [H-4].
        16 file_len: U64,
        /// CRC-32 of the header, computed with zeros in place of these four bytes [H-5].
        24 header_crc: U32,
        /// Zero [H-7].
        28 reserved: U32,
        /// Incompatible feature bits: a reader that does not know one must refuse the archive [H-6]. See [`incompat`].
        32 incompat: U32,
        /// Compatible feature bits: a reader ignores those that it does not know. See [`compat`].
        36 compat: U32,
        /// Number of entries in the section table [S-1].
        40 section_count: U32,
        /// CRC-32 of the section table [S-2].
        44 table_crc: U32,
        /// Base-2 logarithm of the alignment of bytecode in bytes, at most [`PAGE_LOG2`] [H-8].
        48 code_align_log2: u8,
        /// [`PAGE_LOG2`] [H-8].
        49 page_log2: u8,
        /// [`crate::CHUNK_LOG2`] [H-8].
        50 chunk_log2: u8,
        /// Zero [H-7].
        51 reserved2: [u8; 13],
    }
}

/// Bits of [`Header::incompat`]. None is defined, so a reader refuses an archive with any bit set [H-6].
pub mod incompat {
    /// All bits that this version knows.
    pub const KNOWN: u32 = 0;
}

/// Bits of [`Header::compat`]. None is defined, so a reader ignores all of them.
pub mod compat {
    /// All bits that this version knows.
    pub const KNOWN: u32 = 0;
}
