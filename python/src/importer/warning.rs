//! What is said of an archive that cannot be used.

use pyo3::{create_exception, exceptions::PyRuntimeWarning, prelude::*};

create_exception!(
    permacode,
    PermacodeWarning,
    PyRuntimeWarning,
    "An archive, or a part of it, is not used: modules are imported from their files.\n\n\
     It is a RuntimeWarning because CPython shows those by default; an ImportWarning it does not."
);

pub(super) fn warn(py: Python<'_>, message: &str) -> PyResult<()> {
    let message = std::ffi::CString::new(message.replace('\0', "\\0"))?;
    PyErr::warn(py, &py.get_type::<PermacodeWarning>(), &message, 1)
}
