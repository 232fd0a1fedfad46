//! Stamps: facts about the files and folders of this machine, in a file beside the archive
//! (docs/permanent-objects.md).
//!
//! ```text
//!   make: files, folders ─► file ◄─ Stamps ◄─ layer
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
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::{Duration, Instant},
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
    text::{is_absolute, join, string, text, without_separators},
};
use context::Context;
use file::{NO_FOLDER, Tables};
use folder::{Listing, hash};

/// The stamps of an archive.
pub(super) struct Stamps {
    tables: Tables,
    path: PathBuf,
    /// The folders that were looked at, by path.
    folders: Mutex<HashMap<Vec<u8>, Look>>,
    /// Modules that were found without a finder of CPython.
    found: AtomicU64,
    /// Modules whose file was compared with its stamp.
    loaded: AtomicU64,
}

/// How long a look at a folder counts. A module imports others, and most of them lie in a few folders. Many of these
/// imports happen within this time. `importlib.invalidate_caches()` ends it.
const LOOK: Duration = Duration::from_millis(5);

/// A folder as it was at some time.
struct Look {
    at: Instant,
    /// `None` if the system does not report it.
    state: Option<State>,
    /// The content of a folder without a valid stamp, such as that of a script.
    listing: Option<Listing>,
}

/// What is known of an entry of a path and a module.
pub(super) enum Answer {
    /// CPython would find the archived file there.
    Here,
    /// CPython would find nothing there.
    Nothing,
    /// CPython would find an extension module there, if its file is a regular one: the number of its suffix.
    Extension(u32),
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

/// The path of a module in an entry of a path, if a regular file is there. `None` for an entry that is not absolute.
pub(super) fn file_in(
    entry: &Bound<'_, PyString>,
    name: &Bound<'_, PyString>,
    suffix: &str,
) -> PyResult<Option<Vec<u8>>> {
    let folder = text(entry)?;
    if !is_absolute(&folder) {
        return Ok(None);
    }
    let path = join(without_separators(&folder), (tail(name.to_str()?).to_owned() + suffix).as_bytes());
    let file = system_path(entry.py(), &path)?;
    let is_file = entry.py().detach(|| file.is_file());
    Ok(is_file.then_some(path))
}

/// The name of a module without the names of its packages.
fn tail(name: &str) -> &str {
    name.rsplit('.').next().unwrap_or(name)
}

/// The state of a file or a folder. `None` if the system does not report it.
pub(super) fn state_of(py: Python<'_>, path: &[u8]) -> PyResult<Option<State>> {
    let path = system_path(py, path)?;
    Ok(py.detach(|| State::of_file(&path).ok()))
}

impl Stamps {
    /// Reads the stamps beside an archive.
    ///
    /// # Errors
    /// Why this process has no stamps.
    pub(super) fn open(
        importlib: &Importlib,
        library: &Library,
        compiled: &CompiledFiles,
        roots: &Roots,
    ) -> Result<Stamps, Refused> {
        if library.is_sealed() {
            return Err(Refused::Because("the archive is sealed, so its files are not compared".to_owned()));
        }
        let path = path_of(library.path(), compiled);
        let of_file = |refused| match refused {
            Refused::Because(reason) => Refused::Because(format!("{}: {reason}", path.display())),
            Refused::Missing => Refused::Missing,
        };
        let tables = Tables::open(&path).map_err(of_file)?;
        if let Some(difference) = Context::new(importlib, library, roots).difference(tables.context()) {
            return Err(of_file(Refused::Because(difference)));
        }
        let (found, loaded) = (AtomicU64::new(0), AtomicU64::new(0));
        Ok(Stamps { tables, path, folders: Mutex::default(), found, loaded })
    }

    /// Describes the stamps for `status`, or says why no stamps are in use.
    pub(super) fn describe<'py>(
        py: Python<'py>,
        stamps: &Result<Stamps, Refused>,
        archive: &Path,
        compiled: &CompiledFiles,
    ) -> PyResult<Bound<'py, PyDict>> {
        let reason = match stamps {
            Ok(_) => None,
            Err(Refused::Missing) => {
                let path = path_of(archive, compiled);
                let advice = "permacode stamp or python -m permacode.stamp makes one";
                Some(format!("there is no stamp file {}; {advice}", path.display()))
            }
            Err(Refused::Because(reason)) => Some(reason.clone()),
        };
        let count = |count: fn(&Stamps) -> &AtomicU64| stamps.as_ref().map_or(0, |stamps| count(stamps).load(Relaxed));
        let (found, loaded) = (count(|stamps| &stamps.found), count(|stamps| &stamps.loaded));
        let described = PyDict::new(py);
        described.set_item("path", stamps.as_ref().ok().map(|stamps| stamps.path.as_os_str()))?;
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
        Ok(self.folder(py, path)?.is_some_and(|state| folder.facts.are_of(&state)))
    }

    fn folders(&self) -> MutexGuard<'_, HashMap<Vec<u8>, Look>> {
        self.folders.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Forgets the folders that were looked at.
    pub(super) fn invalidate(&self) {
        self.folders().clear();
    }

    /// The state of a folder.
    fn folder(&self, py: Python<'_>, path: &[u8]) -> PyResult<Option<State>> {
        let at = Instant::now();
        if let Some(look) = self.folders().get(path).filter(|look| at.duration_since(look.at) < LOOK) {
            return Ok(look.state);
        }
        let state = state_of(py, path)?;
        let mut folders = self.folders();
        match folders.get_mut(path) {
            Some(look) => (look.at, look.state) = (at, state),
            None => _ = folders.insert(path.to_vec(), Look { at, state, listing: None }),
        }
        Ok(state)
    }

    /// What CPython would find in an entry of a path that is not the folder of the archived file.
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
        // A name with lone surrogates has no hash.
        let Ok(name) = name.to_str() else { return Ok(Answer::Unknown) };
        let tail = tail(name);
        // Names in a folder are bytes, and only ASCII is the same in every encoding of file names.
        if !is_absolute(&path) || !tail.is_ascii() || !importlib.is_searched_by_stock(&folder)? {
            return Ok(Answer::Unknown);
        }
        self.ask_folder(py, without_separators(&path), hash(tail.as_bytes()))
    }

    /// What CPython would find in a folder. `stem` is the hash of the name of the module in it.
    fn ask_folder(&self, py: Python<'_>, path: &[u8], stem: u64) -> PyResult<Answer> {
        let Some(state) = self.folder(py, path)? else { return Ok(Answer::Unknown) };
        let (folders, key) = (self.tables.folders(), hash(path));
        let number = folders.binary_search_by_key(&key, |folder| folder.path);
        if let Some(folder) = number.ok().and_then(|number| folders.get(number))
            && folder.facts.are_of(&state)
        {
            if self.tables.stems(folder).binary_search(&stem).is_err() {
                return Ok(Answer::Nothing);
            }
            let extensions = self.tables.extensions(folder);
            let found = extensions.binary_search_by_key(&stem, |extension| extension.stem);
            let found = found.ok().and_then(|number| extensions.get(number));
            return Ok(found.map_or(Answer::Unknown, |extension| Answer::Extension(extension.suffix)));
        }
        let answer = |listing: &Listing| match listing.stems.binary_search(&stem) {
            Ok(_) => Answer::Unknown,
            Err(_) => Answer::Nothing,
        };
        let listed = self
            .folders()
            .get(path)
            .and_then(|look| look.listing.as_ref().filter(|listing| listing.state == state).map(answer));
        if let Some(listed) = listed {
            return Ok(listed);
        }
        let folder = system_path(py, path)?;
        let Ok(listing) = py.detach(|| Listing::of(&folder)) else { return Ok(Answer::Unknown) };
        if listing.facts.is_none() || listing.unsettled.is_some() {
            return Ok(Answer::Unknown);
        }
        let answer = answer(&listing);
        if let Some(look) = self.folders().get_mut(path) {
            look.listing = Some(listing);
        }
        Ok(answer)
    }
}
