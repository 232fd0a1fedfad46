//! Importing from an archive while the files stay installed: the overlay.
//!
//! ```text
//!   sys.meta_path: [.., PermacodeFinder, BuiltinImporter, FrozenImporter, PathFinder]
//!                        │
//!                        ├─ obstacle: whether it may answer: PathFinder comes later, and is CPython's own
//!                        ├─ between: what the finders before PathFinder say
//!                        ├─ layer: an archive that is installed; the first one that may serve a module does
//!                        ├─ place: where the file of a module lies, and whether a searched folder is its folder
//!                        ├─ stock: whether CPython's own finder and loader would import that file
//!                        ├─ source: whether that file is what the archive was made from
//!                        ├─ stamps: whether nothing changed since stamps were made, so that the others need not look
//!                        └─ spec: what the import system is told; its loader is a PermacodeLoader (loader)
//! ```
//!
//! What is installed is what stands in `sys.meta_path`: there is no other record of it.

mod between;
mod count;
mod finder;
mod importlib;
mod layer;
mod loader;
mod obstacle;
mod place;
mod source;
mod spec;
mod stamps;
mod stock;
mod warning;

use std::{
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};

use pyo3::{
    exceptions::{PyException, PyImportError, PyOSError},
    prelude::*,
    types::{PyDict, PyList},
};

pub(crate) use finder::PermacodeFinder;
pub(crate) use loader::class as loader_class;
pub(crate) use stamps::build_stamps;
pub(crate) use warning::PermacodeWarning;

use crate::{
    error::{describe, import_error},
    path::FsPath,
    roots::Roots,
    text::{string, text},
};
use importlib::Importlib;
use layer::Layer;
use obstacle::Obstacle;
use warning::warn;

/// The last archive that was refused while nothing was installed, and why.
static REFUSED: Mutex<Option<(PathBuf, String)>> = Mutex::new(None);

fn set_refused(refused: Option<(PathBuf, String)>) {
    *REFUSED.lock().unwrap_or_else(PoisonError::into_inner) = refused;
}

/// Claims the process for this interpreter, and looks up what the importer needs of it.
///
/// # Errors
/// `ImportError` if another interpreter of the process has imported the package.
pub(crate) fn prepare(py: Python<'_>) -> PyResult<()> {
    Importlib::claim(py)?;
    Importlib::get(py).map(drop)
}

/// Imports come from an archive from now on, wherever it has what CPython would import. True if so.
///
/// The files stay where they are: the archive spares finding, reading and unmarshalling their compiled form. A module
/// from the archive differs from a module from its file in the type of its loader, and in nothing else. If a file is
/// not what the archive was made from, CPython imports the file. For a sealed archive the files are not compared.
///
/// An archive that is missing, damaged or for another interpreter is a PermacodeWarning, and False is returned; with
/// `strict` it is an ImportError, and so is damage that shows only later.
///
/// Several archives can be installed. If more than one has the same file, the last one that was installed is used. The
/// archive of an environment (`permacode enable`) comes after those of the program. To install the same file again
/// changes nothing; if the file was replaced, the new one takes the place of the old.
///
/// `roots` says which folders the roots of the archive stand for: a mapping of names to paths. A folder that is not
/// absolute is one below the current folder. The folders of the standard library and of installed packages are known.
#[pyfunction]
#[pyo3(signature = (path, strict=false, *, roots=None))]
pub(crate) fn install(py: Python<'_>, path: FsPath, strict: bool, roots: Option<&Bound<'_, PyAny>>) -> PyResult<bool> {
    let path = path.0;
    let Err(refused) = install_or_refuse(py, &path, strict, roots, false) else {
        set_refused(None);
        return Ok(true);
    };
    if !refused.is_instance_of::<PyImportError>(py) && !refused.is_instance_of::<PyOSError>(py) {
        return Err(refused);
    }
    let reason = refused.value(py).to_string();
    let layers = layers(py)?;
    if layers.is_empty() {
        set_refused(Some((path.clone(), reason.clone())));
    }
    if strict && refused.is_instance_of::<PyImportError>(py) {
        return Err(refused);
    }
    if strict {
        let error = import_error(py, &path, None, reason);
        error.set_cause(py, Some(refused));
        return Err(error);
    }
    let installed: Vec<String> = layers.iter().map(|layer| layer.library().path().display().to_string()).collect();
    let names = installed.join(" and ");
    let effect = match installed.len() {
        0 => "modules are imported from their files".to_owned(),
        1 => format!("{names} stays installed, as it was"),
        _ => format!("{names} stay installed, as they were"),
    };
    warn(py, &format!("{reason}: {effect}"))?;
    Ok(false)
}

/// Installs the archive of an environment, as its start-up file asks. True if so.
///
/// It gives no warning and raises no exception, because it runs before the program. `status` has the reason if nothing
/// was installed.
#[pyfunction]
#[pyo3(name = "_start")]
pub(crate) fn start(py: Python<'_>, path: FsPath) -> PyResult<bool> {
    let path = path.0;
    let refused = match install_or_refuse(py, &path, false, None, true) {
        Ok(()) => None,
        Err(refused) if refused.is_instance_of::<PyException>(py) => Some(refused.value(py).to_string()),
        Err(other) => return Err(other),
    };
    let is_installed = refused.is_none();
    set_refused(refused.map(|reason| (path, reason)));
    Ok(is_installed)
}

fn install_or_refuse(
    py: Python<'_>,
    path: &Path,
    strict: bool,
    base: Option<&Bound<'_, PyAny>>,
    is_of_start: bool,
) -> PyResult<()> {
    let importlib = Importlib::get(py)?;
    let roots = roots_for_import(py, importlib, base)?;
    let refused = |reason: &str| import_error(py, path, None, describe(path, None, &reason));
    let absolute = std::path::absolute(path)?;
    if let Some(same) = layers(py)?.iter().find(|layer| layer.library().path() == absolute) {
        let has_same_roots = *same.roots() == roots;
        if !has_same_roots && !same.is_of_start() {
            return Err(refused("it is installed with other roots: call permacode.uninstall(path) first"));
        }
        if has_same_roots && same.is_current() {
            if !is_of_start {
                same.set_strict(strict);
            }
            return Ok(());
        }
    }
    let layer = Layer::new(py, path, roots, strict, is_of_start)?;
    if let Some(problem) = layer.library().unknown_root(&Roots::names(base)?) {
        return Err(refused(&problem));
    }
    if add(importlib, py, layer)? {
        return Ok(());
    }
    Err(refused("sys.meta_path has no PathFinder, whose place it would take"))
}

/// Adds a layer to those in `sys.meta_path`. False if there is no place for it.
///
/// It takes the place of a layer of the same file. Otherwise it comes first, and that of an environment last.
fn add(importlib: &Importlib, py: Python<'_>, layer: Layer) -> PyResult<bool> {
    let meta_path = importlib.meta_path(py)?;
    let Some((place, finder)) = find_installed(&meta_path) else {
        let finders: Vec<_> = meta_path.iter().take_while(|finder| !finder.is(&importlib.path_finder)).collect();
        if finders.len() == meta_path.len() {
            return Ok(false);
        }
        let place = finders.len() - importlib.own_finders.count_before(&finders);
        count::reset();
        meta_path.insert(place, PermacodeFinder::new(vec![Arc::new(layer)]))?;
        return Ok(true);
    };
    let mut layers = finder.get().layers().to_vec();
    let same = layers.iter().position(|other| other.library().path() == layer.library().path());
    match same.and_then(|index| layers.get_mut(index)) {
        Some(same) => *same = Arc::new(layer),
        None if layer.is_of_start() => layers.push(Arc::new(layer)),
        None => layers.insert(0, Arc::new(layer)),
    }
    meta_path.set_item(place, PermacodeFinder::new(layers))?;
    Ok(true)
}

/// The folders of roots as CPython searches them. It makes the entries of a path absolute.
fn roots_for_import(py: Python<'_>, importlib: &Importlib, base: Option<&Bound<'_, PyAny>>) -> PyResult<Roots> {
    let mut roots = Roots::of_base(py, base)?;
    roots.make_absolute(|folder| text(&importlib.folder_of(&string(py, folder)?)?))?;
    Ok(roots)
}

/// The finder that stands in `sys.meta_path`.
fn installed(py: Python<'_>) -> PyResult<Option<Bound<'_, PermacodeFinder>>> {
    Ok(find_installed(&Importlib::get(py)?.meta_path(py)?).map(|(_, finder)| finder))
}

/// The archives that are installed, in the order in which they are asked.
fn layers(py: Python<'_>) -> PyResult<Vec<Arc<Layer>>> {
    Ok(installed(py)?.map(|finder| finder.get().layers().to_vec()).unwrap_or_default())
}

/// The finder that stands in a list, and where.
fn find_installed<'py>(meta_path: &Bound<'py, PyList>) -> Option<(usize, Bound<'py, PermacodeFinder>)> {
    let finders = meta_path.iter().enumerate();
    finders.filter_map(|(place, finder)| Some((place, finder.cast_into().ok()?))).next()
}

/// Imports come from files again. True if an archive was installed.
///
/// With a path, this concerns only the archive of this path, and imports may still come from others. Without one, it
/// concerns all archives, that of an environment (`permacode enable`) included.
///
/// Modules that were imported stay as they are; an archive is unmapped as soon as nobody uses it.
#[pyfunction]
#[pyo3(signature = (path=None))]
pub(crate) fn uninstall(py: Python<'_>, path: Option<FsPath>) -> PyResult<bool> {
    let path = path.map(|path| std::path::absolute(path.0)).transpose()?;
    let meta_path = Importlib::get(py)?.meta_path(py)?;
    // That an archive was refused is no longer why there is none.
    set_refused(None);
    let Some((place, finder)) = find_installed(&meta_path) else { return Ok(false) };
    let all = finder.get().layers();
    let is_kept = |layer: &&Arc<Layer>| path.as_ref().is_some_and(|path| layer.library().path() != path);
    let kept: Vec<Arc<Layer>> = all.iter().filter(is_kept).cloned().collect();
    if kept.len() == all.len() {
        return Ok(false);
    }
    if kept.is_empty() {
        meta_path.del_item(place)?;
    } else {
        meta_path.set_item(place, PermacodeFinder::new(kept))?;
    }
    Ok(true)
}

/// What is installed, and how code objects are made.
///
/// A dict: `method` ("image", "records", "marshal", or None if nothing is installed), `constructor`, `archive`,
/// `target`, `sealed`, `strict`, `roots`, `startup` (whether the start-up file of an environment installed it), and in
/// `reason` why the method is what it is, or why nothing is installed.
///
/// `image` is a dict: `path` is the image in use or None, `reason` says why no image is in use, and `missing` is True if
/// an image could be used and its file does not exist. `stamps` is a dict: `path` is the file of the stamps in use or
/// None, and `reason` says why no stamps are in use. It counts the modules that were `found` by stamps, without a finder
/// of CPython, and `loaded` by stamps, without reading the source.
///
/// If several archives are installed, this describes the one that is asked first. `layers` is a list with one such dict
/// for each archive, in the order in which they are asked. `blocked` says why no module is imported from any of them at
/// present; None: modules are.
#[pyfunction]
pub(crate) fn status(py: Python<'_>) -> PyResult<Bound<'_, PyDict>> {
    let status = PyDict::new(py);
    let finder = installed(py)?;
    let layers = finder.as_ref().map(|finder| finder.get().layers()).unwrap_or_default();
    let all = layers.iter().map(|layer| layer.describe(py)).collect::<PyResult<Vec<_>>>()?;
    if let (Some(finder), Some(first)) = (&finder, all.first()) {
        status.update(first.as_mapping())?;
        status.set_item(
            "blocked",
            Obstacle::or_between(Importlib::get(py)?, finder)?.err().map(|obstacle| obstacle.to_string()),
        )?;
        status.set_item("layers", all)?;
        return Ok(status);
    }
    for key in [
        "method",
        "constructor",
        "archive",
        "target",
        "sealed",
        "strict",
        "startup",
        "roots",
        "blocked",
        "image",
        "stamps",
    ] {
        status.set_item(key, py.None())?;
    }
    let refused = REFUSED.lock().unwrap_or_else(PoisonError::into_inner).clone();
    let (path, reason) = refused.map_or((None, "nothing is installed".to_owned()), |(path, why)| (Some(path), why));
    status.set_item("archive", path.map(PathBuf::into_os_string))?;
    status.set_item("reason", reason)?;
    status.set_item("layers", all)?;
    Ok(status)
}

/// What became of imports since an archive was installed while there was none.
///
/// A dict of counts. `hits`: code objects that came from an archive. `misses`: modules that no archive has, or whose
/// folder is not searched. `shadowed`: modules that an earlier entry of the path has, or whose finder or loader is not
/// CPython's own. `blocked`: modules that were left to CPython while the program had changed how it imports; status()
/// says what stands in the way. `stale`: files that changed. `fallbacks`: damage that was passed over. A module that
/// one archive serves does not count for the others.
///
/// `sealed` says that an archive is, and then `note` that edits are not seen. `unsearched` has the roots of archives
/// whose folders are not in sys.path, with these folders (None: the root stands for no folder): none of their top-level
/// modules is imported from the archive.
#[pyfunction]
pub(crate) fn stats(py: Python<'_>) -> PyResult<Bound<'_, PyDict>> {
    let counts = count::all(py)?;
    let layers = layers(py)?;
    let is_sealed = layers.iter().any(|layer| layer.library().is_sealed());
    counts.set_item("sealed", is_sealed)?;
    if is_sealed {
        counts.set_item("note", "sealed: edits not seen")?;
    }
    let unsearched = PyDict::new(py);
    for layer in &layers {
        layer.add_unsearched(&unsearched)?;
    }
    counts.set_item("unsearched", unsearched)?;
    Ok(counts)
}
