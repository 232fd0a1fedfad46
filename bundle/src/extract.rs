//! From an archive to a tree of files.

mod extraction;
mod size;

use std::{
    collections::{BTreeMap, HashMap},
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
    time::{Instant, SystemTime, UNIX_EPOCH},
};

use permacode_model::Module;
use permacode_pyc::{Header, Validation, Version, encode_pyc, source_hash};
use permacode_reader::{self as reader, Archive};

use self::extraction::{Extraction, Thing};
use crate::{
    error::{Error, ErrorKind},
    extract_report::{ExtractReport, ExtractedRoot, LeftOut, WhyLeftOut},
    name::root_text,
    parallel,
    progress::{Phase, Progress},
    report::VerbatimFilename,
    text,
    tree::Tree,
    tree_layout::TreeLayout,
};

/// Bytes of files that each byte of an archive may become, beyond [`MIN_ROOM`]. Whole standard libraries stay below 2.
const ROOM: u64 = 64;

/// Bytes that may be written, however small the archive is: 16 GiB. Trees of many equal files are stored in few bytes.
const MIN_ROOM: u64 = 16 << 30;

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
    max_size: Option<u64>,
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

    /// How many bytes the files may take together; otherwise 16 GiB, or 64 times the length of the archive, whichever is
    /// more. If they take more, nothing is written.
    #[must_use]
    pub fn max_size(mut self, bytes: u64) -> Self {
        self.max_size = Some(bytes);
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
/// file, the folder is not empty, the files would take more bytes than [`ExtractOptions::max_size`], or writing fails.
/// Names and bytes are checked before a file is written; after another error, what was written stays.
pub fn extract<D: AsRef<[u8]> + Sync>(
    archive: &Archive<D>,
    folder: impl AsRef<Path>,
    options: &ExtractOptions,
    progress: &dyn Progress,
) -> Result<ExtractReport, Error> {
    let begin = Instant::now();
    let folder = folder.as_ref();
    // Names that are valid do not overlap: they and the paths made of them take room in proportion to the archive.
    archive.verify_structure()?;
    let mut extraction = Extraction::new(archive, options)?;
    let absolute = std::path::absolute(folder).map_err(|error| Error::io("cannot find", folder, error))?;
    let limit = options.max_size.unwrap_or_else(|| archive.file_len().saturating_mul(ROOM).max(MIN_ROOM));
    let bytes = extraction.bytes(options, &absolute)?;
    if bytes > limit {
        return Err(Error::new(ErrorKind::TooMuch { bytes, limit }));
    }
    let tree = Tree::create(folder, options.overwrite)?;
    progress.begin(Phase::Extract, extraction.things.len() as u64);
    prepare(&tree, &mut extraction)?;
    let work = Work {
        folder: &absolute,
        now: SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |time| time.as_secs().cast_signed()),
        tree,
        report: Mutex::default(),
        filenames: Mutex::default(),
        layout: &extraction.layout,
        version: extraction.version,
        options,
    };
    parallel::for_each(
        parallel::threads(options.threads),
        extraction.things.len(),
        || (),
        |(), number| {
            match &extraction.things[number] {
                Thing::Module { module, source, compiled, .. } => {
                    work.module(module, source.as_deref(), compiled.as_deref())?;
                }
                Thing::Resource { resource, path } => work.resource(resource, path)?,
            }
            progress.step();
            Ok(())
        },
    )?;
    let mut report = work.report.into_inner().unwrap_or_else(|poisoned| poisoned.into_inner());
    report.namespaces = extraction.namespaces;
    report.left_out = extraction.left_out;
    report.left_out.sort();
    report.verbatim_filenames.sort();
    for root in extraction.roots {
        let base = base(options, work.folder, &extraction.layout, Some(root));
        report.roots.push(ExtractedRoot {
            name: root.to_owned(),
            folder: extraction.layout.root(Some(root)).into(),
            base,
        });
    }
    report.elapsed = begin.elapsed();
    Ok(report)
}

/// Makes all folders and room for all files. A compiled file whose name is too long for the file system is left out if its
/// source is written: CPython does without it, too.
fn prepare(tree: &Tree, extraction: &mut Extraction<'_>) -> Result<(), Error> {
    let make = |path: &[u8]| tree.make_folders_above(path).and_then(|()| tree.make_room(path));
    for thing in &mut extraction.things {
        match thing {
            Thing::Resource { path, .. } => make(path)?,
            Thing::Module { source, compiled, .. } => {
                source.as_deref().map_or(Ok(()), make)?;
                let Some(path) = compiled else { continue };
                match make(path) {
                    Err(error) if source.is_some() && error.is_name_too_long() => {
                        extraction.left_out.push(LeftOut { path: text::shown(path), why: WhyLeftOut::NameTooLong });
                        *compiled = None;
                    }
                    result => result?,
                }
            }
        }
    }
    Ok(())
}

/// The folder that file names below a root are said to lie in.
fn base(options: &ExtractOptions, folder: &Path, layout: &TreeLayout, root: Option<&str>) -> PathBuf {
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
    /// File names that code objects have of their own, by offset and length in the archive: code objects may share them.
    filenames: Mutex<HashMap<(u64, usize), Arc<str>>>,
    layout: &'w TreeLayout,
    version: Version,
    options: &'w ExtractOptions,
}

impl Work<'_> {
    fn module(
        &self,
        module: &reader::Module<'_>,
        source_path: Option<&[u8]>,
        compiled_path: Option<&[u8]>,
    ) -> Result<(), Error> {
        let model = Module::try_from(module)?;
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
        let pyc = compiled_path.map(|path| match encode_pyc(&model, &header, &filename) {
            Ok(pyc) => Ok((path, pyc)),
            Err(error) => Err(Error::new(ErrorKind::Pyc { module: model.name.clone(), error })),
        });
        let pyc = pyc.transpose()?;
        let mut bytes = 0;
        if let (Some(path), Some(source), Some(text)) = (source_path, source, text) {
            self.tree.write(path, text, source.executable, file_time)?;
            bytes += text.len() as u64;
        }
        if let Some((path, pyc)) = pyc {
            self.tree.write(path, &pyc, false, None)?;
            bytes += pyc.len() as u64;
        }
        let verbatim = self.verbatim_filenames(module)?;
        let mut report = self.report.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        *(if module.is_package() { &mut report.packages } else { &mut report.modules }) += 1;
        report.sources += u64::from(text.is_some());
        report.bytes += bytes;
        report.verbatim_filenames.extend(verbatim);
        Ok(())
    }

    /// The `co_filename` of a module: generalised UTF-8.
    fn filename(&self, model: &Module<'_>) -> Result<Vec<u8>, Error> {
        let Some(filename) = &model.filename else { return Ok(Vec::new()) };
        let Some(root) = &filename.root else { return Ok(filename.path.text.to_vec()) };
        let mut text = text::of_path(&base(self.options, self.folder, self.layout, Some(root_text(&root.text)?)));
        let separator = std::path::MAIN_SEPARATOR as u8;
        if text.last().is_some_and(|last| !matches!(last, b'/') && *last != separator) {
            text.push(separator);
        }
        text.extend(filename.path.text.iter().map(|byte| if *byte == b'/' { separator } else { *byte }));
        Ok(text)
    }

    fn resource(&self, resource: &reader::Resource<'_>, path: &[u8]) -> Result<(), Error> {
        let data = resource.data()?;
        self.tree.write(path, &data, resource.is_executable(), None)?;
        let mut report = self.report.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        report.resources += 1;
        report.bytes += data.len() as u64;
        Ok(())
    }

    /// File names that code objects of a module have as they stand, each once.
    fn verbatim_filenames(&self, module: &reader::Module<'_>) -> Result<Vec<VerbatimFilename>, Error> {
        let mut found: HashMap<(u64, usize), reader::Str<'_>> = HashMap::new();
        let own = module.filename()?.filter(|filename| filename.root.is_none());
        let own = own.map(|filename| Ok(filename.path));
        let nested = module.codes().filter_map(|code| code.and_then(|code| code.filename()).transpose());
        for filename in own.into_iter().chain(nested) {
            let filename = filename?;
            found.insert((filename.bytes().offset(), filename.bytes().len()), filename);
        }
        if found.is_empty() {
            return Ok(Vec::new());
        }
        let name: Arc<str> = module.name()?.into();
        let mut known = self.filenames.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        let report = |(place, text): (_, reader::Str<'_>)| VerbatimFilename {
            module: Arc::clone(&name),
            filename: Arc::clone(known.entry(place).or_insert_with(|| text::shown(&text.bytes()).into())),
        };
        Ok(found.into_iter().map(report).collect())
    }
}
