//! The reasons why entries of folders are left out.

use super::entry::{Entry, EntryKind};

/// The reason why an entry of a folder was left out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Skip {
    /// A folder of installed packages inside a standard library.
    SitePackages,
    /// A `config-*` folder of a standard library, which is for building interpreters.
    Config,
    /// A `__pycache__` folder. The bundle compiles all sources again.
    Cache,
    /// A shared object or library.
    SharedObject,
    /// The output file, a temporary file of its writer, or the folder for compiled files.
    Output,
    /// It matches a pattern to exclude.
    Excluded,
    /// It matches no pattern to include.
    NotIncluded,
    /// A folder of a version control system, for example `.git` or `CVS`.
    VersionControl,
    /// An environment: a folder that contains `pyvenv.cfg` or `conda-meta/history`, or is called `.tox`, `.nox` or
    /// `__pypackages__`.
    Environment,
    /// A `node_modules` folder: packages for Node.js.
    NodeModules,
    /// A file or folder whose name starts with a dot.
    Hidden,
    /// A resource, if resources are not wanted.
    Resource,
    /// An empty folder.
    EmptyFolder,
    /// A link whose target does not exist.
    BrokenLink,
    /// Neither a file nor a folder.
    Special,
}

impl Skip {
    /// Whether the report names each entry, because the user did not ask to leave it out and the program might use it.
    pub(crate) fn is_named(self) -> bool {
        match self {
            Skip::VersionControl | Skip::Environment | Skip::NodeModules | Skip::Hidden => true,
            Skip::BrokenLink | Skip::Special => true,
            Skip::SitePackages | Skip::Config | Skip::Cache | Skip::SharedObject | Skip::Output => false,
            Skip::Excluded | Skip::NotIncluded | Skip::Resource | Skip::EmptyFolder => false,
        }
    }

    /// The reason why an entry is left out unless hidden entries are wanted.
    pub(super) fn of_hidden(entry: &Entry) -> Option<Self> {
        let name = entry.bytes();
        // A folder with an `__init__` and without a dot in its name may be a package of the program.
        if entry.kind == EntryKind::Folder && entry.init.is_none() {
            match name {
                // distutils and setuptools leave out the same folders.
                b".git" | b".hg" | b".svn" | b".bzr" | b"CVS" | b"RCS" | b"_darcs" => {
                    return Some(Skip::VersionControl);
                }
                b".tox" | b".nox" | b"__pypackages__" => return Some(Skip::Environment),
                b"node_modules" => return Some(Skip::NodeModules),
                _ if entry.location.join("pyvenv.cfg").is_file() => return Some(Skip::Environment),
                _ if entry.location.join("conda-meta/history").is_file() => return Some(Skip::Environment),
                _ => {}
            }
        }
        name.starts_with(b".").then_some(Skip::Hidden)
    }
}
