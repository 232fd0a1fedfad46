//! The finder in `sys.meta_path`.

use std::sync::Arc;

use pyo3::{intern, prelude::*, types::PyString};

use super::{
    between::{self, Between},
    count,
    importlib::Importlib,
    layer::{Choice, Layer, LayerCode, Reason},
    loader,
    obstacle::Obstacle,
};

/// Finds modules in the archives that are installed: those that CPython would find in the files that an archive was
/// made from.
///
/// It stands before PathFinder in sys.meta_path, and before CPython's own finders of built-in and frozen modules: to
/// call them takes longer than to know that they do not have a module. For all modules that it does not take, it finds
/// nothing, and the finders after it are asked.
#[pyclass(frozen, module = "permacode")]
pub(crate) struct PermacodeFinder {
    /// The archives, in the order in which they are asked. There is at least one.
    layers: Vec<Arc<Layer>>,
}

/// A code object, and the archive that has it.
pub(super) struct Found<'py, 'l> {
    pub(super) code: Bound<'py, PyAny>,
    pub(super) layer: &'l Layer,
}

impl PermacodeFinder {
    pub(super) fn new(layers: Vec<Arc<Layer>>) -> Self {
        PermacodeFinder { layers }
    }

    pub(super) fn layers(&self) -> &[Arc<Layer>] {
        &self.layers
    }

    /// The code object for a loader. `None` if the loader must take it from the file.
    pub(super) fn code<'py>(
        &self,
        importlib: &Importlib,
        loader: &Bound<'py, PyAny>,
        fullname: &Bound<'py, PyAny>,
    ) -> PyResult<Option<Found<'py, '_>>> {
        let py = loader.py();
        let (name, file) = (loader.getattr(intern!(py, "name"))?, loader.getattr(intern!(py, "path"))?);
        let (Ok(name), Ok(file)) = (name.cast::<PyString>(), file.cast::<PyString>()) else { return Ok(None) };
        // A loader that is asked for another module has something to say about that.
        if !name.is(fullname) && !fullname.eq(name)? {
            return Ok(None);
        }
        let mut is_stale = false;
        for layer in &self.layers {
            match layer.code(importlib, loader, name, file)? {
                LayerCode::Found(code) => {
                    count::HITS.add_one();
                    return Ok(Some(Found { code, layer }));
                }
                LayerCode::Stale => is_stale = true,
                LayerCode::Nothing => {}
            }
        }
        if is_stale {
            count::STALE.add_one();
        }
        Ok(None)
    }

    /// The spec of an extension module, if stamps say where CPython would find it.
    fn extension<'py>(
        this: &Bound<'py, Self>,
        importlib: &'py Importlib,
        name: &Bound<'py, PyString>,
        path: Option<&Bound<'py, PyAny>>,
        target: Option<&Bound<'py, PyAny>>,
    ) -> PyResult<Option<Bound<'py, PyAny>>> {
        let searched = searched(importlib, name.py(), path)?;
        for layer in &this.get().layers {
            let Some(spec) = layer.extension(importlib, name, &searched)? else { continue };
            let Ok(finders) = Obstacle::or_between(importlib, this)? else { return Ok(None) };
            let spec = match between::ask(importlib, &finders, name, path, target)? {
                Between::Nothing { .. } => {
                    layer.count_found();
                    spec
                }
                Between::Found(spec) => spec,
                Between::Elsewhere | Between::Unknown => return Ok(None),
            };
            Reason::Missed.count();
            return Ok(Some(spec));
        }
        Ok(None)
    }

    /// The spec that a finder between this one and PathFinder has found. If CPython's own loader would load a file that
    /// an archive was made from, the code comes from the archive.
    fn found_between<'py>(&self, importlib: &Importlib, spec: Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
        let py = spec.py();
        let stock = spec.getattr_opt(intern!(py, "loader"))?.filter(|loader| importlib.stock.is_source_loader(loader));
        // A loader with attributes besides its name and path is left alone.
        if let Some(stock) = stock
            && stock.getattr(intern!(py, "__dict__"))?.len()? == 2
            && let Ok(name) = stock.getattr(intern!(py, "name"))?.cast::<PyString>()
            && let Ok(file) = stock.getattr(intern!(py, "path"))?.cast::<PyString>()
        {
            for layer in &self.layers {
                if layer.find(name)?.map_or(Ok(false), |in_archive| in_archive.is_file(file))? {
                    spec.setattr(intern!(py, "loader"), loader::class(py)?.call1((name, file))?)?;
                    return Ok(spec);
                }
            }
        }
        count::SHADOWED.add_one();
        Ok(spec)
    }
}

#[pymethods]
impl PermacodeFinder {
    /// The spec of a module, or None: as all finders in sys.meta_path have it.
    #[pyo3(signature = (name, path=None, target=None))]
    fn find_spec<'py>(
        this: &Bound<'py, Self>,
        name: &Bound<'py, PyString>,
        path: Option<&Bound<'py, PyAny>>,
        target: Option<&Bound<'py, PyAny>>,
    ) -> PyResult<Option<Bound<'py, PyAny>>> {
        let py = name.py();
        let importlib = Importlib::get(py)?;
        let mut declined = Vec::new();
        let mut is_path_finder_next = false;
        for layer in &this.get().layers {
            let Some(in_archive) = layer.find(name)? else { continue };
            if declined.is_empty() {
                let Ok(finders) = Obstacle::or_between(importlib, this)? else {
                    count::BLOCKED.add_one();
                    return Ok(None);
                };
                match between::ask(importlib, &finders, name, path, target)? {
                    Between::Nothing { were_asked } => is_path_finder_next = were_asked,
                    Between::Elsewhere => return Ok(None),
                    Between::Found(spec) => return this.get().found_between(importlib, spec).map(Some),
                    Between::Unknown => {
                        count::BLOCKED.add_one();
                        return Ok(None);
                    }
                }
            }
            match layer.choose(importlib, &in_archive, name, &searched(importlib, py, path)?, target)? {
                Choice::Taken(spec) => return Ok(Some(spec)),
                Choice::Declined(reason) => declined.push((reason, layer, in_archive)),
            }
        }
        if declined.is_empty() {
            if importlib.own_finders.have(name)? {
                return Ok(None);
            }
            if let Some(spec) = Self::extension(this, importlib, name, path, target)? {
                return Ok(Some(spec));
            }
        }
        declined.iter().map(|(reason, ..)| *reason).max().unwrap_or(Reason::Missed).count();
        // A module in a package is searched for in the folders of the package, which need not be below a root.
        if path.is_none() {
            for (_, layer, in_archive) in &declined {
                layer.warn_if_unsearched(importlib, name, in_archive.module())?;
            }
        }
        if is_path_finder_next {
            // If importlib went on, it would ask the finders in between a second time.
            let spec = importlib.path_finder.bind(py).call_method1(intern!(py, "find_spec"), (name, path, target))?;
            return Ok(Some(spec).filter(|spec| !spec.is_none()));
        }
        Ok(None)
    }

    /// Forgets which folders it has looked at, as `importlib.invalidate_caches` asks of all finders.
    fn invalidate_caches(&self) {
        self.layers.iter().for_each(|layer| layer.invalidate_caches());
    }

    fn __repr__(&self) -> String {
        let archives: Vec<String> =
            self.layers.iter().map(|layer| format!("'{}'", layer.library().path().display())).collect();
        format!("<PermacodeFinder of {}>", archives.join(", "))
    }
}

/// The folders in which a module is searched for: the path that a finder was given, or `sys.path`.
fn searched<'py>(
    importlib: &Importlib,
    py: Python<'py>,
    path: Option<&Bound<'py, PyAny>>,
) -> PyResult<Bound<'py, PyAny>> {
    path.map_or_else(|| importlib.of_sys(py, intern!(py, "path")), |path| Ok(path.clone()))
}
