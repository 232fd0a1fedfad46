//! Code objects.

use crate::Ref;
use permacode_format::QualnameForm;
use std::borrow::Cow;

/// How the qualified name of a code object is stored or derived (spec.md 5.8).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Qualname {
    /// The qualified name and the name are the same string object.
    #[default]
    Name,
    /// `PARENT.NAME`, where `PARENT` is the qualified name of the parent.
    Member {
        /// Whether the string is interned.
        interned: bool,
    },
    /// `PARENT.<locals>.NAME`
    Local {
        /// Whether the string is interned.
        interned: bool,
    },
    /// This string object, by its index in [`Module::objects`](crate::Module::objects).
    Explicit(u32),
}

impl Qualname {
    /// The text between the qualified name of the parent and the name. `None` if the qualified name is not derived.
    ///
    /// ```
    /// use permacode_model::Qualname;
    ///
    /// assert_eq!(Qualname::Local { interned: true }.separator(), Some(".<locals>."));
    /// assert_eq!(Qualname::Name.separator(), None);
    /// ```
    #[must_use]
    pub fn separator(self) -> Option<&'static str> {
        match self {
            Qualname::Name => QualnameForm::Name,
            Qualname::Member { .. } => QualnameForm::Member,
            Qualname::Local { .. } => QualnameForm::Local,
            Qualname::Explicit(_) => QualnameForm::Explicit,
        }
        .separator()
    }
}

/// One code object.
///
/// A field of type `u32` that is described as a string object is an index in
/// [`Module::objects`](crate::Module::objects).
///
/// The default has object 0 as its name, and no parameters, constants or instructions. Set only the fields that differ:
///
/// ```
/// use permacode_model::{Code, Ref};
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
    /// String object: the file name. `None` if it is the file name of the module.
    pub filename: Option<u32>,
    /// Number of positional parameters, including positional-only ones.
    pub arg_count: u32,
    /// Number of positional-only parameters.
    pub posonly_count: u32,
    /// Number of keyword-only parameters.
    pub kwonly_count: u32,
    /// Number of slots of the operand stack.
    pub stack_size: u32,
    /// Flags of the machine (CPython: `co_flags`). The format gives them no meaning.
    pub flags: u32,
    /// First line in the source.
    pub first_line: i32,
    /// Constants, in the order in which instructions number them.
    pub constants: Vec<Ref>,
    /// String objects: names of globals and attributes.
    pub names: Vec<u32>,
    /// String objects: local variables, cells and free variables.
    pub locals: Vec<u32>,
    /// One byte for each of `locals`, with bits of [`local_kind`](crate::local_kind) (spec.md 5.9).
    pub local_kinds: Cow<'a, [u8]>,
    /// Number of local variables that the machine states. `None` if it is the number of locals of kind `LOCAL`.
    pub local_count: Option<u32>,
    /// Instructions.
    pub bytecode: Cow<'a, [u8]>,
    /// Line table in the encoding [`Target::line_encoding`](crate::Target::line_encoding).
    pub line_table: Cow<'a, [u8]>,
    /// Exception table in the encoding [`Target::exception_encoding`](crate::Target::exception_encoding).
    pub exception_table: Cow<'a, [u8]>,
    /// Index of the docstring in `constants`.
    pub docstring: Option<u32>,
    /// Signature: JSON about the parameters that the code object itself does not hold, such as defaults (spec.md 5.12).
    pub signature: Option<Cow<'a, [u8]>>,
}
