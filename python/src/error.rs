//! What is wrong with an archive, as Python is told.

use std::path::Path;

use permacode_reader as reader;
use pyo3::{
    exceptions::{PyImportError, PyOSError},
    prelude::*,
    types::PyDict,
};

/// Why there is no code object.
#[derive(Debug)]
pub(crate) enum Error {
    /// The archive breaks a rule of the format.
    Archive(reader::Error),
    /// The archive keeps the rules, but CPython has no such code objects.
    Unsupported { what: &'static str, offset: u64 },
    /// An exception was raised.
    Python(PyErr),
}

pub(crate) type Result<T> = std::result::Result<T, Error>;

impl From<reader::Error> for Error {
    fn from(error: reader::Error) -> Self {
        Error::Archive(error)
    }
}

impl From<PyErr> for Error {
    fn from(error: PyErr) -> Self {
        Error::Python(error)
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
    let keywords = PyDict::new(py);
    let exception = keywords
        .set_item("name", module)
        .and_then(|()| keywords.set_item("path", archive))
        .and_then(|()| py.get_type::<PyImportError>().call((message,), Some(&keywords)));
    exception.map_or_else(|error| error, PyErr::from_value)
}

impl Error {
    /// The exception for Python; a damaged archive is an `ImportError` that names archive, module, rule and offset.
    pub(crate) fn raise(self, py: Python<'_>, archive: &Path, module: Option<&str>) -> PyErr {
        let message = match self {
            Error::Archive(error) => return of_reader(py, archive, module, error),
            Error::Unsupported { what, offset } => format!("CPython has no {what} (at offset {offset:#x})"),
            Error::Python(error) => return error,
        };
        import_error(py, archive, module, describe(archive, module, &message))
    }
}

/// The exception for an error of the reader: an `OSError` if the system refused, otherwise an `ImportError`.
pub(crate) fn of_reader(py: Python<'_>, archive: &Path, module: Option<&str>, error: reader::Error) -> PyErr {
    let message = describe(archive, module, &error);
    match error.kind() {
        reader::ErrorKind::Io(io) => match io.raw_os_error() {
            Some(number) => PyOSError::new_err((number, io.to_string(), archive.to_path_buf())),
            None => PyOSError::new_err(message),
        },
        _ => import_error(py, archive, module, message),
    }
}
