//! CPython runs from an archive: the package `permacode`.
//!
//! The extension module is the `__init__` of the package: a module less to find, to read and to run.
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
mod hex;
mod importer;
mod introspection;
mod library;
mod local_file;
mod path;
mod roots;
mod sys;
mod text;

use pyo3::{
    exceptions::PyAttributeError,
    ffi, intern,
    prelude::*,
    types::{PyString, PyType},
};

const PUBLIC: [&str; 7] = ["Archive", "PermacodeWarning", "install", "open", "stats", "status", "uninstall"];

/// CPython runs from Permacode archives: the modules of many files in one, mapped and not read.
#[pymodule(gil_used = true)]
fn permacode(module: &Bound<'_, PyModule>) -> PyResult<()> {
    // First: where it refuses, nothing may use the strings that the first interpreter interned.
    importer::prepare(module.py())?;
    module.setattr("__all__", PUBLIC)?;
    let functions = [
        wrap_pyfunction!(__dir__, module)?,
        wrap_pyfunction!(__getattr__, module)?,
        wrap_pyfunction!(archive::open, module)?,
        wrap_pyfunction!(importer::build_stamps, module)?,
        wrap_pyfunction!(importer::install, module)?,
        wrap_pyfunction!(importer::start, module)?,
        wrap_pyfunction!(importer::stats, module)?,
        wrap_pyfunction!(importer::status, module)?,
        wrap_pyfunction!(importer::uninstall, module)?,
        #[cfg(permacode_image)]
        wrap_pyfunction!(build::build_image, module)?,
        #[cfg(permacode_image)]
        wrap_pyfunction!(build::verify_image, module)?,
    ];
    for function in functions {
        // Not `add_function`: it would add the name to `__all__`.
        module.setattr(function.getattr(intern!(module.py(), "__name__"))?.cast_into::<PyString>()?, function)?;
    }
    Ok(())
}

/// Makes classes when they are first asked for. A program that only installs an archive does not ask for them.
#[pyfunction]
fn __getattr__<'py>(py: Python<'py>, name: &str) -> PyResult<Bound<'py, PyType>> {
    match name {
        "Archive" => archive::class(py),
        "PermacodeFinder" => Ok(py.get_type::<importer::PermacodeFinder>()),
        "PermacodeLoader" => importer::loader_class(py).cloned(),
        "PermacodeWarning" => Ok(py.get_type::<importer::PermacodeWarning>()),
        _ => Err(PyAttributeError::new_err(format!("module 'permacode' has no attribute '{name}'"))),
    }
}

#[pyfunction]
fn __dir__() -> [&'static str; 7] {
    PUBLIC
}

/// The initialiser by the name of the file, which maturin looks for. CPython calls the one of the package.
#[allow(unsafe_code)]
#[unsafe(no_mangle)]
extern "C" fn PyInit___init__() -> *mut ffi::PyObject {
    // SAFETY: the function requires that CPython calls it to import the module, and so does this one.
    unsafe { permacode::__pyo3_init() }
}
