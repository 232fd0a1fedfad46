//! What the import system is told of a module: a `ModuleSpec` as `PathFinder` would make it, but for its loader.

use pyo3::{
    intern,
    prelude::*,
    types::{PyList, PyString},
};

use super::{importlib::Importlib, loader, place::Place};

/// Ends of the names of compiled files, as this interpreter calls them.
pub(super) struct CompiledFiles {
    /// `sys.implementation`, and what its `cache_tag` was.
    implementation: Py<PyAny>,
    tag: Py<PyAny>,
    /// `.cpython-311.opt-1.pyc`
    suffix: String,
}

impl CompiledFiles {
    pub(super) fn new(py: Python<'_>, importlib: &Importlib) -> PyResult<Self> {
        let implementation = importlib.of_sys(py, intern!(py, "implementation"))?;
        let tag = implementation.getattr(intern!(py, "cache_tag"))?;
        let level: u8 = importlib.of_sys(py, intern!(py, "flags"))?.getattr(intern!(py, "optimize"))?.extract()?;
        let suffix = permacode_pyc::cache_suffix(&tag.to_string(), level);
        Ok(CompiledFiles { implementation: implementation.unbind(), tag: tag.unbind(), suffix })
    }

    /// The part of these names that says which interpreter they are for: `.cpython-311.opt-1`.
    pub(super) fn tag(&self) -> &str {
        self.suffix.strip_suffix(".pyc").unwrap_or(&self.suffix)
    }

    /// The compiled file of a source (`importlib.util.cache_from_source`), where that is simply a folder away. `None`:
    /// importlib will work it out if somebody asks.
    fn of<'py>(&self, importlib: &Importlib, file: &Bound<'py, PyString>) -> PyResult<Option<Bound<'py, PyString>>> {
        let py = file.py();
        let tag = self.implementation.bind(py).getattr(intern!(py, "cache_tag"))?;
        if !tag.is(&self.tag) || !importlib.of_sys(py, intern!(py, "pycache_prefix"))?.is_none() {
            return Ok(None);
        }
        let Ok(Some((folder, stem))) =
            file.to_str().map(|file| file.strip_suffix(".py")?.rsplit_once(std::path::MAIN_SEPARATOR))
        else {
            return Ok(None);
        };
        let mut compiled = String::with_capacity(file.len().unwrap_or_default() + self.suffix.len() + 16);
        for part in [folder, std::path::MAIN_SEPARATOR_STR, "__pycache__", std::path::MAIN_SEPARATOR_STR, stem] {
            compiled.push_str(part);
        }
        compiled.push_str(&self.suffix);
        Ok(Some(PyString::new(py, &compiled)))
    }
}

/// The spec of a module, and its loader.
pub(super) fn new<'py>(
    importlib: &Importlib,
    compiled: &CompiledFiles,
    name: &Bound<'py, PyString>,
    place: &Place,
) -> PyResult<(Bound<'py, PyAny>, Bound<'py, PyAny>)> {
    let py = name.py();
    let file = &place.file(py)?;
    let loader = loader::class(py)?.call1((name, file))?;
    let spec = of_file(importlib, name, &loader, file)?;
    if let Some(folder) = place.package_folder(py)? {
        spec.setattr(intern!(py, "submodule_search_locations"), PyList::new(py, [folder])?)?;
    }
    // From 3.15 on no module is told of it, so it can wait until somebody asks.
    if !cfg!(Py_3_15)
        && let Some(compiled) = compiled.of(importlib, file)?
    {
        spec.setattr(intern!(py, "cached"), compiled)?;
    }
    Ok((spec, loader))
}

/// The spec of a module that one file has.
pub(super) fn of_file<'py>(
    importlib: &Importlib,
    name: &Bound<'py, PyString>,
    loader: &Bound<'py, PyAny>,
    file: &Bound<'py, PyString>,
) -> PyResult<Bound<'py, PyAny>> {
    let py = name.py();
    let spec = importlib.module_spec.bind(py).call1((name, loader))?;
    spec.setattr(intern!(py, "origin"), file)?;
    spec.setattr(intern!(py, "has_location"), true)?;
    Ok(spec)
}
