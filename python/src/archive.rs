//! The class `Archive`: the modules of an archive by name.

use std::{
    ffi::OsStr,
    path::PathBuf,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
};

use pyo3::{
    exceptions::{PyKeyError, PyValueError},
    prelude::*,
    types::{PyList, PyString, PyType},
};

use crate::{
    error::{describe, import_error, module_not_found},
    introspection,
    library::{Fit, Library, filename},
    path::FsPath,
    roots::Roots,
};

/// Opens an archive: a mapping from module names to code objects.
///
/// The archive must have code for this very interpreter, patch release and optimisation level included. With
/// `exact=False` it may be for another release or level, as long as this interpreter runs its bytecode; the attribute
/// `target` says for which it is.
///
/// The file is mapped, not read, and must neither be written to nor cut off while the archive is open; writers of
/// archives replace files and never write into them.
///
/// Raises OSError if the file cannot be opened, and ImportError if it is no archive, is damaged, or has no code for
/// this interpreter. Raises the audit event `open`, as the function `open` does.
#[pyfunction]
#[pyo3(signature = (path, *, exact=true))]
pub(crate) fn open(py: Python<'_>, path: FsPath, exact: bool) -> PyResult<Archive> {
    class(py)?;
    let library = Library::open(py, &path.0, if exact { Fit::Exact } else { Fit::Bytecode })?;
    Ok(Archive { path: library.path().to_owned(), library: Mutex::new(Some(Arc::new(library))) })
}

/// The class, which is a `collections.abc.Mapping` from the first call on. To register it takes longer than all the
/// rest of importing this package, so no other code does it.
pub(crate) fn class(py: Python<'_>) -> PyResult<Bound<'_, PyType>> {
    static IS_REGISTERED: AtomicBool = AtomicBool::new(false);
    let class = py.get_type::<Archive>();
    if !IS_REGISTERED.swap(true, Relaxed) {
        py.import("_collections_abc")?.getattr("Mapping")?.call_method1("register", (&class,))?;
    }
    Ok(class)
}

/// An open archive: a mapping from the names of its modules to their code objects, and a context manager.
///
/// It is equal only to itself: comparing it with another mapping would make all code objects of both.
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

    /// The code object of a module. `None` if the archive has none of that name.
    fn find<'py>(&self, py: Python<'py>, name: &Bound<'py, PyAny>) -> PyResult<Option<Bound<'py, PyAny>>> {
        match name.cast::<PyString>() {
            Ok(name) if self.__contains__(py, name)? => self.code(py, name, None).map(Some),
            // No name, but a closed archive is no mapping of anything.
            Err(_) => self.library().map(|_| None),
            Ok(_) => Ok(None),
        }
    }

    /// The names of the modules that have code, sorted.
    fn names<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyList>> {
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
}

/// A view of an archive, by the name that its class has in `collections.abc`.
fn view<'py>(archive: &Bound<'py, Archive>, class: &str) -> PyResult<Bound<'py, PyAny>> {
    archive.get().library()?;
    archive.py().import("_collections_abc")?.getattr(class)?.call1((archive,))
}

#[pymethods]
impl Archive {
    /// The code object of a module.
    ///
    /// Its co_filename lies in the folder that the archive's root stands for. `base` says which folder that is, for all
    /// roots (a path) or for some (a mapping of names to paths). All others are folders of this interpreter.
    ///
    /// Raises ModuleNotFoundError if there is no such module, ImportError if the archive is damaged, and ValueError if
    /// `base` names a root that the archive does not have.
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
        let roots = Roots::of_base(py, base)?;
        if let Some(problem) = library.unknown_root(&Roots::names(base)?) {
            return Err(PyValueError::new_err(describe(&self.path, None, &problem)));
        }
        let filename = filename(py, &library, &module, &roots)?;
        library.code(py, &module, &filename)
    }

    /// The docstring of a module, a class or a function, as it is in the code; None if it has none.
    ///
    /// The name is that of a module, such as `json`, or that of a module and a qualified name, such as
    /// `json:JSONEncoder.encode`. `.<locals>` may be left out. If several code objects have the same name, `#2` after
    /// it means the second one in the order of lines, and `@120` the one that starts in line 120.
    ///
    /// This imports nothing and makes no code object. Raises ModuleNotFoundError if there is no such module,
    /// LookupError if it has no such code object or several, and ImportError if the archive is damaged.
    fn doc<'py>(&self, name: &Bound<'py, PyString>) -> PyResult<Option<Bound<'py, PyString>>> {
        introspection::find(&*self.library()?, name)?.doc()
    }

    /// The signature of a function, as an `inspect.Signature`. Defaults and annotations are their source texts.
    ///
    /// `name` and exceptions are as for `doc`. Raises TypeError if the name is that of a module or a class. Without
    /// signatures in the archive, the parameters have neither defaults nor annotations.
    fn signature<'py>(&self, name: &Bound<'py, PyString>) -> PyResult<Bound<'py, PyAny>> {
        introspection::find(&*self.library()?, name)?.signature()
    }

    /// Where the instructions of a module, a class or a function come from: a list of tuples (start, end, line, end
    /// line, column, end column). Start and end are offsets in `co_code`. What is not known is None.
    ///
    /// `name` and exceptions are as for `doc`.
    fn lines<'py>(&self, name: &Bound<'py, PyString>) -> PyResult<Bound<'py, PyList>> {
        introspection::find(&*self.library()?, name)?.lines()
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

    /// The interpreter that the code is for, for example "cpython 3.11.7 (magic 3495, optimisation level 0)".
    #[getter]
    fn target(&self) -> PyResult<Option<String>> {
        Ok(self.library()?.for_whom())
    }

    /// How code objects are made: "records", or "marshal" where the build of CPython is not known.
    #[getter]
    fn method(&self) -> PyResult<&'static str> {
        Ok(self.library()?.builder().method().name)
    }

    fn __getitem__<'py>(&self, py: Python<'py>, name: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
        let code = self.find(py, name)?;
        code.ok_or_else(|| PyKeyError::new_err(name.clone().unbind()))
    }

    /// The code object of a module, or the default if there is no such module.
    #[pyo3(signature = (name, default=None, /))]
    fn get<'py>(
        &self,
        py: Python<'py>,
        name: &Bound<'py, PyAny>,
        default: Option<Bound<'py, PyAny>>,
    ) -> PyResult<Option<Bound<'py, PyAny>>> {
        Ok(self.find(py, name)?.or(default))
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
        self.names(py).map(|names| names.len())
    }

    fn __iter__<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        self.names(py)?.call_method0("__iter__")
    }

    /// A view of the names of the modules that have code, sorted.
    fn keys<'py>(this: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        view(this, "KeysView")
    }

    /// A view of the code objects, in the order of their names; each is made when it is asked for.
    fn values<'py>(this: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        view(this, "ValuesView")
    }

    /// A view of names and code objects; each code object is made when it is asked for.
    fn items<'py>(this: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        view(this, "ItemsView")
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
