//! The folders that the named roots of an archive stand for, in this interpreter.

use std::borrow::Cow;

use permacode_pyc::PackagesFolders;
use permacode_reader as reader;
use pyo3::{
    intern,
    prelude::*,
    sync::PyOnceLock,
    types::{PyDict, PyMapping, PyString},
};

use crate::{
    path,
    sys::sys,
    text::{SEPARATOR, is_absolute, join, parent, string, text, without_separators},
};

/// Names of roots, and the folders they stand for, without a separator at the end; text as CPython's `surrogatepass`
/// has it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Roots {
    folders: Vec<(String, Vec<u8>)>,
    /// Stand for roots of packages that are not named above.
    packages: Option<PackagesFolders>,
    /// Stands for every other root.
    default: Option<Vec<u8>>,
}

impl Roots {
    /// The folders of this interpreter: those of its standard library and of its installed packages.
    fn of_interpreter(py: Python<'_>) -> PyResult<Roots> {
        static ROOTS: PyOnceLock<Roots> = PyOnceLock::new();
        let roots = ROOTS.get_or_try_init::<_, PyErr>(py, || {
            let mut roots = Roots::default();
            let Some(library) = library_folder(py)? else { return Ok(roots) };
            let packages = packages_folders(py, &library)?;
            // This one is looked up most, so it is not worked out each time.
            if let Some(folder) = packages.folder("site-packages") {
                roots.set("site-packages", folder);
            }
            roots.packages = Some(packages);
            if let Some(platform) = platform_folder(py, &library)? {
                roots.set("platstdlib", platform);
            }
            roots.set("stdlib", library);
            Ok(roots)
        });
        let mut roots = roots?.clone();
        if let Some(packages) = &mut roots.packages {
            packages.user = user_folder(py)?;
        }
        Ok(roots)
    }

    /// What `base` says: nothing, one folder for all roots, or a mapping of names to folders.
    pub(crate) fn of_base(py: Python<'_>, base: Option<&Bound<'_, PyAny>>) -> PyResult<Roots> {
        let mut roots = Roots::of_interpreter(py)?;
        let Some(base) = base.filter(|base| !base.is_none()) else { return Ok(roots) };
        if let Ok(mapping) = base.cast::<PyMapping>() {
            for item in mapping.items()?.iter() {
                let (name, folder): (String, Bound<'_, PyAny>) = item.extract()?;
                roots.set(&name, text(&path::decoded(&folder)?)?);
            }
            return Ok(roots);
        }
        Ok(Roots { folders: Vec::new(), packages: None, default: Some(text(&path::decoded(base)?)?) })
    }

    /// The names that `base` gives folders to.
    pub(crate) fn names(base: Option<&Bound<'_, PyAny>>) -> PyResult<Vec<String>> {
        match base.map(|base| base.cast::<PyMapping>()) {
            Some(Ok(base)) => base.keys()?.extract(),
            _ => Ok(Vec::new()),
        }
    }

    /// Replaces each folder that is no absolute path.
    pub(crate) fn make_absolute(&mut self, absolute: impl Fn(&[u8]) -> PyResult<Vec<u8>>) -> PyResult<()> {
        let folders = self.folders.iter_mut().map(|(_, folder)| folder);
        for folder in folders.chain(&mut self.default).filter(|folder| !is_absolute(folder)) {
            *folder = without_separators(&absolute(folder)?).to_vec();
        }
        Ok(())
    }

    fn set(&mut self, name: &str, mut folder: Vec<u8>) {
        while folder.len() > 1 && folder.last() == Some(&SEPARATOR) {
            folder.pop();
        }
        self.folders.retain(|(other, _)| other != name);
        self.folders.push((name.to_owned(), folder));
    }

    /// The folder of a root.
    pub(crate) fn folder(&self, root: &[u8]) -> Option<Cow<'_, [u8]>> {
        if let Some((_, folder)) = self.folders.iter().find(|(name, _)| name.as_bytes() == root) {
            return Some(folder.into());
        }
        let packages = self.packages.as_ref().zip(std::str::from_utf8(root).ok());
        let packages = packages.and_then(|(packages, root)| packages.folder(root));
        packages.map(Cow::Owned).or_else(|| self.default.as_deref().map(Cow::Borrowed))
    }

    /// Names and folders as a dict.
    pub(crate) fn to_dict<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let roots = PyDict::new(py);
        for (name, folder) in &self.folders {
            roots.set_item(name, string(py, folder)?)?;
        }
        Ok(roots)
    }

    /// A path of the archive as this interpreter has it. A root that stands for no folder is left out.
    pub(crate) fn path(&self, path: &reader::Path<'_>) -> Vec<u8> {
        let folder = path.root.and_then(|root| self.folder(&root.bytes()));
        folder.map_or_else(|| path.path.bytes().to_vec(), |folder| join(&folder, &path.path.bytes()))
    }
}

/// The folder of the standard library. From 3.11 on `sys` says it; before, `encodings` lies in it, which every
/// interpreter imports at start. (Not so `os`: with `-S` nobody has imported that.)
fn library_folder(py: Python<'_>) -> PyResult<Option<Vec<u8>>> {
    let said = sys(py)?.getattr_opt(intern!(py, "_stdlib_dir"))?;
    if let Some(folder) = said.as_ref().and_then(|folder| folder.cast::<PyString>().ok()) {
        return text(folder).map(Some);
    }
    let Some(file) = py.import("encodings")?.getattr_opt(intern!(py, "__file__"))? else { return Ok(None) };
    let Ok(file) = file.cast::<PyString>() else { return Ok(None) };
    Ok(parent(&text(file)?).and_then(parent).map(<[u8]>::to_vec))
}

/// Where this interpreter keeps installed packages, from the facts in `sys` that `site` uses, too. With `-S`, `site` is
/// not imported, and importing it would change `builtins`.
fn packages_folders(py: Python<'_>, library: &[u8]) -> PyResult<PackagesFolders> {
    let sys = sys(py)?;
    let of_sys = |name: &str| match sys.getattr_opt(name)?.and_then(|value| value.cast_into::<PyString>().ok()) {
        Some(value) => text(&value),
        None => Ok(Vec::new()),
    };
    Ok(PackagesFolders {
        prefix: of_sys("prefix")?,
        exec_prefix: of_sys("exec_prefix")?,
        base_prefix: of_sys("base_prefix")?,
        base_exec_prefix: of_sys("base_exec_prefix")?,
        platform_library: of_sys("platlibdir")?,
        version: library.rsplit(|byte| *byte == SEPARATOR).next().unwrap_or_default().to_vec(),
        user: None,
    })
}

/// The folder of the user's own packages, as `site` worked it out when the interpreter started. Without `site` there is
/// none in `sys.path`.
fn user_folder(py: Python<'_>) -> PyResult<Option<Vec<u8>>> {
    let modules = sys(py)?.getattr(intern!(py, "modules"))?;
    let Ok(modules) = modules.cast::<PyDict>() else { return Ok(None) };
    let Some(site) = modules.get_item(intern!(py, "site"))? else { return Ok(None) };
    let folder = site.getattr_opt(intern!(py, "USER_SITE"))?;
    folder.as_ref().and_then(|folder| folder.cast::<PyString>().ok()).map(|folder| text(folder)).transpose()
}

/// The folder of the part of the library that depends on the platform, where it is another one.
fn platform_folder(py: Python<'_>, library: &[u8]) -> PyResult<Option<Vec<u8>>> {
    let sys = sys(py)?;
    let Ok(name) = sys.getattr(intern!(py, "platlibdir")) else { return Ok(None) };
    let Ok(prefix) = sys.getattr(intern!(py, "base_exec_prefix"))?.cast_into::<PyString>() else { return Ok(None) };
    let Ok(name) = name.cast_into::<PyString>() else { return Ok(None) };
    let last = library.iter().rposition(|byte| *byte == SEPARATOR).map_or(0, |at| at + 1);
    let folder = join(&join(&text(&prefix)?, &text(&name)?), library.get(last..).unwrap_or_default());
    Ok((folder != library).then_some(folder))
}
