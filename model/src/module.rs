//! Modules, and the files they come from.

use crate::{Code, Object, Str};
use std::borrow::Cow;

/// What a module name stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ModuleKind {
    /// A plain module.
    Module,
    /// A package with code of its own.
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
    /// Code objects, in any order without cycles.
    pub codes: Vec<Code<'a>>,
    /// Index of the code object that runs when the module is loaded; `None` for a namespace package.
    pub body: Option<u32>,
    /// File name that the code objects report, unless they carry one of their own.
    pub filename: Option<Path<'a>>,
    /// The source it was compiled from.
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

/// The source of a module, or what is known of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source<'a> {
    /// Where it was found.
    pub path: Path<'a>,
    /// Its size in bytes.
    pub size: u64,
    /// XXH3-128 of its bytes, as 16 bytes little-endian.
    pub digest: [u8; 16],
    /// Modification time in seconds since 1970, only on request.
    pub mtime: Option<i64>,
    /// Whether the owner of the file may execute it.
    pub executable: bool,
    /// The text itself, unless it was left out.
    pub text: Option<Cow<'a, [u8]>>,
}

/// A path: a part below a named root, or (without a root) a path as it stands.
///
/// Bytes are generalised UTF-8 with `/` between components where there is a root.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Path<'a> {
    /// Name of the root, for example `stdlib`; `None`: `path` is verbatim.
    pub root: Option<Str<'a>>,
    /// The path below the root.
    pub path: Str<'a>,
}
