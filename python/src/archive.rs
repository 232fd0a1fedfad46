//! The class `Archive`: the modules of an archive by name.

use std::{
    ffi::OsStr,
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
};

use pyo3::{
    exceptions::{PyKeyError, PyValueError},
    prelude::*,
    types::{PyList, PyString},
};

use crate::{
    error::{import_error, module_not_found},
    library::{Fit, Library, filename},
    roots::Roots,
};

/// Opens an archive: a mapping from module names to code objects.
///
/// The file is mapped, not read, and must neither be written to nor cut off while the archive is open; writers of archives
/// replace files and never write into them.
///
/// Raises OSError if the file cannot be opened, and ImportError if it is no archive, is damaged, or has no bytecode for
/// this interpreter.
#[pyfunction]
pub(crate) fn open(py: Python<'_>, path: PathBuf) -> PyResult<Archive> {
    let library = Library::open(py, &path, Fit::Bytecode)?;
    Ok(Archive { path: library.path().to_owned(), library: Mutex::new(Some(Arc::new(library))) })
}

/// An open archive: a mapping from the names of its modules to their code objects, and a context manager.
#[pyclass(frozen, mapping, module = "permacode")]
pub(crate) struct Archive {
    path: PathBuf,
    library: Mutex<Option<Arc<Library>>>,
}

impl Archive {
    /// The library, if the archive is not closed. What holds it keeps the mapping alive.
    fn library(&self) -> PyResult<Arc<Library>> {
        let library = self.library.lock().unwrap_or_else(PoisonError::into_inner);
        library.clone().ok_or_else(|| PyValueError::new_err(format!("the archive is closed: {}", self.path.display())))
    }
}

#[pymethods]
impl Archive {
    /// The code object of a module.
    ///
    /// Its co_filename lies in the folder that the archive's root stands for: `base` says which that is, for all roots
    /// (a str or os.PathLike) or for each (a mapping of names to folders); None: the folders of this interpreter.
    ///
    /// Raises ModuleNotFoundError if there is no such module, and ImportError if the archive is damaged.
    #[pyo3(signature = (name, base=None))]
    fn code<'py>(
        &self,
        py: Python<'py>,
        name: &Bound<'py, PyString>,
        base: Option<&Bound<'py, PyAny>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let library = self.library()?;
        // A name with lone surrogates is in no archive.
        let Ok(text) = name.to_str() else { return Err(module_not_found(&self.path, name)) };
        let Some(module) = library.find(text).map_err(|error| library.error(py, text, error))? else {
            return Err(module_not_found(&self.path, name));
        };
        if module.is_namespace() {
            let message = format!("{}: {name} is a namespace package, which has no code", self.path.display());
            return Err(import_error(py, &self.path, Some(text), message));
        }
        let filename = filename(py, &library, &module, &Roots::of_base(py, base)?)?;
        library.code(py, &module, &filename)
    }

    /// Unmaps the file, as soon as nobody in another thread uses it any more. Code objects that were made stay valid.
    fn close(&self) {
        self.library.lock().unwrap_or_else(PoisonError::into_inner).take();
    }

    /// The path of the archive, absolute.
    #[getter]
    fn path(&self) -> &OsStr {
        self.path.as_os_str()
    }

    /// How code objects are made: "tables", or "marshal" where the build of CPython is not known.
    #[getter]
    fn method(&self) -> PyResult<&'static str> {
        Ok(self.library()?.builder().method().name)
    }

    fn __getitem__<'py>(&self, py: Python<'py>, name: &Bound<'py, PyString>) -> PyResult<Bound<'py, PyAny>> {
        if !self.__contains__(py, name)? {
            return Err(PyKeyError::new_err(name.clone().unbind()));
        }
        self.code(py, name, None)
    }

    fn __contains__(&self, py: Python<'_>, name: &Bound<'_, PyAny>) -> PyResult<bool> {
        let library = self.library()?;
        let Ok(name) = name.extract::<&str>() else { return Ok(false) };
        Ok(library
            .find(name)
            .map_err(|error| library.error(py, name, error))?
            .is_some_and(|found| !found.is_namespace()))
    }

    fn __len__(&self, py: Python<'_>) -> PyResult<usize> {
        self.keys(py).map(|names| names.len())
    }

    fn __iter__<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        self.keys(py)?.call_method0("__iter__")
    }

    /// The names of the modules that have code, sorted.
    fn keys<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyList>> {
        let library = self.library()?;
        let names = PyList::empty(py);
        for module in library.target().iter().flat_map(|target| target.modules()) {
            let of_error = |error| library.error(py, "?", error);
            let module = module.map_err(of_error)?;
            if !module.is_namespace() {
                names.append(module.name().map_err(of_error)?)?;
            }
        }
        Ok(names)
    }

    fn __enter__(this: PyRef<'_, Self>) -> PyResult<PyRef<'_, Self>> {
        this.library()?;
        Ok(this)
    }

    #[pyo3(signature = (*_details))]
    fn __exit__(&self, _details: &Bound<'_, PyAny>) {
        self.close();
    }

    fn __repr__(&self) -> String {
        let is_closed = self.library.lock().unwrap_or_else(PoisonError::into_inner).is_none();
        format!("<permacode.Archive {:?}{}>", self.path.display().to_string(), if is_closed { ", closed" } else { "" })
    }
}
