//! From the record of a module to a code object: the one place where it is decided how.
//!
//! ```text
//!   tables ─► objects (each made once, cached)      marshal: bytes encoded on the fly, for builds of CPython
//!      └────► constructor (by version of CPython)            whose code objects are not known
//! ```

mod marshal;

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
pub(crate) fn choose(_py: Python<'_>, _archive: &Archive<Mapping>, magic: u32) -> PyResult<Box<dyn Build>> {
    Ok(Box::new(marshal::Marshal::new(magic, "the tables are not used yet".to_owned())))
}
