//! From an archive to a tree of files.

use std::{
    borrow::Cow,
    collections::{BTreeMap, BTreeSet, HashSet},
    path::{Path, PathBuf},
    sync::{
        Mutex,
        atomic::{AtomicU64, Ordering},
    },
    time::{Instant, SystemTime, UNIX_EPOCH},
};

use permacode_pyc::{Header, Validation, Version, encode_pyc, source_hash};
use permacode_reader::{self as reader, Archive};
use permacode_writer::{model, read};

use crate::{
    error::{Error, ErrorKind},
    extract_report::{ExtractReport, ExtractedRoot},
    layout::{Kind, Layout},
    parallel,
    progress::{Phase, Progress},
    report::VerbatimFilename,
    text,
    tree::Tree,
};

/// Bytes of files that each byte of an archive may become, beyond [`MIN_ROOM`]: equal files are stored once, and records that
/// share their bytes could otherwise fill a disk. Whole standard libraries stay below 2.
const ROOM: u64 = 64;

/// Bytes that may always be written.
const MIN_ROOM: u64 = 16 << 20;

/// How to turn an archive into files.
///
/// Unless told otherwise: with headers that hold a hash of the source, `co_filename` below the folder that is written to, and
/// into a folder that is empty or absent.
#[derive(Debug, Clone, Default)]
pub struct ExtractOptions {
    base: Option<PathBuf>,
    bases: BTreeMap<String, PathBuf>,
    timestamps: bool,
    overwrite: bool,
    target: Option<usize>,
    threads: Option<usize>,
}

impl ExtractOptions {
    /// The folder that `co_filename` says, in place of the one that is written to. With several roots in an archive, each has
    /// a folder of its name below it.
    #[must_use]
    pub fn base(mut self, folder: impl Into<PathBuf>) -> Self {
        self.base = Some(folder.into());
        self
    }

    /// The folder that `co_filename` says for what is below this root.
    #[must_use]
    pub fn base_of(mut self, root: impl Into<String>, folder: impl Into<PathBuf>) -> Self {
        self.bases.insert(root.into(), folder.into());
        self
    }

    /// Headers that hold time and size of the source, and not a hash of it. Sources get the time that the archive carries, or
    /// that of the extraction. Copying the tree without its times then makes the compiled files stale.
    #[must_use]
    pub fn timestamps(mut self, wanted: bool) -> Self {
        self.timestamps = wanted;
        self
    }

    /// Whether the folder may have something in it; files of the same name are replaced then, others stay.
    #[must_use]
    pub fn overwrite(mut self, wanted: bool) -> Self {
        self.overwrite = wanted;
        self
    }

    /// The target, by its number in the archive. An archive with one target needs no choice.
    #[must_use]
    pub fn target(mut self, number: usize) -> Self {
        self.target = Some(number);
        self
    }

    /// The number of threads; otherwise one for each processor.
    #[must_use]
    pub fn threads(mut self, count: usize) -> Self {
        self.threads = Some(count);
        self
    }
}

/// Writes what an archive holds to a folder, and never outside of it, whatever the names in the archive.
///
/// A module with its source becomes `NAME.py` and `__pycache__/NAME.TAG.pyc`; one without becomes `NAME.pyc`, where CPython
/// looks for bytecode without source. Resources come out byte for byte. With one root in the archive the tree is what was
/// below it; with several, each has a folder of its name.
///
/// # Errors
/// If the archive breaks a rule where it is touched, a name in it cannot be that of a file, two things would become the same
/// file, the folder is not empty, the files would take 64 times the room of the archive (and 16 MiB), or writing fails. Names
/// are checked before anything is written; after another error, what was written stays.
pub fn extract<D: AsRef<[u8]> + Sync>(
    archive: &Archive<D>,
    folder: impl AsRef<Path>,
    options: &ExtractOptions,
    progress: &dyn Progress,
) -> Result<ExtractReport, Error> {
    let begin = Instant::now();
    let target = choose(archive, options.target)?;
    let model = read::target(&target)?;
    let version = Version::of_target(&model)
        .ok_or_else(|| ErrorKind::Target { vm: model.vm.clone(), magic: model.bytecode_magic })?;
    let folder = folder.as_ref();
    let of_error = |error| Error::io("cannot find", folder, error);
    let plan = plan(&target, &model)?;
    let work = Work {
        folder: &std::path::absolute(folder).map_err(of_error)?,
        now: SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |time| time.as_secs().cast_signed()),
        tree: Tree::create(folder, options.overwrite)?,
        report: Mutex::default(),
        written: AtomicU64::new(0),
        limit: archive.file_len().saturating_mul(ROOM).saturating_add(MIN_ROOM),
        layout: &plan.layout,
        version,
        options,
    };
    progress.begin(Phase::Extract, plan.things.len() as u64);
    for thing in &plan.things {
        for path in &thing.paths {
            work.tree.make_folders_above(path)?;
            work.tree.make_room(path)?;
        }
    }
    parallel::for_each(
        parallel::threads(options.threads),
        plan.things.len(),
        || (),
        |(), number| {
            let thing = &plan.things[number];
            match &thing.what {
                What::Module(module) => work.module(module, &thing.paths)?,
                What::Resource(resource) => work.resource(resource, &thing.paths)?,
            }
            progress.step();
            Ok(())
        },
    )?;
    let mut report = work.report.into_inner().unwrap_or_else(|poisoned| poisoned.into_inner());
    report.namespaces = plan.namespaces;
    report.verbatim_filenames.sort();
    report.verbatim_filenames.dedup();
    for root in &plan.roots {
        let base = base(options, work.folder, &plan.layout, Some(root));
        report.roots.push(ExtractedRoot { name: root.clone(), folder: plan.layout.root(Some(root)).into(), base });
    }
    report.elapsed = begin.elapsed();
    Ok(report)
}

fn choose<D: AsRef<[u8]>>(archive: &Archive<D>, number: Option<usize>) -> Result<reader::Target<'_>, Error> {
    let mut targets = archive.targets();
    let count = targets.len() as u64;
    let target = match number {
        Some(number) => targets.nth(number).ok_or(ErrorKind::TargetChoice { count: 0 }),
        None if count == 1 => targets.next().ok_or(ErrorKind::TargetChoice { count }),
        None => Err(ErrorKind::TargetChoice { count }),
    };
    Ok(target?)
}

/// What will be written.
struct Plan<'a> {
    layout: Layout,
    roots: BTreeSet<String>,
    things: Vec<Thing<'a>>,
    namespaces: u64,
}

/// Something that becomes one or two files.
struct Thing<'a> {
    what: What<'a>,
    /// For a module: its source, if the archive has it, and the compiled file.
    paths: Vec<Vec<u8>>,
}

enum What<'a> {
    Module(reader::Module<'a>),
    Resource(reader::Resource<'a>),
}

/// Decides on all paths, and that none of them is needed twice.
fn plan<'a>(target: &reader::Target<'a>, model: &model::Target) -> Result<Plan<'a>, Error> {
    let (mut modules, mut resources, mut roots, mut namespaces) = (Vec::new(), Vec::new(), BTreeSet::new(), 0);
    for module in target.modules() {
        let module = module?;
        if module.is_namespace() {
            namespaces += 1;
            continue;
        }
        roots.extend(root_of(&module)?);
        modules.push(module);
    }
    for resource in target.resources() {
        let resource = resource?;
        roots.insert(resource.root()?.to_owned());
        resources.push(resource);
    }
    let layout = Layout::new(roots.iter().map(String::as_str).collect(), &model.tag, model.optimization)?;
    let mut things = Vec::with_capacity(modules.len() + resources.len());
    for module in modules {
        let kind = if module.is_package() { Kind::Package } else { Kind::Module };
        let (root, name) = (root_of(&module)?, module.name()?);
        let has_text = module.source()?.is_some_and(|source| source.text.is_some());
        let paths = if has_text {
            vec![layout.source(root.as_deref(), name, kind)?, layout.cached(root.as_deref(), name, kind)?]
        } else {
            vec![layout.sourceless(root.as_deref(), name, kind)?]
        };
        things.push(Thing { what: What::Module(module), paths });
    }
    for resource in resources {
        let path = layout.resource(resource.root()?, &resource.path()?)?;
        things.push(Thing { what: What::Resource(resource), paths: vec![path] });
    }
    check_distinct(&things)?;
    Ok(Plan { layout, roots, things, namespaces })
}

/// No file twice, and no file that is a folder of another one. (Names that differ only for us, as those in capitals may,
/// are noticed when a file is there already.)
fn check_distinct(things: &[Thing<'_>]) -> Result<(), Error> {
    let same = |path: &[u8]| Error::from(ErrorKind::SameFile { path: text::shown(path) });
    let mut files: HashSet<&[u8]> = HashSet::new();
    for path in things.iter().flat_map(|thing| &thing.paths) {
        if !files.insert(path) {
            return Err(same(path));
        }
    }
    for path in things.iter().flat_map(|thing| &thing.paths) {
        let mut ends = path.iter().enumerate().filter(|(_, byte)| **byte == b'/').map(|(end, _)| end);
        if let Some(end) = ends.find(|end| files.contains(&path[..*end])) {
            return Err(same(&path[..end]));
        }
    }
    Ok(())
}

/// The name of the root that a module lies under.
fn root_of(module: &reader::Module<'_>) -> Result<Option<String>, Error> {
    let of_source = module.source()?.and_then(|source| source.path.root);
    let of_filename = module.filename()?.and_then(|filename| filename.root);
    of_source.or(of_filename).map(root_text).transpose()
}

fn root_text(root: reader::Str<'_>) -> Result<String, Error> {
    let bytes = root.bytes().as_slice();
    let text = std::str::from_utf8(bytes).map(ToOwned::to_owned);
    text.map_err(|_| Error::unsafe_name(text::shown(bytes), "it is the name of a root and no text"))
}

/// The folder that file names below a root are said to lie in.
fn base(options: &ExtractOptions, folder: &Path, layout: &Layout, root: Option<&str>) -> PathBuf {
    if let Some(base) = root.and_then(|root| options.bases.get(root)) {
        return base.clone();
    }
    let base = options.base.as_deref().unwrap_or(folder);
    match layout.root(root) {
        "" => base.to_owned(),
        below => base.join(below),
    }
}

struct Work<'w> {
    folder: &'w Path,
    /// Seconds since 1970.
    now: i64,
    tree: Tree,
    report: Mutex<ExtractReport>,
    /// Bytes, and how many they may become.
    written: AtomicU64,
    limit: u64,
    layout: &'w Layout,
    version: Version,
    options: &'w ExtractOptions,
}

impl Work<'_> {
    fn module(&self, module: &reader::Module<'_>, paths: &[Vec<u8>]) -> Result<(), Error> {
        let model = read::module(module)?;
        let filename = self.filename(&model)?;
        let source = model.source.as_ref();
        let text = source.and_then(|source| source.text.as_deref());
        let mtime = source.and_then(|source| source.mtime);
        // Modulo 2^32, as CPython does.
        let size = source.map_or(0, |source| source.size as u32);
        let (validation, file_time) = match text {
            Some(_) if self.options.timestamps => {
                let mtime = mtime.unwrap_or(self.now);
                (Validation::Timestamp { mtime: mtime as u32, size }, Some(mtime))
            }
            Some(text) => (Validation::CheckedHash(source_hash(self.version, text)), mtime),
            // CPython compares nothing where there is no source. Should one be put beside it, then that is imported and this
            // file is not looked at. So the header only says what is known: with a time the time, else a hash that is none.
            None if self.options.timestamps => (Validation::Timestamp { mtime: mtime.unwrap_or(0) as u32, size }, None),
            None => (Validation::UncheckedHash([0; 8]), None),
        };
        let header = Header { version: self.version, validation };
        let pyc = encode_pyc(&model, &header, &filename);
        let pyc = pyc.map_err(|error| ErrorKind::Pyc { module: model.name.clone(), error })?;
        if let (Some(text), [source, _]) = (text, paths) {
            self.write(source, text, model.source.as_ref().is_some_and(|source| source.executable), file_time)?;
        }
        if let Some(path) = paths.last() {
            self.write(path, &pyc, false, None)?;
        }
        let verbatim = verbatim_filenames(&model);
        let mut report = self.report.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        *(if module.is_package() { &mut report.packages } else { &mut report.modules }) += 1;
        report.sources += u64::from(text.is_some());
        report.bytes += pyc.len() as u64 + text.map_or(0, |text| text.len() as u64);
        report.verbatim_filenames.extend(verbatim);
        Ok(())
    }

    /// Writes a file, if there is room left.
    fn write(&self, path: &[u8], data: &[u8], executable: bool, mtime: Option<i64>) -> Result<(), Error> {
        let before = self.written.fetch_add(data.len() as u64, Ordering::Relaxed);
        if before.saturating_add(data.len() as u64) > self.limit {
            return Err(ErrorKind::TooMuch { limit: self.limit }.into());
        }
        self.tree.write(path, data, executable, mtime)
    }

    /// The `co_filename` of a module: generalised UTF-8.
    fn filename(&self, model: &model::Module<'_>) -> Result<Vec<u8>, Error> {
        let Some(filename) = &model.filename else { return Ok(Vec::new()) };
        let Some(root) = &filename.root else { return Ok(filename.path.text.to_vec()) };
        let mut text = text::of_path(&base(self.options, self.folder, self.layout, Some(root)));
        let separator = std::path::MAIN_SEPARATOR as u8;
        if text.last().is_some_and(|last| !matches!(last, b'/') && *last != separator) {
            text.push(separator);
        }
        text.extend(filename.path.text.iter().map(|byte| if *byte == b'/' { separator } else { *byte }));
        Ok(text)
    }

    fn resource(&self, resource: &reader::Resource<'_>, paths: &[Vec<u8>]) -> Result<(), Error> {
        let data = resource.data()?;
        for path in paths {
            self.write(path, &data, resource.is_executable(), None)?;
        }
        let mut report = self.report.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        report.resources += 1;
        report.bytes += data.len() as u64;
        Ok(())
    }
}

fn verbatim_filenames(model: &model::Module<'_>) -> Vec<VerbatimFilename> {
    let own = model.filename.iter().filter(|filename| filename.root.is_none()).map(|filename| &filename.path.text);
    let nested = model.codes.iter().filter_map(|code| match model.objects.get(code.filename? as usize) {
        Some(model::Object::Str(text)) => Some(&text.text),
        _ => None,
    });
    let report = |text: &Cow<'_, [u8]>| VerbatimFilename { module: model.name.clone(), filename: text::shown(text) };
    own.chain(nested).map(report).collect()
}
