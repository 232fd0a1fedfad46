//! An archive that is mapped for this interpreter.

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
};

use permacode_pyc::{HexVersion, magic_number};
use permacode_reader::{self as reader, Archive, Mapping, Module, Target};
use pyo3::{intern, prelude::*, types::PyString};

use crate::{
    build::{self, Build, NoImage},
    error::{Error, describe, import_error, of_reader},
    roots,
    sys::sys,
    text,
};

/// Which targets of an archive will do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fit {
    /// Those whose bytecode this interpreter runs.
    Bytecode,
    /// The one for this very interpreter: its exact version, its optimisation level.
    Exact,
    /// The same, to import from it.
    Import,
    /// The one for this very interpreter, without an image.
    Tables,
}

/// An archive, the target in it for this interpreter, and the way in which its code objects are made.
pub(crate) struct Library {
    path: PathBuf,
    archive: Archive<Mapping>,
    /// Index of the target.
    target: usize,
    builder: Box<dyn Build>,
    no_image: Option<NoImage>,
}

/// What an interpreter asks of a target.
struct Interpreter {
    magic: u32,
    hexversion: u32,
    optimization: u8,
}

impl Interpreter {
    fn of(py: Python<'_>) -> PyResult<Self> {
        let sys = sys(py)?;
        let hexversion = sys.getattr(intern!(py, "hexversion"))?.extract()?;
        let level: u8 = sys.getattr(intern!(py, "flags"))?.getattr(intern!(py, "optimize"))?.extract()?;
        let external = py.import("_frozen_importlib_external")?;
        let magic = external.getattr(intern!(py, "MAGIC_NUMBER"))?.extract()?;
        Ok(Interpreter { magic: u32::from_le_bytes(magic), hexversion, optimization: level.min(2) })
    }

    fn runs(&self, target: &Target<'_>) -> reader::Result<bool> {
        Ok(target.vm()? == permacode_pyc::VM && target.bytecode_magic() == self.magic)
    }

    fn is_exactly(&self, target: &Target<'_>) -> bool {
        target.vm_version() == self.hexversion && target.optimization() == self.optimization
    }
}

impl Library {
    /// Maps an archive and finds the target for this interpreter.
    ///
    /// # Errors
    /// `OSError` if the file cannot be opened; `ImportError` if it is no archive, is damaged, or has no target that
    /// fits; what an audit hook raises.
    pub(crate) fn open(py: Python<'_>, path: &Path, fit: Fit) -> PyResult<Library> {
        let path = std::path::absolute(path)?;
        // The event of the function `open`, before the file is opened.
        let event = ("open", path.as_os_str(), "rb", libc::O_RDONLY | libc::O_CLOEXEC);
        sys(py)?.getattr(intern!(py, "audit"))?.call1(event)?;
        // SAFETY: the documentation of the package asks that archives are replaced and never written into. Who writes
        // into one can change any code that the interpreter runs, with or without this mapping.
        #[allow(unsafe_code)]
        let archive = unsafe { Archive::map(&path) };
        let archive = archive.and_then(Archive::checked).map_err(|error| of_reader(py, &path, None, error))?;
        let interpreter = Interpreter::of(py)?;
        let target = find_target(&archive, &interpreter, fit).map_err(|error| of_reader(py, &path, None, error))?;
        let Some(target) = target else {
            let message = format!("{}; this is {}", targets_in_words(&archive), interpreter.in_words(fit));
            return Err(import_error(py, &path, None, describe(&path, None, &message)));
        };
        let chosen = match (archive.target(target), fit) {
            (Some(target), Fit::Exact | Fit::Import) => build::choose(py, &path, &archive, &target),
            (Some(target), Fit::Bytecode) => {
                build::choose_tables(py, &archive, &target, "an image needs an archive for exactly this interpreter")
            }
            (Some(target), Fit::Tables) => build::choose_tables(py, &archive, &target, "none was asked for"),
            (None, _) => return Err(import_error(py, &path, None, describe(&path, None, &"the target is gone"))),
        };
        Ok(Library { path, archive, target, builder: chosen.builder, no_image: chosen.no_image })
    }

    /// The archive's path, absolute.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// The archive.
    pub(crate) fn archive(&self) -> &Archive<Mapping> {
        &self.archive
    }

    /// Whether an image could be used, but does not exist.
    pub(crate) fn lacks_image(&self) -> bool {
        matches!(self.no_image, Some(NoImage::Missing(_)))
    }

    /// Why code objects do not come from an image, and what the images beside the archive are for. `None` if they do.
    pub(crate) fn no_image(&self, py: Python<'_>) -> Option<String> {
        let mut reason = self.no_image.as_ref()?.to_string();
        let others = self.target().map(|target| build::other_images(py, &self.path, &self.archive, &target));
        for other in others.into_iter().flatten() {
            reason.push_str("; ");
            reason.push_str(&other);
        }
        Some(reason)
    }

    /// The target for this interpreter. It was there when the archive was opened, and the archive does not change.
    pub(crate) fn target(&self) -> Option<Target<'_>> {
        self.archive.target(self.target)
    }

    /// Whether the files that the modules were made from do not change.
    pub(crate) fn is_sealed(&self) -> bool {
        self.target().is_some_and(|target| target.is_sealed())
    }

    /// The target in words.
    pub(crate) fn for_whom(&self) -> Option<String> {
        self.target().map(|target| target_in_words(&target))
    }

    /// The root of each module, with repetitions.
    pub(crate) fn roots_of_modules(&self) -> impl Iterator<Item = reader::Result<Vec<u8>>> {
        let modules = self.target().into_iter().flat_map(|target| target.modules());
        modules.filter_map(|module| module.and_then(|module| root_of(&module)).transpose())
    }

    /// Says that the archive does not have one of these roots, if it can tell: a damaged archive may show none.
    pub(crate) fn unknown_root(&self, names: &[String]) -> Option<String> {
        if names.is_empty() {
            return None;
        }
        let mut unknown: Vec<&String> = names.iter().collect();
        let resources = self.target().into_iter().flat_map(|target| target.resources());
        let of_resources = resources.map(|resource| Ok(resource?.root()?.as_bytes().to_vec()));
        let mut roots = BTreeSet::new();
        for root in self.roots_of_modules().chain(of_resources) {
            if unknown.is_empty() {
                return None;
            }
            let root = root.ok()?;
            unknown.retain(|name| name.as_bytes() != root);
            roots.insert(root);
        }
        let known = roots.iter().map(|root| String::from_utf8_lossy(root)).filter(|root| !root.is_empty());
        let known: Vec<String> = known.map(|root| format!("{root:?}")).collect();
        let name = unknown.first().filter(|_| !known.is_empty())?;
        Some(format!("the archive has no root {name:?}; its roots are: {}", known.join(", ")))
    }

    /// How code objects are made.
    pub(crate) fn builder(&self) -> &dyn Build {
        &*self.builder
    }

    /// The module of this name: one probe.
    pub(crate) fn find(&self, name: &str) -> reader::Result<Option<Module<'_>>> {
        self.target().map_or(Ok(None), |target| target.find(name))
    }

    /// The code object of a module; `filename` is what it reports as its file.
    ///
    /// # Errors
    /// `ImportError` with archive, module, rule and offset if the archive is damaged.
    pub(crate) fn code<'py>(
        &self,
        py: Python<'py>,
        module: &Module<'_>,
        filename: &Bound<'py, PyString>,
    ) -> PyResult<Bound<'py, PyAny>> {
        self.builder.code(py, module, filename).map_err(|error| self.raise(py, module, error))
    }

    /// The exception for what is wrong with a module.
    fn raise(&self, py: Python<'_>, module: &Module<'_>, error: Error) -> PyErr {
        error.raise_at(py, &self.path, module.name().unwrap_or("?"), module.offset())
    }

    /// The exception for what the reader found wrong.
    pub(crate) fn error(&self, py: Python<'_>, module: &str, error: reader::Error) -> PyErr {
        Error::Archive(error).raise(py, &self.path, Some(module))
    }
}

/// The digest of the header and the section table of an archive, which contain the checksums of all sections.
pub(crate) fn digest(archive: &Archive<Mapping>) -> [u8; 16] {
    let file: &[u8] = archive.storage().as_ref();
    let first_section = archive.sections().map(|section| section.offset).min();
    let end = first_section.and_then(|end| usize::try_from(end).ok()).unwrap_or(file.len());
    permacode_format::digest(file.get(..end).unwrap_or(file))
}

/// The root that a module lies in.
pub(crate) fn root_of(module: &Module<'_>) -> reader::Result<Option<Vec<u8>>> {
    let path = match module.source()? {
        Some(source) => Some(source.path),
        None => module.filename()?,
    };
    Ok(path.and_then(|path| path.root).map(|root| root.bytes().to_vec()))
}

/// The code object's file: where the archive says it is, below the folders that `roots` names. For a namespace package,
/// which has none, the empty string.
pub(crate) fn filename<'py>(
    py: Python<'py>,
    library: &Library,
    module: &Module<'_>,
    roots: &roots::Roots,
) -> PyResult<Bound<'py, PyString>> {
    let make = || {
        let path = module.filename()?;
        Ok::<_, Error>(text::string(py, &path.map(|path| roots.path(&path)).unwrap_or_default())?)
    };
    make().map_err(|error| library.raise(py, module, error))
}

/// Index of the target that fits best: the exact one, else one of the same optimisation level, else any that runs.
fn find_target(archive: &Archive<Mapping>, interpreter: &Interpreter, fit: Fit) -> reader::Result<Option<usize>> {
    let mut found: Option<(usize, bool)> = None;
    for (index, target) in archive.targets().enumerate() {
        if !interpreter.runs(&target)? {
            continue;
        }
        if interpreter.is_exactly(&target) {
            return Ok(Some(index));
        }
        let is_same_level = target.optimization() == interpreter.optimization;
        if fit == Fit::Bytecode && found.is_none_or(|(_, was_same_level)| is_same_level && !was_same_level) {
            found = Some((index, is_same_level));
        }
    }
    Ok(found.map(|(index, _)| index))
}

/// `the archive is for cpython 3.11.7 -O`
fn targets_in_words(archive: &Archive<Mapping>) -> String {
    let targets: Vec<String> = archive.targets().map(|target| target_in_words(&target)).collect();
    match &targets[..] {
        [] => "the archive is for nobody: it has no targets".to_owned(),
        targets => format!("the archive is for {}", targets.join(", ")),
    }
}

fn target_in_words(target: &Target<'_>) -> String {
    let version = version_in_words(target.vm_version(), target.bytecode_magic(), target.optimization());
    format!("{} {version}", target.vm().unwrap_or("?"))
}

impl Interpreter {
    fn in_words(&self, fit: Fit) -> String {
        let version = version_in_words(self.hexversion, self.magic, self.optimization);
        let advice = match fit {
            Fit::Import => {
                "the library of another patch release or optimisation level differs: bundle that of this one"
            }
            Fit::Tables => "bundle for this one",
            Fit::Exact => {
                "bundle for this one, or open it with exact=False if the bytecode is of the same magic number"
            }
            Fit::Bytecode => "bundle for this one",
        };
        format!("{} {version}: {advice}", permacode_pyc::VM)
    }
}

/// `3.11.7 (magic 3495, optimisation level 0)`
fn version_in_words(hexversion: u32, magic: u32, optimization: u8) -> String {
    let (version, magic) = (HexVersion(hexversion), magic_number(magic).map_or(magic, u32::from));
    format!("{version} (magic {magic}, optimisation level {optimization})")
}
