//! What is said of an archive that cannot be used.

use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use pyo3::{create_exception, exceptions::PyRuntimeWarning, prelude::*};

create_exception!(
    permacode,
    PermacodeWarning,
    PyRuntimeWarning,
    "An archive, or a part of it, is not used: modules are imported from their files.\n\n\
     It is a RuntimeWarning because CPython shows those by default; an ImportWarning it does not."
);

/// Warns unless `was_given` says that this warning was given. A warning that a filter turns into an error was not.
pub(super) fn warn_once(py: Python<'_>, was_given: &AtomicBool, message: &str) -> PyResult<()> {
    if was_given.swap(true, Relaxed) {
        return Ok(());
    }
    warn(py, message).inspect_err(|_| was_given.store(false, Relaxed))
}

pub(super) fn warn(py: Python<'_>, message: &str) -> PyResult<()> {
    let message = std::ffi::CString::new(message.replace('\0', "\\0"))?;
    PyErr::warn(py, &py.get_type::<PermacodeWarning>(), &message, 1)
}
