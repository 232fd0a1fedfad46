//! What keeps the finder from answering.
//!
//! It answers in place of PathFinder. So PathFinder must come after it, and must be that of CPython. A program may
//! change `sys.meta_path` and the classes of CPython at any time, so they are compared at each import.

use pyo3::{intern, prelude::*, types::PyList};

use super::{PermacodeFinder, importlib::Importlib, stock::Function};

/// Why the archive serves nothing at present.
pub(super) enum Obstacle<'py> {
    /// `sys.meta_path` is not a plain list, so its order of iteration is not known.
    NotAList,
    /// The finder is not in `sys.meta_path`.
    NotInstalled,
    /// PathFinder does not come after the finder.
    NoPathFinder,
    /// A function of CPython was replaced.
    Replaced(&'py Function),
}

impl<'py> Obstacle<'py> {
    /// The finders between this one and PathFinder, or the first obstacle that is found.
    pub(super) fn or_between(
        importlib: &'py Importlib,
        finder: &Bound<'py, PermacodeFinder>,
    ) -> PyResult<Result<Vec<Bound<'py, PyAny>>, Self>> {
        let py = finder.py();
        let meta_path = importlib.of_sys(py, intern!(py, "meta_path"))?;
        let Ok(meta_path) = meta_path.cast_exact::<PyList>() else { return Ok(Err(Obstacle::NotAList)) };
        let mut finders = meta_path.iter().skip_while(|found| !found.is(finder));
        if finders.next().is_none() {
            return Ok(Err(Obstacle::NotInstalled));
        }
        let mut between = Vec::new();
        loop {
            match finders.next() {
                None => return Ok(Err(Obstacle::NoPathFinder)),
                Some(next) if next.is(&importlib.path_finder) => break,
                Some(next) => between.push(next),
            }
        }
        Ok(importlib.stock.replaced(py).map(Obstacle::Replaced).map_or(Ok(between), Err))
    }
}

impl std::fmt::Display for Obstacle<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Obstacle::NotAList => f.write_str("sys.meta_path must be a plain list"),
            Obstacle::NotInstalled => f.write_str("PermacodeFinder is not in sys.meta_path"),
            Obstacle::NoPathFinder => {
                f.write_str("importlib.machinery.PathFinder must come after PermacodeFinder in sys.meta_path")
            }
            Obstacle::Replaced(function) => {
                write!(f, "{function} must be the function of CPython, but the program replaced it")
            }
        }
    }
}
