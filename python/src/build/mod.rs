//! Makes the code object of a module, in one of three ways.
//!
//! ```text
//!   image: the code objects lie finished in a file beside the archive
//!     └─ for what it lacks:
//!        records ─► objects (cached, each made once)     marshal: encodes the module as marshal bytes.
//!           └─────► constructor (depends on the version)          For other builds of CPython.
//! ```
//!
//! All of them protect CPython from a hostile archive. `weights` limits the number of values that CPython visits, and
//! `instructions` refuses instructions that lead it out of its memory. `admit` checks both for a whole module.

mod admit;
#[cfg(permacode_image)]
mod image;
mod instructions;
mod marshal;
#[cfg(not(Py_GIL_DISABLED))]
mod records;
mod weights;

use std::{
    fmt,
    path::{Path, PathBuf},
};

use permacode_reader::{Archive, Mapping, Module, Target};
use pyo3::{prelude::*, types::PyString};

use crate::error::Result;
use admit::admit;
#[cfg(permacode_image)]
pub(crate) use image::{build_image, verify_image};

/// Makes the code objects of one archive.
pub(crate) trait Build: Send + Sync {
    /// The code object of the body of a module, with everything that it reaches. Code objects without a file name of
    /// their own get `filename`.
    fn code<'py>(
        &self,
        py: Python<'py>,
        module: &Module<'_>,
        filename: &Bound<'py, PyString>,
    ) -> Result<Bound<'py, PyAny>>;

    /// The way in which it makes them.
    fn method(&self) -> Method;

    /// The image that it takes them from.
    fn image(&self) -> Option<&Path> {
        None
    }
}

/// Describes a way to make code objects.
#[derive(Debug, Clone)]
pub(crate) struct Method {
    /// `image`, `records` or `marshal`.
    pub(crate) name: &'static str,
    /// The function of CPython that makes the code objects.
    pub(crate) constructor: &'static str,
    /// Why this way was chosen.
    pub(crate) reason: String,
}

/// What is needed to make code objects from the tables of an archive.
#[derive(Debug, Clone, Copy)]
struct Tables {
    object_count: u32,
    archive_len: u64,
    magic: u32,
}

impl Tables {
    fn of(archive: &Archive<Mapping>, target: &Target<'_>) -> Tables {
        let (object_count, archive_len) = (archive.object_count(), archive.file_len());
        Tables { object_count, archive_len, magic: target.bytecode_magic() }
    }

    /// Chooses the fastest way that is known to be correct for this interpreter.
    #[cfg(not(Py_GIL_DISABLED))]
    fn choose(self, py: Python<'_>) -> Box<dyn Build> {
        match records::Records::new(py, self.object_count, self.archive_len) {
            Ok(records) => Box::new(records),
            Err(reason) => Box::new(marshal::Marshal::new(self.magic, self.archive_len, reason)),
        }
    }

    /// Chooses marshal for a free-threaded interpreter. Such an interpreter may write to the tuples of a code object,
    /// so code objects must not share them, as those of `records` do.
    #[cfg(Py_GIL_DISABLED)]
    fn choose(self, _py: Python<'_>) -> Box<dyn Build> {
        let reason = "the interpreter is free-threaded".to_owned();
        Box::new(marshal::Marshal::new(self.magic, self.archive_len, reason))
    }
}

/// The reason why no image is used.
#[derive(Debug, Clone)]
pub(crate) enum NoImage {
    /// There is no such file. It can be made.
    #[cfg_attr(not(permacode_image), expect(dead_code, reason = "only images can be missing"))]
    Missing(PathBuf),
    Because(String),
}

impl From<String> for NoImage {
    fn from(reason: String) -> Self {
        NoImage::Because(reason)
    }
}

impl fmt::Display for NoImage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            NoImage::Missing(path) => {
                write!(
                    f,
                    "there is no image {}; permacode image or python -m permacode.image makes one",
                    path.display()
                )
            }
            NoImage::Because(reason) => f.write_str(reason),
        }
    }
}

/// The way that was chosen.
pub(crate) struct Chosen {
    pub(crate) builder: Box<dyn Build>,
    /// `None` if an image is used.
    pub(crate) no_image: Option<NoImage>,
}

/// Chooses the fastest way to make the code objects of a target: an image if one fits, and otherwise the tables.
pub(crate) fn choose(py: Python<'_>, path: &Path, archive: &Archive<Mapping>, target: &Target<'_>) -> Chosen {
    let tables = Tables::of(archive, target);
    match open_image(py, path, archive, target, tables) {
        Ok(builder) => Chosen { builder, no_image: None },
        Err(reason) => Chosen { builder: tables.choose(py), no_image: Some(reason) },
    }
}

/// The same, without an image.
pub(crate) fn choose_tables(py: Python<'_>, archive: &Archive<Mapping>, target: &Target<'_>, why: &str) -> Chosen {
    Chosen { builder: Tables::of(archive, target).choose(py), no_image: Some(why.to_owned().into()) }
}

#[cfg(permacode_image)]
fn open_image(
    py: Python<'_>,
    path: &Path,
    archive: &Archive<Mapping>,
    target: &Target<'_>,
    tables: Tables,
) -> std::result::Result<Box<dyn Build>, NoImage> {
    image::Image::open(py, path, archive, target, tables).map(|image| Box::new(image) as Box<dyn Build>)
}

/// Says for each image of an archive that is not for this process why that is so.
#[cfg(permacode_image)]
pub(crate) fn other_images(
    py: Python<'_>,
    path: &Path,
    archive: &Archive<Mapping>,
    target: &Target<'_>,
) -> Vec<String> {
    image::other_images(py, path, archive, target).unwrap_or_default()
}

#[cfg(not(permacode_image))]
pub(crate) fn other_images(
    _py: Python<'_>,
    _path: &Path,
    _archive: &Archive<Mapping>,
    _target: &Target<'_>,
) -> Vec<String> {
    Vec::new()
}

#[cfg(not(permacode_image))]
fn open_image(
    _py: Python<'_>,
    _path: &Path,
    _archive: &Archive<Mapping>,
    _target: &Target<'_>,
    _tables: Tables,
) -> std::result::Result<Box<dyn Build>, NoImage> {
    Err("this package was built without images: they need CPython 3.12 to 3.15 with its interpreter lock, Linux, and \
         CPython's internal headers when the package is built"
        .to_owned()
        .into())
}
