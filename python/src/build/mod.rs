//! Makes the code object of a module, in one of two ways.
//!
//! ```text
//!   records ─► objects (cached, each made once)     marshal: encodes the module as marshal bytes.
//!      └─────► constructor (depends on the version)          For other builds of CPython.
//! ```
//!
//! Both ways protect CPython from a hostile archive. `weights` limits the number of values that CPython visits, and
//! `instructions` refuses instructions that lead it out of its memory.

mod instructions;
mod marshal;
#[cfg(not(Py_GIL_DISABLED))]
mod records;
mod weights;

use permacode_reader::{Archive, Mapping, Module};
use pyo3::{prelude::*, types::PyString};

use crate::error::Result;

/// Makes the code objects of one archive.
pub(crate) trait Build: Send + Sync {
    /// The code object of the body of a module, with everything that it reaches. Code objects without a file name of
    /// their own get `filename`.
    fn code<'py>(
        &self,
        py: Python<'py>,
        module: &Module<'_>,
        filename: &Bound<'py, PyString>,
    ) -> Result<Bound<'py, PyAny>>;

    /// The way in which it makes them.
    fn method(&self) -> Method;
}

/// Describes a way to make code objects.
#[derive(Debug, Clone)]
pub(crate) struct Method {
    /// `records` or `marshal`.
    pub(crate) name: &'static str,
    /// The function of CPython that makes the code objects.
    pub(crate) constructor: &'static str,
    /// Why this way was chosen.
    pub(crate) reason: String,
}

/// Chooses the fastest way that is known to be correct for this interpreter.
#[cfg(not(Py_GIL_DISABLED))]
pub(crate) fn choose(py: Python<'_>, archive: &Archive<Mapping>, magic: u32) -> Box<dyn Build> {
    match records::Records::new(py, archive) {
        Ok(records) => Box::new(records),
        Err(reason) => Box::new(marshal::Marshal::new(magic, archive.file_len(), reason)),
    }
}

/// Chooses marshal for a free-threaded interpreter. Such an interpreter may write to the tuples of a code object, so
/// code objects must not share them, as those of `records` do.
#[cfg(Py_GIL_DISABLED)]
pub(crate) fn choose(_py: Python<'_>, archive: &Archive<Mapping>, magic: u32) -> Box<dyn Build> {
    Box::new(marshal::Marshal::new(magic, archive.file_len(), "the interpreter is free-threaded".to_owned()))
}
