//! The methods of `PermacodeLoader` that are not those of `SourceFileLoader`.

use pyo3::{intern, prelude::*, types::PyString};

use super::{importlib::Importlib, installed};

/// The code object of the module: out of the archive that is installed, or else from the file.
///
/// A program may have replaced a function of `SourceFileLoader`: then that class is asked, as it is now.
#[pyfunction]
pub(super) fn get_code<'py>(loader: &Bound<'py, PyAny>, fullname: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
    let py = loader.py();
    let importlib = Importlib::get(py)?;
    if importlib.stock.has_own_functions(py)?
        && let Some(finder) = installed(py)?
        && let Some(code) = finder.get().code(importlib, loader, fullname)?
    {
        return Ok(code);
    }
    importlib.stock.source_loader(py).getattr(intern!(py, "get_code"))?.call1((loader, fullname))
}

/// `<PermacodeLoader of 'json' from '/lib/json/__init__.py'>`
#[pyfunction]
pub(super) fn repr<'py>(loader: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyString>> {
    let py = loader.py();
    let (name, path) = (loader.getattr(intern!(py, "name"))?, loader.getattr(intern!(py, "path"))?);
    let text = format!("<PermacodeLoader of {} from {}>", name.repr()?, path.repr()?);
    Ok(PyString::new(py, &text))
}
