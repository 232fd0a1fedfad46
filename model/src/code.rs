//! Code objects.

use crate::Ref;
use std::borrow::Cow;

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
