//! Makes the stamps of an archive.

use std::{collections::BTreeSet, ffi::OsString, fs, path::Path, time::Duration};

use hashbrown::HashMap;
use permacode_reader::Module;
use pyo3::{
    intern,
    prelude::*,
    types::{PyDict, PyString},
};

use super::{
    super::{importlib::Importlib, layer, place::Place, roots_for_import, source::State, spec::CompiledFiles},
    context::Context,
    file::{ExtensionStamp, Facts, FolderStamp, ModuleStamp, NO_FOLDER, Tables},
    file_in,
    folder::{self, Listing, hash, unsettled},
    path_of, system_path,
};
use crate::{
    error::{describe, import_error},
    library::{Fit, Library, root_of},
    local_file::publish,
    path::FsPath,
    roots::Roots,
    text::{is_absolute, string, with_text, without_separators},
};

/// Makes the stamps of an archive for this interpreter. See `permacode.stamp.build`.
#[pyfunction]
#[pyo3(name = "_build_stamps", signature = (archive, *, roots=None))]
pub(crate) fn build_stamps<'py>(
    py: Python<'py>,
    archive: FsPath,
    roots: Option<&Bound<'py, PyAny>>,
) -> PyResult<Option<Bound<'py, PyDict>>> {
    let importlib = Importlib::get(py)?;
    let library = Library::open(py, &archive.0, Fit::Tables)?;
    if let Some(problem) = library.unknown_root(&Roots::names(roots)?) {
        return Err(import_error(py, library.path(), None, describe(library.path(), None, &problem)));
    }
    if library.is_sealed() {
        return Ok(None);
    }
    let roots = roots_for_import(py, importlib, roots)?;
    let mut made = Made::new(py, importlib, &library, &roots)?;
    if let Some(wait) = made.unsettled {
        py.detach(|| std::thread::sleep(wait));
        made = Made::new(py, importlib, &library, &roots)?;
    }
    let path = path_of(library.path(), &CompiledFiles::new(py, importlib)?);
    let (bytes, folder_count) = (made.encode(&Context::new(importlib, &library, &roots)), made.folders.len());
    publish(&path, &bytes)?;
    let report = PyDict::new(py);
    report.set_item("path", path.as_os_str())?;
    report.set_item("bytes", bytes.len())?;
    report.set_item("modules", made.modules.len())?;
    report.set_item("folders", folder_count)?;
    report.set_item("left_out", made.left_out)?;
    Ok(Some(report))
}

/// Stamps in memory.
struct Made<'py> {
    importlib: &'py Importlib,
    modules: Vec<ModuleStamp>,
    folders: Vec<Folder<'py>>,
    /// The numbers of folders by path. `None` for a folder that cannot be used.
    numbers: HashMap<Vec<u8>, Option<u32>>,
    /// The roots that modules lie in.
    roots: BTreeSet<Vec<u8>>,
    /// Names of modules, and why they have no stamp.
    left_out: Vec<(String, String)>,
    /// How long to wait for files and folders that were left out because they changed just now.
    unsettled: Option<Duration>,
}

/// A folder.
struct Folder<'py> {
    path: u64,
    facts: Facts,
    stems: Vec<u64>,
    extensions: Vec<ExtensionStamp>,
    /// A finder of CPython for this folder.
    finder: Bound<'py, PyAny>,
}

impl<'py> Made<'py> {
    fn new(py: Python<'py>, importlib: &'py Importlib, library: &Library, roots: &Roots) -> PyResult<Self> {
        let mut made = Made {
            importlib,
            modules: Vec::new(),
            folders: Vec::new(),
            numbers: HashMap::new(),
            roots: BTreeSet::new(),
            left_out: Vec::new(),
            unsettled: None,
        };
        for module in library.target().iter().flat_map(|target| target.modules()) {
            let of_error = |error| library.error(py, "?", error);
            let module = module.map_err(of_error)?;
            if module.is_namespace() {
                continue;
            }
            let name = module.name().map_err(of_error)?;
            match made.module(py, library, &module, name, roots)? {
                Ok(stamp) => made.modules.push(stamp),
                Err(reason) => made.left_out.push((name.to_owned(), reason)),
            }
        }
        made.modules.sort_unstable_by_key(|module| module.key);
        // Folders that may be searched before those of modules. Without a stamp, each process lists them itself, so
        // they are not worth waiting for.
        let unsettled = made.unsettled;
        for entry in importlib.of_sys(py, intern!(py, "path"))?.try_iter()? {
            if let Ok(entry) = entry?.cast::<PyString>()
                && with_text(entry, is_absolute)?
            {
                let path = with_text(entry, |path| without_separators(path).to_vec())?;
                made.folder(py, &path)?;
            }
        }
        made.unsettled = unsettled;
        Ok(made)
    }

    /// The stamp of a module, or the reason why the module gets no stamp.
    fn module(
        &mut self,
        py: Python<'py>,
        library: &Library,
        module: &Module<'_>,
        name: &str,
        roots: &Roots,
    ) -> PyResult<Result<ModuleStamp, String>> {
        let no = |reason: &str| Ok(Err(reason.to_owned()));
        let of_error = |error| library.error(py, name, error);
        let root = root_of(module).map_err(of_error)?;
        self.roots.extend(root.clone());
        let Some(source) = module.source().map_err(of_error)? else {
            return no("the archive does not know its source");
        };
        if let Some(root) = root
            && roots.folder(&root).is_none()
        {
            let root = String::from_utf8_lossy(&root);
            return no(&format!("its root {root:?} has no folder here: name one with --root (in Python: roots)"));
        }
        let Some(place) = Place::of(module, Some(&source), roots).map_err(of_error)? else {
            return no("its file does not have its name");
        };
        let Some(folder) = self.folder(py, place.folder())? else {
            return no("its folder cannot be read, or changed just now");
        };
        let package = match place.package() {
            Some(package) => self.folder(py, package)?,
            None => Some(NO_FOLDER),
        };
        let Some(package) = package else { return no("its folder cannot be read, or changed just now") };
        let Some(finder) = self.folders.get(folder as usize).map(|folder| &folder.finder) else {
            return no("its folder is unknown");
        };
        let found = layer::spec_found_by(finder, &PyString::new(py, name), None)?;
        let found = found.map(|spec| layer::source_file(self.importlib, &spec)).transpose()?.flatten();
        if !found.map(|found| place.is_file(&found)).transpose()?.unwrap_or(false) {
            return no("CPython would import another file, or none");
        }
        let path = system_path(py, place.path())?;
        // A link could lead to another file without a change of the folder.
        if !fs::symlink_metadata(&path).is_ok_and(|metadata| metadata.is_file()) {
            return no("its file is not a regular file");
        }
        let Some((state, facts)) = self.settled(&path) else { return no("its file changed just now") };
        let is_archived = |bytes: Vec<u8>| permacode_format::digest(&bytes) == source.digest;
        if state.size != source.size || !fs::read(&path).is_ok_and(is_archived) {
            return no("its file is not the one that the archive was made from");
        }
        Ok(Ok(ModuleStamp { key: module.offset(), size: state.size, facts, folder, package }))
    }

    /// The state of a file, if it did not change just now.
    fn settled(&mut self, path: &Path) -> Option<(State, Facts)> {
        let state = State::of_file(path).ok()?;
        let facts = Facts::of(&state)?;
        let wait = unsettled(&facts);
        self.unsettled = self.unsettled.max(wait);
        wait.is_none().then_some((state, facts))
    }

    /// The number of a folder.
    fn folder(&mut self, py: Python<'py>, path: &[u8]) -> PyResult<Option<u32>> {
        if let Some(number) = self.numbers.get(path) {
            return Ok(*number);
        }
        let number = self.new_folder(py, path)?;
        self.numbers.insert(path.to_vec(), number);
        Ok(number)
    }

    fn new_folder(&mut self, py: Python<'py>, path: &[u8]) -> PyResult<Option<u32>> {
        let Ok((listing, names)) = Listing::with_names(&system_path(py, path)?) else { return Ok(None) };
        self.unsettled = self.unsettled.max(listing.unsettled);
        let Some(facts) = listing.facts.filter(|_| listing.unsettled.is_none()) else { return Ok(None) };
        let finder = self.importlib.stock.new_finder(&string(py, path)?)?;
        let extensions = self.extensions(&finder, &names, path)?;
        self.folders.push(Folder { path: hash(path), facts, stems: listing.stems, extensions, finder });
        Ok(u32::try_from(self.folders.len() - 1).ok())
    }

    /// The extension modules of a folder that CPython finds by their names.
    fn extensions(&self, finder: &Bound<'py, PyAny>, names: &[OsString], path: &[u8]) -> PyResult<Vec<ExtensionStamp>> {
        let py = finder.py();
        let suffixes: Vec<&str> = self.importlib.stock.extension_suffixes().collect();
        let mut stamps = Vec::new();
        for (name, suffix) in folder::extensions(names, &suffixes) {
            let name = PyString::new(py, name);
            let expected = file_in(&string(py, path)?, &name, suffixes.get(suffix as usize).unwrap_or(&""))?;
            let found = layer::spec_found_by(finder, &name, None)?;
            let origin = found.map(|spec| spec.getattr(intern!(py, "origin"))).transpose()?;
            if let Some(expected) = expected
                && let Some(origin) = origin
                && origin.eq(string(py, &expected)?)?
            {
                stamps.push(ExtensionStamp { stem: hash(name.to_str()?.as_bytes()), suffix, reserved: 0 });
            }
        }
        stamps.sort_unstable_by_key(|stamp| stamp.stem);
        Ok(stamps)
    }

    /// The bytes of the file.
    fn encode(&mut self, context: &Context<'_>) -> Vec<u8> {
        let mut order: Vec<usize> = (0..self.folders.len()).collect();
        order.sort_unstable_by_key(|number| self.folders[*number].path);
        let mut places = vec![NO_FOLDER; self.folders.len()];
        let (mut folders, mut stems, mut extensions) = (Vec::new(), Vec::new(), Vec::new());
        for (place, number) in order.into_iter().enumerate() {
            places[number] = place as u32;
            let folder = &self.folders[number];
            folders.push(FolderStamp {
                path: folder.path,
                facts: folder.facts,
                first_stem: stems.len() as u32,
                stem_count: folder.stems.len() as u32,
                first_extension: extensions.len() as u32,
                extension_count: folder.extensions.len() as u32,
            });
            stems.extend_from_slice(&folder.stems);
            extensions.extend_from_slice(&folder.extensions);
        }
        let place_of = |number: u32| places.get(number as usize).copied().unwrap_or(NO_FOLDER);
        for module in &mut self.modules {
            (module.folder, module.package) = (place_of(module.folder), place_of(module.package));
        }
        let context = context.encode(std::mem::take(&mut self.roots));
        Tables::encode(&self.modules, &folders, &stems, &extensions, &context)
    }
}
