//! `permacode bundle`: from an interpreter, folders and files to an archive.

use crate::{
    Answer,
    errors::UsageError,
    output::{Output, counted, grouped, percent, size},
    progress::Bar,
    root::{folder, split_root},
    signals::clean_up_at_end,
};
use anyhow::{Context, Result};
use permacode_bundle::{
    Bundle, BundleOptions, BundleReport, Elsewhere, ElsewhereKind, Interpreter, NotModule, SectionReport, Skip, Strip,
    Why, bundle,
};
use permacode_format::{CHUNK_LEN, ChunkCrc};
use serde_json::Value;
use std::{
    ffi::OsString,
    num::NonZero,
    path::{Path, PathBuf},
};

/// Bundle a standard library, folders and files into an archive
///
/// Without a PATH, the standard library of the interpreter is bundled. This includes its test suite, but not installed
/// packages.
///
/// The archive replaces an older one in one step. Processes that have the old archive open keep it. The new archive
/// gets the permissions of the old one. A file that is not an archive and not empty is never replaced.
#[derive(Debug, clap::Args)]
#[command(after_long_help = AFTER_HELP, after_help = AFTER_HELP)]
pub(crate) struct Args {
    /// Folders and files to bundle instead of the standard library
    ///
    /// A folder is searched for modules and other files. A folder with an __init__.py is bundled as a package with the
    /// name of the folder. With ROOT= before it, a folder becomes a root called ROOT, and paths in the archive are
    /// relative to the folder.
    #[arg(value_name = "[ROOT=]PATH")]
    paths: Vec<OsString>,

    /// The archive to write
    ///
    /// `-` writes the archive to standard output, and the summary to standard error. Otherwise FILE must be a new file,
    /// an archive or an empty file, and must not be one of the files to bundle.
    #[arg(short, long, value_name = "FILE")]
    output: PathBuf,

    /// The interpreter that compiles the sources and has the standard library
    #[arg(long, value_name = "EXE", default_value = "python3")]
    python: PathBuf,

    /// Bundle the standard library in addition to the PATHs
    #[arg(long, conflicts_with = "no_stdlib")]
    stdlib: bool,

    /// Leave out the standard library; with --site-packages, bundle only installed packages
    #[arg(long)]
    no_stdlib: bool,

    /// Bundle installed packages, too, from all folders of packages that the interpreter searches
    #[arg(long)]
    site_packages: bool,

    /// Bundle only what matches a glob of paths (`test/data/*`) or module names (`test.*`)
    ///
    /// A folder or package that matches is bundled with everything in it. Paths start below a root: write `pkg`, not
    /// `./pkg`. `ROOT=pkg` matches only below that root. If a folder has other names through links, the name that
    /// matches is bundled. It is an error if nothing matches a pattern. Can be given several times.
    #[arg(long, value_name = "GLOB")]
    include: Vec<String>,

    /// Leave out what matches, even if --include matches it
    ///
    /// Patterns have the same syntax as those of --include. The summary names each pattern that nothing matches. Can be
    /// given several times.
    #[arg(long, value_name = "GLOB")]
    exclude: Vec<String>,

    /// Bundle hidden files and folders, too
    ///
    /// These are hidden: files and folders whose name starts with a dot; CVS, RCS and _darcs; environments (folders
    /// that contain pyvenv.cfg or conda-meta/history, and __pypackages__); node_modules. A PATH is never hidden. Nor is
    /// a folder with an __init__.py, if its name has no dot at the start. __pycache__ is left out even with this
    /// option, because all sources are compiled again.
    #[arg(long)]
    hidden: bool,

    /// Leave out files and folders that cannot be read, and end with exit status 1
    #[arg(long)]
    keep_going: bool,

    /// Optimisation level: 1 leaves out assertions, 2 leaves out docstrings, too
    #[arg(short = 'O', long, value_name = "LEVEL", default_value_t = 0)]
    #[arg(value_parser = clap::value_parser!(u8).range(0..=2))]
    optimize: u8,

    /// Leave out parts of each module that a program can run without: a list with commas
    ///
    /// `--strip docstrings,lines` leaves out both. Constants keep their positions, and instructions stay as they are.
    /// The archive states what was left out. `-O2` is something else: it compiles the sources without docstrings and
    /// without assertions.
    #[arg(long, value_name = "PARTS", value_delimiter = ',')]
    strip: Vec<StripPart>,

    /// Leave out files that are not modules
    #[arg(long)]
    no_resources: bool,

    /// Store the modification times of sources
    ///
    /// On import, a source then counts as changed if its time or size differs. Without this option, its size and its
    /// digest count. A copy of the sources that has other times gives another archive.
    #[arg(long)]
    mtime: bool,

    /// Skip the check of sources on import; later edits are ignored
    #[arg(long)]
    sealed: bool,

    /// Fail if a source or bytecode file that CPython would import is not bundled as a module
    ///
    /// Reasons are: the file does not compile, its name cannot be that of a module, or it is bytecode without a source.
    /// A source that another file hides is not an error, because CPython would not import it either.
    #[arg(long)]
    strict: bool,

    /// Also write the compiled modules as .pyc files to this folder, to compare them with the archive
    ///
    /// The folder must be new or empty.
    #[arg(long, value_name = "DIR", value_parser = folder())]
    keep_compiled: Option<PathBuf>,

    /// The number of processes that compile [default: one for each processor]
    #[arg(short, long, value_name = "N")]
    jobs: Option<NonZero<usize>>,

    /// Name everything that was left out or is not a module, with the reason
    #[arg(short, long)]
    verbose: bool,

    /// Print the summary as JSON, and errors as JSON, too
    #[arg(long)]
    json: bool,
}

const AFTER_HELP: &str = "\
Examples:
  permacode bundle -o stdlib.perma
  permacode bundle --python python3.13 -o small.perma --exclude test --exclude '**/tests'
  permacode bundle --python .venv/bin/python --site-packages -o all.perma
  permacode bundle src/ scripts/tool.py -o app.perma
  permacode bundle src/ --strict -o - | ssh host 'cat > app.perma'

Exit status:
  0  the archive was written
  1  the archive was written, but not all files and folders could be read (--keep-going)
  2  wrong usage, or something could not be read, compiled or written;
     no archive was written; if the message says that only the summary failed, the archive is complete";

/// The most lines of a list without --verbose.
const SHOWN: usize = 5;

/// The fewest bytes of `.pyc` files for which the summary has a percentage. The header and the padding of an archive
/// take up to 12 KiB. Below this number, they would be more than 5 % of it.
const MIN_COMPARED: u64 = 256 << 10;

pub(crate) fn run(args: &Args, out: &mut Output) -> Result<Answer> {
    let to_stdout = args.output == Path::new("-");
    if to_stdout && out.is_terminal() {
        let problem = "standard output is a terminal, and an archive is not text: redirect it, or name a file with -o";
        return Err(UsageError::new(problem).into());
    }
    if args.output.metadata().is_ok_and(|found| !found.is_file() && !found.is_dir()) {
        let (output, advice) = (&args.output, "to write the archive to standard output, use `-o -`");
        let problem = format!("cannot write to {output:?}: it is not a regular file; {advice}");
        return Err(UsageError::of_file(problem, output).into());
    }
    out.check()?;
    clean_up_at_end();
    let interpreter = Interpreter::probe(&args.python).with_context(|| format!("cannot use {:?}", args.python))?;
    let options = options(args, interpreter);
    let options = if to_stdout { options } else { options.output(&args.output) };
    let bundle = {
        let bar = Bar::new();
        let bundle = bundle(&options, &bar).with_context(|| format!("cannot make {:?}", args.output))?;
        if to_stdout {
            out.whole(|out| bundle.plan().write_to(out))?;
        } else {
            bundle.publish(&args.output).with_context(|| format!("cannot write {:?}", args.output))?;
        }
        bundle
    };
    let mut stderr;
    let out = if to_stdout {
        stderr = Output::stderr();
        &mut stderr
    } else {
        out
    };
    let print = if args.json { out.json(&json(args, &bundle)?) } else { print(args, bundle.report(), out) };
    print.and_then(|()| out.finish()).context("the archive was written, but its summary was not")?;
    Ok(if bundle.report().unreadable.is_empty() { Answer::Yes } else { Answer::No })
}

/// The values of `--strip`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum StripPart {
    /// `__doc__` of modules, classes and functions becomes None
    Docstrings,
    /// Tracebacks name files and functions, but no lines; `inspect.stack` and `%(lineno)d` of logging fail
    Lines,
    /// Defaults and annotations of functions, which `show` prints
    Signatures,
    /// The text of sources; their sizes and digests stay
    Source,
}

impl From<StripPart> for Strip {
    fn from(part: StripPart) -> Self {
        match part {
            StripPart::Docstrings => Strip::Docstrings,
            StripPart::Lines => Strip::Lines,
            StripPart::Signatures => Strip::Signatures,
            StripPart::Source => Strip::Source,
        }
    }
}

fn options(args: &Args, interpreter: Interpreter) -> BundleOptions {
    let library = !args.no_stdlib && (args.stdlib || args.paths.is_empty());
    let mut options = BundleOptions::new(interpreter)
        .library(library)
        .site_packages(args.site_packages)
        .hidden(args.hidden)
        .keep_going(args.keep_going)
        .optimize(args.optimize)
        .resources(!args.no_resources)
        .mtime(args.mtime)
        .sealed(args.sealed)
        .strict(args.strict);
    for path in &args.paths {
        options = match split_root(path) {
            // The name of a file may contain `=`.
            Some((root, folder)) if !Path::new(path).exists() => options.root(root, folder),
            _ => options.path(path),
        };
    }
    options = args.strip.iter().fold(options, |options, part| options.strip((*part).into()));
    options = args.include.iter().fold(options, BundleOptions::include);
    options = args.exclude.iter().fold(options, BundleOptions::exclude);
    if let Some(folder) = &args.keep_compiled {
        options = options.keep_compiled(folder);
    }
    if let Some(jobs) = args.jobs {
        options = options.threads(jobs.get());
    }
    options
}

/// The report and the name of the file.
fn json(args: &Args, bundle: &Bundle) -> Result<Value> {
    let mut report = serde_json::json!({ "file": args.output.display().to_string() });
    let more = serde_json::to_value(bundle.report())?;
    if let (Value::Object(report), Value::Object(mut more)) = (&mut report, more) {
        report.append(&mut more);
    }
    Ok(report)
}

fn print(args: &Args, report: &BundleReport, out: &mut Output) -> Result<()> {
    let bytes = report.archive.bytes;
    let file = args.output.display();
    out.line(format_args!("{file}: for CPython {}, optimisation {}", report.version, report.optimization))?;
    let packages = counted(report.packages, "package", "packages");
    let namespaces = match report.namespaces {
        0 => String::new(),
        count => format!(", {} without code", grouped(count)),
    };
    out.line(format_args!("  modules    {}, of them {packages}{namespaces}", grouped(report.modules)))?;
    out.line(format_args!("  resources  {}, {}", grouped(report.resources), size(report.resource_bytes)))?;
    let kept = if args.strip.contains(&StripPart::Source) { ", left out" } else { "" };
    out.line(format_args!("  sources    {}{kept}", size(report.source_bytes)))?;
    out.line(format_args!("  length     {} bytes ({})", grouped(bytes), size(bytes)))?;
    if report.pyc_bytes > 0 {
        let compiled = compiled_bytes(bytes, &report.archive.sections);
        let share = match report.pyc_bytes {
            MIN_COMPARED.. => format!(" ({:.0} %)", percent(compiled, report.pyc_bytes)),
            _ => String::new(),
        };
        out.line(format_args!("  compiled   {}{share}; {} as .pyc files", size(compiled), size(report.pyc_bytes)))?;
    }
    out.line(format_args!("  time       {:.1} s", report.elapsed.as_secs_f64()))?;
    print_elsewhere(args, report, out)?;
    print_not_modules(args, report, out)?;
    print_skipped(args, report, out)?;
    print_docstrings(args, report, out)?;
    print_signatures(args, report, out)?;
    for path in &report.not_kept {
        out.line(format_args!("not kept: {path}: its name is too long for the file system"))?;
    }
    let others = &report.other_names;
    if !others.is_empty() {
        let names = counted(others.len() as u64, "other name of a folder", "other names of folders");
        out.line(format_args!("left out: {names}, because each folder is bundled once:"))?;
        print_list(args, others.iter().map(|other| format!("{} is {}", other.name, other.folder)), out)?;
    }
    for pattern in &report.unmatched {
        out.line(format_args!(
            "nothing matches --exclude '{pattern}': patterns are compared with paths below a root, such as 'json/tests'"
        ))?;
    }
    let unreadable = &report.unreadable;
    if !unreadable.is_empty() {
        let files = counted(unreadable.len() as u64, "file or folder", "files or folders");
        out.line(format_args!("left out: {files} that cannot be read:"))?;
        for file in unreadable {
            out.line(format_args!("  {}: {}", file.file.display(), file.error))?;
        }
    }
    Ok(())
}

/// The bytes of an archive without sources and resources and without their checksums.
fn compiled_bytes(archive: u64, sections: &[SectionReport]) -> u64 {
    let carried = sections.iter().filter(|section| ["sources", "files"].contains(&section.name));
    let bytes = |section: &SectionReport| {
        section.bytes + section.bytes.div_ceil(CHUNK_LEN).saturating_mul(size_of::<ChunkCrc>() as u64)
    };
    archive.saturating_sub(carried.map(bytes).sum())
}

fn print_elsewhere(args: &Args, report: &BundleReport, out: &mut Output) -> Result<()> {
    let count = report.elsewhere.len();
    if count == 0 {
        return Ok(());
    }
    let places = counted(count as u64, "place", "places");
    out.line(format_args!("not bundled: {places} outside the folders of installed packages:"))?;
    let lines = report.elsewhere.iter().map(|Elsewhere { kind, file, target }| {
        let file = file.display();
        match kind {
            ElsewhereKind::PathFile => format!("{target}, which {file} adds to sys.path"),
            ElsewhereKind::EditableFinder => format!("the modules that {target} finds, which {file} imports"),
            ElsewhereKind::Editable => format!("{target}, installed as editable: {file}"),
            ElsewhereKind::UnknownFolder => {
                format!("{target}: a program could not find this folder again; bundle it as ROOT={target}")
            }
            other => format!("{target}: {other:?}, {file}"),
        }
    });
    print_list(args, lines, out)
}

fn print_not_modules(args: &Args, report: &BundleReport, out: &mut Output) -> Result<()> {
    let count = report.not_modules.len();
    if count == 0 {
        return Ok(());
    }
    let line = match (count, args.no_resources) {
        (1, false) => "1 source is not a module and is carried as a resource:".to_owned(),
        (1, true) => "1 source is not a module and is left out:".to_owned(),
        (count, false) => format!("{} sources are not modules and are carried as resources:", grouped(count as u64)),
        (count, true) => format!("{} sources are not modules and are left out:", grouped(count as u64)),
    };
    out.line(line)?;
    print_list(args, report.not_modules.iter().map(not_module), out)
}

/// How many docstrings were stripped.
fn print_docstrings(args: &Args, report: &BundleReport, out: &mut Output) -> Result<()> {
    if !args.strip.contains(&StripPart::Docstrings) {
        return Ok(());
    }
    let removed = counted(report.docstrings.removed, "docstring", "docstrings");
    let kept = match report.docstrings.kept {
        0 => String::new(),
        kept => format!("; {} stay, because the code also uses the same text", grouped(kept)),
    };
    out.line(format_args!("stripped: {removed}{kept}"))?;
    Ok(())
}

/// Functions whose defaults and annotations the archive does not have, although their source does.
fn print_signatures(args: &Args, report: &BundleReport, out: &mut Output) -> Result<()> {
    let signatures = &report.signatures;
    let missing = signatures.unmatched + signatures.ambiguous;
    if missing > 0 {
        let functions = counted(missing, "function", "functions");
        let ambiguous = grouped(signatures.ambiguous);
        out.line(format_args!(
            "without defaults and annotations: {functions}, of them {ambiguous} that the source has several times"
        ))?;
    }
    let refused = &signatures.refused;
    if !refused.is_empty() {
        let modules = counted(refused.len() as u64, "module", "modules");
        out.line(format_args!("without defaults and annotations: all functions of {modules}:"))?;
        print_list(args, refused.iter().map(|refused| format!("{}: {}", refused.module, refused.message)), out)?;
    }
    Ok(())
}

fn print_skipped(args: &Args, report: &BundleReport, out: &mut Output) -> Result<()> {
    // An entry that the user did not ask to leave out has a path.
    for skipped in report.skipped.iter().filter(|skipped| args.verbose || !skipped.paths.is_empty()) {
        let entries = counted(skipped.count, "entry", "entries");
        out.line(format_args!("left out: {entries}: {}", reason(skipped.why)))?;
        print_list(args, skipped.paths.iter().cloned(), out)?;
    }
    Ok(())
}

/// The first lines of a list, or all.
fn print_list(args: &Args, lines: impl ExactSizeIterator<Item = String>, out: &mut Output) -> Result<()> {
    let count = lines.len();
    let shown = if args.verbose { count } else { SHOWN.min(count) };
    for line in lines.take(shown) {
        out.line(format_args!("  {line}"))?;
    }
    if shown < count {
        out.line(format_args!("  and {} more; --verbose names them", count - shown))?;
    }
    Ok(())
}

/// A file that is not a module, and the reason.
pub(crate) fn not_module(file: &NotModule) -> String {
    format!("{}/{}: {}", file.root, file.path, why(&file.why))
}

fn why(why: &Why) -> String {
    match why {
        Why::NoName { message } => format!("a module cannot have this name: {message}"),
        Why::Shadowed { by } => format!("CPython imports {by} instead"),
        Why::OnlyBytecode => "bytecode without a source".to_owned(),
        Why::NotCompiled { message } => format!("does not compile: {message}"),
        Why::CompilerDied { message } => format!("the compiler crashed: {message}"),
        Why::NotDecoded { message } => format!("the result of the compiler cannot be decoded: {message}"),
        other => format!("{other:?}"),
    }
}

fn reason(why: Skip) -> &'static str {
    match why {
        Skip::SitePackages => "installed packages, which --site-packages includes",
        Skip::Config => "folders for building interpreters",
        Skip::Cache => "__pycache__, because all sources are compiled again",
        Skip::SharedObject => "shared objects and libraries",
        Skip::Output => "the archive itself, or the folder for compiled files",
        Skip::Excluded => "excluded",
        Skip::NotIncluded => "not included",
        Skip::VersionControl => "version control, which --hidden includes",
        Skip::Environment => "environments, which --hidden includes",
        Skip::NodeModules => "node_modules, which --hidden includes",
        Skip::Hidden => "names that start with a dot, which --hidden includes",
        Skip::Resource => "resources, which --no-resources leaves out",
        Skip::EmptyFolder => "empty folders",
        Skip::BrokenLink => "broken links",
        Skip::Special => "neither files nor folders",
        _ => "other reasons",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn compiled_bytes_are_those_of_neither_sources_nor_resources_nor_their_checksums() {
        let section = |name, bytes| SectionReport { name, bytes };
        let sections =
            [section("bytecode", 700), section("sources", 5000), section("files", 4096), section("checksums", 16)];
        assert_eq!(compiled_bytes(10_000 + 700, &sections), 10_000 + 700 - 5000 - 4096 - 3 * 4);
    }
}
