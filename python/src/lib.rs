//! CPython runs from an archive: the module `permacode._permacode`.
//!
//! ```text
//!   archive (the class Archive) ─┬─► introspection (docstrings, signatures, lines)
//!                                ├─► library ─► build ─► code objects
//!   importer (finder, loader) ───┘      └─► roots
//! ```
//!
//! A *library* is an archive that was mapped for this interpreter; *build* turns a module of it into a code object:
//! from an image where one fits, from the tables where the build of CPython is known, through marshal elsewhere.

mod archive;
mod build;
mod error;
mod importer;
mod introspection;
mod library;
mod path;
mod roots;
mod text;

use pyo3::prelude::*;

/// Modules of CPython out of one mapped file.
#[pymodule(gil_used = true)]
mod _permacode {
    use pyo3::{exceptions::PyAttributeError, prelude::*, types::PyType};

    use crate::{archive, importer};

    #[pymodule_export]
    use crate::archive::open;
    #[cfg(permacode_image)]
    #[pymodule_export]
    use crate::build::{build_image, verify_image};
    #[pymodule_export]
    use crate::importer::{install, stats, status, uninstall};

    #[pymodule_init]
    fn init(module: &Bound<'_, PyModule>) -> PyResult<()> {
        importer::prepare(module.py())
    }

    /// Makes classes when they are first asked for. A program that only installs an archive needs none of them at once.
    #[pyfunction]
    fn __getattr__<'py>(py: Python<'py>, name: &str) -> PyResult<Bound<'py, PyType>> {
        match name {
            "Archive" => archive::class(py),
            "PermacodeFinder" => Ok(py.get_type::<importer::PermacodeFinder>()),
            "PermacodeLoader" => importer::loader_class(py).cloned(),
            "PermacodeWarning" => Ok(py.get_type::<importer::PermacodeWarning>()),
            _ => Err(PyAttributeError::new_err(format!("module 'permacode' has no attribute {name:?}"))),
        }
    }
}
