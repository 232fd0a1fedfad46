//! Finds the files that CPython would import from a folder, and all other files in it.

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

/// A file to bundle.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct FoundFile {
    /// Index of its place.
    pub(crate) place: usize,
    /// The path below the folder of the place: bytes with `/` between components.
    pub(crate) path: Vec<u8>,
    /// The file.
    pub(crate) file: PathBuf,
    pub(crate) kind: FoundKind,
}

/// The kind of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum FoundKind {
    /// The source of a module.
    Module { name: String, is_package: bool },
    /// Any other file. If it looks like a module, the reason why it is not one.
    Resource(Option<Why>),
}

/// The reason why a file that looks like a module is a resource.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
#[serde(tag = "why", rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Why {
    /// A module cannot have its name, or the name of a folder above it.
    NoName {
        /// The name and the problem.
        message: String,
    },
    /// The interpreter imports another file for its name, or for the name of a package above it.
    Shadowed {
        /// The root and path of that file.
        by: String,
    },
    /// It is bytecode without a source. A bundle compiles modules from sources.
    OnlyBytecode,
    /// It does not compile.
    NotCompiled {
        /// The type and text of the exception.
        message: String,
    },
    /// The compiler crashed.
    CompilerDied {
        /// How the process ended.
        message: String,
    },
    /// The result of the compiler cannot be decoded.
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
    /// The path below the folder of the place: bytes with `/` between components.
    pub(crate) path: Vec<u8>,
}

/// A file that an interpreter would load for a module name if it searched only this place. It may not be bundled.
#[derive(Debug)]
struct Claim {
    name: String,
    file: Name,
}

/// A second name of a folder that was visited under its first name.
#[derive(Debug)]
pub(crate) struct OtherName {
    pub(crate) name: Name,
    pub(crate) first: Name,
}

/// The result of [`discover`].
#[derive(Debug, Default)]
pub(crate) struct Discovery {
    /// Files to bundle, in the order of places and paths.
    pub(crate) items: Vec<FoundFile>,
    /// Entries that were left out: the reason, the index of the place, and the path below it. A folder is one entry.
    pub(crate) skipped: Vec<(Skip, usize, Vec<u8>)>,
    /// The other names of folders that have more than one.
    pub(crate) other_names: Vec<OtherName>,
    /// A file to bundle that is also the output.
    pub(crate) output: Option<PathBuf>,
    /// Files and folders that cannot be read.
    pub(crate) unreadable: Vec<Unreadable>,
    /// Names of modules and packages that have a file, bundled or not.
    pub(crate) known: BTreeSet<String>,
    claims: Vec<Claim>,
}

/// What to bundle and what to leave out.
#[derive(Debug)]
pub(crate) struct Wanted<'r> {
    /// The suffixes of modules.
    pub(crate) suffixes: Suffixes,
    /// Folders of installed packages. They are not part of a library that contains them.
    pub(crate) packages: &'r [PathBuf],
    /// The patterns to include and to exclude.
    pub(crate) filter: &'r Filter,
    /// Whether hidden entries are wanted.
    pub(crate) hidden: bool,
    /// Whether resources are wanted.
    pub(crate) resources: bool,
    /// The output file, as a path without links.
    pub(crate) output: Option<PathBuf>,
    /// The folder for compiled files, as a path without links.
    pub(crate) kept: Option<PathBuf>,
}

/// Walks places and decides which files are modules.
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
    // Unreadable files are found now, because compiling may take minutes.
    found.items.retain(|item| {
        let is_read = wanted.resources || item.module_name().is_some();
        let Some(error) = File::open(&item.file).err().filter(|_| is_read) else { return true };
        found.unreadable.push(Unreadable::new(&item.file, error));
        false
    });
    Ok(found)
}

/// The names of the packages above a module, innermost first.
pub(crate) fn ancestors(name: &str) -> impl Iterator<Item = &str> {
    std::iter::successors(name.rsplit_once('.').map(|(parent, _)| parent), |name| {
        name.rsplit_once('.').map(|(parent, _)| parent)
    })
}

impl FoundFile {
    /// The name of the module, if the file is the source of one.
    pub(crate) fn module_name(&self) -> Option<&str> {
        match &self.kind {
            FoundKind::Module { name, .. } => Some(name),
            FoundKind::Resource(_) => None,
        }
    }
}

impl Name {
    /// The name of an entry below.
    fn join(&self, below: &[u8]) -> Self {
        let path = if self.path.is_empty() { below.to_vec() } else { [&self.path, &b"/"[..], below].concat() };
        Name { place: self.place, path }
    }

    /// The root and path as text.
    pub(crate) fn shown(&self, places: &[Place]) -> String {
        let root = &places[self.place].root;
        if self.path.is_empty() { root.clone() } else { format!("{root}/{}", shown(&self.path)) }
    }
}
