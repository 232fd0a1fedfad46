//! Positions, handlers and docstrings against those of CPython.

use super::stream::Stream;
use crate::{run::script, stdlib::Library};
use anyhow::{Context, Result, bail, ensure};
use permacode_reader::{Archive, Code, Constant, Handler, Leaf, Location, Module, Target};
use std::{
    collections::BTreeSet,
    fmt::Debug,
    hint::black_box,
    io::{BufReader, Read, Write},
    path::Path,
    process::{Command, Stdio},
    time::{Duration, Instant},
};
use tempfile::NamedTempFile;

/// How many differences a report shows.
const SHOWN: usize = 50;

/// What was compared.
#[derive(Debug, Default)]
pub(super) struct Report {
    pub(super) modules: u64,
    pub(super) codes: u64,
    pub(super) units: u64,
    pub(super) handlers: u64,
    /// Docstrings that both have.
    pub(super) docstrings: u64,
    /// Comprehensions, generator expressions and scopes of type parameters of which a function object shows the first
    /// constant as its docstring. They are no functions, so the reader finds no docstring.
    pub(super) scopes: u64,
    /// Modules and classes that have no docstring in the source, but assign a text to `__doc__`. The reader finds it,
    /// because the instructions are the same.
    pub(super) assigned: u64,
    pub(super) differences: u64,
    /// The first differences.
    pub(super) shown: Vec<String>,
    /// The time in which CPython makes all positions.
    pub(super) cpython_time: Duration,
    /// The time in which the reader makes them.
    pub(super) reader_time: Duration,
}

/// Compares all modules of a bundled library.
pub(super) fn compare(library: &Library) -> Result<Report> {
    let archive = Archive::open(std::fs::read(library.archive())?)?;
    compare_archive(&archive, library.python(), &library.compiled())
}

fn compare_archive<D: AsRef<[u8]>>(archive: &Archive<D>, python: &Path, compiled: &Path) -> Result<Report> {
    let target = archive.target(0).context("the archive has no target")?;
    let (modules, paths) = modules_and_paths(&target)?;
    let (_list, mut command) = describe(python, compiled, &paths)?;
    let mut child = command.stdout(Stdio::piped()).spawn().context("cannot start the interpreter")?;
    let output = child.stdout.take().context("the interpreter has no output")?;
    let result = compare_stream(&modules, BufReader::with_capacity(1 << 20, output));
    let status = child.wait()?;
    ensure!(status.success(), "introspection/tables.py: {status}");
    result
}

/// The script that describes the code objects of compiled files, and the list of these files, which it reads.
fn describe(python: &Path, compiled: &Path, paths: &[u8]) -> Result<(NamedTempFile, Command)> {
    let mut list = NamedTempFile::new().context("cannot make a temporary file")?;
    list.write_all(paths)?;
    let mut command = Command::new(python);
    command.args(["-B", "-E", "-s"]).arg(script("introspection/tables.py")).arg(compiled).arg(list.path());
    Ok((list, command))
}

/// The modules that have code, and the paths of their compiled files, each with a NUL after it.
fn modules_and_paths<'a>(target: &Target<'a>) -> Result<(Vec<Module<'a>>, Vec<u8>)> {
    let mut found = Vec::new();
    for module in target.modules() {
        let module = module?;
        if let Some(source) = module.source()? {
            found.push((module, source.path.root.context("a source has no root")?.to_string(), source.path.path));
        }
    }
    let roots: BTreeSet<&str> = found.iter().map(|(_, root, _)| root.as_str()).collect();
    let suffix = permacode_pyc::cache_suffix(target.cache_tag()?, target.optimization());
    let mut paths = Vec::new();
    for (module, root, source) in &found {
        // The files of several roots are in folders with the names of the roots.
        let root = if roots.len() > 1 { format!("{root}/") } else { String::new() };
        let source = source.to_str().and_then(|path| path.strip_suffix(".py"));
        let path = source.with_context(|| format!("the source of {} is no .py file", module.name().unwrap_or("?")))?;
        let (folder, stem) = path.rfind('/').map_or(("", path), |at| path.split_at(at + 1));
        paths.extend(format!("{root}{folder}__pycache__/{stem}{suffix}\0").into_bytes());
    }
    Ok((found.into_iter().map(|(module, ..)| module).collect(), paths))
}

/// Compares modules with what the script wrote about them.
fn compare_stream(modules: &[Module<'_>], input: impl Read) -> Result<Report> {
    let mut stream = Stream(input);
    let mut report = Report::default();
    for module in modules {
        compare_module(module, &mut stream, &mut report).with_context(|| format!("module {:?}", module.name()))?;
        report.modules += 1;
    }
    report.cpython_time = Duration::from_nanos(stream.long()?.try_into().context("the script measured no time")?);
    ensure!(stream.0.read(&mut [0])? == 0, "the script wrote more than it should");
    Ok(report)
}

fn compare_module(module: &Module<'_>, stream: &mut Stream<impl Read>, report: &mut Report) -> Result<()> {
    let mut codes = Vec::new();
    let mut stack: Vec<Code<'_>> = module.body()?.into_iter().collect();
    while let Some(code) = stack.pop() {
        codes.push(code);
        let first = stack.len();
        for child in code.children()? {
            stack.push(child?);
        }
        stack[first..].reverse();
    }
    let start = Instant::now();
    for code in &codes {
        for location in code.locations()?.context("the encoding of line tables is private")? {
            let Location { units, line, end_line, column, end_column } = location?;
            for unit in units {
                black_box((unit, line, end_line, column, end_column));
            }
        }
    }
    report.reader_time += start.elapsed();
    let expected = stream.number()?;
    ensure!(u32::try_from(expected)? as usize == codes.len(), "{} code objects instead of {expected}", codes.len());
    for code in codes {
        let mut compared = Compared { code, report };
        compared.code(stream).with_context(|| format!("code object {}", code.qualname()))?;
    }
    Ok(())
}

/// A code object that is being compared.
struct Compared<'a, 'r> {
    code: Code<'a>,
    report: &'r mut Report,
}

impl Compared<'_, '_> {
    fn code(&mut self, stream: &mut Stream<impl Read>) -> Result<()> {
        self.report.codes += 1;
        let name = stream.text()?.context("the script wrote no name")?;
        // If the names differ, the walks do.
        ensure!(self.code.name()?.bytes() == name, "CPython has {} there", name.escape_ascii());
        let units = self.code.unit_count()?;
        self.same("the number of units", &u32::try_from(stream.number()?)?, &units);
        self.report.units += u64::from(units);
        self.positions(units, stream)?;
        self.lines(units, stream)?;
        self.handlers(stream)?;
        self.docstring(stream)
    }

    fn same<T: PartialEq + Debug>(&mut self, what: &str, expected: &T, found: &T) {
        if expected != found {
            self.report.differences += 1;
            if self.report.shown.len() < SHOWN {
                let (module, code) = (self.code.module().name().unwrap_or("?"), self.code.qualname());
                self.report.shown.push(format!("{module}: {code}: {what}: CPython {expected:?}, archive {found:?}"));
            }
        }
    }

    /// The locations of the units, one for each.
    fn each_unit(&self) -> Result<Vec<[Option<i64>; 4]>> {
        let mut all = Vec::new();
        for location in self.code.locations()?.context("the encoding of line tables is private")? {
            let Location { units, line, end_line, column, end_column } = location?;
            let numbers =
                [line.map(i64::from), end_line.map(i64::from), column.map(i64::from), end_column.map(i64::from)];
            all.resize(all.len() + units.len(), numbers);
        }
        Ok(all)
    }

    fn positions(&mut self, units: u32, stream: &mut Stream<impl Read>) -> Result<()> {
        let Some(expected) = runs::<4>(units, stream)? else { return Ok(()) };
        self.same("positions", &expected, &self.each_unit()?);
        Ok(())
    }

    fn lines(&mut self, units: u32, stream: &mut Stream<impl Read>) -> Result<()> {
        let expected = runs::<1>(units, stream)?.context("the script wrote no lines")?;
        let mut found: Vec<_> = self.each_unit()?.into_iter().map(|[line, ..]| [line]).collect();
        found.resize(found.len().max(units as usize), [None]);
        self.same("lines", &expected, &found);
        Ok(())
    }

    fn handlers(&mut self, stream: &mut Stream<impl Read>) -> Result<()> {
        let expected = match stream.len()? {
            None => None,
            Some(count) => {
                let mut handlers = Vec::new();
                for _ in 0..count {
                    let mut number = || stream.number()?.try_into().context("a negative number in a handler");
                    let (start, end, target, stack_depth, pushes) =
                        (number()?, number()?, number()?, number()?, number()?);
                    let pushes_offset = match pushes {
                        0 => false,
                        1 => true,
                        other => bail!("the script wrote {other} instead of whether the offset is pushed"),
                    };
                    handlers.push(Handler { units: start..end, target, stack_depth, pushes_offset });
                }
                self.report.handlers += u64::from(count);
                Some(handlers)
            }
        };
        let found = self.code.handlers()?.map(Iterator::collect::<permacode_reader::Result<Vec<_>>>).transpose()?;
        self.same("handlers", &expected, &found);
        Ok(())
    }

    fn docstring(&mut self, stream: &mut Stream<impl Read>) -> Result<()> {
        let mut expected = stream.text()?;
        if expected.is_some() {
            match stream.number()? {
                0 => {
                    self.report.scopes += 1;
                    self.same("the first constant", &shown(expected.take()), &shown(self.first_constant()?));
                }
                1 | 2 => self.report.docstrings += 1,
                3 => self.report.assigned += 1,
                other => bail!("the script wrote the kind {other}"),
            }
        }
        let found = self.code.docstring()?.map(|text| text.bytes().to_vec());
        self.same("docstring", &shown(expected), &shown(found));
        Ok(())
    }

    /// The first constant if it is a text.
    fn first_constant(&self) -> Result<Option<Vec<u8>>> {
        let first = self.code.constants()?.get(0).transpose()?;
        Ok(match first.and_then(|item| item.object()).map(|object| object.constant()).transpose()? {
            Some(Constant::Leaf(Leaf::Str(text))) => Some(text.bytes().to_vec()),
            _ => None,
        })
    }
}

fn shown(text: Option<Vec<u8>>) -> Option<String> {
    text.map(|text| text.escape_ascii().to_string())
}

/// Runs of equal values as a list of values; `None` if the version of CPython has no such values. The list has at most
/// one value for each unit, and one more.
fn runs<const N: usize>(units: u32, stream: &mut Stream<impl Read>) -> Result<Option<Vec<[Option<i64>; N]>>> {
    let Some(count) = stream.len()? else { return Ok(None) };
    let mut all = Vec::new();
    for _ in 0..count {
        let len = usize::try_from(stream.number()?).context("the length of a run is negative")?;
        let mut values = [None; N];
        for value in &mut values {
            *value = stream.optional()?.map(i64::from);
        }
        all.resize((all.len() + len).min(units as usize + 1), values);
    }
    Ok(Some(all))
}

#[cfg(test)]
mod tests {
    use super::*;
    use permacode_bundle::{BundleOptions, Interpreter, bundle};
    use permacode_testkit::interpreters::one_per_minor;
    use std::fs;

    /// Docstrings of every kind, exception handlers, and expressions that span lines.
    const SOURCE: &str = r#""""Of the module."""
def documented(value, key=lambda text: "no docstring"):
    """Of the function.

        Indented.
    """
    try:
        return (value
                + key)
    except (KeyError, ValueError) as error:
        raise TypeError from error

def bare(values):
    return list("a constant" for value in values)

class Documented:
    """Of the class."""

class Assigned:
    __doc__ = "Assigned."
"#;

    /// Looks at an archive of [`SOURCE`], and at what the script writes about it.
    fn with_sample(interpreter: &Interpreter, look: impl FnOnce(&[Module<'_>], &[u8])) {
        let folder = tempfile::tempdir().unwrap();
        let [tree, compiled] = ["tree", "compiled"].map(|name| folder.path().join(name));
        fs::create_dir(&tree).unwrap();
        fs::write(tree.join("sample.py"), SOURCE).unwrap();
        let options = BundleOptions::new(interpreter.clone()).library(false).path(&tree);
        let bundle = bundle(&options.keep_compiled(&compiled), &()).unwrap();
        let archive = Archive::open(bundle.plan().to_bytes()).unwrap();
        let (modules, paths) = modules_and_paths(&archive.target(0).unwrap()).unwrap();
        let (_list, mut command) = describe(&interpreter.executable, &compiled, &paths).unwrap();
        let output = command.output().unwrap();
        assert!(output.status.success());
        look(&modules, &output.stdout);
    }

    #[test]
    fn a_sample_agrees_in_every_version() {
        for interpreter in one_per_minor() {
            with_sample(&interpreter, |modules, stream| {
                let report = compare_stream(modules, stream).unwrap();
                assert_eq!((report.differences, &report.shown[..]), (0, &[][..]), "{}", interpreter.version_text);
                assert_eq!((report.modules, report.codes, report.docstrings), (1, 7, 3));
                // From 3.14 on, a flag marks docstrings.
                let scopes = u64::from(interpreter.version.minor() < 14);
                assert_eq!((report.scopes, report.assigned), (scopes, 1));
                assert_eq!(report.handlers > 0, interpreter.version.minor() >= 11);
            });
        }
    }

    /// The comparison reads every byte, and would notice any other value.
    #[test]
    fn every_changed_byte_is_noticed() {
        for interpreter in one_per_minor() {
            with_sample(&interpreter, |modules, stream| {
                let counts = |report: Report| (report.differences, report.scopes, report.assigned);
                let right = compare_stream(modules, stream).map(counts).unwrap();
                // The time at the end may have any value.
                for at in 0..stream.len() - size_of::<i64>() {
                    for mask in [1, 0x80] {
                        let mut changed = stream.to_vec();
                        changed[at] ^= mask;
                        let found = compare_stream(modules, &changed[..]).map(counts).ok();
                        assert_ne!(found, Some(right), "{}: byte {at} of {}", interpreter.version_text, stream.len());
                    }
                }
                assert!(compare_stream(modules, &stream[1..]).is_err());
                assert!(compare_stream(modules, &[stream, &[0]].concat()[..]).is_err());
            });
        }
    }
}
