//! `permacode bundle`: from an interpreter, folders and files to an archive.

use crate::{
    Answer,
    output::{Output, counted, grouped, percent, size},
    progress::Bar,
    root::split_root,
    signals::clean_up_at_end,
};
use anyhow::{Context, Result, bail};
use permacode_bundle::{
    Bundle, BundleOptions, BundleReport, Elsewhere, ElsewhereKind, Interpreter, NotModule, Skip, Why, bundle,
};
use serde_json::Value;
use std::{
    ffi::OsString,
    num::NonZero,
    path::{Path, PathBuf},
};

/// Bundle a standard library, folders and files into an archive
///
/// Without a PATH it is the standard library of the interpreter, its test suite included and installed packages left out.
/// An existing file is replaced atomically: processes that have it open keep the old one. The new file has the same mode.
#[derive(Debug, clap::Args)]
#[command(after_long_help = AFTER_HELP, after_help = AFTER_HELP)]
pub(crate) struct Args {
    /// Folders and files to bundle instead of the standard library
    ///
    /// A folder is searched for modules; one that is a package counts as that package. With ROOT= before it, a folder is a
    /// root of that name, which paths in the archive start at.
    #[arg(value_name = "[ROOT=]PATH")]
    paths: Vec<OsString>,

    /// The archive to write; `-` writes it to standard output, and the summary to standard error
    #[arg(short, long, value_name = "FILE")]
    output: PathBuf,

    /// The interpreter that compiles, and whose library it is
    #[arg(long, value_name = "EXE", default_value = "python3")]
    python: PathBuf,

    /// The standard library, too, where PATHs are given
    #[arg(long, conflicts_with = "no_stdlib")]
    stdlib: bool,

    /// Not the standard library: for --site-packages alone
    #[arg(long)]
    no_stdlib: bool,

    /// The packages that are installed, too: in all folders for packages that the interpreter searches
    #[arg(long)]
    site_packages: bool,

    /// Only what matches: a glob for paths (`test/data/*`) and module names (`test.*`)
    ///
    /// A folder or package that matches stands for all that is in it. Paths start below a root: write `pkg`, not `./pkg`.
    /// With the name of a root before it (`ROOT=pkg`), a pattern is for that root. A pattern that nothing matches is an
    /// error. Can be given several times.
    #[arg(long, value_name = "GLOB")]
    include: Vec<String>,

    /// Not what matches, even if it is included; can be given several times
    ///
    /// A pattern is one as for --include. The summary names patterns that nothing matches.
    #[arg(long, value_name = "GLOB")]
    exclude: Vec<String>,

    /// Hidden files and folders, too: dot files, version control, environments, node_modules
    ///
    /// Left out otherwise: files and folders with a dot at the beginning of their names; CVS, RCS and _darcs;
    /// environments (folders with pyvenv.cfg or conda-meta/history in them, and __pypackages__); node_modules. A file or
    /// folder that is itself a PATH is always taken, and so is a folder with an __init__.py whose name has no dot. With
    /// this option, too, __pycache__ is left out: all modules are compiled anew.
    #[arg(long)]
    hidden: bool,

    /// Bundle the rest if files or folders cannot be read, and end with exit status 1
    #[arg(long)]
    keep_going: bool,

    /// Optimisation level: 1 leaves out assertions, 2 docstrings as well
    #[arg(short = 'O', long, value_name = "LEVEL", default_value_t = 0, value_parser = clap::value_parser!(u8).range(0..=2))]
    optimize: u8,

    /// Leave out the text of sources; their size and digest stay
    #[arg(long)]
    no_source: bool,

    /// Leave out files that are no modules
    #[arg(long)]
    no_resources: bool,

    /// Keep the modification times of sources, so that a copy of them gives another archive
    #[arg(long)]
    mtime: bool,

    /// Promise that the files do not change, so that nobody looks whether they did: edits go unnoticed
    #[arg(long)]
    sealed: bool,

    /// Fail if a file that looks like a module is not bundled as one, for whatever reason
    #[arg(long)]
    strict: bool,

    /// Keep what the compiler made as .pyc files below this folder, for comparison
    #[arg(long, value_name = "DIR")]
    keep_compiled: Option<PathBuf>,

    /// Number of processes that compile [default: one for each processor]
    #[arg(short, long, value_name = "N")]
    jobs: Option<NonZero<usize>>,

    /// Name everything that was left out or is no module, and why
    #[arg(short, long)]
    verbose: bool,

    /// Print the summary as JSON, and errors as well
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
  2  wrong usage, or something could not be read, compiled or written; no archive was touched";

/// How many of a list are shown unless all are asked for.
const SHOWN: usize = 5;

pub(crate) fn run(args: &Args, out: &mut Output) -> Result<Answer> {
    let to_stdout = args.output == Path::new("-");
    if to_stdout && out.is_terminal() {
        bail!("an archive is no text, and standard output is a terminal: send it to a file, or name one with --output");
    }
    clean_up_at_end();
    let interpreter = Interpreter::probe(&args.python).with_context(|| format!("cannot use {:?}", args.python))?;
    let options = options(args, interpreter);
    let options = if to_stdout { options } else { options.output(&args.output) };
    let bundle = {
        let bar = Bar::new();
        let bundle = bundle(&options, &bar).with_context(|| format!("cannot make {:?}", args.output))?;
        if to_stdout {
            out.write_with(|out| bundle.plan().write_to(out))?;
        } else {
            bundle.publish(&args.output).with_context(|| format!("cannot write {:?}", args.output))?;
        }
        bundle
    };
    let mut stderr;
    let out = if to_stdout {
        out.finish()?;
        stderr = Output::stderr();
        &mut stderr
    } else {
        out
    };
    if args.json {
        out.json(&json(args, &bundle)?)?;
    } else {
        print(args, bundle.report(), out)?;
    }
    out.finish()?;
    Ok(if bundle.report().unreadable.is_empty() { Answer::Yes } else { Answer::No })
}

fn options(args: &Args, interpreter: Interpreter) -> BundleOptions {
    let library = !args.no_stdlib && (args.stdlib || args.paths.is_empty());
    let mut options = BundleOptions::new(interpreter)
        .library(library)
        .site_packages(args.site_packages)
        .hidden(args.hidden)
        .keep_going(args.keep_going)
        .optimize(args.optimize)
        .source(!args.no_source)
        .resources(!args.no_resources)
        .mtime(args.mtime)
        .sealed(args.sealed)
        .strict(args.strict);
    for path in &args.paths {
        options = match split_root(path) {
            // A file of that very name is meant, where there is one.
            Some((root, folder)) if !Path::new(path).exists() => options.root(root, folder),
            _ => options.path(path),
        };
    }
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

/// The report, with the file.
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
    let modules = report.modules + report.packages + report.namespaces;
    let packages = counted(report.packages, "package", "packages");
    let namespaces = match report.namespaces {
        0 => String::new(),
        count => format!(", {} without code", grouped(count)),
    };
    out.line(format_args!("  modules    {}, of them {packages}{namespaces}", grouped(modules)))?;
    out.line(format_args!("  resources  {}, {}", grouped(report.resources), size(report.resource_bytes)))?;
    let kept = if args.no_source { ", left out" } else { "" };
    out.line(format_args!("  sources    {}{kept}", size(report.source_bytes)))?;
    out.line(format_args!("  length     {} bytes ({})", grouped(bytes), size(bytes)))?;
    let carried = ["sources", "files"];
    let sections = report.archive.sections.iter().filter(|section| carried.contains(&section.name));
    let compiled = bytes.saturating_sub(sections.map(|section| section.bytes).sum());
    if report.pyc_bytes > 0 {
        let share = percent(compiled, report.pyc_bytes);
        let (compiled, pyc) = (size(compiled), size(report.pyc_bytes));
        out.line(format_args!("  compiled   {compiled}, {share:.0} % of the {pyc} of their .pyc files"))?;
    }
    out.line(format_args!("  time       {:.1} s", report.elapsed.as_secs_f64()))?;
    print_elsewhere(args, report, out)?;
    print_not_modules(args, report, out)?;
    print_skipped(args, report, out)?;
    for path in &report.not_kept {
        out.line(format_args!("not kept: {path}: its name is too long for the file system"))?;
    }
    let others = &report.other_names;
    if !others.is_empty() {
        let names = counted(others.len() as u64, "other name of a folder", "other names of folders");
        out.line(format_args!("left out: {names}, which are bundled once"))?;
        print_list(args, others.iter().map(|other| format!("{} is {}", other.name, other.folder)), out)?;
    }
    for pattern in &report.unmatched {
        out.line(format_args!("nothing matches --exclude '{pattern}': paths start below a root"))?;
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

fn print_elsewhere(args: &Args, report: &BundleReport, out: &mut Output) -> Result<()> {
    let count = report.elsewhere.len();
    if count == 0 {
        return Ok(());
    }
    let places = counted(count as u64, "place", "places");
    out.line(format_args!("not bundled: {places} outside of the folders of installed packages:"))?;
    let lines = report.elsewhere.iter().map(|Elsewhere { kind, file, target }| {
        let file = file.display();
        match kind {
            ElsewhereKind::PathFile => format!("{target}, which {file} adds to sys.path"),
            ElsewhereKind::EditableFinder => format!("what {target} finds, which {file} imports"),
            ElsewhereKind::Editable => format!("{target}, installed as editable: {file}"),
            ElsewhereKind::UnknownFolder => {
                format!("{target}: no interpreter would find this folder again; bundle it as ROOT={target}")
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
    let are = if count == 1 { "is no module" } else { "are no modules" };
    let fate = if args.no_resources { "left out" } else { "carried as resources" };
    out.line(format_args!("{} {are}, and {fate}:", counted(count as u64, "source", "sources")))?;
    print_list(args, report.not_modules.iter().map(not_module), out)
}

fn print_skipped(args: &Args, report: &BundleReport, out: &mut Output) -> Result<()> {
    // Only reasons that nobody asked for have paths: those are worth a line.
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
        out.line(format_args!("  and {} more, which --verbose names", count - shown))?;
    }
    Ok(())
}

/// A file that is no module, and why.
pub(crate) fn not_module(file: &NotModule) -> String {
    format!("{}/{}: {}", file.root, file.path, why(&file.why))
}

fn why(why: &Why) -> String {
    match why {
        Why::NoName { message } => format!("no module can have this name: {message}"),
        Why::Shadowed { by } => format!("CPython imports {by} instead"),
        Why::OnlyBytecode => "bytecode without a source".to_owned(),
        Why::NotCompiled { message } => format!("does not compile: {message}"),
        Why::CompilerDied { message } => format!("the compiler crashed: {message}"),
        Why::NotDecoded { message } => format!("what the compiler made of it cannot be decoded: {message}"),
        other => format!("{other:?}"),
    }
}

fn reason(why: Skip) -> &'static str {
    match why {
        Skip::SitePackages => "installed packages, which --site-packages takes",
        Skip::Config => "folders that serve to build interpreters",
        Skip::Cache => "__pycache__, as all is compiled anew",
        Skip::SharedObject => "shared objects and libraries",
        Skip::Output => "the archive itself, or the folder for compiled files",
        Skip::Excluded => "excluded",
        Skip::NotIncluded => "not included",
        Skip::VersionControl => "version control, which --hidden takes",
        Skip::Environment => "environments, which --hidden takes",
        Skip::NodeModules => "node_modules, which --hidden takes",
        Skip::Hidden => "names that begin with a dot, which --hidden takes",
        Skip::Resource => "resources, which are not wanted",
        Skip::EmptyFolder => "empty folders",
        Skip::BrokenLink => "links that lead nowhere",
        Skip::Special => "neither files nor folders",
        _ => "others",
    }
}
