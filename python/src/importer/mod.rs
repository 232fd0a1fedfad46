//! Importing from an archive while the files stay installed: the overlay.
//!
//! ```text
//!   sys.meta_path: [.., PermacodeFinder, PathFinder]
//!                        │
//!                        ├─ place: where the file of a module lies, and whether a folder that is searched is its folder
//!                        ├─ stock: whether CPython's own finder and loader would import that file
//!                        ├─ source: whether that file is what the archive was made from
//!                        └─ spec: what the import system is told; its loader is a PermacodeLoader (loader)
//! ```
//!
//! What is installed is what stands in `sys.meta_path`: there is no other record of it.

mod count;
mod finder;
mod importlib;
mod loader;
mod place;
mod source;
mod spec;
mod stock;
mod warning;

use std::{
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
};

use pyo3::{
    exceptions::{PyImportError, PyOSError},
    prelude::*,
    types::PyDict,
};

pub(crate) use finder::PermacodeFinder;
pub(crate) use warning::PermacodeWarning;

use crate::{error::import_error, roots::Roots};
use importlib::Importlib;
use warning::warn;

/// The last archive that was refused while nothing was installed, and why.
static REFUSED: Mutex<Option<(PathBuf, String)>> = Mutex::new(None);

fn set_refused(refused: Option<(PathBuf, String)>) {
    *REFUSED.lock().unwrap_or_else(PoisonError::into_inner) = refused;
}

/// What the module `permacode._permacode` has besides functions.
pub(crate) fn add_to(module: &Bound<'_, PyModule>) -> PyResult<()> {
    Importlib::claim(module.py())?;
    Importlib::get(module.py())?;
    module.add("PermacodeLoader", loader::class(module.py())?)
}

/// Imports come from an archive from now on, wherever it has what CPython would import. True if so.
///
/// The files stay where they are: the archive spares finding, reading and unmarshalling their compiled form, and all
/// that can be seen of a module is what it would be without. A file that is not what the archive was made from is
/// imported as ever, unless the archive is sealed: then nobody looks.
///
/// An archive that is missing, damaged or for another interpreter is a PermacodeWarning, and False is returned; with
/// `strict` it is an ImportError, and so is damage that shows only later. One archive can be installed at a time; to
/// install the same again changes nothing.
///
/// `roots` says which folders the roots of the archive stand for: a mapping of names to folders as they stand in
/// sys.path. Those of the standard library and of installed packages are known.
#[pyfunction]
#[pyo3(signature = (path, strict=false, *, roots=None))]
pub(crate) fn install(py: Python<'_>, path: PathBuf, strict: bool, roots: Option<&Bound<'_, PyAny>>) -> PyResult<bool> {
    let roots = Roots::of_base(py, roots)?;
    let Err(refused) = install_or_refuse(py, &path, strict, roots) else {
        set_refused(None);
        return Ok(true);
    };
    if !refused.is_instance_of::<PyImportError>(py) && !refused.is_instance_of::<PyOSError>(py) {
        return Err(refused);
    }
    let reason = refused.value(py).to_string();
    if installed(py)?.is_none() {
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
    warn(py, &format!("{reason}: modules are imported from their files"))?;
    Ok(false)
}

fn install_or_refuse(py: Python<'_>, path: &Path, strict: bool, roots: Roots) -> PyResult<()> {
    let importlib = Importlib::get(py)?;
    let refuse = |reason: String| Err(import_error(py, path, None, format!("{}: {reason}", path.display())));
    if let Some(installed) = installed(py)? {
        let installed = installed.get();
        let other = installed.library().path();
        if other != std::path::absolute(path)? {
            return refuse(format!("{} is installed; permacode.uninstall() comes first", other.display()));
        }
        if *installed.roots() != roots {
            return refuse("it is installed with other roots; permacode.uninstall() comes first".to_owned());
        }
        installed.set_strict(strict);
        return Ok(());
    }
    let meta_path = importlib.meta_path(py)?;
    let Some(place) = meta_path.iter().position(|finder| finder.is(&importlib.path_finder)) else {
        return refuse("sys.meta_path has no PathFinder, whose place it would take".to_owned());
    };
    let finder = PermacodeFinder::new(py, path, strict, roots)?;
    count::reset();
    meta_path.insert(place, finder)
}

/// The finder that stands in `sys.meta_path`.
fn installed(py: Python<'_>) -> PyResult<Option<Bound<'_, PermacodeFinder>>> {
    let meta_path = Importlib::get(py)?.meta_path(py)?;
    Ok(meta_path.iter().find_map(|finder| finder.cast_into::<PermacodeFinder>().ok()))
}

/// Imports come from files again. True if an archive was installed.
///
/// Modules that were imported stay as they are; the archive is unmapped as soon as nobody uses it.
#[pyfunction]
pub(crate) fn uninstall(py: Python<'_>) -> PyResult<bool> {
    let meta_path = Importlib::get(py)?.meta_path(py)?;
    // That an archive was refused is no longer why there is none.
    set_refused(None);
    let Some(place) = meta_path.iter().position(|finder| finder.is_instance_of::<PermacodeFinder>()) else {
        return Ok(false);
    };
    meta_path.del_item(place)?;
    Ok(true)
}

/// What is installed, and how code objects are made.
///
/// A dict: `method` ("tables", "marshal", or None if nothing is installed), `constructor`, `archive`, `target`,
/// `sealed`, `strict`, `roots`, and in `reason` why the method is what it is, or why nothing is installed.
#[pyfunction]
pub(crate) fn status(py: Python<'_>) -> PyResult<Bound<'_, PyDict>> {
    let status = PyDict::new(py);
    if let Some(finder) = installed(py)? {
        finder.get().describe(&status)?;
        return Ok(status);
    }
    for key in ["method", "constructor", "archive", "target", "sealed", "strict", "roots"] {
        status.set_item(key, py.None())?;
    }
    let refused = REFUSED.lock().unwrap_or_else(PoisonError::into_inner).clone();
    let (path, reason) = refused.map_or((None, "nothing is installed".to_owned()), |(path, why)| (Some(path), why));
    status.set_item("archive", path.map(PathBuf::into_os_string))?;
    status.set_item("reason", reason)?;
    Ok(status)
}

/// What became of imports since an archive was installed.
///
/// A dict of counts: `hits` (code objects that came from the archive), `misses` (modules that it does not have, or
/// whose folder is not searched), `shadowed` (modules that an earlier entry of the path has, or whose finder or loader
/// is not CPython's own), `stale` (files that changed), `fallbacks` (damage that was passed over). `sealed` says that
/// the archive is, and then `note` that edits are not seen. `unsearched` has the roots of the archive whose folders are
/// not in sys.path, with these folders (None: the root stands for no folder): no module of theirs is imported from the
/// archive.
#[pyfunction]
pub(crate) fn stats(py: Python<'_>) -> PyResult<Bound<'_, PyDict>> {
    let counts = count::all(py)?;
    let finder = installed(py)?;
    let is_sealed = finder.as_ref().is_some_and(|finder| finder.get().library().is_sealed());
    counts.set_item("sealed", is_sealed)?;
    if is_sealed {
        counts.set_item("note", "sealed: edits not seen")?;
    }
    let unsearched = finder.map_or_else(|| Ok(PyDict::new(py)), |finder| finder.get().unsearched(py))?;
    counts.set_item("unsearched", unsearched)?;
    Ok(counts)
}
