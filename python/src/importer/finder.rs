//! The finder in `sys.meta_path`.

use std::sync::Arc;

use pyo3::{intern, prelude::*, types::PyString};

use super::{
    count,
    importlib::Importlib,
    layer::{Choice, Layer, LayerCode, Reason},
    obstacle::Obstacle,
};

/// Finds modules in the archives that are installed: those that CPython would find in the files that an archive was
/// made from.
///
/// It stands directly before PathFinder in sys.meta_path. For all other modules it finds nothing, and PathFinder is
/// asked.
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
        let (mut searched, mut declined) = (path.cloned(), Vec::new());
        for layer in &this.get().layers {
            let Some(in_archive) = layer.find(name)? else { continue };
            if declined.is_empty() && Obstacle::of(importlib, this)?.is_some() {
                count::BLOCKED.add_one();
                return Ok(None);
            }
            let path = match &searched {
                Some(path) => path,
                None => searched.insert(importlib.of_sys(py, intern!(py, "path"))?),
            };
            match layer.choose(importlib, &in_archive, name, path, target)? {
                Choice::Taken(spec) => return Ok(Some(spec)),
                Choice::Declined(reason) => declined.push((reason, layer, in_archive)),
            }
        }
        declined.iter().map(|(reason, ..)| *reason).max().unwrap_or(Reason::Missed).count();
        // A module in a package is searched for in the folders of the package, which need not be below a root.
        if path.is_none() {
            for (_, layer, in_archive) in &declined {
                layer.warn_if_unsearched(importlib, name, in_archive.module())?;
            }
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
