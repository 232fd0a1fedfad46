//! An archive that is installed, and what it has of a module.

use std::{
    collections::BTreeSet,
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
    source::{self, State},
    spec::{self, CompiledFiles},
    stamps::{self, Answer, ModuleStamp, Stamps},
    warning::warn_once,
};
use crate::{
    library::{Fit, Library, root_of},
    local_file::Refused,
    roots::Roots,
    text::{is_absolute, string, with_text, without_separators},
};

/// An archive that is installed.
///
/// It has a module only if CPython would find that module in a file that the archive was made from.
pub(super) struct Layer {
    library: Library,
    /// The file of the archive when it was opened.
    state: Option<State>,
    roots: Roots,
    compiled_files: CompiledFiles,
    stamps: std::result::Result<Stamps, Refused>,
    is_strict: AtomicBool,
    /// Whether the start-up file of an environment installed it. The program did not ask for it then, so there are no
    /// warnings.
    is_of_start: AtomicBool,
    /// Whether a warning said that the archive is damaged.
    was_warned: AtomicBool,
    /// Whether a warning said that a root is not searched.
    was_root_named: AtomicBool,
    /// The loader of the last module whose file was looked at, and what the file was then: the code is asked for next,
    /// and as long as the file is that, it need not be read again.
    looked_at: Mutex<Option<(Py<PyAny>, State)>>,
}

/// A module that the archive has.
pub(super) struct Candidate<'a> {
    module: Module<'a>,
    source: Option<Source<'a>>,
    place: Place,
    stamp: Option<&'a ModuleStamp>,
}

impl Candidate<'_> {
    /// The state of the file, if it is what the archive was made from.
    fn look(&self, file: &Bound<'_, PyString>) -> PyResult<Option<State>> {
        if let Some(stamp) = self.stamp
            && let Some(state) = stamps::state_of(file.py(), self.place.path())?.filter(|state| stamp.is_of(state))
        {
            return Ok(Some(state));
        }
        self.source.as_ref().map_or(Ok(None), |source| source::look(file, source))
    }
}

/// What an archive has of a name.
pub(super) enum InArchive<'a> {
    /// A module that CPython would not find by that name, wherever its root is.
    Unplaced(Module<'a>),
    Placed(Candidate<'a>),
}

impl<'a> InArchive<'a> {
    pub(super) fn module(&self) -> &Module<'a> {
        match self {
            InArchive::Unplaced(module) => module,
            InArchive::Placed(candidate) => &candidate.module,
        }
    }

    /// Whether CPython would find the module in this file.
    pub(super) fn is_file(&self, file: &Bound<'_, PyString>) -> PyResult<bool> {
        match self {
            InArchive::Unplaced(_) => Ok(false),
            InArchive::Placed(candidate) => candidate.place.is_file(file),
        }
    }
}

/// What a path says of a module of an archive.
enum Found {
    /// It is found where the archive says that it is. If its file was looked at, the state of the file.
    Here(Option<State>),
    Declined(Reason),
}

/// Whether a module is imported from an archive.
pub(super) enum Choice<'py> {
    /// It is, with this spec.
    Taken(Bound<'py, PyAny>),
    Declined(Reason),
}

/// Why a module that an archive has is not imported from it. If several archives have the module, the reason that comes
/// last here counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Reason {
    /// CPython would not find the file: it is gone, or its folder is not searched.
    Missed,
    /// An earlier entry of the path has a module of this name, or the program has its own way of importing the file.
    Shadowed,
    /// The file is not what the archive was made from.
    Stale,
}

impl Reason {
    pub(super) fn count(self) {
        match self {
            Reason::Missed => count::MISSES.add_one(),
            Reason::Shadowed => count::SHADOWED.add_one(),
            Reason::Stale => count::STALE.add_one(),
        }
    }
}

/// What an archive has for a loader.
pub(super) enum LayerCode<'py> {
    /// The code object.
    Found(Bound<'py, PyAny>),
    /// Nothing: it does not have the module, or it is damaged.
    Nothing,
    /// Nothing: the file is not what the archive was made from.
    Stale,
}

impl Layer {
    /// Opens an archive.
    pub(super) fn new(py: Python<'_>, path: &Path, roots: Roots, strict: bool, is_of_start: bool) -> PyResult<Self> {
        // Before the file is opened: if it is replaced meanwhile, the next state differs.
        let state = State::of_file(path).ok();
        let importlib = Importlib::get(py)?;
        let (library, compiled_files) = (Library::open(py, path, Fit::Import)?, CompiledFiles::new(py, importlib)?);
        Ok(Layer {
            state,
            stamps: Stamps::open(importlib, &library, &compiled_files, &roots),
            library,
            roots,
            compiled_files,
            is_strict: AtomicBool::new(strict),
            is_of_start: AtomicBool::new(is_of_start),
            was_warned: AtomicBool::new(false),
            was_root_named: AtomicBool::new(false),
            looked_at: Mutex::new(None),
        })
    }

    pub(super) fn library(&self) -> &Library {
        &self.library
    }

    /// Whether the file of the archive is still the one that was opened.
    pub(super) fn is_current(&self) -> bool {
        self.state == State::of_file(self.library.path()).ok()
    }

    pub(super) fn roots(&self) -> &Roots {
        &self.roots
    }

    /// The program asks for the archive from now on.
    pub(super) fn set_strict(&self, strict: bool) {
        self.is_strict.store(strict, Relaxed);
        self.is_of_start.store(false, Relaxed);
    }

    pub(super) fn is_of_start(&self) -> bool {
        self.is_of_start.load(Relaxed)
    }

    /// What `status` says of it.
    pub(super) fn describe<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let status = PyDict::new(py);
        let method = self.library.builder().method();
        status.set_item("method", method.name)?;
        status.set_item("constructor", method.constructor)?;
        status.set_item("archive", self.library.path().as_os_str())?;
        status.set_item("target", self.library.for_whom())?;
        status.set_item("sealed", self.library.is_sealed())?;
        status.set_item("strict", self.is_strict.load(Relaxed))?;
        status.set_item("startup", self.is_of_start())?;
        let roots = self.roots.to_dict(py)?;
        for root in self.roots_of_archive() {
            if let Some(folder) = self.roots.folder(&root) {
                roots.set_item(string(py, &root)?, string(py, &folder)?)?;
            }
        }
        status.set_item("roots", roots)?;
        let image = PyDict::new(py);
        image.set_item("path", self.library.builder().image().map(Path::as_os_str))?;
        image.set_item("reason", self.library.no_image(py))?;
        image.set_item("missing", self.library.lacks_image())?;
        status.set_item("image", image)?;
        let stamps = Stamps::describe(py, &self.stamps, self.library.path(), &self.compiled_files)?;
        status.set_item("stamps", stamps)?;
        status.set_item("reason", method.reason)?;
        Ok(status)
    }

    /// The roots that modules of the archive lie in. Damage is passed over.
    fn roots_of_archive(&self) -> BTreeSet<Vec<u8>> {
        self.library.roots_of_modules().flatten().collect()
    }

    /// Adds the roots of the archive whose folders are not in `sys.path`, so that none of their modules is imported
    /// from it.
    pub(super) fn add_unsearched(&self, unsearched: &Bound<'_, PyDict>) -> PyResult<()> {
        let py = unsearched.py();
        let importlib = Importlib::get(py)?;
        for root in self.roots_of_archive() {
            let folder = self.roots.folder(&root);
            if !is_searched(importlib, py, folder.as_deref())? {
                unsearched.set_item(string(py, &root)?, folder.map(|folder| string(py, &folder)).transpose()?)?;
            }
        }
        Ok(())
    }

    /// Warns once if a module that the archive has is not imported from it because `sys.path` does not have the folder
    /// of its root.
    pub(super) fn warn_if_unsearched(
        &self,
        importlib: &Importlib,
        name: &Bound<'_, PyString>,
        module: &Module<'_>,
    ) -> PyResult<()> {
        if self.was_root_named.load(Relaxed) {
            return Ok(());
        }
        let py = name.py();
        let Ok(Some(root)) = root_of(module).map(|root| root.filter(|_| !self.is_of_start())) else { return Ok(()) };
        let folder = self.roots.folder(&root);
        if is_searched(importlib, py, folder.as_deref())? {
            return Ok(());
        }
        let (archive, root) = (self.library.path().display(), String::from_utf8_lossy(&root).into_owned());
        let reason = match folder {
            Some(folder) => format!("means the folder {}, which is not in sys.path", String::from_utf8_lossy(&folder)),
            None => format!(
                "has no folder in this process; name one with permacode.install(.., roots={{{root:?}: FOLDER}})"
            ),
        };
        warn_once(
            py,
            &self.was_root_named,
            &format!(
                "{archive}: {name} is not imported from the archive: its root {root:?} {reason}. \
                 permacode.stats() names all such roots; this warning is given once"
            ),
        )
    }

    /// The module of this name, if the archive has it, with code. Damage is passed over as if it had not, unless
    /// `strict` was asked for.
    pub(super) fn find(&self, name: &Bound<'_, PyString>) -> PyResult<Option<InArchive<'_>>> {
        let py = name.py();
        // A name with lone surrogates is in no archive.
        let Ok(name) = name.to_str() else { return Ok(None) };
        let find = || {
            let Some(module) = self.library.find(name)?.filter(|module| !module.is_namespace()) else {
                return Ok(None);
            };
            let source = module.source()?;
            Ok(Some(match Place::of(&module, source.as_ref(), &self.roots)? {
                Some(place) => {
                    let stamp = self.stamps.as_ref().ok().and_then(|stamps| stamps.of(module.offset()));
                    InArchive::Placed(Candidate { module, source, place, stamp })
                }
                None => InArchive::Unplaced(module),
            }))
        };
        match find() {
            Ok(found) => Ok(found),
            Err(error) => self.pass_over(py, self.library.error(py, name, error)).map(|()| None),
        }
    }

    /// Passes over damage of the archive, unless `strict` was asked for.
    fn pass_over(&self, py: Python<'_>, damage: PyErr) -> PyResult<()> {
        let is_damage = damage.is_instance_of::<PyException>(py) && !damage.is_instance_of::<PyMemoryError>(py);
        if !is_damage || self.is_strict.load(Relaxed) {
            return Err(damage);
        }
        count::FALLBACKS.add_one();
        if self.is_of_start() {
            return Ok(());
        }
        let message = format!("{}: the file is imported instead; this warning is given once", damage.value(py));
        warn_once(py, &self.was_warned, &message)
    }

    /// Whether a module is imported from this archive. `path` is `sys.path`, or the `__path__` of its package.
    pub(super) fn choose<'py>(
        &self,
        importlib: &Importlib,
        in_archive: &InArchive<'_>,
        name: &Bound<'py, PyString>,
        path: &Bound<'py, PyAny>,
        target: Option<&Bound<'py, PyAny>>,
    ) -> PyResult<Choice<'py>> {
        let InArchive::Placed(candidate) = in_archive else { return Ok(Choice::Declined(Reason::Missed)) };
        Ok(match self.look(importlib, candidate, name, path, target)? {
            Found::Here(state) => {
                let (spec, loader) = spec::new(importlib, &self.compiled_files, name, &candidate.place)?;
                if let Some(state) = state {
                    self.set_look(loader, state);
                }
                Choice::Taken(spec)
            }
            Found::Declined(reason) => Choice::Declined(reason),
        })
    }

    /// Asks the finder of each entry that PathFinder would ask before the folder of the archived file, and for an
    /// archive that is not sealed also the finder of that folder: a package or an extension module may be there by now.
    /// No finder is asked where stamps give the answer.
    ///
    /// The folder must be searched by CPython's own finder, and the file loaded by CPython's own loader: the program
    /// may have put others in their place. Only CPython's own finders are asked. PathFinder may ask the same finder
    /// again, and another finder may give another answer then.
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
                    return Ok(Found::Declined(Reason::Shadowed));
                }
                continue;
            };
            let mut is_here = candidate.place.is_in(entry)?;
            if is_here && self.library.is_sealed() && importlib.is_searched_by_stock(entry)? {
                return Ok(Found::Here(None));
            }
            if let Ok(stamps) = &self.stamps {
                let answer = match is_here {
                    true => stamps.ask_here(importlib, candidate.stamp, &candidate.place, entry)?,
                    false => stamps.ask_elsewhere(importlib, name, entry)?,
                };
                match answer {
                    Answer::Here => {
                        stamps.count_found();
                        return Ok(Found::Here(None));
                    }
                    Answer::Nothing => continue,
                    Answer::Extension(_) | Answer::Unknown => {}
                }
            }
            let finder = importlib.entry_finder(entry)?;
            if finder.is_none() {
                continue;
            }
            if importlib.stock.is_file_finder(&finder)? {
                if !with_text(entry, is_absolute)? {
                    is_here = candidate.place.is_in(&importlib.stock.folder(&finder)?)?;
                }
                if is_here && self.library.is_sealed() {
                    return Ok(Found::Here(None));
                }
            } else if is_here || !importlib.stock.is_zip_importer(&finder) {
                return Ok(Found::Declined(Reason::Shadowed));
            }
            let Some(spec) = spec_found_by(&finder, name, target)? else { continue };
            let file = if is_here { source_file(importlib, &spec)? } else { None };
            let Some(file) = file else { return Ok(Found::Declined(Reason::Shadowed)) };
            if !candidate.place.is_file(&file)? {
                return Ok(Found::Declined(Reason::Shadowed));
            }
            return Ok(candidate.look(&file)?.map_or(Found::Declined(Reason::Stale), |state| Found::Here(Some(state))));
        }
        Ok(Found::Declined(Reason::Missed))
    }

    /// The code object of a module for the loader of its file.
    pub(super) fn code<'py>(
        &self,
        importlib: &Importlib,
        loader: &Bound<'py, PyAny>,
        name: &Bound<'py, PyString>,
        file: &Bound<'py, PyString>,
    ) -> PyResult<LayerCode<'py>> {
        let py = loader.py();
        let Some(InArchive::Placed(candidate)) = self.find(name)? else { return Ok(LayerCode::Nothing) };
        if !candidate.place.is_file(file)? {
            return Ok(LayerCode::Nothing);
        }
        let archive = self.library.path().display();
        if !self.library.is_sealed() {
            let state = match self.take_look(loader) {
                Some(state) if state.is_that_of(file)? => Some(state),
                _ => candidate.look(file)?,
            };
            let Some(state) = state else { return Ok(LayerCode::Stale) };
            if let (Ok(stamps), Some(stamp)) = (&self.stamps, candidate.stamp)
                && stamp.is_of(&state)
            {
                stamps.count_loaded();
            }
            importlib.say(py, || format!("{archive} matches {file}"))?;
        }
        let code = match self.library.code(py, &candidate.module, file) {
            Ok(code) => code,
            Err(damage) => return self.pass_over(py, damage).map(|()| LayerCode::Nothing),
        };
        importlib.say(py, || format!("code object of {name} from '{archive}'"))?;
        Ok(LayerCode::Found(code))
    }

    /// The spec of an extension module, if stamps say where CPython would find it. `path` is that of
    /// [`choose`](Self::choose).
    pub(super) fn extension<'py>(
        &self,
        importlib: &Importlib,
        name: &Bound<'py, PyString>,
        path: &Bound<'py, PyAny>,
    ) -> PyResult<Option<Bound<'py, PyAny>>> {
        let py = name.py();
        let Ok(stamps) = &self.stamps else { return Ok(None) };
        for entry in path.try_iter()? {
            let entry = entry?;
            let Ok(entry) = entry.cast::<PyString>() else { return Ok(None) };
            match stamps.ask_elsewhere(importlib, name, entry)? {
                Answer::Nothing => {}
                Answer::Extension(number) => {
                    let Some((suffix, loader)) = importlib.stock.extension(py, number) else { return Ok(None) };
                    let Some(path) = stamps::file_in(entry, name, suffix)? else { return Ok(None) };
                    let file = string(py, &path)?;
                    return spec::of_file(importlib, name, &loader.call1((name, &file))?, &file).map(Some);
                }
                // CPython has no finder for what is not there, such as the zip file of the standard library.
                Answer::Unknown if importlib.entry_finder(entry)?.is_none() => {}
                Answer::Here | Answer::Unknown => return Ok(None),
            }
        }
        Ok(None)
    }

    /// Counts a module that was found by its stamp.
    pub(super) fn count_found(&self) {
        if let Ok(stamps) = &self.stamps {
            stamps.count_found();
        }
    }

    /// Forgets which folders it has looked at.
    pub(super) fn invalidate_caches(&self) {
        if let Ok(stamps) = &self.stamps {
            stamps.invalidate();
        }
    }

    /// Remembers what the file of this loader was when it was looked at.
    fn set_look(&self, loader: Bound<'_, PyAny>, state: State) {
        let mut looked_at = self.looked_at.lock().unwrap_or_else(PoisonError::into_inner);
        let last = looked_at.replace((loader.unbind(), state));
        // Not under the lock: letting go of an object may run code.
        drop(looked_at);
        drop(last);
    }

    /// What the file of this loader was when the module was found, if that was the last one.
    fn take_look(&self, loader: &Bound<'_, PyAny>) -> Option<State> {
        let mut looked_at = self.looked_at.lock().unwrap_or_else(PoisonError::into_inner);
        looked_at.take_if(|(last, _)| last.is(loader)).map(|(_, state)| state)
    }
}

/// Whether `sys.path` has a folder, under whatever name CPython's finder has it.
fn is_searched(importlib: &Importlib, py: Python<'_>, folder: Option<&[u8]>) -> PyResult<bool> {
    let Some(folder) = folder else { return Ok(false) };
    for entry in importlib.of_sys(py, intern!(py, "path"))?.try_iter()? {
        if let Ok(entry) = entry?.cast::<PyString>()
            && with_text(&importlib.folder_of(entry)?, |entry| without_separators(entry) == without_separators(folder))?
        {
            return Ok(true);
        }
    }
    Ok(false)
}

/// The file of a spec, if its loader is CPython's own `SourceFileLoader`; otherwise `None`.
pub(super) fn source_file<'py>(
    importlib: &Importlib,
    spec: &Bound<'py, PyAny>,
) -> PyResult<Option<Bound<'py, PyString>>> {
    let py = spec.py();
    if !importlib.stock.is_source_loader(&spec.getattr(intern!(py, "loader"))?) {
        return Ok(None);
    }
    Ok(spec.getattr(intern!(py, "origin"))?.cast_into().ok())
}

/// The spec of what a finder has of this name. `None` if it has nothing, or part of a namespace package.
pub(super) fn spec_found_by<'py>(
    finder: &Bound<'py, PyAny>,
    name: &Bound<'py, PyString>,
    target: Option<&Bound<'py, PyAny>>,
) -> PyResult<Option<Bound<'py, PyAny>>> {
    let py = finder.py();
    let spec = finder.call_method1(intern!(py, "find_spec"), (name, target))?;
    if spec.is_none() || spec.getattr(intern!(py, "loader"))?.is_none() {
        return Ok(None);
    }
    Ok(Some(spec))
}
