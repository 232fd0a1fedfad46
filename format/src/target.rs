//! Targets: the machines that modules are compiled for (spec.md 5.4).

use crate::{IndexHeader, U32, record::record};

record! {
    /// One target: a virtual machine, a bytecode version, an optimisation level (spec.md 5.4).
    ///
    /// Two targets differ in at least one of `vm`, `bytecode_magic`, `vm_version` and `optimization` [T-2].
    pub struct TargetRecord[104] in Targets {
        /// Name of the virtual machine: printable ASCII, padded with zeros [T-1].
        0 vm: [u8; 16],
        /// Number that identifies the bytecode version.
        16 bytecode_magic: U32,
        /// Exact version of the machine (CPython: `sys.hexversion`).
        20 vm_version: U32,
        /// Optimisation level.
        24 optimization: u8,
        /// Size of a bytecode unit in bytes, at least 1 [T-3].
        25 unit_size: u8,
        /// [`crate::LineEncoding`] [T-4].
        26 line_encoding: u8,
        /// [`crate::ExceptionEncoding`] [T-4].
        27 exception_encoding: u8,
        /// Offset of its cache tag in the names section [T-5].
        28 cache_tag_offset: U32,
        /// Length of its cache tag in bytes [T-5].
        32 cache_tag_len: U32,
        /// Index of its first module record in the modules section [T-6].
        36 first_module: U32,
        /// Number of its module records, which follow each other [T-6].
        40 module_count: U32,
        /// Index of its first resource record in the resources section [T-6].
        44 first_resource: U32,
        /// Number of its resource records, which follow each other [T-6].
        48 resource_count: U32,
        /// The index of its module names.
        52 module_index: IndexHeader,
        /// The index of its resource names.
        76 resource_index: IndexHeader,
        /// See [`target_flag`] [T-7].
        100 flags: U32,
    }
}

/// Bits of [`TargetRecord::flags`] [T-7].
pub mod target_flag {
    /// The source files of the target never change, so nothing needs to check whether they did.
    pub const SEALED: u32 = 1;
    /// The writer left docstrings out.
    pub const STRIPPED_DOCSTRINGS: u32 = 2;
    /// The writer left line tables out.
    pub const STRIPPED_LINES: u32 = 4;
    /// The writer left signatures out.
    pub const STRIPPED_SIGNATURES: u32 = 8;
    /// The writer left the texts of sources out.
    pub const STRIPPED_SOURCE: u32 = 16;
    /// All bits that this version knows.
    pub const KNOWN: u32 = SEALED | STRIPPED_DOCSTRINGS | STRIPPED_LINES | STRIPPED_SIGNATURES | STRIPPED_SOURCE;
}

/// A part of each module that a program can run without, and that a target may have been made without.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Strip {
    /// Docstrings. One stays if the code also uses its constant for another purpose.
    Docstrings,
    /// Lines and columns.
    Lines,
    /// Defaults and annotations of functions. Names and kinds of parameters belong to the code and stay.
    Signatures,
    /// The texts of the sources. Their sizes and digests stay.
    Source,
}

impl Strip {
    /// All parts, in the order of their flags.
    pub const ALL: &'static [Strip] = &[Strip::Docstrings, Strip::Lines, Strip::Signatures, Strip::Source];

    /// Its name in text and JSON.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Strip::Docstrings => "docstrings",
            Strip::Lines => "lines",
            Strip::Signatures => "signatures",
            Strip::Source => "source",
        }
    }

    /// Its bit of [`TargetRecord::flags`].
    #[must_use]
    pub const fn flag(self) -> u32 {
        match self {
            Strip::Docstrings => target_flag::STRIPPED_DOCSTRINGS,
            Strip::Lines => target_flag::STRIPPED_LINES,
            Strip::Signatures => target_flag::STRIPPED_SIGNATURES,
            Strip::Source => target_flag::STRIPPED_SOURCE,
        }
    }
}
