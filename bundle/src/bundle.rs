//! From files to an archive.

mod module;

use std::{
    collections::{BTreeSet, HashMap},
    fs,
    path::{Path, PathBuf},
    time::Instant,
};

use permacode_model::{Module, Resource, Strip, Target};
use permacode_pyc::target_for;
use permacode_writer::{Options, Plan, TargetId, Writer, check_destination};

use crate::{
    compile::Compiler,
    discover::{Discovery, FoundFile, FoundKind, Skip, Suffixes, Wanted, ancestors, discover},
    elsewhere,
    error::{Error, ErrorKind, Unreadable},
    filter::Filter,
    options::BundleOptions,
    parallel::threads,
    place::{self, Place, PlaceKind},
    progress::{Phase, Progress},
    read::read,
    report::{self, ArchiveReport, BundleReport, NotModule, RootReport},
    text::shown,
    tree::Tree,
    tree_layout::TreeLayout,
};

/// An archive that is planned and can be written.
#[derive(Debug)]
pub struct Bundle {
    plan: Plan,
    report: BundleReport,
}

impl Bundle {
    /// What the archive contains and what was left out.
    #[must_use]
    pub fn report(&self) -> &BundleReport {
        &self.report
    }

    /// The plan of the writer.
    #[must_use]
    pub fn plan(&self) -> &Plan {
        &self.plan
    }

    /// Writes the archive to a file in one step. A process that has an older archive open keeps it.
    ///
    /// # Errors
    /// If writing fails, or the file is neither new nor an archive nor empty. An older file is then unchanged.
    pub fn publish(&self, path: impl AsRef<Path>) -> Result<(), Error> {
        Ok(self.plan.publish(path)?)
    }
}

/// Finds modules and resources, compiles sources, and plans an archive.
///
/// The same files, interpreter and options give the same bytes, in any folder and at any time. Only temporary files and
/// the files of [`BundleOptions::keep_compiled`] are written.
///
/// # Errors
/// * Folders or files cannot be read, unless [`BundleOptions::keep_going`] allows it.
/// * Nothing matches a pattern to include.
/// * The interpreter does not work, the compiler is killed, or memory is short.
/// * Two folders that were given have the same module.
/// * A limit of the format is exceeded.
/// * [`BundleOptions::output`] cannot be written, or is not an archive, or is one of the files to bundle.
/// * With [`BundleOptions::strict`]: a file that CPython would import is not bundled as a module. Without it, the
///   report names such files.
pub fn bundle(options: &BundleOptions, progress: &dyn Progress) -> Result<Bundle, Error> {
    let begin = Instant::now();
    if let Some(output) = &options.output {
        check_destination(output)?;
    }
    progress.begin(Phase::Discover, 0);
    let interpreter = &options.interpreter;
    let mut places = place::of_interpreter(interpreter, options.library, options.site_packages)?;
    places.extend(place::of_given(&options.given, &places)?);
    let is_bundled = |place: &&Place| place.kind != PlaceKind::Extensions;
    let roots: BTreeSet<&str> = places.iter().filter(is_bundled).map(|place| place.root.as_str()).collect();
    if roots.is_empty() {
        return Err(Error::new(ErrorKind::Nothing));
    }
    let packages: Vec<PathBuf> = interpreter.site_packages.iter().map(|packages| packages.folder.clone()).collect();
    let filter = Filter::new(&options.include, &options.exclude, &roots)?;
    let kept = match &options.keep_compiled {
        Some(folder) => Some(Tree::create(folder, false)?),
        None => None,
    };
    let wanted = Wanted {
        suffixes: Suffixes::new(interpreter),
        packages: &packages,
        filter: &filter,
        hidden: options.hidden,
        resources: options.resources,
        output: options.output.as_deref().and_then(real_file),
        kept: options.keep_compiled.as_deref().and_then(|folder| folder.canonicalize().ok()),
    };
    let found = discover(&places, &wanted)?;
    if !found.unreadable.is_empty() && (!options.keep_going || options.strict) {
        return Err(unreadable(found.unreadable));
    }
    let unused = filter.unused_to_include();
    if !unused.is_empty() {
        return Err(Error::new(ErrorKind::Unmatched(unused)));
    }

    // The instructions of CPython are units of two bytes.
    let mut writer = Writer::new(Options::default().code_align_log2(1));
    let target = target_for(interpreter.version, interpreter.hexversion, options.optimize);
    let target = writer.add_target(&Target { sealed: options.sealed, stripped: options.strip.clone(), ..target })?;
    let mut join = Join {
        options,
        places: &places,
        progress,
        writer,
        target,
        kept,
        layout: TreeLayout::new(&roots, &interpreter.tag, options.optimize)?,
        report: BundleReport {
            cache_tag: interpreter.tag.clone(),
            version: interpreter.version_text.clone(),
            optimization: options.optimize,
            roots: root_reports(&places),
            unreadable: found.unreadable,
            elsewhere: if options.site_packages { elsewhere::find(interpreter, &places)? } else { Vec::new() },
            ..BundleReport::default()
        },
    };
    let Discovery { items, mut skipped, other_names, .. } = found;
    let resources = join.modules(items, &found.known)?;
    join.resources(resources, &mut skipped)?;
    // An unreadable file might be a module.
    if !join.report.unreadable.is_empty() && (!options.keep_going || options.strict) {
        return Err(unreadable(join.report.unreadable));
    }
    if options.strict {
        let mut omitted = join.report.not_modules.clone();
        omitted.retain(|file| file.why.is_omission());
        omitted.sort();
        if !omitted.is_empty() {
            return Err(Error::new(ErrorKind::NotModules(omitted)));
        }
    }
    progress.begin(Phase::Layout, 0);
    let plan = join.writer.plan()?;
    let mut report = join.report;
    report.not_modules.sort();
    report.verbatim_filenames.sort();
    report.unreadable.sort();
    report.signatures.refused.sort();
    report.skipped = report::skipped(&places, &mut skipped);
    report.other_names = report::other_names(&places, &other_names);
    report.unmatched = filter.unused_to_exclude();
    report.archive = ArchiveReport::new(plan.report());
    report.elapsed = begin.elapsed();
    Ok(Bundle { plan, report })
}

/// Adds modules and resources to the writer and to the report.
struct Join<'j> {
    options: &'j BundleOptions,
    places: &'j [Place],
    progress: &'j dyn Progress,
    writer: Writer,
    target: TargetId,
    kept: Option<Tree>,
    layout: TreeLayout,
    report: BundleReport,
}

impl Join<'_> {
    /// Compiles and adds modules. Returns the files to add as resources. `known` are the names of all modules that have
    /// a file.
    fn modules(&mut self, items: Vec<FoundFile>, known: &BTreeSet<String>) -> Result<Vec<FoundFile>, Error> {
        let is_module = |item: &FoundFile| matches!(item.kind, FoundKind::Module { .. });
        let (sources, mut resources): (Vec<FoundFile>, Vec<FoundFile>) = items.into_iter().partition(is_module);
        self.progress.begin(Phase::Compile, sources.len() as u64);
        let compiler = Compiler::new(&self.options.interpreter, self.options.optimize);
        let mut added = BTreeSet::new();
        let reading = module::Reading {
            version: self.options.interpreter.version,
            compiler: &compiler,
            items: &sources,
            threads: threads(self.options.threads),
            functions: !self.options.strip.contains(&Strip::Signatures),
        };
        reading.run(|item, compiled| {
            match compiled {
                module::Read::Unreadable(error) => self.report.unreadable.push(Unreadable::new(&item.file, error)),
                module::Read::Compiled(compiled) => match self.module(item, compiled)? {
                    None => drop(added.insert(item.module_name().unwrap_or_default().to_owned())),
                    Some(why) => resources.push(FoundFile { kind: FoundKind::Resource(Some(why)), ..item.clone() }),
                },
            }
            self.progress.step();
            Ok(())
        })?;
        self.namespaces(known, &added)?;
        resources.sort_by(|one, other| (one.place, &one.path).cmp(&(other.place, &other.path)));
        Ok(resources)
    }

    /// Adds folders without `__init__` that contain modules. `added` are the names of the modules that were added. A
    /// package that failed to compile, or is an extension module, does not become a namespace.
    fn namespaces(&mut self, known: &BTreeSet<String>, added: &BTreeSet<String>) -> Result<(), Error> {
        let all: BTreeSet<&str> = added.iter().flat_map(|name| ancestors(name)).collect();
        for name in all.into_iter().filter(|name| !known.contains(*name)) {
            self.report.modules += 1;
            self.report.namespaces += 1;
            let module = Module::namespace(name);
            self.writer.add_module(self.target, &module)?;
        }
        Ok(())
    }

    /// Adds resources, in the order of places.
    fn resources(&mut self, items: Vec<FoundFile>, skipped: &mut Vec<(Skip, usize, Vec<u8>)>) -> Result<(), Error> {
        self.progress.begin(Phase::Resources, items.len() as u64);
        let mut taken: HashMap<Vec<u8>, PathBuf> = HashMap::new();
        for item in items {
            self.progress.step();
            let place = &self.places[item.place];
            if let FoundKind::Resource(Some(why)) = &item.kind {
                let (root, path) = (place.root.clone(), shown(&item.path));
                self.report.not_modules.push(NotModule { root, path, why: why.clone() });
            }
            if !self.options.resources {
                skipped.push((Skip::Resource, item.place, item.path));
                continue;
            }
            // Two folders may have been given for one root.
            let name = [place.root.as_bytes(), b"/", &item.path].concat();
            if let Some(first) = taken.get(&name) {
                let root = &place.root;
                return Err(Error::conflict(shown(&name), (root, first), (root, &item.file), &item.path));
            }
            let (data, metadata) = match read(&item.file) {
                Ok(read) => read,
                Err(error) => {
                    self.report.unreadable.push(Unreadable::new(&item.file, error));
                    continue;
                }
            };
            self.report.resources += 1;
            self.report.resource_bytes += data.len() as u64;
            let resource = Resource {
                root: place.root.as_str().into(),
                path: item.path.as_slice().into(),
                executable: is_executable(&metadata),
                data: data.into(),
            };
            self.writer.add_resource(self.target, resource)?;
            taken.insert(name, item.file);
        }
        Ok(())
    }
}

fn unreadable(mut files: Vec<Unreadable>) -> Error {
    files.sort();
    Error::new(ErrorKind::Unreadable(files))
}

/// The path without links of a file that may not exist yet.
fn real_file(path: &Path) -> Option<PathBuf> {
    path.canonicalize().ok().or_else(|| {
        let path = std::path::absolute(path).ok()?;
        Some(path.parent()?.canonicalize().ok()?.join(path.file_name()?))
    })
}

fn root_reports(places: &[Place]) -> Vec<RootReport> {
    let mut roots: Vec<RootReport> = Vec::new();
    for place in places.iter().filter(|place| place.kind != PlaceKind::Extensions) {
        let root = RootReport { name: place.root.clone(), folder: place.folder.clone() };
        if !roots.contains(&root) {
            roots.push(root);
        }
    }
    roots
}

#[cfg(unix)]
fn is_executable(metadata: &fs::Metadata) -> bool {
    use std::os::unix::fs::PermissionsExt;
    metadata.permissions().mode() & 0o100 != 0
}

#[cfg(not(unix))]
fn is_executable(_: &fs::Metadata) -> bool {
    false
}
