//! Whether CPython's own finder and its own loader would import a file.
//!
//! A program can change how files are imported: a hook in `sys.path_hooks` gives a folder a finder or a loader of its
//! own, and a function of `SourceFileLoader` can be replaced. What such a program imports is not what the archive
//! holds.

use std::sync::{Mutex, MutexGuard, PoisonError};

use pyo3::{
    intern,
    prelude::*,
    types::{PyDict, PyList, PyString, PyTuple, PyType},
};

/// The functions that import a source file. Each is looked up in its class, where a program may have put another.
const OF_LOADER: [&str; 4] = ["get_code", "source_to_code", "get_data", "exec_module"];
const OF_FINDER: [&str; 2] = ["find_spec", "_get_spec"];

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
    functions: Vec<Function>,
    /// The last hook that was found to be one of `FileFinder`, and the loaders that it gives to finders.
    hook: Mutex<Option<(Py<PyAny>, Py<PyTuple>)>>,
}

/// A function of a class, as CPython defines it.
struct Function {
    class: Py<PyType>,
    name: Py<PyString>,
    /// `None` if another one stood in its place already.
    function: Option<Py<PyAny>>,
}

impl Stock {
    /// `external` is `importlib._bootstrap_external`.
    pub(super) fn new(external: &Bound<'_, PyModule>) -> PyResult<Self> {
        let py = external.py();
        let class = |name: &str| Ok::<_, PyErr>(external.getattr(name)?.cast_into::<PyType>()?);
        let (file_finder, source_loader) = (class("FileFinder")?, class("SourceFileLoader")?);
        let mut functions = Vec::new();
        for (class, names) in [(&source_loader, &OF_LOADER[..]), (&file_finder, &OF_FINDER[..])] {
            for name in names {
                let function = class.getattr(*name)?;
                // A function that was wrapped keeps its name and its module, but not the module's variables.
                let variables = function.getattr_opt("__globals__")?;
                let is_stock = variables.is_some_and(|variables| variables.is(external.dict()));
                functions.push(Function {
                    class: class.clone().unbind(),
                    name: PyString::intern(py, name).unbind(),
                    function: is_stock.then(|| function.unbind()),
                });
            }
        }
        let mut loaders = Vec::new();
        let extensions: Vec<String> = py.import("_imp")?.call_method0("extension_suffixes")?.extract()?;
        for suffix in extensions {
            loaders.push((suffix, external.getattr("ExtensionFileLoader")?.unbind()));
        }
        loaders.push((".py".to_owned(), source_loader.clone().into_any().unbind()));
        loaders.push((".pyc".to_owned(), external.getattr("SourcelessFileLoader")?.unbind()));
        let modules = py.import("sys")?.getattr("modules")?.cast_into::<PyDict>()?;
        let zip_import = modules.get_item("zipimport")?;
        Ok(Stock {
            hook_code: file_finder.call_method0("path_hook")?.getattr("__code__")?.unbind(),
            zip_importer: zip_import.map(|module| module.getattr("zipimporter")).transpose()?.map(Bound::unbind),
            file_finder: file_finder.unbind(),
            source_loader: source_loader.unbind(),
            loaders,
            functions,
            hook: Mutex::new(None),
        })
    }

    /// `importlib.machinery.SourceFileLoader`
    pub(super) fn source_loader<'py>(&self, py: Python<'py>) -> &Bound<'py, PyType> {
        self.source_loader.bind(py)
    }

    /// Whether sources are found and loaded by the functions that CPython has for it.
    pub(super) fn has_own_functions(&self, py: Python<'_>) -> PyResult<bool> {
        for Function { class, name, function } in &self.functions {
            let Some(function) = function else { return Ok(false) };
            if !class.bind(py).getattr(name)?.is(function) {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Whether a spec has exactly the loader of sources.
    pub(super) fn is_source_loader(&self, loader: &Bound<'_, PyAny>) -> bool {
        loader.get_type().is(&self.source_loader)
    }

    /// Whether a finder is a `FileFinder` with the loaders that CPython gives it.
    pub(super) fn is_file_finder(&self, finder: &Bound<'_, PyAny>) -> PyResult<bool> {
        if !finder.get_type().is(&self.file_finder) {
            return Ok(false);
        }
        let loaders = finder.getattr(intern!(finder.py(), "_loaders"))?;
        let Ok(loaders) = loaders.cast::<PyList>() else { return Ok(false) };
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
        let Ok(hooks) = hooks.cast::<PyList>() else { return Ok(false) };
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
