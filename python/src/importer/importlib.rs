//! What is needed of CPython's import system, looked up once.

#![allow(unsafe_code)]

use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use pyo3::{
    exceptions::{PyImportError, PyMemoryError},
    ffi, intern,
    prelude::*,
    sync::PyOnceLock,
    types::{PyDict, PyList, PyString},
};

use super::{between::OwnFinders, stock::Stock};
use crate::{
    sys::sys,
    text::{is_absolute, with_text},
};

/// Parts of `importlib`.
///
/// The modules are asked for by the names of their frozen selves: `importlib` itself is a package that a program may
/// never import.
pub(super) struct Importlib {
    /// `importlib._bootstrap`
    bootstrap: Py<PyModule>,
    /// `importlib.machinery.ModuleSpec`
    pub(super) module_spec: Py<PyAny>,
    /// `importlib.machinery.PathFinder`
    pub(super) path_finder: Py<PyAny>,
    /// The finders of built-in and of frozen modules.
    pub(super) own_finders: OwnFinders,
    /// The finder and the loader of source files.
    pub(super) stock: Stock,
    /// Whether `-v` was given.
    is_verbose: bool,
    /// Whose parts these are.
    interpreter: i64,
}

impl Importlib {
    /// Claims the process for this interpreter.
    ///
    /// # Errors
    /// `ImportError` if another interpreter did so before. An interpreter that was finalized and initialized again is
    /// another one, although it has the same number: what the package looked up and keeps belongs to the first.
    pub(super) fn claim(py: Python<'_>) -> PyResult<()> {
        static IS_CLAIMED: AtomicBool = AtomicBool::new(false);
        // SAFETY: attached, which is all that it asks.
        let interpreter = unsafe { ffi::PyInterpreterState_Get() };
        // SAFETY: attached, and it is an interpreter.
        let state = unsafe { ffi::PyInterpreterState_GetDict(interpreter) };
        // SAFETY: attached; it is a borrowed reference, or null.
        let state = unsafe { Bound::from_borrowed_ptr_or_opt(py, state) };
        // It is null only where there is no memory for it.
        let state = state.ok_or_else(|| PyMemoryError::new_err(()))?;
        // Not an interned string: from 3.15 on, those of the first interpreter are gone after `Py_Finalize`.
        let mark = "permacode";
        if !IS_CLAIMED.swap(true, Relaxed) {
            return state.set_item(mark, true);
        }
        if state.contains(mark)? { Ok(()) } else { Err(refused()) }
    }

    /// All of them; the first call looks them up.
    ///
    /// # Errors
    /// `ImportError` in another interpreter of this process than that of the first call: objects are not shared between
    /// them.
    pub(super) fn get(py: Python<'_>) -> PyResult<&Importlib> {
        static IMPORTLIB: PyOnceLock<Importlib> = PyOnceLock::new();
        let importlib = IMPORTLIB.get_or_try_init(py, || Importlib::new(py))?;
        if importlib.interpreter != interpreter(py) {
            return Err(refused());
        }
        Ok(importlib)
    }

    fn new(py: Python<'_>) -> PyResult<Importlib> {
        let bootstrap = py.import("_frozen_importlib")?;
        let external = py.import("_frozen_importlib_external")?;
        let imp = py.import("_imp")?;
        let verbose: i32 = sys(py)?.getattr("flags")?.getattr("verbose")?.extract()?;
        Ok(Importlib {
            module_spec: bootstrap.getattr("ModuleSpec")?.unbind(),
            path_finder: external.getattr("PathFinder")?.unbind(),
            own_finders: OwnFinders::new(&bootstrap, &imp)?,
            stock: Stock::new(&external, &imp)?,
            is_verbose: verbose > 0,
            interpreter: interpreter(py),
            bootstrap: bootstrap.unbind(),
        })
    }

    /// An attribute of `sys`.
    pub(super) fn of_sys<'py>(&self, py: Python<'py>, name: &Bound<'py, PyString>) -> PyResult<Bound<'py, PyAny>> {
        sys(py)?.getattr(name)
    }

    /// `sys.meta_path`. If that is no list, as at the end of the interpreter, an empty one.
    pub(super) fn meta_path<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyList>> {
        let meta_path = self.of_sys(py, intern!(py, "meta_path"))?;
        Ok(meta_path.cast_into().unwrap_or_else(|_| PyList::empty(py)))
    }

    /// The finder for an entry of a path as `PathFinder` gets it, or `None`: out of `sys.path_importer_cache`, or from
    /// `sys.path_hooks` if nobody asked before.
    pub(super) fn entry_finder<'py>(&self, entry: &Bound<'py, PyString>) -> PyResult<Bound<'py, PyAny>> {
        let py = entry.py();
        // The empty entry means the current folder.
        if !entry.is_empty()?
            && let Some(finder) = self.cached_finder(entry)?
        {
            return Ok(finder);
        }
        self.path_finder.bind(py).call_method1(intern!(py, "_path_importer_cache"), (entry,))
    }

    /// The finder that `sys.path_importer_cache` has for an entry of a path. `None` if the cache is a subclass of dict:
    /// it may answer something else than it holds, so the caller leaves it to `PathFinder`.
    fn cached_finder<'py>(&self, entry: &Bound<'py, PyString>) -> PyResult<Option<Bound<'py, PyAny>>> {
        let py = entry.py();
        let cache = self.of_sys(py, intern!(py, "path_importer_cache"))?;
        cache.cast_exact::<PyDict>().map_or(Ok(None), |cache| cache.get_item(entry))
    }

    /// Whether CPython's own finder searches a folder. It is not asked, and the folder is not looked at.
    pub(super) fn is_searched_by_stock(&self, folder: &Bound<'_, PyString>) -> PyResult<bool> {
        let py = folder.py();
        let cache = self.of_sys(py, intern!(py, "path_importer_cache"))?;
        let Ok(cache) = cache.cast_exact::<PyDict>() else { return Ok(false) };
        match cache.get_item(folder)? {
            Some(finder) => self.stock.is_file_finder(&finder),
            None => self.stock.are_hooks(&self.of_sys(py, intern!(py, "path_hooks"))?),
        }
    }

    /// The folder that CPython's own finder searches for an entry of a path. An entry that is not absolute starts at
    /// the folder that was the current one when the finder was made.
    pub(super) fn folder_of<'py>(&self, entry: &Bound<'py, PyString>) -> PyResult<Bound<'py, PyString>> {
        let py = entry.py();
        if with_text(entry, is_absolute)? {
            return Ok(entry.clone());
        }
        if entry.is_empty()? {
            return self.stock.folder_of_new(&std::env::current_dir()?.as_os_str().into_pyobject(py)?);
        }
        match self.cached_finder(entry)? {
            Some(finder) if self.stock.is_file_finder(&finder)? => self.stock.folder(&finder),
            _ => self.stock.folder_of_new(entry),
        }
    }

    /// Says something if `-v` was given, as importlib does.
    pub(super) fn say(&self, py: Python<'_>, message: impl FnOnce() -> String) -> PyResult<()> {
        if self.is_verbose {
            self.bootstrap.bind(py).call_method1("_verbose_message", ("{}", message()))?;
        }
        Ok(())
    }
}

fn refused() -> PyErr {
    let message = "permacode serves the first interpreter of a process that imports it, and no other: not a second \
                   one beside it, and none after Py_Finalize";
    PyImportError::new_err(message)
}

/// The number of the interpreter that is running.
fn interpreter(_py: Python<'_>) -> i64 {
    // SAFETY: attached, which is all that it asks.
    let interpreter = unsafe { ffi::PyInterpreterState_Get() };
    // SAFETY: attached, and it is an interpreter.
    unsafe { ffi::PyInterpreterState_GetID(interpreter) }
}
