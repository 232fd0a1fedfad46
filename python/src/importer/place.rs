//! Where the file of a module lies.

use std::path::MAIN_SEPARATOR;

use permacode_reader::{Module, Result, Source};
use pyo3::{prelude::*, types::PyString};

use crate::{roots::Roots, text};

/// The file of a module, and the folder that somebody must search to find it: for `json.decoder` in
/// `/lib/json/decoder.py`, that is `/lib/json`; for the package `json` in `/lib/json/__init__.py` it is `/lib`.
///
/// Text is as `roots` has it.
pub(super) struct Place {
    file: Vec<u8>,
    folder_len: usize,
    is_package: bool,
}

impl Place {
    /// The place of a module: where its source was found, or, if nothing is known of a source, the file that its code
    /// objects report. `None` if the file is not called after the module, so that nobody finds it by that name.
    pub(super) fn of(module: &Module<'_>, source: Option<&Source<'_>>, roots: &Roots) -> Result<Option<Place>> {
        let path = match source {
            Some(source) => Some(source.path),
            None => module.filename()?,
        };
        let Some(path) = path else { return Ok(None) };
        let file = roots.path(&path);
        let is_package = module.is_package();
        let name = module.name()?;
        let last = name.rsplit('.').next().unwrap_or(name);
        let package = if is_package { format!("{MAIN_SEPARATOR}__init__") } else { String::new() };
        let below = format!("{MAIN_SEPARATOR}{last}{package}.py");
        let folder_len = file.strip_suffix(below.as_bytes()).map(<[u8]>::len);
        Ok(folder_len.map(|folder_len| Place { file, folder_len, is_package }))
    }

    /// The path of the folder that has the file.
    pub(super) fn folder(&self) -> &[u8] {
        &self.file[..self.folder_len]
    }

    /// The path of the folder of a package.
    pub(super) fn package(&self) -> Option<&[u8]> {
        self.is_package.then(|| text::parent(&self.file).unwrap_or_default())
    }

    /// The file's path.
    pub(super) fn path(&self) -> &[u8] {
        &self.file
    }

    /// The file's path as a string.
    pub(super) fn file<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyString>> {
        text::string(py, &self.file)
    }

    /// Whether this is the path of the file.
    pub(super) fn is_file(&self, path: &Bound<'_, PyString>) -> PyResult<bool> {
        text::with_text(path, |path| path == self.file)
    }

    /// Whether this is the absolute path of the folder that has the file.
    pub(super) fn is_in(&self, folder: &Bound<'_, PyString>) -> PyResult<bool> {
        text::with_text(folder, |folder| text::is_absolute(folder) && text::without_separators(folder) == self.folder())
    }

    /// The folder of a package as a string: the entry of its `__path__`.
    pub(super) fn package_folder<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyString>>> {
        self.package().map(|folder| text::string(py, folder)).transpose()
    }
}
