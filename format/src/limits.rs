//! Limits of the format (spec.md 9). Each is checked before a count is used to loop or to allocate.

/// Most sections in a section table [S-1].
pub const MAX_SECTIONS: u32 = 256;

/// Most levels of containers inside each other [O-6]: what CPython's own marshal takes on the systems that take most.
pub const MAX_DEPTH: u32 = 2000;

/// Most parents above a code object: the same limit, since code objects nest through constants [C-6].
pub const MAX_PARENTS: u32 = 2000;

/// Longest derived qualified name in bytes [C-6]: code objects may share long names, so that a chain of parents could describe far
/// more text than the file has bytes.
pub const MAX_QUALNAME_LEN: u32 = 65_536;

/// Longest module name, resource name [N-2] or tag [T-5] in bytes.
pub const MAX_NAME_LEN: u32 = 65_535;

/// Length in bytes that a section may reach [S-8], but for the two of objects, sources and files: what refers into it is a
/// 32-bit offset or index.
pub const MAX_U32_SECTION: u64 = 1 << 32;

/// Length in bytes that each of the two sections of objects may reach [O-1]: an entry spends one bit on which.
pub const MAX_POOL: u64 = 1 << 31;

/// Most objects, and most code objects, of an archive [O-1, C-1]: a wide item spends one bit on which.
pub const MAX_IDS: u32 = 1 << 31;

/// Items that all lists of all code objects may hold together, as a multiple of the length of the archive [C-9].
///
/// Lists may be shared, and checking an archive looks at each list once for each code object: this keeps that work in
/// proportion to the file.
pub const LIST_BUDGET: u64 = 8;
