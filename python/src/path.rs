//! Paths as the function `open` takes them.

use std::path::PathBuf;

use pyo3::{exceptions::PyValueError, intern, prelude::*, types::PyString};

/// A path that a caller gives: a str, bytes, or an os.PathLike of one of them.
pub(crate) struct FsPath(pub(crate) PathBuf);

impl FromPyObject<'_, '_> for FsPath {
    type Error = PyErr;

    fn extract(path: Borrowed<'_, '_, PyAny>) -> PyResult<Self> {
        let path: PathBuf = decoded(&path)?.extract()?;
        if path.as_os_str().as_encoded_bytes().contains(&0) {
            // The words of CPython.
            return Err(PyValueError::new_err("embedded null byte"));
        }
        Ok(FsPath(path))
    }
}

/// Such a path as a str, as `os.fsdecode` has it.
pub(crate) fn decoded<'py>(path: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyString>> {
    if let Ok(path) = path.cast_exact::<PyString>() {
        return Ok(path.clone());
    }
    let py = path.py();
    Ok(py.import("os")?.call_method1(intern!(py, "fsdecode"), (path,))?.cast_into()?)
}
