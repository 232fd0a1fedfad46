//! Stamps: facts about the files and folders of this machine, in a file beside the archive
//! (docs/permanent-objects.md).
//!
//! ```text
//!   make: files, folders ─► file ◄─ Stamps ◄─ finder
//!                            └─ context: the archive and the interpreter that they were made for
//! ```
//!
//! As long as a folder has the facts of its stamp, it has the names that it had. As long as a file has the facts of its
//! stamp, it has the content that it had.

mod context;
mod file;
mod folder;
mod make;

use std::{
    borrow::Cow,
    path::{Path, PathBuf},
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
};

use hashbrown::HashMap;
use pyo3::{
    prelude::*,
    types::{PyDict, PyString},
};

pub(super) use file::ModuleStamp;
pub(crate) use make::build_stamps;

use super::{importlib::Importlib, place::Place, source::State, spec::CompiledFiles};
use crate::{
    library::Library,
    local_file::{Refused, beside},
    roots::Roots,
    text::{is_absolute, string, text, without_separators},
};
use context::Context;
use file::{NO_FOLDER, Tables};
use folder::{Listing, hash};

/// The stamps of an archive.
pub(super) struct Stamps {
    tables: Tables,
    /// Folders without a valid stamp, such as that of a script, by path.
    listings: Mutex<HashMap<Vec<u8>, Listing>>,
    /// Modules that were found without a finder of CPython.
    found: AtomicU64,
    /// Modules whose file was compared with its stamp.
    loaded: AtomicU64,
}

/// What is known of an entry of a path and a module.
pub(super) enum Answer {
    /// CPython would find the archived file there.
    Here,
    /// CPython would find nothing there.
    Nothing,
    /// A finder of CPython must be asked.
    Unknown,
}

/// The file of the stamps of an archive, beside the archive.
fn path_of(archive: &Path, compiled: &CompiledFiles) -> PathBuf {
    beside(archive, &format!(".stamps{}", compiled.tag().replace('.', "-")))
}

/// A path as the system has it. Only ASCII is the same in every encoding of file names.
fn system_path<'t>(py: Python<'_>, path: &'t [u8]) -> PyResult<Cow<'t, Path>> {
    match std::str::from_utf8(path) {
        Ok(path) if path.is_ascii() => Ok(Path::new(path).into()),
        _ => Ok(string(py, path)?.extract::<PathBuf>()?.into()),
    }
}

/// The state of a folder. `None` if the system does not report it.
fn state_of(py: Python<'_>, path: &[u8]) -> PyResult<Option<State>> {
    let path = system_path(py, path)?;
    Ok(py.detach(|| State::of_file(&path).ok()))
}

impl Stamps {
    /// Reads the stamps beside an archive.
    ///
    /// # Errors
    /// Why there are none for this process.
    pub(super) fn open(
        importlib: &Importlib,
        library: &Library,
        compiled: &CompiledFiles,
        roots: &Roots,
    ) -> Result<Stamps, Refused> {
        if library.is_sealed() {
            return Err(Refused::Because("the archive is sealed, so its files are not compared".to_owned()));
        }
        let tables = Tables::read(&path_of(library.path(), compiled))?;
        if let Some(difference) = Context::new(importlib, library, roots).difference(tables.context()) {
            return Err(Refused::Because(difference));
        }
        let (found, loaded) = (AtomicU64::new(0), AtomicU64::new(0));
        Ok(Stamps { tables, listings: Mutex::default(), found, loaded })
    }

    /// Describes the stamps, or why there are none, for `status`.
    pub(super) fn describe<'py>(
        py: Python<'py>,
        stamps: &Result<Stamps, Refused>,
        archive: &Path,
        compiled: &CompiledFiles,
    ) -> PyResult<Bound<'py, PyDict>> {
        let path = path_of(archive, compiled);
        let (found, loaded, reason) = match stamps {
            Ok(stamps) => (stamps.found.load(Relaxed), stamps.loaded.load(Relaxed), None),
            Err(Refused::Missing) => {
                let advice = "permacode stamp or python -m permacode.stamp makes one";
                (0, 0, Some(format!("there is no stamp file {}; {advice}", path.display())))
            }
            Err(Refused::Because(reason)) => (0, 0, Some(format!("{}: {reason}", path.display()))),
        };
        let described = PyDict::new(py);
        described.set_item("path", stamps.is_ok().then_some(path.as_os_str()))?;
        described.set_item("reason", reason)?;
        described.set_item("found", found)?;
        described.set_item("loaded", loaded)?;
        Ok(described)
    }

    /// The stamp of the module whose record is at an offset of the archive.
    pub(super) fn of(&self, offset: u64) -> Option<&ModuleStamp> {
        let modules = self.tables.modules();
        modules.get(modules.binary_search_by_key(&offset, |module| module.key).ok()?)
    }

    pub(super) fn count_found(&self) {
        self.found.fetch_add(1, Relaxed);
    }

    pub(super) fn count_loaded(&self) {
        self.loaded.fetch_add(1, Relaxed);
    }

    /// Whether CPython would find a module in the folder of its file, which is an entry of a path.
    pub(super) fn ask_here(
        &self,
        importlib: &Importlib,
        stamp: Option<&ModuleStamp>,
        place: &Place,
        entry: &Bound<'_, PyString>,
    ) -> PyResult<Answer> {
        let py = entry.py();
        let Some(stamp) = stamp else { return Ok(Answer::Unknown) };
        let is_unchanged = importlib.is_searched_by_stock(entry)?
            && self.has_facts(py, stamp.folder, place.folder())?
            && match place.package() {
                Some(package) => self.has_facts(py, stamp.package, package)?,
                None => stamp.package == NO_FOLDER,
            };
        Ok(if is_unchanged { Answer::Here } else { Answer::Unknown })
    }

    /// Whether a folder is as it was.
    fn has_facts(&self, py: Python<'_>, number: u32, path: &[u8]) -> PyResult<bool> {
        let Some(folder) = self.tables.folders().get(number as usize) else { return Ok(false) };
        Ok(state_of(py, path)?.is_some_and(|state| folder.facts.are_of(&state)))
    }

    /// Whether CPython would find a module in another entry of a path.
    pub(super) fn ask_elsewhere(
        &self,
        importlib: &Importlib,
        name: &Bound<'_, PyString>,
        entry: &Bound<'_, PyString>,
    ) -> PyResult<Answer> {
        let py = entry.py();
        let folder = match entry.is_empty()? {
            // The empty entry means the current folder.
            true => match std::env::current_dir() {
                Ok(folder) => folder.as_os_str().into_pyobject(py)?,
                Err(_) => return Ok(Answer::Unknown),
            },
            false => entry.clone(),
        };
        let path = text(&folder)?;
        let name = name.to_str()?;
        let tail = name.rsplit('.').next().unwrap_or(name);
        // Names in a folder are bytes, and only ASCII is the same in every encoding of file names.
        if !is_absolute(&path) || !tail.is_ascii() || !importlib.is_searched_by_stock(&folder)? {
            return Ok(Answer::Unknown);
        }
        Ok(match self.contains(py, without_separators(&path), hash(tail.as_bytes()))? {
            Some(false) => Answer::Nothing,
            _ => Answer::Unknown,
        })
    }

    /// Whether a folder has a name with this stem. `None` if that is not known.
    fn contains(&self, py: Python<'_>, path: &[u8], stem: u64) -> PyResult<Option<bool>> {
        let Some(state) = state_of(py, path)? else { return Ok(None) };
        let (folders, key) = (self.tables.folders(), hash(path));
        let number = folders.binary_search_by_key(&key, |folder| folder.path);
        if let Some(folder) = number.ok().and_then(|number| folders.get(number))
            && folder.facts.are_of(&state)
        {
            return Ok(Some(self.tables.stems(folder).binary_search(&stem).is_ok()));
        }
        let has_stem = |listing: &Listing| listing.stems.binary_search(&stem).is_ok();
        let known = || self.listings.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(listing) = known().get(path).filter(|listing| listing.state == state) {
            return Ok(Some(has_stem(listing)));
        }
        let folder = system_path(py, path)?;
        let Some(listing) = py.detach(|| Listing::of(&folder)).ok().flatten() else { return Ok(None) };
        let answer = has_stem(&listing);
        known().insert(path.to_vec(), listing);
        Ok(Some(answer))
    }
}
