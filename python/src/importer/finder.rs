//! The finder in `sys.meta_path`.

use std::{
    path::Path,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
};

use permacode_reader::{Module, Source};
use pyo3::{
    exceptions::{PyException, PyMemoryError},
    intern,
    prelude::*,
    types::{PyBytes, PyDict, PyString},
};

use super::{
    count,
    importlib::Importlib,
    place::Place,
    source,
    spec::{self, CompiledFiles},
    warn,
};
use crate::{
    library::{Fit, Library},
    roots::Roots,
};

/// Finds modules in an archive: those that CPython would find in the files that the archive was made from.
///
/// It stands directly before PathFinder in sys.meta_path, and takes a module only if what PathFinder would find is what the
/// archive holds; for all others it finds nothing, and PathFinder is asked.
#[pyclass(frozen, module = "permacode._permacode")]
pub(crate) struct PermacodeFinder {
    library: Library,
    roots: Roots,
    compiled_files: CompiledFiles,
    is_strict: AtomicBool,
    /// Whether somebody was told that the archive is damaged.
    was_warned: AtomicBool,
    /// The loader of the last module whose file was looked at: its code is asked for next, and it need not be looked at again.
    looked_at: Mutex<Option<Py<PyAny>>>,
}

/// A module that the archive has.
struct Candidate<'a> {
    module: Module<'a>,
    source: Option<Source<'a>>,
    place: Place,
}

impl Candidate<'_> {
    /// Whether the file is what the archive was made from.
    fn is_unchanged(&self, file: &Bound<'_, PyString>) -> PyResult<bool> {
        self.source.as_ref().map_or(Ok(false), |source| source::is_unchanged(file, source))
    }
}

/// What a path says of a candidate.
enum Found {
    /// It is found where the archive says that it is.
    Here,
    /// Somebody has one of that name who is asked earlier.
    Shadowed,
    /// The folder that it lies in is not searched, or the file is gone.
    Nowhere,
    /// The file is not what the archive was made from.
    Changed,
}

impl PermacodeFinder {
    pub(super) fn new(py: Python<'_>, path: &Path, strict: bool, roots: Roots) -> PyResult<Self> {
        Ok(PermacodeFinder {
            library: Library::open(py, path, Fit::Exact)?,
            roots,
            compiled_files: CompiledFiles::new(py, Importlib::get(py)?)?,
            is_strict: AtomicBool::new(strict),
            was_warned: AtomicBool::new(false),
            looked_at: Mutex::new(None),
        })
    }

    pub(super) fn library(&self) -> &Library {
        &self.library
    }

    pub(super) fn roots(&self) -> &Roots {
        &self.roots
    }

    pub(super) fn set_strict(&self, strict: bool) {
        self.is_strict.store(strict, Relaxed);
    }

    /// Says in `status` what it is.
    pub(super) fn describe(&self, status: &Bound<'_, PyDict>) -> PyResult<()> {
        let method = self.library.builder().method();
        status.set_item("method", method.name)?;
        status.set_item("constructor", method.constructor)?;
        status.set_item("archive", self.library.path().as_os_str())?;
        status.set_item("target", self.library.for_whom())?;
        status.set_item("sealed", self.library.is_sealed())?;
        status.set_item("strict", self.is_strict.load(Relaxed))?;
        status.set_item("roots", self.roots.to_dict(status.py())?)?;
        status.set_item("reason", method.reason)
    }

    /// The module of this name, if the archive has it, with code. Damage is passed over as if it had not, unless nobody wants
    /// that.
    fn candidate(&self, py: Python<'_>, name: &Bound<'_, PyString>) -> PyResult<Option<Candidate<'_>>> {
        // A name with lone surrogates is in no archive.
        let Ok(name) = name.to_str() else { return Ok(None) };
        let find = || {
            let Some(module) = self.library.find(name)?.filter(|module| !module.is_namespace()) else {
                return Ok(None);
            };
            let source = module.source()?;
            let place = Place::of(&module, source.as_ref(), &self.roots)?;
            Ok(place.map(|place| Candidate { module, source, place }))
        };
        match find() {
            Ok(found) => Ok(found),
            Err(error) => self.pass_over(py, self.library.error(py, name, error)).map(|()| None),
        }
    }

    /// Passes over damage of the archive, unless nobody wants that.
    fn pass_over(&self, py: Python<'_>, damage: PyErr) -> PyResult<()> {
        let is_damage = damage.is_instance_of::<PyException>(py) && !damage.is_instance_of::<PyMemoryError>(py);
        if !is_damage || self.is_strict.load(Relaxed) {
            return Err(damage);
        }
        count::FALLBACKS.add_one();
        if self.was_warned.swap(true, Relaxed) {
            return Ok(());
        }
        warn(py, &format!("{}: the file is imported instead; there is no other warning", damage.value(py)))
    }

    /// Asks all that PathFinder would ask before the folder of the archived file, and for an archive that is not sealed also
    /// who searches that folder: a package or an extension module may be there by now.
    fn look<'py>(
        &self,
        importlib: &Importlib,
        candidate: &Candidate<'_>,
        name: &Bound<'py, PyString>,
        path: &Bound<'py, PyAny>,
        target: Option<&Bound<'py, PyAny>>,
    ) -> PyResult<Found> {
        for entry in path.try_iter()? {
            let entry = entry?;
            let Ok(entry) = entry.cast::<PyString>() else {
                if entry.is_instance_of::<PyBytes>() {
                    // Some versions of CPython search such a folder.
                    return Ok(Found::Shadowed);
                }
                continue;
            };
            let is_here = candidate.place.is_in(entry)?;
            if is_here && self.library.is_sealed() {
                return Ok(Found::Here);
            }
            let finder = importlib.entry_finder(entry)?;
            if finder.is_none() {
                continue;
            }
            let Some(file) = file_found_by(&finder, name, target)? else { continue };
            return match file.cast::<PyString>() {
                Ok(file) if is_here && candidate.place.is_file(file)? => {
                    Ok(if candidate.is_unchanged(file)? { Found::Here } else { Found::Changed })
                }
                _ => Ok(Found::Shadowed),
            };
        }
        Ok(Found::Nowhere)
    }

    /// The code object for a loader; `None`: the loader is to take it from the file.
    pub(super) fn code<'py>(
        &self,
        importlib: &Importlib,
        loader: &Bound<'py, PyAny>,
        fullname: &Bound<'py, PyAny>,
    ) -> PyResult<Option<Bound<'py, PyAny>>> {
        let py = loader.py();
        let (name, file) = (loader.getattr(intern!(py, "name"))?, loader.getattr(intern!(py, "path"))?);
        let (Ok(name), Ok(file)) = (name.cast::<PyString>(), file.cast::<PyString>()) else { return Ok(None) };
        // A loader that is asked for another module has something to say about that.
        if !name.is(fullname) && !fullname.eq(name)? {
            return Ok(None);
        }
        let Some(candidate) = self.candidate(py, name)? else { return Ok(None) };
        if !candidate.place.is_file(file)? {
            return Ok(None);
        }
        let archive = self.library.path().display();
        if !self.library.is_sealed() {
            if !self.was_looked_at(loader) && !candidate.is_unchanged(file)? {
                count::STALE.add_one();
                return Ok(None);
            }
            importlib.say(py, || format!("{archive} matches {file}"))?;
        }
        let code = match self.library.code(py, &candidate.module, file) {
            Ok(code) => code,
            Err(damage) => return self.pass_over(py, damage).map(|()| None),
        };
        count::HITS.add_one();
        importlib.say(py, || format!("code object of {name} from '{archive}'"))?;
        Ok(Some(code))
    }

    /// Remembers that the file of this loader was looked at.
    fn set_looked_at(&self, loader: Bound<'_, PyAny>) {
        let mut looked_at = self.looked_at.lock().unwrap_or_else(PoisonError::into_inner);
        let last = looked_at.replace(loader.unbind());
        // Not under the lock: letting go of an object may run code.
        drop(looked_at);
        drop(last);
    }

    /// Whether the file of this loader was looked at when it was found; once.
    fn was_looked_at(&self, loader: &Bound<'_, PyAny>) -> bool {
        let mut looked_at = self.looked_at.lock().unwrap_or_else(PoisonError::into_inner);
        looked_at.take_if(|last| last.is(loader)).is_some()
    }
}

#[pymethods]
impl PermacodeFinder {
    /// The spec of a module, or None: as all finders in sys.meta_path have it.
    #[pyo3(signature = (name, path=None, target=None))]
    fn find_spec<'py>(
        &self,
        name: &Bound<'py, PyString>,
        path: Option<&Bound<'py, PyAny>>,
        target: Option<&Bound<'py, PyAny>>,
    ) -> PyResult<Option<Bound<'py, PyAny>>> {
        let py = name.py();
        let Some(candidate) = self.candidate(py, name)? else {
            count::MISSES.add_one();
            return Ok(None);
        };
        let importlib = Importlib::get(py)?;
        let found = match path {
            Some(path) => self.look(importlib, &candidate, name, path, target)?,
            None => self.look(importlib, &candidate, name, &importlib.of_sys(py, intern!(py, "path"))?, target)?,
        };
        match found {
            Found::Here => {
                let (spec, loader) = spec::new(importlib, &self.compiled_files, name, &candidate.place)?;
                if !self.library.is_sealed() {
                    self.set_looked_at(loader);
                }
                return Ok(Some(spec));
            }
            Found::Shadowed => count::SHADOWED.add_one(),
            Found::Nowhere => count::MISSES.add_one(),
            Found::Changed => count::STALE.add_one(),
        }
        Ok(None)
    }

    fn __repr__(&self) -> String {
        format!("<PermacodeFinder of '{}'>", self.library.path().display())
    }
}

/// The origin of what a finder has of this name. `None` if it has nothing, or part of a namespace package.
fn file_found_by<'py>(
    finder: &Bound<'py, PyAny>,
    name: &Bound<'py, PyString>,
    target: Option<&Bound<'py, PyAny>>,
) -> PyResult<Option<Bound<'py, PyAny>>> {
    let py = finder.py();
    let Some(find_spec) = finder.getattr_opt(intern!(py, "find_spec"))? else {
        // A finder from before 3.4, which old versions of CPython still ask in other words. They will.
        return Ok(Some(py.None().into_bound(py)));
    };
    let spec = find_spec.call1((name, target))?;
    if spec.is_none() || spec.getattr(intern!(py, "loader"))?.is_none() {
        return Ok(None);
    }
    spec.getattr(intern!(py, "origin")).map(Some)
}
