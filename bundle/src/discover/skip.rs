//! Why entries of folders are left out.

use super::entry::{Entry, EntryKind};

/// Why an entry of a folder was left out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Skip {
    /// A folder of installed packages inside a standard library.
    SitePackages,
    /// A `config-*` folder of a standard library: it serves to build interpreters.
    Config,
    /// A `__pycache__` folder: the files in it are compiled anew.
    Cache,
    /// A shared object or library.
    SharedObject,
    /// The file that the archive is written to, a temporary of its writer, or the folder for compiled files.
    Output,
    /// It matches a pattern to exclude.
    Excluded,
    /// It matches no pattern to include.
    NotIncluded,
    /// A folder of a version control system, for example `.git` or `CVS`.
    VersionControl,
    /// An environment: a folder with `pyvenv.cfg` or `conda-meta/history` in it, or of the name `.tox`, `.nox` or
    /// `__pypackages__`.
    Environment,
    /// A `node_modules` folder: packages for Node.js.
    NodeModules,
    /// A file or folder with a dot at the beginning of its name.
    Hidden,
    /// It is a resource, and resources are not wanted.
    Resource,
    /// A folder with nothing in it.
    EmptyFolder,
    /// A link that leads nowhere.
    BrokenLink,
    /// Neither file nor folder.
    Special,
}

impl Skip {
    /// Whether the report names each entry: nobody asked to leave it out, and CPython or the program might use it.
    pub(crate) fn is_named(self) -> bool {
        match self {
            Skip::VersionControl | Skip::Environment | Skip::NodeModules | Skip::Hidden => true,
            Skip::BrokenLink | Skip::Special => true,
            Skip::SitePackages | Skip::Config | Skip::Cache | Skip::SharedObject | Skip::Output => false,
            Skip::Excluded | Skip::NotIncluded | Skip::Resource | Skip::EmptyFolder => false,
        }
    }

    /// Why an entry is left out unless hidden entries are wanted.
    pub(super) fn of_hidden(entry: &Entry) -> Option<Self> {
        let name = entry.bytes();
        // A name without a dot may be that of a package which is part of the program.
        if entry.kind == EntryKind::Folder && entry.init.is_none() {
            match name {
                // The folders that distutils and setuptools leave out of a source distribution.
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
