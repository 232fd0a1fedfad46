//! Modules: they are read and compiled by several threads, and added in a fixed order.

use std::{
    borrow::Cow,
    collections::BTreeMap,
    io,
    sync::{
        atomic::{AtomicUsize, Ordering},
        mpsc::{SyncSender, sync_channel},
    },
    thread,
    time::UNIX_EPOCH,
};

use permacode_model::{Leaf, ModuleKind, Object, Path, Source, Str, Strip};
use permacode_pyc::{Header, Validation, Version, decode_pyc, source_hash, strip_docstrings, strip_lines};
use permacode_signatures::{Functions, Refused};

use super::{Join, is_executable};
use crate::{
    compile::{Compiler, Outcome, Worker},
    discover::{FoundFile, FoundKind, Why},
    error::Error,
    read::read,
    report::{RefusedSource, VerbatimFilename},
    text,
    tree_layout::Kind,
};

/// The most results that wait for the writer. It bounds the memory.
const READ_AHEAD: usize = 64;

/// A source and the result of the compiler.
pub(super) struct Compiled {
    source: Vec<u8>,
    mtime: Option<i64>,
    executable: bool,
    /// A whole `.pyc` file.
    pyc: Result<Vec<u8>, Why>,
    /// The functions of the source, if signatures are wanted.
    functions: Option<Result<Functions, Refused>>,
}

/// The result of reading and compiling a file.
pub(super) enum Read {
    Compiled(Compiled),
    Unreadable(io::Error),
}

/// Reading and compiling.
pub(super) struct Reading<'r> {
    pub(super) version: Version,
    pub(super) compiler: &'r Compiler,
    pub(super) items: &'r [FoundFile],
    pub(super) threads: usize,
    /// Whether the functions of each source are wanted.
    pub(super) functions: bool,
}

impl Reading<'_> {
    /// Calls `sink` for each item, in the order of `items`.
    pub(super) fn run(&self, mut sink: impl FnMut(&FoundFile, Read) -> Result<(), Error>) -> Result<(), Error> {
        let next = AtomicUsize::new(0);
        let wanted = self.threads.min(self.items.len());
        // Threads that run or will be started.
        let working = AtomicUsize::new(wanted);
        thread::scope(|scope| {
            let (sender, receiver) = sync_channel(READ_AHEAD);
            for number in 0..wanted {
                let (sender, next, working) = (sender.clone(), &next, &working);
                let work = move || self.work(next, working, &sender);
                if thread::Builder::new().spawn_scoped(scope, work).is_err() {
                    // The system allows no more threads. The others do the work. If there are none, this thread does
                    // it.
                    let missing = wanted - number;
                    if working.fetch_sub(missing, Ordering::Relaxed) == missing {
                        let mut worker = self.compiler.worker();
                        return self.items.iter().try_for_each(|item| sink(item, self.compile(&mut worker, item)?));
                    }
                    break;
                }
            }
            drop(sender);
            // If this returns early, the receiver is dropped, and the threads end at their next result.
            let mut early = BTreeMap::new();
            let mut expected = 0;
            for (number, compiled) in receiver {
                early.insert(number, compiled);
                while let Some(compiled) = early.remove(&expected) {
                    sink(&self.items[expected], compiled?)?;
                    expected += 1;
                }
            }
            Ok(())
        })
    }

    fn work(&self, next: &AtomicUsize, working: &AtomicUsize, sender: &SyncSender<(usize, Result<Read, Error>)>) {
        let mut worker = self.compiler.worker();
        // The system may allow no more processes. The others do the work. The last one reports the error.
        if worker.start().is_err() && working.fetch_sub(1, Ordering::Relaxed) > 1 {
            return;
        }
        while let number = next.fetch_add(1, Ordering::Relaxed)
            && let Some(item) = self.items.get(number)
        {
            if sender.send((number, self.compile(&mut worker, item))).is_err() {
                break;
            }
        }
    }

    fn compile(&self, worker: &mut Worker<'_>, item: &FoundFile) -> Result<Read, Error> {
        // The file may change meanwhile, so the archive gets the bytes that were compiled.
        let (source, metadata) = match read(&item.file) {
            Ok(read) => read,
            Err(error) => return Ok(Read::Unreadable(error)),
        };
        let pyc = match worker.compile(&item.file, &source)? {
            Outcome::Compiled(code) => {
                let validation = Validation::CheckedHash(source_hash(self.version, &source));
                let header = Header { version: self.version, validation };
                Ok([&header.encode()[..], &code].concat())
            }
            Outcome::Refused(message) => Err(Why::NotCompiled { message }),
            Outcome::Died(message) => Err(Why::CompilerDied { message }),
        };
        let mtime = metadata.modified().ok().and_then(seconds);
        let functions = (self.functions && pyc.is_ok()).then(|| Functions::of_source(&source));
        Ok(Read::Compiled(Compiled { source, mtime, executable: is_executable(&metadata), pyc, functions }))
    }
}

/// Seconds since 1970, rounded down.
fn seconds(time: std::time::SystemTime) -> Option<i64> {
    match time.duration_since(UNIX_EPOCH) {
        Ok(after) => i64::try_from(after.as_secs()).ok(),
        Err(before) => {
            let before = before.duration();
            i64::try_from(before.as_secs() + u64::from(before.subsec_nanos() > 0)).ok().map(|seconds| -seconds)
        }
    }
}

impl Join<'_> {
    /// Adds a module, or returns the reason why it is not one.
    pub(super) fn module(&mut self, item: &FoundFile, compiled: Compiled) -> Result<Option<Why>, Error> {
        let FoundKind::Module { name, is_package } = &item.kind else { return Ok(None) };
        let pyc = match compiled.pyc {
            Ok(pyc) => pyc,
            Err(why) => return Ok(Some(why)),
        };
        let mut module = match decode_pyc(&pyc) {
            Ok(decoded) => decoded.module,
            Err(error) => return Ok(Some(Why::NotDecoded { message: error.to_string() })),
        };
        let root = &self.places[item.place].root;
        let below = text::fsdecode(&item.path);
        module.name.clone_from(name);
        module.kind = if *is_package { ModuleKind::Package } else { ModuleKind::Module };
        let mut is_verbatim = true;
        if let Some(filename) = &mut module.filename {
            // The compiler got the whole path. The archive has the path below the root.
            if *filename.path.text == *text::of_path(&item.file) {
                filename.root = Some(root.as_str().into());
                filename.path.text = Cow::Borrowed(&below);
                is_verbatim = false;
            }
        }
        if is_verbatim && let Some(filename) = &module.filename {
            let filename = text::shown(&filename.path.text).into();
            self.report.verbatim_filenames.push(VerbatimFilename { module: name.as_str().into(), filename });
        }
        for code in &module.codes {
            if let Some(index) = code.filename
                && let Some(Object::Leaf(Leaf::Str(filename))) = module.objects.get(index as usize)
            {
                let filename = text::shown(&filename.text).into();
                let filename = VerbatimFilename { module: name.as_str().into(), filename };
                if self.report.verbatim_filenames.last() != Some(&filename) {
                    self.report.verbatim_filenames.push(filename);
                }
            }
        }
        match &compiled.functions {
            Some(Ok(functions)) => {
                let counts = functions.add_to(&mut module);
                let report = &mut self.report.signatures;
                report.matched += counts.matched;
                report.unmatched += counts.unmatched;
                report.ambiguous += counts.ambiguous;
            }
            Some(Err(refused)) => {
                let refused = RefusedSource { module: name.clone(), message: refused.to_string() };
                self.report.signatures.refused.push(refused);
            }
            None => {}
        }
        if self.options.strip.contains(&Strip::Docstrings) {
            let stripped = strip_docstrings(&mut module, self.options.interpreter.version);
            self.report.docstrings.removed += stripped.removed;
            self.report.docstrings.kept += stripped.kept;
        }
        if self.options.strip.contains(&Strip::Lines) {
            strip_lines(&mut module, self.options.interpreter.version);
        }
        module.source = Some(Source {
            path: Path { root: Some(root.as_str().into()), path: Str { text: Cow::Borrowed(&below), interned: false } },
            size: compiled.source.len() as u64,
            digest: permacode_format::digest(&compiled.source),
            mtime: compiled.mtime.filter(|_| self.options.mtime),
            executable: compiled.executable,
            text: (!self.options.strip.contains(&Strip::Source)).then_some(Cow::Borrowed(&compiled.source)),
        });
        self.writer.add_module(self.target, &module)?;
        if let Some(kept) = &self.kept {
            let kind = if *is_package { Kind::Package } else { Kind::Module };
            let path = self.layout.cached(Some(root), name, kind)?;
            match kept.make_folders_above(&path).and_then(|()| kept.write(&path, &pyc, false, None)) {
                Err(error) if error.is_name_too_long() => self.report.not_kept.push(text::shown(&path)),
                result => result?,
            }
        }
        self.report.source_bytes += compiled.source.len() as u64;
        self.report.pyc_bytes += pyc.len() as u64;
        self.report.modules += 1;
        self.report.packages += u64::from(*is_package);
        Ok(None)
    }
}
