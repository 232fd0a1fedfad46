//! Code objects that lie finished in an *image*, a file beside the archive (docs/permanent-objects.md).
//!
//! ```text
//!   facts (process, names) ─► permacode-image ─► make: the file
//!        └─► fingerprint ─► map ─► twin (self-test) ─► relocate ─► code objects
//! ```
//!
//! An image belongs to one build of one interpreter. Wherever it does not fit, code objects are made from the tables,
//! and `permacode.status()` says why.

#![allow(unsafe_code)]

mod facts;
mod huge;
mod make;
mod map;
mod names;
mod process;
mod relocate;
mod twin;

use std::{
    path::{Path, PathBuf},
    sync::{Mutex, MutexGuard, OnceLock, PoisonError},
};

use permacode_reader::{Archive, Mapping, Module, Target};
use pyo3::{ffi, intern, prelude::*, types::PyString};

pub(crate) use make::{build_image, verify_image};

use super::{Build, Method, NoImage, Tables};
use crate::{
    error::Result,
    hex::Hex,
    local_file::{Refused, beside},
    sys::sys,
};
use facts::Interpreter;
use map::Mapped;
use relocate::Pages;

/// The images that this process uses. They are never unmapped. The lock is not held while Python code may run.
static IN_USE: Mutex<Vec<InUse>> = Mutex::new(Vec::new());

struct InUse {
    pages: &'static Pages,
    fingerprint: String,
}

fn in_use() -> MutexGuard<'static, Vec<InUse>> {
    IN_USE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Takes code objects from an image. What the image does not have is made from the tables.
pub(super) struct Image {
    pages: &'static Pages,
    /// Offset of `active_code_watchers` in the state of the interpreter.
    watchers: u32,
    /// Offset of `co_filename`.
    filename: u32,
    tables: Tables,
    other: OnceLock<Box<dyn Build>>,
}

/// Whether a program wants to be told of each code object that is made (`PyCode_AddWatcher`).
fn has_code_watchers(offset: u32) -> bool {
    // SAFETY: the function requires to be attached. Only `Image::find` calls this, with a `Python`.
    let interpreter = unsafe { ffi::PyInterpreterState_Get() };
    // SAFETY: the offset of this byte in the state of an interpreter is from the headers of this version. The self-test
    // and the fingerprint show that the interpreter is of the build that the headers describe.
    let watchers = unsafe { interpreter.byte_add(offset as usize).cast::<u8>() };
    // SAFETY: as above. Only an attached thread writes to the byte.
    unsafe { watchers.read() != 0 }
}

/// Compares the code objects of one module of the image with those that CPython makes of their marshal form.
fn self_test(py: Python<'_>, pages: &Pages, interpreter: &Interpreter) -> std::result::Result<(), String> {
    let mapped = &pages.mapped;
    if permacode_format::crc32(mapped.probe) != mapped.header.probe_crc {
        return Err("the marshal form of the module to test has a wrong checksum".to_owned());
    }
    let (data, len) = (mapped.probe.as_ptr().cast(), mapped.probe.len().cast_signed());
    // SAFETY: the function requires to be attached, and `len` bytes. Who can write an image can run any code here, so
    // its bytes are trusted, and their checksum has matched.
    let made = unsafe { ffi::PyMarshal_ReadObjectFromString(data, len) };
    // SAFETY: the function returns an owned reference, or null after it has set an exception.
    let made = unsafe { Bound::from_owned_ptr_or_err(py, made) }.map_err(|error| error.to_string())?;
    let image = twin::Image {
        layout: &interpreter.layout,
        types: &interpreter.types,
        anchor: interpreter.anchor,
        bytes: mapped.bytes(),
        base: mapped.header.base,
        names: mapped.names,
        sets: mapped.sets,
        has_same_filename: false,
    };
    image.compare(mapped.header.probe_code, made.as_ptr())
}

/// Length of the digest at the end of the name of an image, in characters.
const DIGEST_LEN: usize = 12;

/// Says for each image of an archive that is for another interpreter or archive how that one differs from this.
pub(crate) fn other_images(
    py: Python<'_>,
    path: &Path,
    archive: &Archive<Mapping>,
    target: &Target<'_>,
) -> std::result::Result<Vec<String>, String> {
    let fingerprint = Interpreter::new(py)?.fingerprint(py, archive, target).map_err(|error| error.to_string())?;
    Ok(map::other_images(&path_of(path, &fingerprint), &fingerprint))
}

/// The file of the image of an archive for this interpreter, beside the archive.
fn path_of(archive: &Path, fingerprint: &str) -> PathBuf {
    let digest = permacode_format::digest(fingerprint.as_bytes());
    let digits = digest.get(..DIGEST_LEN / 2).unwrap_or(&digest);
    beside(archive, &format!(".image-{}", Hex(digits)))
}

/// The reason why no image is used in this process as it was started.
fn obstacle(py: Python<'_>) -> PyResult<Option<&'static str>> {
    let options = sys(py)?.getattr(intern!(py, "_xoptions"))?;
    let is_set = std::env::var_os("PYTHONNODEBUGRANGES").is_some_and(|value| !value.is_empty());
    if is_set || options.contains("no_debug_ranges")? {
        return Ok(Some("the interpreter leaves out the columns of instructions (-X no_debug_ranges)"));
    }
    Ok(None)
}

impl Image {
    /// Uses the image beside an archive.
    ///
    /// # Errors
    /// The reason why no image fits.
    pub(super) fn open(
        py: Python<'_>,
        path: &Path,
        archive: &Archive<Mapping>,
        target: &Target<'_>,
        tables: Tables,
    ) -> std::result::Result<Image, NoImage> {
        let in_words = |error: PyErr| error.to_string();
        if let Some(reason) = obstacle(py).map_err(in_words)? {
            return Err(reason.to_owned().into());
        }
        let interpreter = Interpreter::new(py)?;
        let fingerprint = interpreter.fingerprint(py, archive, target).map_err(in_words)?;
        let layout = &interpreter.layout;
        let filename = layout.code_filename();
        let path = path_of(path, &fingerprint);
        let used = in_use().iter().find(|used| used.fingerprint == fingerprint).map(|used| used.pages);
        let pages = match used {
            Some(pages) => pages,
            None => {
                // If two threads come here at once, the address is taken for one of them.
                let mapped = Mapped::open(&path, &fingerprint).map_err(|refused| match refused {
                    Refused::Missing => NoImage::Missing(path.clone()),
                    Refused::Because(reason) => NoImage::Because(format!("{}: {reason}", path.display())),
                })?;
                let pages = Pages::new(mapped, &interpreter).map_err(|error| error.to_string())?;
                let pages: &'static Pages = Box::leak(Box::new(pages));
                self_test(py, pages, &interpreter)
                    .map_err(|reason| format!("{}: the self-test failed: {reason}", path.display()))?;
                in_use().push(InUse { pages, fingerprint });
                pages
            }
        };
        Ok(Image { pages, watchers: layout.watchers, filename, tables, other: OnceLock::new() })
    }

    /// What makes the code objects that the image lacks.
    fn other(&self, py: Python<'_>) -> &dyn Build {
        &**self.other.get_or_init(|| self.tables.choose(py))
    }

    /// The code object of a module, if the image has it for this file name.
    fn find<'py>(
        &self,
        py: Python<'py>,
        module: &Module<'_>,
        filename: &Bound<'py, PyString>,
    ) -> PyResult<Option<Bound<'py, PyAny>>> {
        let modules = self.pages.mapped.modules;
        let found = modules.binary_search_by_key(&module.offset(), |entry| entry.key).ok();
        let Some(entry) = found.and_then(|index| modules.get(index)) else { return Ok(None) };
        if has_code_watchers(self.watchers) {
            return Ok(None);
        }
        self.pages.relocate(py, entry.first_range, entry.range_count)?;
        let own = self.pages.object(py, self.pages.mapped.word(entry.code, self.filename));
        Ok(if own.eq(filename)? { Some(self.pages.object(py, entry.code)) } else { None })
    }
}

impl Build for Image {
    fn code<'py>(
        &self,
        py: Python<'py>,
        module: &Module<'_>,
        filename: &Bound<'py, PyString>,
    ) -> Result<Bound<'py, PyAny>> {
        match self.find(py, module, filename)? {
            Some(code) => Ok(code),
            None => self.other(py).code(py, module, filename),
        }
    }

    fn method(&self) -> Method {
        Method {
            name: "image",
            constructor: "none: code objects lie in the image",
            reason: "the image beside the archive fits this interpreter".to_owned(),
        }
    }

    fn image(&self) -> Option<&Path> {
        Some(&self.pages.mapped.path)
    }
}
