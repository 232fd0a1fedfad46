//! What to bundle, and how.

use std::path::PathBuf;

use crate::{interpreter::Interpreter, place::Given};

/// What to bundle for an interpreter, and how.
///
/// Unless told otherwise: its standard library whole, with sources and resources, at optimisation level 0.
///
/// ```no_run
/// use permacode_bundle::{BundleOptions, Interpreter, bundle};
///
/// let interpreter = Interpreter::probe("python3.13")?;
/// let options = BundleOptions::new(interpreter).exclude("test").exclude("idlelib");
/// let bundle = bundle(&options, &())?;
/// println!("{} modules", bundle.report().modules);
/// bundle.publish("stdlib.perma")?;
/// # Ok::<(), permacode_bundle::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct BundleOptions {
    pub(crate) interpreter: Interpreter,
    pub(crate) library: bool,
    pub(crate) site_packages: bool,
    pub(crate) given: Vec<Given>,
    pub(crate) include: Vec<String>,
    pub(crate) exclude: Vec<String>,
    pub(crate) hidden: bool,
    pub(crate) keep_going: bool,
    pub(crate) optimize: u8,
    pub(crate) source: bool,
    pub(crate) resources: bool,
    pub(crate) mtime: bool,
    pub(crate) sealed: bool,
    pub(crate) strict: bool,
    pub(crate) threads: Option<usize>,
    pub(crate) keep_compiled: Option<PathBuf>,
    pub(crate) output: Option<PathBuf>,
}

impl BundleOptions {
    /// The standard library of an interpreter.
    #[must_use]
    pub fn new(interpreter: Interpreter) -> Self {
        BundleOptions {
            interpreter,
            library: true,
            site_packages: false,
            given: Vec::new(),
            include: Vec::new(),
            exclude: Vec::new(),
            hidden: false,
            keep_going: false,
            optimize: 0,
            source: true,
            resources: true,
            mtime: false,
            sealed: false,
            strict: false,
            threads: None,
            keep_compiled: None,
            output: None,
        }
    }

    /// Whether the standard library is wanted.
    #[must_use]
    pub fn library(mut self, wanted: bool) -> Self {
        self.library = wanted;
        self
    }

    /// Whether the installed packages of the interpreter are wanted. What the standard library has as well is hidden by it,
    /// and carried as a resource.
    #[must_use]
    pub fn site_packages(mut self, wanted: bool) -> Self {
        self.site_packages = wanted;
        self
    }

    /// Adds a folder or a file, under a root called `root`.
    ///
    /// What lies in a folder is at the top level, unless the folder is a package (has an `__init__.py`): then the package is.
    #[must_use]
    pub fn path(mut self, path: impl Into<PathBuf>) -> Self {
        self.given.push(Given { root: None, path: path.into() });
        self
    }

    /// Adds a folder as a root of this name; what lies in it is at the top level.
    #[must_use]
    pub fn root(mut self, name: impl Into<String>, folder: impl Into<PathBuf>) -> Self {
        self.given.push(Given { root: Some(name.into()), path: folder.into() });
        self
    }

    /// Takes only what matches this pattern or another one to include, and the packages above it.
    ///
    /// A pattern is a glob (`*`, `?`, `[..]`, `{a,b}`, `**`). It is compared with the path below the root (`test/data/x.txt`;
    /// `*` and `?` match no `/`) and with the module name (`test.support`; `*` matches dots as well). A folder or package
    /// that matches stands for all that is in it: `test`, `test.support`, `**/tests`. With the name of a root before it
    /// (`site-packages=test`), it counts for that root alone.
    ///
    /// A pattern to include that nothing matches is an error; one to exclude is named in the report.
    #[must_use]
    pub fn include(mut self, pattern: impl Into<String>) -> Self {
        self.include.push(pattern.into());
        self
    }

    /// Leaves out what matches this pattern, even if another one includes it. See [`BundleOptions::include`].
    #[must_use]
    pub fn exclude(mut self, pattern: impl Into<String>) -> Self {
        self.exclude.push(pattern.into());
        self
    }

    /// Whether hidden entries are wanted: files and folders with a dot at the beginning of their names, folders of version
    /// control systems, environments and `node_modules`. `__pycache__` is left out all the same.
    #[must_use]
    pub fn hidden(mut self, wanted: bool) -> Self {
        self.hidden = wanted;
        self
    }

    /// Whether files and folders that cannot be read are left out and reported. Otherwise they are an error that names them all.
    #[must_use]
    pub fn keep_going(mut self, wanted: bool) -> Self {
        self.keep_going = wanted;
        self
    }

    /// The optimisation level: 0, 1 (without assertions) or 2 (and without docstrings).
    #[must_use]
    pub fn optimize(mut self, level: u8) -> Self {
        self.optimize = level.min(2);
        self
    }

    /// Whether sources are carried. Their size and digest are in any case.
    #[must_use]
    pub fn source(mut self, wanted: bool) -> Self {
        self.source = wanted;
        self
    }

    /// Whether files that are no modules are carried.
    #[must_use]
    pub fn resources(mut self, wanted: bool) -> Self {
        self.resources = wanted;
        self
    }

    /// Whether the times of the last change of sources are carried. A copy of the tree then gives other bytes.
    #[must_use]
    pub fn mtime(mut self, wanted: bool) -> Self {
        self.mtime = wanted;
        self
    }

    /// Whether the archive promises that the files it was made from do not change: who imports from it then does not look
    /// whether they did, and does not notice edits.
    #[must_use]
    pub fn sealed(mut self, wanted: bool) -> Self {
        self.sealed = wanted;
        self
    }

    /// Whether a file that looks like a module and is not bundled as one is an error. The error names all such files; the
    /// report of a bundle that is not strict has them in [`not_modules`](crate::BundleReport::not_modules).
    #[must_use]
    pub fn strict(mut self, wanted: bool) -> Self {
        self.strict = wanted;
        self
    }

    /// The number of processes that compile; otherwise one for each processor. It does not show in the archive.
    #[must_use]
    pub fn threads(mut self, count: usize) -> Self {
        self.threads = Some(count);
        self
    }

    /// Keeps what the compiler made, as `__pycache__/NAME.TAG.pyc` below this folder, which must be empty or absent.
    ///
    /// They are laid out as [`extract`](crate::extract) lays them out, and have headers of the same kind; `co_filename` is
    /// that of the source that was compiled.
    #[must_use]
    pub fn keep_compiled(mut self, folder: impl Into<PathBuf>) -> Self {
        self.keep_compiled = Some(folder.into());
        self
    }

    /// The file that the archive will be written to. If it lies in a bundled folder, the archive of an earlier run and the
    /// temporary files of the writer are left out. Otherwise the second archive would hold the first.
    ///
    /// Before any other work, the bundle checks that the file can be written, that it is a new file, an archive or an empty
    /// file, and that it is not one of the files to bundle.
    #[must_use]
    pub fn output(mut self, file: impl Into<PathBuf>) -> Self {
        self.output = Some(file.into());
        self
    }
}
