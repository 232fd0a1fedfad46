//! The section table (spec.md 5.3).

use crate::{
    U32, U64,
    named::named,
    record::{Layout, Record, record},
};

record! {
    /// One entry of the section table (spec.md 5.3). Entries are in the order of their offsets [S-3].
    pub struct SectionEntry[32] {
        /// Number of a [`SectionKind`], or an unknown kind [S-6]. No known kind occurs twice [S-7].
        0 kind: U32,
        /// See [`section_flag`] [S-10].
        4 flags: U32,
        /// Offset of the first byte from the start of the archive [S-3, S-4].
        8 offset: U64,
        /// Length in bytes [S-8].
        16 len: U64,
        /// CRC-32 of the section [S-9].
        24 crc: U32,
        /// Index in the checksums section of the CRC of its first chunk. [`crate::NONE`] for the checksums section
        /// [K-1].
        28 first_chunk: U32,
    }
}

/// Bits of [`SectionEntry::flags`].
pub mod section_flag {
    /// A reader that does not know the kind must refuse the archive [S-6].
    pub const REQUIRED: u32 = 1;
    /// All bits that this version knows.
    pub const KNOWN: u32 = REQUIRED;
}

/// Lowest private kind. Virtual machines can use private kinds for their own data. A reader skips a section of an
/// unknown kind, unless the section is marked as required.
pub const PRIVATE_SECTIONS: u32 = 0x8000_0000;

/// A group of sections that are needed at the same time. Each group starts on a page of its own [S-4].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Group {
    /// Needed to find a module or a resource by its name.
    Lookup,
    /// Needed to run code.
    Hot,
    /// Needed only for introspection, tracebacks, sources and resources.
    Cold,
}

/// The type of one element of a section.
macro_rules! element {
    (bytes) => {
        u8
    };
    (units) => {
        crate::U16
    };
    ($record:ident) => {
        crate::$record
    };
}

macro_rules! layout {
    (bytes) => {
        None
    };
    (units) => {
        None
    };
    ($record:ident) => {
        Some(&<crate::$record as Record>::LAYOUT)
    };
}

macro_rules! kinds {
    ($($(#[$doc:meta])* $value:literal $name:ident $text:literal $group:ident $of:ident;)*) => {
        /// The kind of a section (spec.md 5.3). The writer places sections in the order of these numbers.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[repr(u8)]
        pub enum SectionKind { $($(#[$doc])* $name = $value,)* }

        impl SectionKind {
            /// All kinds, in the order of their numbers.
            pub const ALL: &'static [SectionKind] = &[$(SectionKind::$name),*];

            /// The kind with this number.
            #[must_use]
            pub const fn from_number(number: u32) -> Option<Self> {
                match number { $($value => Some(Self::$name),)* _ => None }
            }

            /// Name in `spec.md`.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(Self::$name => $text,)* }
            }

            /// The group it belongs to.
            #[must_use]
            pub const fn group(self) -> Group {
                match self { $(Self::$name => Group::$group,)* }
            }

            /// Length in bytes of one record or unit. 1 for a section of plain bytes [S-8].
            #[must_use]
            pub const fn record_len(self) -> u64 {
                match self { $(Self::$name => size_of::<element!($of)>() as u64,)* }
            }

            /// The layout of its records. `None` for a section of plain bytes or units.
            #[must_use]
            pub const fn layout(self) -> Option<&'static Layout> {
                match self { $(Self::$name => layout!($of),)* }
            }

            /// Greatest length of the section in bytes [S-8].
            #[must_use]
            pub const fn max_len(self) -> u64 {
                match self {
                    Self::Constants | Self::Docstrings => crate::MAX_POOL,
                    Self::Sources | Self::Files => u64::MAX,
                    _ => crate::MAX_U32_SECTION,
                }
            }

            /// Whether each chunk of the section has a CRC [K-1]: true of all kinds except checksums.
            #[must_use]
            pub const fn is_chunked(self) -> bool {
                !matches!(self, Self::Checksums)
            }
        }
    };
}

named!(SectionKind: u32);

kinds! {
    /// [`crate::TargetRecord`]s.
    1 Targets "targets" Lookup TargetRecord;
    /// [`crate::ModuleRecord`]s of all targets.
    2 Modules "modules" Lookup ModuleRecord;
    /// [`crate::ResourceRecord`]s of all targets.
    3 Resources "resources" Lookup ResourceRecord;
    /// Pilots and [`crate::Slot`]s of the name indexes.
    4 Index "index" Lookup bytes;
    /// Text of module names, resource names and cache tags.
    5 Names "names" Lookup bytes;
    /// [`crate::CodeRecord`]s.
    6 Code "code" Hot CodeRecord;
    /// [`crate::WideCode`]s.
    7 Wide "wide" Hot WideCode;
    /// Lists of the code objects, in units of two bytes.
    8 Lists "lists" Hot units;
    /// One entry of four bytes for each object id.
    9 Objects "objects" Hot ObjectEntry;
    /// Objects, one directly after the other.
    10 Constants "constants" Hot bytes;
    /// Instructions.
    11 Bytecode "bytecode" Hot bytes;
    /// [`crate::CodeDetail`]s, one for each code record.
    12 Details "details" Cold CodeDetail;
    /// Objects that are used only as docstrings, one directly after the other.
    13 Docstrings "docstrings" Cold bytes;
    /// Line tables and exception tables.
    14 Tables "tables" Cold bytes;
    /// [`crate::SignatureRecord`]s in the order of code ids.
    15 Signatures "signatures" Cold SignatureRecord;
    /// Text of the signatures.
    16 SignatureText "signature-text" Cold bytes;
    /// Sources.
    17 Sources "sources" Cold bytes;
    /// Bytes of the resources.
    18 Files "files" Cold bytes;
    /// CRC-32 of each chunk, four bytes each.
    19 Checksums "checksums" Cold ChunkCrc;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_run_from_one_and_groups_do_not_alternate() {
        for (i, kind) in SectionKind::ALL.iter().enumerate() {
            assert_eq!(SectionKind::from_number(i as u32 + 1), Some(*kind));
        }
        assert!(SectionKind::ALL.is_sorted_by_key(|kind| kind.group()));
        assert_eq!(SectionKind::from_number(0), None);
        assert_eq!(SectionKind::from_number(PRIVATE_SECTIONS), None);
    }
}
