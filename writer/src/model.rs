//! The model of a program: what the writer takes and what an archive is turned back into.
//!
//! It names no virtual machine. A module is a small arena: its objects (constants and names) and its code objects
//! refer to each other by index, so that *what is one object in the model is one object*, whoever refers to it, and
//! nothing in it is ever walked by recursion.

use std::borrow::Cow;

pub use permacode_format::{Container, ExceptionEncoding, LineEncoding};

/// Who runs the modules: one virtual machine, one bytecode version, one optimisation level (spec.md 5.4).
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Target {
    /// Name of the virtual machine, for example `cpython`: 1 to 16 bytes of ASCII.
    pub vm: String,
    /// The number that the machine itself uses to tell one bytecode version from another.
    pub bytecode_magic: u32,
    /// The exact version of the machine (CPython: `sys.hexversion`).
    pub vm_version: u32,
    /// Optimisation level the modules were compiled at.
    pub optimization: u8,
    /// The tag in the names of compiled files, for example `cpython-311`; may be empty.
    pub tag: String,
    /// Size of one unit of bytecode in bytes.
    pub unit_size: u8,
    /// How line tables are encoded.
    pub line_encoding: LineEncoding,
    /// How exception tables are encoded.
    pub exception_encoding: ExceptionEncoding,
    /// Whether the files that the modules were made from do not change, so that nobody need look at them.
    pub sealed: bool,
}

/// A path: a part below a named root, or (without a root) a path as it stands.
///
/// Bytes are generalised UTF-8 with `/` between components where there is a root.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Path<'a> {
    /// Name of the root, for example `stdlib`; `None`: `path` is verbatim.
    pub root: Option<Cow<'a, str>>,
    /// The path below the root.
    pub path: Str<'a>,
}

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
    pub root: Option<u32>,
    /// File name that the code objects report, unless they carry one of their own.
    pub filename: Option<Path<'a>>,
    /// The source it was compiled from.
    pub source: Option<Source<'a>>,
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

/// A file of a package that is no module.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resource<'a> {
    /// Name of the root it lies under: one component, without a slash.
    pub root: Cow<'a, str>,
    /// Path below the root: bytes as the file system gave them, `/` between components.
    pub path: Cow<'a, [u8]>,
    /// Whether its owner may execute it.
    pub executable: bool,
    /// Its bytes.
    pub data: Cow<'a, [u8]>,
}

/// The same resource, borrowed.
impl<'a> From<&'a Resource<'_>> for Resource<'a> {
    fn from(resource: &'a Resource<'_>) -> Self {
        Resource {
            root: Cow::Borrowed(&resource.root),
            path: Cow::Borrowed(&resource.path),
            executable: resource.executable,
            data: Cow::Borrowed(&resource.data),
        }
    }
}

/// A reference from a container or a code object: an index into the arena of its module.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Ref {
    /// Index into [`Module::objects`].
    Object(u32),
    /// Index into [`Module::codes`].
    Code(u32),
}

/// A string.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Str<'a> {
    /// Generalised UTF-8: UTF-8 in which lone surrogates may occur as three bytes.
    pub text: Cow<'a, [u8]>,
    /// Whether the machine keeps one copy of it for the whole process.
    pub interned: bool,
}

impl<'a> Str<'a> {
    /// A string that is not interned.
    pub fn plain(text: impl Into<Cow<'a, str>>) -> Self {
        Str { text: bytes_of(text.into()), interned: false }
    }

    /// An interned string.
    pub fn interned(text: impl Into<Cow<'a, str>>) -> Self {
        Str { text: bytes_of(text.into()), interned: true }
    }
}

fn bytes_of(text: Cow<'_, str>) -> Cow<'_, [u8]> {
    match text {
        Cow::Borrowed(text) => Cow::Borrowed(text.as_bytes()),
        Cow::Owned(text) => Cow::Owned(text.into_bytes()),
    }
}

/// A constant or a name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Object<'a> {
    /// The absent value.
    None,
    /// Falsehood.
    False,
    /// Truth.
    True,
    /// `...`
    Ellipsis,
    /// The exception class `StopIteration` (a marshal type of its own).
    StopIteration,
    /// An integer of any size: the shortest two's complement that holds it, little-endian; zero has no bytes.
    Int(Cow<'a, [u8]>),
    /// The bits of an IEEE 754 double.
    Float(u64),
    /// The bits of real and imaginary part.
    Complex(u64, u64),
    /// Immutable bytes.
    Bytes(Cow<'a, [u8]>),
    /// A string.
    Str(Str<'a>),
    /// The qualified name of the code object at index `constant` of the constants of the same code object.
    /// It has no meaning anywhere but directly in [`Code::constants`].
    Qualname {
        /// Index into [`Code::constants`].
        constant: u32,
        /// Whether the string is interned.
        interned: bool,
    },
    /// A container; a mapping alternates keys and values.
    Container(Container, Vec<Ref>),
}

/// How the qualified name of a code object follows from that of its parent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Qualname {
    /// It is the name itself: the same object.
    #[default]
    Name,
    /// `PARENT.NAME`
    Member {
        /// Whether the string is interned.
        interned: bool,
    },
    /// `PARENT.<locals>.NAME`
    Local {
        /// Whether the string is interned.
        interned: bool,
    },
    /// This string object.
    Explicit(u32),
}

/// One code object.
///
/// The default is empty: it is called by object 0, and has no parameters, constants or instructions. So what a machine does
/// not have need not be mentioned:
///
/// ```
/// use permacode_writer::model::{Code, Ref};
///
/// let code = Code { stack_size: 1, constants: vec![Ref::Object(1)], bytecode: vec![1, 0].into(), ..Code::default() };
/// assert_eq!((code.name, code.locals.len(), code.docstring), (0, 0, None));
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Code<'a> {
    /// String object: the name.
    pub name: u32,
    /// The qualified name.
    pub qualname: Qualname,
    /// String object: the file name, if it is not that of the module.
    pub filename: Option<u32>,
    /// Number of positional parameters, positional-only ones included.
    pub arg_count: u32,
    /// Number of positional-only parameters.
    pub posonly_count: u32,
    /// Number of keyword-only parameters.
    pub kwonly_count: u32,
    /// Operand stack slots.
    pub stack_size: u32,
    /// Flags of the machine.
    pub flags: u32,
    /// First line in the source.
    pub first_line: i32,
    /// Constants, in the order in which instructions number them.
    pub constants: Vec<Ref>,
    /// String objects: names of globals and attributes.
    pub names: Vec<u32>,
    /// String objects: local variables, cells and free variables.
    pub locals: Vec<u32>,
    /// One byte for each of `locals`: what kind of variable it is (spec.md 5.9).
    pub local_kinds: Cow<'a, [u8]>,
    /// Number of locals that the machine states, where it differs from what `local_kinds` say.
    pub local_count: Option<u32>,
    /// Instructions.
    pub bytecode: Cow<'a, [u8]>,
    /// Line table, encoded as [`Target::line_encoding`] says.
    pub line_table: Cow<'a, [u8]>,
    /// Exception table, encoded as [`Target::exception_encoding`] says.
    pub exception_table: Cow<'a, [u8]>,
    /// Index into `constants` of the docstring.
    pub docstring: Option<u32>,
    /// Signature: what the code object itself does not say about its parameters, as JSON.
    pub signature: Option<Cow<'a, [u8]>>,
}

/// The local-variable kind bits that [`Code::local_kinds`] uses (spec.md 5.9).
pub use permacode_format::local_kind;
