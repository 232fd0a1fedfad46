//! Limits of the format (spec.md 9). Each is checked before a count is used to loop or to allocate.

/// Most sections in a section table [S-1].
pub const MAX_SECTIONS: u32 = 256;

/// Greatest depth of a container [O-6]: the limit of CPython's marshal (`MAX_MARSHAL_STACK_DEPTH`), which is lower on
/// some systems.
pub const MAX_DEPTH: u32 = 2000;

/// Most parents above a code object [C-6]. The limit is the same because code objects nest through constants.
pub const MAX_PARENTS: u32 = 2000;

/// Longest derived qualified name in bytes [C-6]. Code objects may share long names, so without a limit a chain of
/// parents could describe far more text than the file has bytes.
pub const MAX_QUALNAME_LEN: u32 = 65_536;

/// Longest module name, resource name [N-2] or cache tag [T-5] in bytes.
pub const MAX_NAME_LEN: u32 = 65_535;

/// Most bytes of a section that 32-bit offsets or indexes refer into [S-8]: all except constants, docstrings, sources
/// and files.
pub const MAX_U32_SECTION: u64 = 1 << 32;

/// Most bytes of constants, and of docstrings [S-8]. An object entry has 31 bits for the offset: the other bit selects
/// one of the two sections.
pub const MAX_POOL: u64 = 1 << 31;

/// An archive has fewer objects, and fewer code objects, than this [S-8]. A wide item has 31 bits for the id: the other
/// bit distinguishes objects and code objects.
pub const MAX_IDS: u32 = 1 << 31;

/// Most items that the lists of all code objects hold together, for each byte of the archive [C-9].
///
/// Code objects may share a list, and a verifier walks it once for each of them. This limit keeps that work in
/// proportion to the file.
pub const LIST_BUDGET: u64 = 8;
