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

/// The most bytes of files for each byte of an archive, beyond [`MIN_ROOM`]. Whole standard libraries need less than 2.
const ROOM: u64 = 64;

/// The bytes that may be written for any archive: 16 GiB. An archive of many equal files is small.
const MIN_ROOM: u64 = 16 << 30;

/// How to turn an archive into files.
///
/// By default, headers have a hash of the source, `co_filename` is below the folder that is written to, and that folder
/// must be new or empty.
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
    /// The folder in `co_filename`, instead of the one that is written to. If an archive has several roots, each has a
    /// folder of its name below it.
    #[must_use]
    pub fn base(mut self, folder: impl Into<PathBuf>) -> Self {
        self.base = Some(folder.into());
        self
    }

    /// The folder in `co_filename` for files below this root.
    #[must_use]
    pub fn base_of(mut self, root: impl Into<String>, folder: impl Into<PathBuf>) -> Self {
        self.bases.insert(root.into(), folder.into());
        self
    }

    /// Whether headers have the time and size of the source instead of a hash. Sources get the time in the archive, or
    /// the time of the extraction. A copy of the tree with other times makes the compiled files stale.
    #[must_use]
    pub fn timestamps(mut self, wanted: bool) -> Self {
        self.timestamps = wanted;
        self
    }

    /// Whether the folder may contain files. Files of the same name are then replaced, and others stay.
    #[must_use]
    pub fn overwrite(mut self, wanted: bool) -> Self {
        self.overwrite = wanted;
        self
    }

    /// The number of the target in the archive. It may be left out if there is one target.
    #[must_use]
    pub fn target(mut self, number: usize) -> Self {
        self.target = Some(number);
        self
    }

    /// The most bytes of all files together. If they need more, nothing is written. The default is 16 GiB or 64 times
    /// the length of the archive, whichever is more.
    #[must_use]
    pub fn max_size(mut self, bytes: u64) -> Self {
        self.max_size = Some(bytes);
        self
    }

    /// The number of threads. The default is one for each processor.
    #[must_use]
    pub fn threads(mut self, count: usize) -> Self {
        self.threads = Some(count);
        self
    }
}

/// Writes the contents of an archive to a folder. Nothing is written outside it, even if names in the archive are
/// hostile.
///
/// A module with its source becomes `NAME.py` and `__pycache__/NAME.TAG.pyc`. A module without a source becomes
/// `NAME.pyc`, where CPython looks for bytecode without a source. Resources are written byte for byte. If the archive
/// has several roots, each becomes a folder of its name.
///
/// # Errors
/// * The archive breaks a rule in a part that is read.
/// * A name in it cannot be the name of a file, or two entries would become the same file.
/// * The folder is not empty.
/// * The files need more bytes than [`ExtractOptions::max_size`].
/// * Writing fails.
///
/// All but the last are found before a file is written. If writing fails, the files written so far stay.
pub fn extract<D: AsRef<[u8]> + Sync>(
    archive: &Archive<D>,
    folder: impl AsRef<Path>,
    options: &ExtractOptions,
    progress: &dyn Progress,
) -> Result<ExtractReport, Error> {
    let begin = Instant::now();
    let folder = folder.as_ref();
    // Valid names do not overlap, so the paths need memory in proportion to the archive.
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
    report.modules += extraction.namespaces;
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

/// Makes all folders and removes files to replace. A compiled file whose name is too long for the file system is left
/// out if its source is written, because CPython works without it.
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

/// The folder in file names below a root.
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
    /// The file names of code objects that have one, by offset and length in the archive. Code objects may share them.
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
            // CPython does not compare a header without a source. If a source is put beside it later, CPython imports
            // that and ignores this file. Store the time if it is known, otherwise a zero hash.
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
        report.modules += 1;
        report.packages += u64::from(module.is_package());
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

    /// The file names in a module that are not below a root, each once.
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
