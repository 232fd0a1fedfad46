//! What to bundle, and how.

use std::{collections::BTreeSet, path::PathBuf};

use permacode_model::Strip;

use crate::{interpreter::Interpreter, place::Given};

/// What to bundle for an interpreter, and how.
///
/// The default is its whole standard library with sources and resources, at optimisation level 0.
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
    pub(crate) strip: BTreeSet<Strip>,
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
            strip: BTreeSet::new(),
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

    /// Whether the installed packages of the interpreter are wanted. The standard library hides modules of the same
    /// name, which become resources.
    #[must_use]
    pub fn site_packages(mut self, wanted: bool) -> Self {
        self.site_packages = wanted;
        self
    }

    /// Adds a folder or a file, under a root called `root`.
    ///
    /// The contents of a folder are at the top level. If the folder is a package (has an `__init__.py`), the package
    /// is.
    #[must_use]
    pub fn path(mut self, path: impl Into<PathBuf>) -> Self {
        self.given.push(Given { root: None, path: path.into() });
        self
    }

    /// Adds a folder as a root of this name. Its contents are at the top level.
    #[must_use]
    pub fn root(mut self, name: impl Into<String>, folder: impl Into<PathBuf>) -> Self {
        self.given.push(Given { root: Some(name.into()), path: folder.into() });
        self
    }

    /// Bundles only files that match a pattern to include, and the packages above them.
    ///
    /// A pattern is a glob (`*`, `?`, `[..]`, `{a,b}`, `**`). It is compared with the path below the root
    /// (`test/data/x.txt`; `*` and `?` do not match `/`) and with the module name (`test.support`; `*` matches dots,
    /// too). A folder or package that matches is bundled with everything in it: `test`, `test.support`, `**/tests`. The
    /// name of a root before a pattern (`site-packages=test`) limits it to that root.
    ///
    /// If a folder has several names through links, the included name is bundled.
    ///
    /// It is an error if nothing matches a pattern to include. The report names a pattern to exclude that nothing
    /// matches.
    #[must_use]
    pub fn include(mut self, pattern: impl Into<String>) -> Self {
        self.include.push(pattern.into());
        self
    }

    /// Leaves out files that match this pattern, even if another pattern includes them. See [`BundleOptions::include`].
    #[must_use]
    pub fn exclude(mut self, pattern: impl Into<String>) -> Self {
        self.exclude.push(pattern.into());
        self
    }

    /// Leaves out one part of each module and changes nothing else. Call it again for another part. The archive states
    /// what was left out. [`permacode_pyc::strip_docstrings`] and [`permacode_pyc::strip_lines`] have the details.
    #[must_use]
    pub fn strip(mut self, part: Strip) -> Self {
        self.strip.insert(part);
        self
    }

    /// Whether hidden entries are wanted: files and folders whose names start with a dot, folders of version control
    /// systems, environments and `node_modules`. `__pycache__` is always left out.
    #[must_use]
    pub fn hidden(mut self, wanted: bool) -> Self {
        self.hidden = wanted;
        self
    }

    /// Whether files and folders that cannot be read are left out and reported. Otherwise one error names all of them.
    #[must_use]
    pub fn keep_going(mut self, wanted: bool) -> Self {
        self.keep_going = wanted;
        self
    }

    /// The optimisation level: 0, 1 (without assertions) or 2 (without assertions and docstrings).
    #[must_use]
    pub fn optimize(mut self, level: u8) -> Self {
        self.optimize = level.min(2);
        self
    }

    /// Whether the archive has files that are not modules.
    #[must_use]
    pub fn resources(mut self, wanted: bool) -> Self {
        self.resources = wanted;
        self
    }

    /// Whether the archive has the modification times of sources. On import, the time then decides whether a source has
    /// changed, and a copy of the tree with other times gives other bytes.
    #[must_use]
    pub fn mtime(mut self, wanted: bool) -> Self {
        self.mtime = wanted;
        self
    }

    /// Whether the archive promises that its source files do not change. An importer then does not check them, and does
    /// not notice edits.
    #[must_use]
    pub fn sealed(mut self, wanted: bool) -> Self {
        self.sealed = wanted;
        self
    }

    /// Whether it is an error if a file that CPython would import is not bundled as a module. The error names all such
    /// files. A source that another file hides is not one of them. Without this option, the report has all of them in
    /// [`not_modules`](crate::BundleReport::not_modules).
    #[must_use]
    pub fn strict(mut self, wanted: bool) -> Self {
        self.strict = wanted;
        self
    }

    /// The number of processes that compile. The default is one for each processor. The archive does not depend on it.
    #[must_use]
    pub fn threads(mut self, count: usize) -> Self {
        self.threads = Some(count);
        self
    }

    /// Writes the results of the compiler to this folder as `__pycache__/NAME.TAG.pyc`. The folder must be new or
    /// empty.
    ///
    /// The files have the same paths and the same kind of header as those of [`extract`](crate::extract). `co_filename`
    /// is the path of the compiled source.
    #[must_use]
    pub fn keep_compiled(mut self, folder: impl Into<PathBuf>) -> Self {
        self.keep_compiled = Some(folder.into());
        self
    }

    /// The file that the archive will be written to. If it lies in a bundled folder, the archive of an earlier run and
    /// the temporary files of the writer are left out. Otherwise the second archive would hold the first.
    ///
    /// Before any other work, the bundle checks that the file can be written, that it is a new file, an archive or an
    /// empty file, and that it is not one of the files to bundle.
    #[must_use]
    pub fn output(mut self, file: impl Into<PathBuf>) -> Self {
        self.output = Some(file.into());
        self
    }
}
