//! Names of the flags of code objects.

/// The flags that the module `inspect` of CPython names (`CO_OPTIMIZED` and so on). 3.14 added the last two.
const NAMES: [(u32, &str); 12] = [
    (0x1, "OPTIMIZED"),
    (0x2, "NEWLOCALS"),
    (0x4, "VARARGS"),
    (0x8, "VARKEYWORDS"),
    (0x10, "NESTED"),
    (0x20, "GENERATOR"),
    (0x40, "NOFREE"),
    (0x80, "COROUTINE"),
    (0x100, "ITERABLE_COROUTINE"),
    (0x200, "ASYNC_GENERATOR"),
    (0x400_0000, "HAS_DOCSTRING"),
    (0x800_0000, "METHOD"),
];

/// The names of the flags that are set, without `CO_`. Flags of `from __future__ import` have no name here, because
/// their numbers differ between versions.
///
/// ```
/// let names: Vec<_> = permacode_pyc::flag_names(0x2000_0027).collect();
/// assert_eq!(names, ["OPTIMIZED", "NEWLOCALS", "VARARGS", "GENERATOR"]);
/// ```
pub fn flag_names(flags: u32) -> impl Iterator<Item = &'static str> {
    NAMES.iter().filter(move |(flag, _)| flags & flag != 0).map(|(_, name)| *name)
}

/// Whether the code object is that of a function, a comprehension or a scope of type parameters. The bodies of modules
/// and classes are not.
#[must_use]
pub fn is_function(flags: u32) -> bool {
    flags & crate::code::flag::OPTIMIZED != 0
}
