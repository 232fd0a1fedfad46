//! Code objects, between marshalled values and the model.

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
    /// Local variables are in slots: functions, lambdas, comprehensions, scopes of type parameters; not modules and classes.
    pub(crate) const OPTIMIZED: u32 = 0x1;
    /// The first constant is the docstring (since 3.14).
    pub(crate) const HAS_DOCSTRING: u32 = 0x400_0000;
}
