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
    use pyo3::prelude::*;

    #[pymodule_export]
    use crate::archive::{Archive, open};
    #[cfg(permacode_image)]
    #[pymodule_export]
    use crate::build::{build_image, verify_image};
    #[pymodule_export]
    use crate::importer::{PermacodeFinder, PermacodeWarning, install, stats, status, uninstall};

    #[pymodule_init]
    fn init(module: &Bound<'_, PyModule>) -> PyResult<()> {
        crate::importer::add_to(module)?;
        crate::archive::add_to(module)
    }
}
