//! Code objects: conversions between marshalled values and the model.

mod check;
mod derived;
mod from_model;
mod parent;
mod pool;
mod qualname;
mod to_model;

pub(crate) use from_model::from_model;
pub(crate) use to_model::to_model;

/// Flags of a code object (`Include/cpython/code.h`).
pub(crate) mod flag {
    /// `CO_OPTIMIZED`: local variables are in slots. Functions, lambdas, comprehensions and scopes of type parameters
    /// have this flag. The bodies of modules and classes do not.
    pub(crate) const OPTIMIZED: u32 = 0x1;
    /// `CO_HAS_DOCSTRING`: the first constant is the docstring (3.14 and later).
    pub(crate) const HAS_DOCSTRING: u32 = 0x400_0000;
}
