//! Resources: files of packages that are not modules (spec.md 5.7).

use crate::{U16, U32, U64, record::record};

record! {
    /// One resource (spec.md 5.7). The records of a target are in the order of their names.
    pub struct ResourceRecord[28] in Resources {
        /// Offset of the name `ROOT/PATH` in the names section [N-1].
        0 name_offset: U32,
        /// Length of the name in bytes [N-1, N-2].
        4 name_len: U16,
        /// Length of the root in bytes.
        6 root_len: U16,
        /// See [`resource_flag`].
        8 flags: U32,
        /// Offset of its bytes in the files section.
        12 data_offset: U64,
        /// Length of its bytes.
        20 data_len: U64,
    }
}

/// Bits of [`ResourceRecord::flags`].
pub mod resource_flag {
    /// The owner of the file may execute it.
    pub const EXECUTABLE: u32 = 1;
    /// All bits that this version knows.
    pub const KNOWN: u32 = EXECUTABLE;
}
