//! Makes images and compares them with archives.

use std::fs;

use bytemuck::AnyBitPattern;
use permacode_image::{self as image, Facts, HEADER_LEN, Header, ModuleEntry, SetEntry};
use permacode_reader::{Module, Target};
use pyo3::{prelude::*, types::PyDict};

use super::{facts::Interpreter, names::names, path_of, twin};
use crate::{
    build::{Tables, admit, marshal},
    error::{describe, import_error},
    library::{Fit, Library, filename},
    local_file::publish,
    path::FsPath,
    roots::Roots,
    text::text,
};

/// The modules of a library, for the builder of images.
struct Modules<'a> {
    py: Python<'a>,
    library: &'a Library,
    roots: &'a Roots,
    magic: u32,
}

impl image::Modules<'_> for Modules<'_> {
    fn admit(&mut self, module: &Module<'_>) -> Result<Vec<u8>, String> {
        admit(module, self.library.archive().file_len()).map_err(|error| error.to_string())?;
        let name = filename(self.py, self.library, module, self.roots).and_then(|name| text(&name));
        name.map_err(|error| error.to_string())
    }

    fn marshal(&mut self, module: &Module<'_>) -> Result<Vec<u8>, String> {
        let mut bytes = marshal::encode(module, self.magic, b"").map_err(|error| error.to_string())?;
        Ok(bytes.split_off(permacode_pyc::HEADER_LEN.min(bytes.len())))
    }
}

/// An image in memory.
struct Made {
    image: image::Image,
    facts: Facts,
    anchor: u64,
}

impl Made {
    fn new(py: Python<'_>, library: &Library, roots: &Roots) -> PyResult<Made> {
        let refused = |reason: String| import_error(py, library.path(), None, describe(library.path(), None, &reason));
        let of_image = |error: image::Error| refused(error.to_string());
        let target = library.target().ok_or_else(|| refused("the archive has no target".to_owned()))?;
        let archive = library.archive();
        let interpreter = Interpreter::new(py).map_err(refused)?;
        let mut facts = interpreter.facts(py).map_err(refused)?;
        let texts = image::interned_texts(archive).map_err(of_image)?;
        facts.names = names(py, &interpreter, texts)?;
        facts.fingerprint = interpreter.fingerprint(py, archive, &target)?;
        let mut modules = Modules { py, library, roots, magic: target.bytecode_magic() };
        let image = image::build(archive, &target, &facts, &mut modules).map_err(of_image)?;
        let made = Made { image, facts, anchor: interpreter.anchor };
        made.compare(py, library, &target, roots).map_err(refused)?;
        Ok(made)
    }

    /// Compares each code object of the image with the one that CPython makes from the tables of the archive.
    fn compare(&self, py: Python<'_>, library: &Library, target: &Target<'_>, roots: &Roots) -> Result<(), String> {
        let (bytes, tables) = (&self.image.bytes, Tables::of(library.archive(), target).choose(py));
        let header: Header = bytemuck::pod_read_unaligned(bytes.get(..HEADER_LEN).unwrap_or_default());
        let modules: Vec<ModuleEntry> = table(bytes, header.modules, header.module_count);
        let names: Vec<u64> = table(bytes, header.names, header.name_count);
        let sets: Vec<SetEntry> = table(bytes, header.sets, header.set_count);
        let (names, sets) = (&names, &sets);
        let (layout, types, anchor) = (&self.facts.layout, &self.facts.types, self.anchor);
        let base = header.base;
        let image = twin::Image { layout, types, anchor, bytes, base, names, sets, has_same_filename: true };
        for module in target.modules() {
            let module = module.map_err(|error| error.to_string())?;
            let Ok(index) = modules.binary_search_by_key(&module.offset(), |entry| entry.key) else { continue };
            let Some(entry) = modules.get(index) else { continue };
            let name = module.name().unwrap_or("?");
            let file = filename(py, library, &module, roots).map_err(|error| error.to_string())?;
            let made = tables.code(py, &module, &file).map_err(|error| format!("module {name}: {error}"))?;
            image.compare(entry.code, made.as_ptr()).map_err(|what| {
                format!(
                    "module {name}: its image would differ from what this interpreter makes of it: {what}. This \
                     package was compiled for another build of CPython"
                )
            })?;
        }
        Ok(())
    }
}

/// A table of an image.
fn table<T: AnyBitPattern>(bytes: &[u8], offset: u64, count: u32) -> Vec<T> {
    let start = usize::try_from(offset).unwrap_or(usize::MAX);
    let entries = bytes.get(start..).unwrap_or_default().chunks_exact(size_of::<T>());
    entries.take(count as usize).map(bytemuck::pod_read_unaligned).collect()
}

/// Opens an archive for an image.
fn open(py: Python<'_>, path: &FsPath, roots: Option<&Bound<'_, PyAny>>) -> PyResult<(Library, Roots)> {
    Ok((Library::open(py, &path.0, Fit::Tables)?, Roots::of_base(py, roots)?))
}

/// Makes the image of an archive for this interpreter. See `permacode.image.build`.
#[pyfunction]
#[pyo3(name = "_build_image", signature = (archive, output=None, *, roots=None))]
pub(crate) fn build_image<'py>(
    py: Python<'py>,
    archive: FsPath,
    output: Option<FsPath>,
    roots: Option<&Bound<'py, PyAny>>,
) -> PyResult<Bound<'py, PyDict>> {
    let (library, roots) = open(py, &archive, roots)?;
    let made = Made::new(py, &library, &roots)?;
    let path = output.map_or_else(|| path_of(library.path(), &made.facts.fingerprint), |output| output.0);
    publish(&path, &made.image.bytes)?;
    let report = PyDict::new(py);
    report.set_item("path", path.as_os_str())?;
    report.set_item("bytes", made.image.bytes.len())?;
    report.set_item("modules", made.image.module_count)?;
    report.set_item("left_out", made.image.left_out)?;
    Ok(report)
}

/// Compares an image with its archive. See `permacode.image.verify`.
#[pyfunction]
#[pyo3(name = "_verify_image", signature = (archive, image=None, *, roots=None))]
pub(crate) fn verify_image(
    py: Python<'_>,
    archive: FsPath,
    image: Option<FsPath>,
    roots: Option<&Bound<'_, PyAny>>,
) -> PyResult<()> {
    let (library, roots) = open(py, &archive, roots)?;
    let made = Made::new(py, &library, &roots)?;
    let path = image.map_or_else(|| path_of(library.path(), &made.facts.fingerprint), |image| image.0);
    let (found, expected) = (fs::read(&path)?, &made.image.bytes);
    if found == *expected {
        return Ok(());
    }
    let at = found.iter().zip(expected).position(|(found, expected)| found != expected);
    let reason = match at {
        Some(at) => format!("it differs from the image of {} at offset {at:#x}", library.path().display()),
        None => format!("it has {} bytes, and the image of the archive has {}", found.len(), expected.len()),
    };
    Err(import_error(py, &path, None, describe(&path, None, &format!("{reason}: make the image again"))))
}
