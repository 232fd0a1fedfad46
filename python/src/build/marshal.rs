//! Makes code objects through marshal. This is correct for every build of CPython, because `marshal.loads` makes them.

use permacode_pyc::{Header, Validation, Version, encode_pyc};
use permacode_reader::Module;
use pyo3::{
    exceptions::PyImportError,
    prelude::*,
    types::{PyBytes, PyString},
};

use super::{Build, Method, admit};
use crate::{error::Result, text::text};

/// Encodes a module as marshal bytes and passes them to `marshal.loads`.
pub(super) struct Marshal {
    /// The magic number of this interpreter.
    magic: u32,
    archive_len: u64,
    reason: String,
}

impl Marshal {
    pub(super) fn new(magic: u32, archive_len: u64, reason: String) -> Self {
        Marshal { magic, archive_len, reason }
    }
}

impl Build for Marshal {
    fn code<'py>(
        &self,
        py: Python<'py>,
        module: &Module<'_>,
        filename: &Bound<'py, PyString>,
    ) -> Result<Bound<'py, PyAny>> {
        admit(module, self.archive_len)?;
        let bytes = encode(module, self.magic, &text(filename)?)?;
        let body = bytes.get(permacode_pyc::HEADER_LEN..).unwrap_or_default();
        Ok(py.import("marshal")?.call_method1("loads", (PyBytes::new(py, body),))?)
    }

    fn method(&self) -> Method {
        Method { name: "marshal", constructor: "marshal.loads", reason: self.reason.clone() }
    }
}

/// A module as a compiled file: [`permacode_pyc::HEADER_LEN`] bytes, and the code object of its body.
pub(super) fn encode(module: &Module<'_>, magic: u32, filename: &[u8]) -> Result<Vec<u8>> {
    let model = permacode_model::Module::try_from(module)?;
    let failed = |error: &dyn std::fmt::Display| {
        PyImportError::new_err(format!("module {}: {error}", module.name().unwrap_or("?")))
    };
    let version = Version::of_magic(magic as u16).map_err(|error| failed(&error))?;
    let header = Header { version, validation: Validation::UncheckedHash([0; 8]) };
    Ok(encode_pyc(&model, &header, filename).map_err(|error| failed(&error))?)
}
