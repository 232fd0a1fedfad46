//! From the record of a module to a code object: the one place where it is decided how.
//!
//! ```text
//!   tables ─► objects (each made once, cached)      marshal: bytes encoded on the fly, for builds of CPython
//!      └────► constructor (by version of CPython)            whose code objects are not known
//! ```
//!
//! Either way CPython is handed no more than it can take: `weights` bounds what it walks through, and `instructions` refuses
//! what it would follow out of its memory.

#[cfg(not(Py_GIL_DISABLED))]
mod constructor;
mod instructions;
mod marshal;
#[cfg(not(Py_GIL_DISABLED))]
mod objects;
#[cfg(not(Py_GIL_DISABLED))]
mod qualnames;
#[cfg(not(Py_GIL_DISABLED))]
mod raw;
#[cfg(not(Py_GIL_DISABLED))]
mod tables;
#[cfg(not(Py_GIL_DISABLED))]
mod tuples;
mod weights;

use permacode_reader::{Archive, Mapping, Module};
use pyo3::{prelude::*, types::PyString};

use crate::error::Result;

/// Makes the code objects of one archive.
pub(crate) trait Build: Send + Sync {
    /// The code object that runs when the module is loaded, with all that it holds.
    fn code<'py>(
        &self,
        py: Python<'py>,
        module: &Module<'_>,
        filename: &Bound<'py, PyString>,
    ) -> Result<Bound<'py, PyAny>>;

    /// How it makes them.
    fn method(&self) -> Method;
}

/// A way to make code objects, in words.
#[derive(Debug, Clone)]
pub(crate) struct Method {
    /// `tables` or `marshal`.
    pub(crate) name: &'static str,
    /// The function of CPython that makes the code object.
    pub(crate) constructor: &'static str,
    /// Why this way.
    pub(crate) reason: String,
}

/// The quickest way that is known to be right for this interpreter.
#[cfg(not(Py_GIL_DISABLED))]
pub(crate) fn choose(py: Python<'_>, archive: &Archive<Mapping>, magic: u32) -> Box<dyn Build> {
    match constructor::Constructor::new(py) {
        Ok((constructor, reason)) => Box::new(tables::Tables::new(archive, constructor, reason)),
        Err(reason) => Box::new(marshal::Marshal::new(magic, archive.file_len(), reason)),
    }
}

/// A free-threaded interpreter may write to the tuples that code objects share: marshal makes them afresh.
#[cfg(Py_GIL_DISABLED)]
pub(crate) fn choose(_py: Python<'_>, archive: &Archive<Mapping>, magic: u32) -> Box<dyn Build> {
    Box::new(marshal::Marshal::new(magic, archive.file_len(), "the interpreter is free-threaded".to_owned()))
}
