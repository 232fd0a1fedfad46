//! Whether CPython's own finder and its own loader would import a file.
//!
//! A program can change how files are imported. A hook in `sys.path_hooks` gives a folder another finder or another
//! loader. A function of `PathFinder`, `FileFinder` or `SourceFileLoader` can be replaced. Such a program imports
//! something else than the archive holds.

use std::sync::{Mutex, MutexGuard, PoisonError};

use pyo3::{
    ffi, intern,
    prelude::*,
    types::{PyDict, PyList, PyString, PyTuple, PyType},
};

use crate::sys::sys;

/// The functions that load a source file, and that `PermacodeLoader` does without or inherits. A program may have put
/// others in their places. `set_data` and `_cache_bytecode` are left out: they write a file that is not needed.
const OF_LOADER: [&str; 6] = ["get_code", "get_filename", "path_stats", "get_data", "source_to_code", "exec_module"];
const OF_FILE_FINDER: [&str; 2] = ["find_spec", "_get_spec"];
const OF_PATH_FINDER: [&str; 4] = ["find_spec", "_get_spec", "_path_importer_cache", "_path_hooks"];

/// CPython's own finder of files and its loader of sources.
pub(super) struct Stock {
    /// `importlib.machinery.FileFinder`
    file_finder: Py<PyType>,
    /// `importlib.machinery.SourceFileLoader`
    source_loader: Py<PyType>,
    /// `zipimport.zipimporter`: it takes no folder.
    zip_importer: Option<Py<PyAny>>,
    /// The code of each function that `FileFinder.path_hook` makes.
    hook_code: Py<PyAny>,
    /// Suffixes and loaders of a `FileFinder`, in the order in which it tries them.
    loaders: Vec<(String, Py<PyAny>)>,
    /// How many of these are for extension modules, which it tries first.
    extension_count: usize,
    of_loader: Functions,
    of_file_finder: Functions,
    of_path_finder: Functions,
    /// The last hook that was found to be one of `FileFinder`, and the loaders that it gives to finders.
    hook: Mutex<Option<(Py<PyAny>, Py<PyTuple>)>>,
}

/// Functions of a class, as CPython defines them.
pub(super) struct Functions {
    class: Py<PyType>,
    /// The `__dict__` of the class, where its functions are bound to it: each look at an attribute would make a new
    /// object.
    namespace: Option<Py<PyAny>>,
    functions: Vec<Function>,
}

pub(super) struct Function {
    class: Py<PyType>,
    name: Py<PyString>,
    /// `None` if another one stood in its place when this package was imported.
    function: Option<Py<PyAny>>,
}

impl Functions {
    /// `variables` are those of the module that defines the functions.
    pub(super) fn new(
        class: &Bound<'_, PyType>,
        are_bound: bool,
        names: &[&str],
        variables: &Bound<'_, PyDict>,
    ) -> PyResult<Self> {
        let py = class.py();
        let namespace = if are_bound { Some(class.getattr("__dict__")?.unbind()) } else { None };
        let mut functions = Functions { class: class.clone().unbind(), namespace, functions: Vec::new() };
        for name in names {
            let name = PyString::intern(py, name);
            let found = functions.find(&name)?;
            // A function that was wrapped keeps its name and its module, but not the module's variables.
            let plain = match are_bound {
                // Anything else has been bound already, and perhaps to another class.
                true if is_unbound_method(&found) => Some(found.getattr(intern!(py, "__func__"))?),
                true => None,
                false => Some(found.clone()),
            };
            let found_variables =
                plain.map(|plain| plain.getattr_opt(intern!(py, "__globals__"))).transpose()?.flatten();
            let is_stock = found_variables.is_some_and(|found| found.is(variables));
            functions.functions.push(Function {
                class: class.clone().unbind(),
                name: name.unbind(),
                function: is_stock.then(|| found.unbind()),
            });
        }
        Ok(functions)
    }

    fn find<'py>(&self, name: &Bound<'py, PyString>) -> PyResult<Bound<'py, PyAny>> {
        match &self.namespace {
            Some(namespace) => namespace.bind(name.py()).get_item(name),
            None => self.class.bind(name.py()).getattr(name),
        }
    }

    /// The first function that is not the one of CPython.
    pub(super) fn replaced(&self, py: Python<'_>) -> Option<&Function> {
        let is_replaced = |function: &&Function| {
            let found = self.find(function.name.bind(py)).ok();
            !found.is_some_and(|found| function.function.as_ref().is_some_and(|function| found.is(function)))
        };
        self.functions.iter().find(is_replaced)
    }

    /// Whether an object of the class has a function of its own in the place of one of these.
    fn is_hidden_in(&self, object: &Bound<'_, PyAny>) -> PyResult<bool> {
        let own = object.getattr(intern!(object.py(), "__dict__"))?.cast_into::<PyDict>()?;
        for function in &self.functions {
            if own.contains(&function.name)? {
                return Ok(true);
            }
        }
        Ok(false)
    }
}

/// Whether this is a `classmethod` or a `staticmethod`.
fn is_unbound_method(object: &Bound<'_, PyAny>) -> bool {
    let class = object.get_type_ptr();
    class == &raw mut ffi::PyClassMethod_Type || class == &raw mut ffi::PyStaticMethod_Type
}

impl std::fmt::Display for Function {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        Python::attach(|py| {
            let class = self.class.bind(py).name().map_err(|_| std::fmt::Error)?;
            write!(f, "importlib.machinery.{class}.{}", self.name.bind(py))
        })
    }
}

impl Stock {
    /// `external` is `importlib._bootstrap_external`, and `imp` is `_imp`.
    pub(super) fn new(external: &Bound<'_, PyModule>, imp: &Bound<'_, PyModule>) -> PyResult<Self> {
        let py = external.py();
        let class = |name: &str| Ok::<_, PyErr>(external.getattr(name)?.cast_into::<PyType>()?);
        let (file_finder, source_loader) = (class("FileFinder")?, class("SourceFileLoader")?);
        let variables = external.dict();
        let mut loaders = Vec::new();
        let extensions: Vec<String> = imp.call_method0("extension_suffixes")?.extract()?;
        for suffix in extensions {
            loaders.push((suffix, external.getattr("ExtensionFileLoader")?.unbind()));
        }
        let extension_count = loaders.len();
        loaders.push((".py".to_owned(), source_loader.clone().into_any().unbind()));
        loaders.push((".pyc".to_owned(), external.getattr("SourcelessFileLoader")?.unbind()));
        let modules = sys(py)?.getattr("modules")?.cast_into::<PyDict>()?;
        let zip_import = modules.get_item("zipimport")?;
        Ok(Stock {
            hook_code: file_finder.call_method0("path_hook")?.getattr("__code__")?.unbind(),
            zip_importer: zip_import.map(|module| module.getattr("zipimporter")).transpose()?.map(Bound::unbind),
            of_loader: Functions::new(&source_loader, false, &OF_LOADER, &variables)?,
            of_file_finder: Functions::new(&file_finder, false, &OF_FILE_FINDER, &variables)?,
            of_path_finder: Functions::new(&class("PathFinder")?, true, &OF_PATH_FINDER, &variables)?,
            file_finder: file_finder.unbind(),
            source_loader: source_loader.unbind(),
            loaders,
            extension_count,
            hook: Mutex::new(None),
        })
    }

    /// `importlib.machinery.SourceFileLoader`
    pub(super) fn source_loader<'py>(&self, py: Python<'py>) -> &Bound<'py, PyType> {
        self.source_loader.bind(py)
    }

    /// A function that loads sources and is not CPython's own.
    pub(super) fn replaced_in_loader(&self, py: Python<'_>) -> Option<&Function> {
        self.of_loader.replaced(py)
    }

    /// A function that finds or loads sources and is not CPython's own.
    pub(super) fn replaced(&self, py: Python<'_>) -> Option<&Function> {
        let of_classes = [&self.of_path_finder, &self.of_file_finder, &self.of_loader];
        of_classes.into_iter().find_map(|functions| functions.replaced(py))
    }

    /// Whether a finder is one of zip files. Up to 3.9 those are asked in other words.
    pub(super) fn is_zip_importer(&self, finder: &Bound<'_, PyAny>) -> bool {
        cfg!(Py_3_10) && self.zip_importer.as_ref().is_some_and(|importer| finder.get_type().is(importer))
    }

    /// The folder that a `FileFinder` searches.
    pub(super) fn folder<'py>(&self, finder: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyString>> {
        Ok(finder.getattr(intern!(finder.py(), "path"))?.cast_into()?)
    }

    /// The folder that a new `FileFinder` would search for an entry of a path.
    pub(super) fn folder_of_new<'py>(&self, entry: &Bound<'py, PyString>) -> PyResult<Bound<'py, PyString>> {
        let finder = self.file_finder.bind(entry.py()).call1((entry,))?;
        self.folder(&finder)
    }

    /// A new `FileFinder` for a folder, with the loaders that CPython gives it.
    pub(super) fn new_finder<'py>(&self, folder: &Bound<'py, PyString>) -> PyResult<Bound<'py, PyAny>> {
        let py = folder.py();
        let mut arguments = vec![folder.clone().into_any()];
        for (suffix, loader) in &self.loaders {
            arguments.push((loader.bind(py), [suffix]).into_pyobject(py)?.into_any());
        }
        self.file_finder.bind(py).call1(PyTuple::new(py, arguments)?)
    }

    /// The suffixes of files that a `FileFinder` finds, in the order in which it tries them.
    pub(super) fn suffixes(&self) -> impl Iterator<Item = &str> {
        self.loaders.iter().map(|(suffix, _)| suffix.as_str())
    }

    /// The suffixes of extension modules.
    pub(super) fn extension_suffixes(&self) -> impl Iterator<Item = &str> {
        self.suffixes().take(self.extension_count)
    }

    /// A suffix of extension modules and the loader for it, by its number.
    pub(super) fn extension<'py>(&self, py: Python<'py>, number: u32) -> Option<(&str, &Bound<'py, PyAny>)> {
        let (suffix, loader) = self.loaders.get(..self.extension_count)?.get(number as usize)?;
        Some((suffix, loader.bind(py)))
    }

    /// Whether a spec has exactly the loader of sources.
    pub(super) fn is_source_loader(&self, loader: &Bound<'_, PyAny>) -> bool {
        loader.get_type().is(&self.source_loader)
    }

    /// Whether a finder is a `FileFinder` with the loaders that CPython gives it, and without functions of its own.
    pub(super) fn is_file_finder(&self, finder: &Bound<'_, PyAny>) -> PyResult<bool> {
        if !finder.get_type().is(&self.file_finder) || self.of_file_finder.is_hidden_in(finder)? {
            return Ok(false);
        }
        let loaders = finder.getattr(intern!(finder.py(), "_loaders"))?;
        let Ok(loaders) = loaders.cast_exact::<PyList>() else { return Ok(false) };
        if loaders.len() != self.loaders.len() {
            return Ok(false);
        }
        for (pair, expected) in loaders.iter().zip(&self.loaders) {
            let Ok(pair) = pair.cast_into::<PyTuple>() else { return Ok(false) };
            if pair.len() != 2 || !is_pair(&pair.get_item(0)?, &pair.get_item(1)?, expected) {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Whether these hooks give such a finder to a folder.
    pub(super) fn are_hooks(&self, hooks: &Bound<'_, PyAny>) -> PyResult<bool> {
        let Ok(hooks) = hooks.cast_exact::<PyList>() else { return Ok(false) };
        for hook in hooks.iter() {
            let takes_no_folder = self.zip_importer.as_ref().is_some_and(|importer| hook.is(importer));
            if !takes_no_folder {
                return self.is_hook(&hook);
            }
        }
        Ok(false)
    }

    fn is_hook(&self, hook: &Bound<'_, PyAny>) -> PyResult<bool> {
        let Some(details) = self.details(hook)? else { return Ok(false) };
        // The suffixes are lists, to which a program may add.
        let mut expected = self.loaders.iter();
        for detail in details.iter() {
            let Ok((loader, suffixes)) = detail.extract::<(Bound<'_, PyAny>, Bound<'_, PyList>)>() else {
                return Ok(false);
            };
            for suffix in suffixes.iter() {
                if !expected.next().is_some_and(|expected| is_pair(&suffix, &loader, expected)) {
                    return Ok(false);
                }
            }
        }
        Ok(expected.next().is_none())
    }

    /// What a function that `FileFinder.path_hook` made gives to finders: pairs of a loader and its suffixes.
    fn details<'py>(&self, hook: &Bound<'py, PyAny>) -> PyResult<Option<Bound<'py, PyTuple>>> {
        let py = hook.py();
        let known = |(known, details): &(Py<PyAny>, Py<PyTuple>)| hook.is(known).then(|| details.clone_ref(py));
        if let Some(details) = self.hook().as_ref().and_then(known) {
            return Ok(Some(details.into_bound(py)));
        }
        let Some(details) = self.details_of(hook)? else { return Ok(None) };
        let last = self.hook().replace((hook.clone().unbind(), details.clone().unbind()));
        // Not under the lock: letting go of an object may run code.
        drop(last);
        Ok(Some(details))
    }

    fn hook(&self) -> MutexGuard<'_, Option<(Py<PyAny>, Py<PyTuple>)>> {
        self.hook.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// As [`details`](Self::details), out of the function itself.
    fn details_of<'py>(&self, hook: &Bound<'py, PyAny>) -> PyResult<Option<Bound<'py, PyTuple>>> {
        let py = hook.py();
        let code = hook.getattr_opt(intern!(py, "__code__"))?;
        if !code.is_some_and(|code| code.is(&self.hook_code)) {
            return Ok(None);
        }
        let names = self.hook_code.bind(py).getattr("co_freevars")?.cast_into::<PyTuple>()?;
        let cells = hook.getattr("__closure__")?.cast_into::<PyTuple>()?;
        let mut details = None;
        for (name, cell) in names.iter().zip(cells.iter()) {
            let value = cell.getattr("cell_contents")?;
            match name.extract::<&str>()? {
                "cls" if value.is(&self.file_finder) => {}
                "loader_details" => details = value.cast_into::<PyTuple>().ok(),
                _ => return Ok(None),
            }
        }
        Ok(details)
    }
}

fn is_pair(suffix: &Bound<'_, PyAny>, loader: &Bound<'_, PyAny>, expected: &(String, Py<PyAny>)) -> bool {
    loader.is(&expected.1) && suffix.extract::<&str>().is_ok_and(|suffix| suffix == expected.0)
}
