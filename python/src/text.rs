//! Strings and paths of Python as bytes, and back.
//!
//! The bytes are UTF-8 in which a lone surrogate takes three bytes, as in an archive (CPython's `surrogatepass`).

use pyo3::{
    intern,
    prelude::*,
    types::{PyBytes, PyString},
};

/// The byte between the components of a path.
pub(crate) const SEPARATOR: u8 = std::path::MAIN_SEPARATOR as u8;

/// The bytes of a string.
pub(crate) fn text(string: &Bound<'_, PyString>) -> PyResult<Vec<u8>> {
    if let Ok(text) = string.to_str() {
        return Ok(text.as_bytes().to_vec());
    }
    let bytes = string.call_method1(intern!(string.py(), "encode"), ("utf-8", "surrogatepass"))?;
    Ok(bytes.cast_into::<PyBytes>()?.as_bytes().to_vec())
}

/// Calls a function with the bytes of a string, which are copied only if the string has lone surrogates.
pub(crate) fn with_text<T>(string: &Bound<'_, PyString>, function: impl FnOnce(&[u8]) -> T) -> PyResult<T> {
    match string.to_str() {
        Ok(string) => Ok(function(string.as_bytes())),
        Err(_) => text(string).map(|text| function(&text)),
    }
}

/// The string that has these bytes.
pub(crate) fn string<'py>(py: Python<'py>, text: &[u8]) -> PyResult<Bound<'py, PyString>> {
    match std::str::from_utf8(text) {
        Ok(text) => Ok(PyString::new(py, text)),
        Err(_) => {
            let decoded = PyBytes::new(py, text).call_method1(intern!(py, "decode"), ("utf-8", "surrogatepass"))?;
            Ok(decoded.cast_into::<PyString>()?)
        }
    }
}

/// `folder` and a path below it, with the separators of this system. The empty folder is the current one.
pub(crate) fn join(folder: &[u8], path: &[u8]) -> Vec<u8> {
    let mut joined = Vec::with_capacity(folder.len() + 1 + path.len());
    joined.extend_from_slice(folder);
    if !folder.is_empty() && !folder.ends_with(&[SEPARATOR]) {
        joined.push(SEPARATOR);
    }
    joined.extend(path.iter().map(|byte| if *byte == b'/' { SEPARATOR } else { *byte }));
    joined
}

/// The part of a path before its last separator.
pub(crate) fn parent(path: &[u8]) -> Option<&[u8]> {
    path.iter().rposition(|byte| *byte == SEPARATOR).and_then(|end| path.get(..end))
}

/// Whether a path does not depend on the current folder.
pub(crate) fn is_absolute(path: &[u8]) -> bool {
    path.first() == Some(&SEPARATOR)
}

/// A folder without separators at its end. CPython's finder drops them, too, when it makes the path of a file.
pub(crate) fn without_separators(mut folder: &[u8]) -> &[u8] {
    while let Some((&SEPARATOR, shorter)) = folder.split_last() {
        folder = shorter;
    }
    folder
}
