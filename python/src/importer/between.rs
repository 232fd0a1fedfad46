//! The finders that stand between this one and PathFinder.
//!
//! They come first, as without the archive. CPython's own finders of built-in and frozen modules are not called: whether
//! they have a module is known without them. All other finders are asked, as importlib would ask them next.

use pyo3::{intern, prelude::*, types::PyString};

use super::{importlib::Importlib, stock::Functions};

/// One of CPython's own finders that need no file.
pub(super) struct OwnFinder {
    finder: Py<PyAny>,
    functions: Functions,
    /// Says whether it has a module, given the name.
    has: Py<PyAny>,
}

impl OwnFinder {
    fn new(bootstrap: &Bound<'_, PyModule>, class: &str, has: Bound<'_, PyAny>) -> PyResult<Self> {
        let finder = bootstrap.getattr(class)?;
        Ok(OwnFinder {
            functions: Functions::new(finder.cast()?, true, &["find_spec"], &bootstrap.dict())?,
            has: has.unbind(),
            finder: finder.unbind(),
        })
    }

    fn has(&self, name: &Bound<'_, PyString>) -> PyResult<bool> {
        self.has.bind(name.py()).call1((name,))?.is_truthy()
    }
}

/// CPython's own finders of built-in and of frozen modules, in the order in which they stand in `sys.meta_path`.
pub(super) struct OwnFinders([OwnFinder; 2]);

impl OwnFinders {
    /// `bootstrap` is `importlib._bootstrap`, and `imp` is `_imp`.
    pub(super) fn new(bootstrap: &Bound<'_, PyModule>, imp: &Bound<'_, PyModule>) -> PyResult<Self> {
        Ok(OwnFinders([
            OwnFinder::new(bootstrap, "BuiltinImporter", imp.getattr("is_builtin")?)?,
            OwnFinder::new(bootstrap, "FrozenImporter", imp.getattr("is_frozen")?)?,
        ]))
    }

    /// Whether one of them has a module.
    pub(super) fn have(&self, name: &Bound<'_, PyString>) -> PyResult<bool> {
        Ok(self.0[0].has(name)? || self.0[1].has(name)?)
    }

    /// The number of these finders that stand directly before a place in `sys.meta_path`, if all of them do.
    pub(super) fn count_before(&self, finders: &[Bound<'_, PyAny>]) -> usize {
        let own = self.0.iter().map(|own| &own.finder);
        let are_there = finders.len() >= self.0.len()
            && finders[finders.len() - self.0.len()..].iter().zip(own).all(|(found, own)| found.is(own));
        if are_there { self.0.len() } else { 0 }
    }

    /// The finder of these that an object is, if it is as CPython made it.
    fn get(&self, finder: &Bound<'_, PyAny>) -> Option<&OwnFinder> {
        let own = self.0.iter().find(|own| finder.is(&own.finder))?;
        own.functions.replaced(finder.py()).is_none().then_some(own)
    }
}

/// What the finders between this one and PathFinder say of a module.
pub(super) enum Between<'py> {
    /// They do not have it. `were_asked` if any of them was called.
    Nothing { were_asked: bool },
    /// One has it, and importlib will ask that finder.
    Elsewhere,
    /// One has it.
    Found(Bound<'py, PyAny>),
    /// One cannot be asked: it has no `find_spec`, and up to 3.11 importlib then calls another method.
    Unknown,
}

/// Asks the finders in their order.
pub(super) fn ask<'py>(
    importlib: &Importlib,
    finders: &[Bound<'py, PyAny>],
    name: &Bound<'py, PyString>,
    path: Option<&Bound<'py, PyAny>>,
    target: Option<&Bound<'py, PyAny>>,
) -> PyResult<Between<'py>> {
    let py = name.py();
    let mut were_asked = false;
    for finder in finders {
        if let Some(own) = importlib.own_finders.get(finder) {
            if own.has(name)? {
                return Ok(Between::Elsewhere);
            }
            continue;
        }
        let Some(find_spec) = finder.getattr_opt(intern!(py, "find_spec"))? else {
            if cfg!(Py_3_12) {
                continue;
            }
            return Ok(Between::Unknown);
        };
        were_asked = true;
        let spec = find_spec.call1((name, path, target))?;
        if !spec.is_none() {
            return Ok(Between::Found(spec));
        }
    }
    Ok(Between::Nothing { were_asked })
}
