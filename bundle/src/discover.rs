//! Looking for modules and resources: what CPython would import from a folder, and what else lies in it.

mod entry;
mod finder;
mod resolve;
mod skip;
mod walk;

use std::{collections::BTreeSet, fs::File, path::PathBuf};

use crate::{
    error::{Error, ErrorKind, Unreadable},
    filter::Filter,
    place::Place,
    text::shown,
};

pub(crate) use finder::Suffixes;
pub use skip::Skip;

/// A file that was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct FoundFile {
    /// Index of its place.
    pub(crate) place: usize,
    /// Path below the folder of the place: bytes, `/` between components.
    pub(crate) path: Vec<u8>,
    /// The file.
    pub(crate) file: PathBuf,
    pub(crate) kind: FoundKind,
}

/// What a file is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum FoundKind {
    /// The source of a module.
    Module { name: String, is_package: bool },
    /// A file to be carried as it is; for a file that looks like a module: why it is none.
    Resource(Option<Why>),
}

/// Why a file that looks like a module is carried as a resource.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
#[serde(tag = "why", rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Why {
    /// Its name, or that of a folder above it, cannot be part of the name of a module.
    NoName {
        /// The name, and what is wrong with it.
        message: String,
    },
    /// The interpreter finds another file of its name, or of the name of a package above it, and imports that one.
    Shadowed {
        /// Root and path of that file.
        by: String,
    },
    /// It is bytecode without a source; modules are compiled from sources.
    OnlyBytecode,
    /// It does not compile.
    NotCompiled {
        /// Type and text of the exception.
        message: String,
    },
    /// The compiler died over it.
    CompilerDied {
        /// How the process ended.
        message: String,
    },
    /// What the compiler made of it cannot be decoded.
    NotDecoded {
        /// The error.
        message: String,
    },
}

impl Why {
    /// Whether CPython would import the file, so that the archive lacks a module. It never imports a hidden file.
    pub(crate) fn is_omission(&self) -> bool {
        !matches!(self, Why::Shadowed { .. })
    }
}

/// A file or folder of a place.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Name {
    /// Index of its place.
    pub(crate) place: usize,
    /// Path below the folder of the place: bytes, `/` between components.
    pub(crate) path: Vec<u8>,
}

/// A file that an interpreter would load for a module name if it looked at this place alone. It need not be bundled.
#[derive(Debug)]
struct Claim {
    name: String,
    file: Name,
}

/// A folder that was visited under another name.
#[derive(Debug)]
pub(crate) struct OtherName {
    pub(crate) name: Name,
    pub(crate) first: Name,
}

/// What [`discover`] found.
#[derive(Debug, Default)]
pub(crate) struct Discovery {
    /// In the order of places and paths.
    pub(crate) items: Vec<FoundFile>,
    /// Entries that were left out, a folder as one: the reason, index of the place, and path below it.
    pub(crate) skipped: Vec<(Skip, usize, Vec<u8>)>,
    /// Folders that more than one name leads to, with the names that they were not visited under.
    pub(crate) other_names: Vec<OtherName>,
    /// A file to bundle that is also the output.
    pub(crate) output: Option<PathBuf>,
    /// What could not be read.
    pub(crate) unreadable: Vec<Unreadable>,
    /// Names of modules and packages that have a file, be it bundled or not.
    pub(crate) known: BTreeSet<String>,
    claims: Vec<Claim>,
}

/// What is left out, beyond what always is.
#[derive(Debug)]
pub(crate) struct Wanted<'r> {
    /// Suffixes of the modules of the interpreter.
    pub(crate) suffixes: Suffixes,
    /// Folders of installed packages: not part of a library that they lie in.
    pub(crate) packages: &'r [PathBuf],
    /// Patterns.
    pub(crate) filter: &'r Filter,
    /// Whether hidden entries are wanted.
    pub(crate) hidden: bool,
    /// Whether resources are wanted.
    pub(crate) resources: bool,
    /// Real path of the file that the archive is written to.
    pub(crate) output: Option<PathBuf>,
    /// Real path of the folder for compiled files.
    pub(crate) kept: Option<PathBuf>,
}

/// Walks places and decides what is a module.
///
/// # Errors
/// If the folder of a place does not exist, the output is a file to bundle, or two folders that the user named have the
/// same module.
pub(crate) fn discover(places: &[Place], wanted: &Wanted<'_>) -> Result<Discovery, Error> {
    let mut found = walk::walk(places, wanted)?;
    if let Some(output) = found.output {
        return Err(Error::new(ErrorKind::OutputIsInput(output)));
    }
    found.items.sort_by(|one, other| (one.place, &one.path).cmp(&(other.place, &other.path)));
    found.known = resolve::resolve(places, &mut found)?;
    // This is looked at before anything is compiled, which may take minutes.
    found.items.retain(|item| {
        let is_read = wanted.resources || item.module_name().is_some();
        let Some(error) = File::open(&item.file).err().filter(|_| is_read) else { return true };
        found.unreadable.push(Unreadable::new(&item.file, error));
        false
    });
    Ok(found)
}

/// Names of the packages above a module, innermost first.
pub(crate) fn ancestors(name: &str) -> impl Iterator<Item = &str> {
    std::iter::successors(name.rsplit_once('.').map(|(parent, _)| parent), |name| {
        name.rsplit_once('.').map(|(parent, _)| parent)
    })
}

impl FoundFile {
    /// The name of the module that it is the source of.
    pub(crate) fn module_name(&self) -> Option<&str> {
        match &self.kind {
            FoundKind::Module { name, .. } => Some(name),
            FoundKind::Resource(_) => None,
        }
    }
}

impl Name {
    /// The name of something below.
    fn join(&self, below: &[u8]) -> Self {
        let path = if self.path.is_empty() { below.to_vec() } else { [&self.path, &b"/"[..], below].concat() };
        Name { place: self.place, path }
    }

    /// Root and path, for people.
    pub(crate) fn shown(&self, places: &[Place]) -> String {
        let root = &places[self.place].root;
        if self.path.is_empty() { root.clone() } else { format!("{root}/{}", shown(&self.path)) }
    }
}
