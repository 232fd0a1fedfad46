//! Looking for modules and resources: what CPython would import from a folder, and what else lies in it.

mod resolve;
mod walk;

use std::path::PathBuf;

use crate::{error::Error, filter::Filter, place::Place};

/// A file that was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Item {
    /// Index of its place.
    pub(crate) place: usize,
    /// Path below the folder of the place: bytes, `/` between components.
    pub(crate) path: Vec<u8>,
    /// The file.
    pub(crate) file: PathBuf,
    pub(crate) kind: ItemKind,
}

/// What a file is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum ItemKind {
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
    /// Its name, or that of a folder above it, is no identifier, so no statement imports it.
    OddName,
    /// A package of the same name is imported instead.
    HiddenByPackage,
    /// A folder above it has no `__init__.py`, and a module of the same name is imported instead.
    HiddenByModule,
    /// Another root that is searched first has a module or package of its name, or a package above it.
    HiddenByRoot {
        /// Name of that root.
        root: String,
    },
    /// It is bytecode without source.
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

/// Why an entry of a folder was passed over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Rule {
    /// A folder of installed packages inside a standard library.
    SitePackages,
    /// A `config-*` folder of a standard library: it serves to build interpreters.
    Config,
    /// A `__pycache__` folder: what it holds is compiled anew.
    Cache,
    /// A shared object or library.
    SharedObject,
    /// The file that the archive is written to, a temporary of its writer, or the folder for compiled files.
    Output,
    /// It matches a pattern to exclude.
    Excluded,
    /// It matches no pattern to include.
    NotIncluded,
    /// It is a resource, and resources are not wanted.
    Resource,
    /// A folder with nothing in it.
    EmptyFolder,
    /// A link that leads nowhere.
    BrokenLink,
    /// A link to a folder that it lies in.
    Cycle,
    /// Neither file nor folder.
    Special,
}

impl Rule {
    /// Whether each entry is worth naming: few have this fate, and nobody asked for it.
    pub(crate) fn is_named(self) -> bool {
        matches!(self, Rule::BrokenLink | Rule::Cycle | Rule::Special)
    }
}

/// What [`discover`] found.
#[derive(Debug, Default)]
pub(crate) struct Discovery {
    /// In the order of places and paths.
    pub(crate) items: Vec<Item>,
    /// Entries that were passed over, a folder as one: the rule, index of the place, and path below it.
    pub(crate) skipped: Vec<(Rule, usize, Vec<u8>)>,
}

/// What is passed over, beyond what always is.
#[derive(Debug)]
pub(crate) struct Rules<'r> {
    /// Folders of installed packages: not part of a library that they lie in.
    pub(crate) packages: &'r [PathBuf],
    /// Patterns.
    pub(crate) filter: &'r Filter,
    /// Real path of the file that the archive is written to.
    pub(crate) output: Option<PathBuf>,
    /// Real path of the folder for compiled files.
    pub(crate) kept: Option<PathBuf>,
}

/// Walks places and decides what is a module.
///
/// # Errors
/// If a folder cannot be read, or two places that the user named have the same module.
pub(crate) fn discover(places: &[Place], rules: &Rules<'_>) -> Result<Discovery, Error> {
    let mut discovery = Discovery::default();
    for index in 0..places.len() {
        walk::walk(places, index, rules, &mut discovery)?;
    }
    discovery.items.sort_by(|one, other| (one.place, &one.path).cmp(&(other.place, &other.path)));
    resolve::resolve(places, &mut discovery.items)?;
    Ok(discovery)
}

/// Names of the packages above a module, innermost first.
pub(crate) fn ancestors(name: &str) -> impl Iterator<Item = &str> {
    std::iter::successors(name.rsplit_once('.').map(|(parent, _)| parent), |name| {
        name.rsplit_once('.').map(|(parent, _)| parent)
    })
}

impl Item {
    /// The name of the module that it is the source of.
    pub(crate) fn module_name(&self) -> Option<&str> {
        match &self.kind {
            ItemKind::Module { name, .. } => Some(name),
            ItemKind::Resource(_) => None,
        }
    }
}
