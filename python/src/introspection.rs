//! What an archive says about code objects that nobody has made: docstrings, signatures and lines.

use permacode_reader::{self as reader, Code, ParameterKind, Text};
use pyo3::{
    exceptions::{PyLookupError, PyTypeError},
    intern,
    prelude::*,
    types::{PyList, PyString},
};

use crate::{
    error::{describe, module_not_found, of_reader},
    library::Library,
    text,
};

/// The most code objects of one name that a message lists.
const MAX_NAMED: usize = 20;

/// A code object that was asked for by name.
pub(crate) struct Asked<'l, 'n, 'py> {
    library: &'l Library,
    name: &'n Bound<'py, PyString>,
    /// `None` for a namespace package.
    code: Option<Code<'l>>,
}

/// Finds `MODULE` (its body) or `MODULE:QUALNAME`.
///
/// # Errors `ModuleNotFoundError` if there is no such module, `LookupError` if the name after the colon is that of no
/// code object or of several, and `ImportError` if the archive is damaged.
pub(crate) fn find<'l, 'n, 'py>(library: &'l Library, name: &'n Bound<'py, PyString>) -> PyResult<Asked<'l, 'n, 'py>> {
    let py = name.py();
    // A name with lone surrogates is in no archive.
    let Ok(full) = name.to_str() else { return Err(module_not_found(library.path(), name)) };
    let damaged = |error| library.error(py, full, error);
    if let Some(module) = library.find(full).map_err(damaged)? {
        return Ok(Asked { library, name, code: module.body().map_err(damaged)? });
    }
    let (module_name, wanted) = full.split_once(':').unwrap_or((full, ""));
    let Some(module) = library.find(module_name).map_err(damaged)? else {
        return Err(module_not_found(library.path(), &PyString::new(py, module_name)));
    };
    let named = module.named(wanted).map_err(damaged)?;
    if let [code] = named.chosen[..] {
        return Ok(Asked { library, name, code: Some(code) });
    }
    let message = match named.all.len() {
        0 => format!("module {module_name} has no code object {wanted:?}"),
        count => {
            let mut lines = Vec::new();
            for code in named.all.iter().take(MAX_NAMED) {
                lines.push(code.first_line().map_err(damaged)?.to_string());
            }
            let more = if count > MAX_NAMED { ", .." } else { "" };
            format!(
                "{count} code objects of module {module_name} have the name {:?}: add #N or @LINE to it to choose one; \
                 they start in lines {}{more}",
                named.qualname,
                lines.join(", "),
            )
        }
    };
    Err(PyLookupError::new_err(describe(library.path(), None, &message)))
}

impl<'py> Asked<'_, '_, 'py> {
    fn py(&self) -> Python<'py> {
        self.name.py()
    }

    fn damaged(&self, error: reader::Error) -> PyErr {
        let name = self.name.to_string_lossy();
        of_reader(self.py(), self.library.path(), Some(&name), error)
    }

    fn string(&self, text: reader::Str<'_>) -> PyResult<Bound<'py, PyString>> {
        text::string(self.py(), text.bytes().as_slice())
    }

    /// The docstring, or `None`.
    pub(crate) fn doc(&self) -> PyResult<Option<Bound<'py, PyString>>> {
        let Some(code) = self.code else { return Ok(None) };
        let docstring = code.docstring().map_err(|error| self.damaged(error))?;
        docstring.map(|docstring| self.string(docstring)).transpose()
    }

    /// An `inspect.Signature` whose defaults and annotations are source texts.
    pub(crate) fn signature(&self) -> PyResult<Bound<'py, PyAny>> {
        let py = self.py();
        let code = self.code.filter(|code| permacode_pyc::is_function(code.flags()));
        let Some(code) = code else {
            let message = format!("{} is no function, so it has no signature", self.name.to_string_lossy());
            return Err(PyTypeError::new_err(describe(self.library.path(), None, &message)));
        };
        let signature = code.signature().map_err(|error| self.damaged(error))?;
        let parameters = PyList::empty(py);
        for parameter in signature.parameters() {
            let parameter = parameter.map_err(|error| self.damaged(error))?;
            let name = self.string(parameter.name)?;
            let kind = match parameter.kind {
                ParameterKind::PositionalOnly => intern!(py, "POSITIONAL_ONLY"),
                ParameterKind::PositionalOrKeyword => intern!(py, "POSITIONAL_OR_KEYWORD"),
                ParameterKind::VarPositional => intern!(py, "VAR_POSITIONAL"),
                ParameterKind::KeywordOnly => intern!(py, "KEYWORD_ONLY"),
                ParameterKind::VarKeyword => intern!(py, "VAR_KEYWORD"),
            };
            let [default, annotation] = [parameter.default, parameter.annotation].map(|text| text.map(source_text));
            parameters.append((name, kind, default, annotation))?;
        }
        let returns = signature.returns().map(source_text);
        py.import("permacode._signature")?.getattr("signature")?.call1((parameters, returns))
    }

    /// Where the instructions come from: start and end in bytes of `co_code`, line, end line, column and end column.
    pub(crate) fn lines(&self) -> PyResult<Bound<'py, PyList>> {
        let py = self.py();
        let lines = PyList::empty(py);
        let Some(code) = self.code else { return Ok(lines) };
        let damaged = |error| self.damaged(error);
        let unit = u32::from(code.module().target().map_err(damaged)?.unit_size());
        for location in code.locations().map_err(damaged)?.into_iter().flatten() {
            let location = location.map_err(damaged)?;
            let [start, end] = [location.units.start, location.units.end].map(|number| number.saturating_mul(unit));
            let lines_of = (location.line, location.end_line, location.column, location.end_column);
            lines.append((start, end, lines_of.0, lines_of.1, lines_of.2, lines_of.3))?;
        }
        Ok(lines)
    }
}

fn source_text(text: Text<'_>) -> String {
    text.to_cow().into_owned()
}
