//! What keeps the finder from answering.
//!
//! It answers in place of PathFinder. So it may answer only where PathFinder would be asked next, and only while that
//! is the PathFinder of CPython. A program may change `sys.meta_path` and the classes of CPython at any time, so they
//! are compared at each import.

use pyo3::{intern, prelude::*, types::PyList};

use super::{PermacodeFinder, importlib::Importlib, stock::Function};

/// Why the archive serves nothing at present.
pub(super) enum Obstacle<'py> {
    /// `sys.meta_path` is not a plain list, so its order of iteration is not known.
    NotAList,
    /// The finder is not in `sys.meta_path`.
    NotInstalled,
    /// Something else than PathFinder, or nothing, comes after the finder.
    Next(Option<Bound<'py, PyAny>>),
    /// A function of CPython was replaced.
    Replaced(&'py Function),
}

impl<'py> Obstacle<'py> {
    /// The first obstacle that is found.
    pub(super) fn of(importlib: &'py Importlib, finder: &Bound<'py, PermacodeFinder>) -> PyResult<Option<Self>> {
        let py = finder.py();
        let meta_path = importlib.of_sys(py, intern!(py, "meta_path"))?;
        let Ok(meta_path) = meta_path.cast_exact::<PyList>() else { return Ok(Some(Obstacle::NotAList)) };
        let mut finders = meta_path.iter();
        let mut is_installed = false;
        while let Some(found) = finders.next() {
            if !found.is(finder) {
                continue;
            }
            let next = finders.next();
            if !next.as_ref().is_some_and(|next| next.is(&importlib.path_finder)) {
                return Ok(Some(Obstacle::Next(next)));
            }
            is_installed = true;
        }
        if !is_installed {
            return Ok(Some(Obstacle::NotInstalled));
        }
        Ok(importlib.stock.replaced(py).map(Obstacle::Replaced))
    }
}

impl std::fmt::Display for Obstacle<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let wanted = "PermacodeFinder must stand directly before importlib.machinery.PathFinder";
        match self {
            Obstacle::NotAList => f.write_str("sys.meta_path must be a plain list"),
            Obstacle::NotInstalled => f.write_str("PermacodeFinder is not in sys.meta_path"),
            Obstacle::Next(None) => write!(f, "{wanted} in sys.meta_path, but it is the last entry"),
            Obstacle::Next(Some(next)) => write!(f, "{wanted} in sys.meta_path, but the entry after it is {next:?}"),
            Obstacle::Replaced(function) => {
                write!(f, "{function} must be the function of CPython, but the program replaced it")
            }
        }
    }
}
