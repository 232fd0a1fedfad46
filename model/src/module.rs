//! Modules, and the files they come from.

use crate::{Code, Object, Str};
use std::borrow::Cow;

/// The kinds of modules.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ModuleKind {
    /// A plain module.
    Module,
    /// A package with code, which CPython takes from `__init__.py`.
    Package,
    /// A package without code.
    Namespace,
}

/// One module: its arena of objects and code objects, and where it came from.
#[derive(Debug, Clone, PartialEq)]
pub struct Module<'a> {
    /// Full dotted name.
    pub name: String,
    /// Module, package or namespace package.
    pub kind: ModuleKind,
    /// Constants and names; code objects and containers refer to them by index.
    pub objects: Vec<Object<'a>>,
    /// Code objects, in any order. References between code objects and containers must not form a cycle.
    pub codes: Vec<Code<'a>>,
    /// Index of the code object that runs when the module is loaded; `None` for a namespace package.
    pub body: Option<u32>,
    /// File name of the code objects, except for those with a file name of their own.
    pub filename: Option<Path<'a>>,
    /// The source that it was compiled from.
    pub source: Option<Source<'a>>,
}

impl Module<'_> {
    /// A namespace package: a module without code, file name or source.
    ///
    /// ```
    /// use permacode_model::{Module, ModuleKind};
    ///
    /// let module = Module::namespace("tools");
    /// assert_eq!((module.kind, module.body), (ModuleKind::Namespace, None));
    /// ```
    pub fn namespace(name: impl Into<String>) -> Self {
        Module {
            name: name.into(),
            kind: ModuleKind::Namespace,
            objects: Vec::new(),
            codes: Vec::new(),
            body: None,
            filename: None,
            source: None,
        }
    }
}

/// Facts about the source file of a module, and optionally its text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source<'a> {
    /// Path of the source file.
    pub path: Path<'a>,
    /// Its size in bytes.
    pub size: u64,
    /// XXH3-128 of its bytes, little-endian (`permacode_format::digest`).
    pub digest: [u8; 16],
    /// Modification time in seconds since 1970. `None` if it is not recorded.
    pub mtime: Option<i64>,
    /// Whether the owner of the file may execute it.
    pub executable: bool,
    /// The text. `None` if it is not recorded.
    pub text: Option<Cow<'a, [u8]>>,
}

/// A path, either relative to a named root or verbatim.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Path<'a> {
    /// Name of the root, for example `stdlib`. `None` if `path` is verbatim.
    pub root: Option<Str<'a>>,
    /// The path. With a root, it is relative and has `/` between its components.
    pub path: Str<'a>,
}
