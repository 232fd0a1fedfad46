//! Modules (spec.md 5.5).

use crate::{I64, U16, U32, U64, record::record};

/// Value of an id or index field that refers to nothing.
pub const NONE: u32 = u32::MAX;

record! {
    /// One module (spec.md 5.5). The records of a target are in the order of their names [M-1].
    pub struct ModuleRecord[76] in Modules {
        /// Offset of the name in the names section [N-1].
        0 name_offset: U32,
        /// Length of the name in bytes [N-1, N-2].
        4 name_len: U16,
        /// See [`module_flag`] [M-2].
        6 flags: U16,
        /// Id of its first code object [M-3].
        8 first_code: U32,
        /// Number of its code objects [M-3]. The last one is the body, which runs when the module is loaded.
        12 code_count: U32,
        /// Object base: the first object id of its window, which its narrow list items reach [M-4].
        16 object_base: U32,
        /// String object: the file name of its code objects. Only a namespace package may have [`NONE`] [M-5].
        20 filename: U32,
        /// String object: the root that the file name is relative to, or [`NONE`] if the file name is verbatim [M-5].
        24 filename_root: U32,
        /// String object: the path of the source, or [`NONE`] if the archive has no source of the module [M-6].
        28 source_path: U32,
        /// String object: the root of that path, or [`NONE`] if the path is verbatim [M-6].
        32 source_root: U32,
        /// Offset of the source text in the sources section. It has a meaning only with `SOURCE_TEXT` [M-6].
        36 source_offset: U64,
        /// Size of the source in bytes [M-6].
        44 source_size: U64,
        /// [`crate::digest`] of the source [M-7].
        52 source_digest: [u8; 16],
        /// Modification time of the source in seconds since 1970. It has a meaning only with `SOURCE_MTIME`.
        68 source_mtime: I64,
    }
}

/// Bits of [`ModuleRecord::flags`] [M-2].
pub mod module_flag {
    /// It is a package.
    pub const PACKAGE: u16 = 1;
    /// It is a package without code.
    pub const NAMESPACE: u16 = 2;
    /// The text of the source is in the sources section.
    pub const SOURCE_TEXT: u16 = 4;
    /// `source_mtime` has a meaning.
    pub const SOURCE_MTIME: u16 = 8;
    /// The owner of the source file may execute it.
    pub const SOURCE_EXECUTABLE: u16 = 16;
    /// All bits that this version knows.
    pub const KNOWN: u16 = PACKAGE | NAMESPACE | SOURCE_TEXT | SOURCE_MTIME | SOURCE_EXECUTABLE;
}
