//! The module `sys`.

use pyo3::{prelude::*, sync::PyOnceLock};

/// The module `sys`, imported once. Each import calls `__import__`, which takes longer than all else that is done with
/// it here.
pub(crate) fn sys(py: Python<'_>) -> PyResult<&Bound<'_, PyModule>> {
    static SYS: PyOnceLock<Py<PyModule>> = PyOnceLock::new();
    Ok(SYS.get_or_try_init(py, || py.import("sys").map(Bound::unbind))?.bind(py))
}
