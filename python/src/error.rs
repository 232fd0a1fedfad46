//! What is wrong with an archive, as Python is told.

use std::path::Path;

use permacode_reader as reader;
use pyo3::{
    call::PyCallArgs,
    exceptions::{PyException, PyImportError, PyMemoryError, PyModuleNotFoundError, PyOSError},
    prelude::*,
    types::{PyDict, PyString, PyType},
};

/// Why there is no code object. It is small, so that results on the way are.
#[derive(Debug)]
pub(crate) enum Error {
    /// The archive breaks a rule of the format.
    Archive(reader::Error),
    /// The archive keeps the rules, but CPython has no such code objects.
    Unsupported(Box<(&'static str, u64)>),
    /// A constant stands for more values than CPython is to be led through (spec.md 8.2, [P-6]).
    OutOfProportion(Box<OutOfProportion>),
    /// An exception was raised.
    Python(Box<PyErr>),
}

/// A constant that shares its parts so often that it stands for too many values.
#[derive(Debug)]
pub(crate) struct OutOfProportion {
    /// The values that it stands for.
    pub(crate) values: u64,
    /// The values that were left of the budget.
    pub(crate) left: u64,
    /// Where it is.
    pub(crate) offset: u64,
}

pub(crate) type Result<T> = std::result::Result<T, Error>;

impl From<reader::Error> for Error {
    fn from(error: reader::Error) -> Self {
        Error::Archive(error)
    }
}

impl From<permacode_model::Error> for Error {
    #[cold]
    fn from(error: permacode_model::Error) -> Self {
        match error.into_kind() {
            permacode_model::ErrorKind::Archive(error) => Error::Archive(error),
            kind => PyImportError::new_err(permacode_model::Error::from(kind).to_string()).into(),
        }
    }
}

impl From<PyErr> for Error {
    #[cold]
    fn from(error: PyErr) -> Self {
        Error::Python(Box::new(error))
    }
}

impl Error {
    /// A constant that stands for too many values.
    #[cold]
    pub(crate) fn out_of_proportion(values: u64, left: u64, offset: u64) -> Self {
        Error::OutOfProportion(Box::new(OutOfProportion { values, left, offset }))
    }

    /// Something that CPython cannot have, and where in the archive it is.
    #[cold]
    pub(crate) fn unsupported(what: &'static str, offset: u64) -> Self {
        Error::Unsupported(Box::new((what, offset)))
    }
}

/// Text for an archive that is not as it should be: the archive, the module, what is wrong and where.
pub(crate) fn describe(archive: &Path, module: Option<&str>, error: &dyn std::fmt::Display) -> String {
    let archive = archive.display();
    match module {
        Some(module) => format!("{archive}: module {module}: {error}"),
        None => format!("{archive}: {error}"),
    }
}

/// An `ImportError` with `name` and `path`.
pub(crate) fn import_error(py: Python<'_>, archive: &Path, module: Option<&str>, message: String) -> PyErr {
    new_import_error(&py.get_type::<PyImportError>(), archive, module, message)
}

/// A `ModuleNotFoundError` with `name` and `path`, for a name that may be no text.
pub(crate) fn module_not_found(archive: &Path, name: &Bound<'_, PyString>) -> PyErr {
    let message = describe(archive, None, &format!("no module named {:?}", name.to_string_lossy()));
    new_import_error(&name.py().get_type::<PyModuleNotFoundError>(), archive, name, message)
}

fn new_import_error<'py>(
    class: &Bound<'py, PyType>,
    archive: &Path,
    name: impl IntoPyObject<'py>,
    message: String,
) -> PyErr {
    let keywords = PyDict::new(class.py());
    let exception = keywords
        .set_item("name", name)
        .and_then(|()| keywords.set_item("path", archive.as_os_str()))
        .and_then(|()| class.call((message,), Some(&keywords)));
    exception.map_or_else(|error| error, PyErr::from_value)
}

impl std::fmt::Display for Error {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Error::Archive(error) => error.fmt(f),
            Error::Unsupported(details) => write!(f, "CPython has no {} (at offset {:#x})", details.0, details.1),
            Error::OutOfProportion(found) => write!(
                f,
                "a constant stands for {} values, {} are left for this module: its parts are shared out of all proportion to \
                 the archive [P-6] (at offset {:#x})",
                found.values, found.left, found.offset
            ),
            Error::Python(error) => error.fmt(f),
        }
    }
}

impl Error {
    /// The exception for Python; a damaged archive is an `ImportError` that names archive, module, rule and offset.
    pub(crate) fn raise(self, py: Python<'_>, archive: &Path, module: Option<&str>) -> PyErr {
        match self {
            Error::Archive(error) => of_reader(py, archive, module, error),
            Error::Unsupported(_) | Error::OutOfProportion(_) => {
                import_error(py, archive, module, describe(archive, module, &self))
            }
            Error::Python(error) => *error,
        }
    }

    /// As [`raise`](Self::raise), for what became of a module's record at `offset`: what CPython refuses to make
    /// objects of is damage, too.
    pub(crate) fn raise_at(self, py: Python<'_>, archive: &Path, module: &str, offset: u64) -> PyErr {
        let Error::Python(error) = self else { return self.raise(py, archive, Some(module)) };
        if !error.is_instance_of::<PyException>(py) || error.is_instance_of::<PyMemoryError>(py) {
            return *error;
        }
        let what = format!("CPython refuses what it is made of: {error} (at offset {offset:#x})");
        let raised = import_error(py, archive, Some(module), describe(archive, Some(module), &what));
        raised.set_cause(py, Some(*error));
        raised
    }
}

/// The exception for an error of the reader: an `OSError` if the system refused, otherwise an `ImportError`.
pub(crate) fn of_reader(py: Python<'_>, archive: &Path, module: Option<&str>, error: reader::Error) -> PyErr {
    let message = describe(archive, module, &error);
    match error.kind() {
        reader::ErrorKind::Io { error: io, .. } => match io.raw_os_error() {
            // In Python's words: those of Rust have the number in them, which Python prints as well.
            Some(number) => match py.import("os").and_then(|os| os.call_method1("strerror", (number,))) {
                Ok(text) => os_error(py, (number, text, archive.as_os_str())),
                Err(error) => error,
            },
            None => os_error(py, (error.to_string(),)),
        },
        _ => import_error(py, archive, module, message),
    }
}

/// An `OSError`, made at once. PyO3 makes the exception of `new_err` later, and panics if that happens while CPython
/// 3.15 starts, because it does not call itself initialized then.
fn os_error<'py>(py: Python<'py>, arguments: impl PyCallArgs<'py>) -> PyErr {
    py.get_type::<PyOSError>().call1(arguments).map_or_else(|error| error, PyErr::from_value)
}
