//! A code object: a class, a function, or the body of a module.

use super::{
    member::{self, Member},
    signature::SignatureView,
    text::{self, File, Qual, decoded, docstring, field, print_problems, table, text},
};
use crate::{
    escape::{escape_short, harmless},
    output::{Output, counted},
    table::{
        Align::{Left, Right},
        Rows,
    },
    target::Description,
    text::{Hex, Text},
};
use anyhow::Result;
use permacode_pyc::flag_names;
use permacode_reader::{Code, Handler, Item, Location, local_kind};
use serde::{Serialize, Serializer};
use std::ops::Range;

/// Units on a row of the text form.
const UNITS_ON_ROW: usize = 8;

#[derive(Debug, Serialize)]
pub(super) struct CodeView<'a> {
    module: &'a str,
    qualname: Qual<'a>,
    name: Text<'a>,
    /// Its id in the archive, as in `dump FILE code[ID]`.
    id: u32,
    file: Option<File<'a>>,
    first_line: i32,
    flags: u32,
    /// The names of the flags; empty for a machine that is not CPython.
    flag_names: Vec<&'static str>,
    arg_count: u32,
    posonly_count: u32,
    kwonly_count: u32,
    stack_size: u32,
    /// `None` for a class, the body of a module, and a machine that is not CPython.
    signature: Option<SignatureView<'a>>,
    docstring: Option<Text<'a>>,
    locals: Vec<Local<'a>>,
    constants: Vec<Constant<'a>>,
    names: Vec<Text<'a>>,
    /// `None` if only the machine knows the encoding.
    lines: Option<Vec<Line>>,
    /// `None` if only the machine knows the encoding.
    handlers: Option<Vec<Cover>>,
    units: Units<'a>,
    members: Vec<Member<'a>>,
    /// What could not be decoded.
    pub(super) problems: Vec<String>,
}

#[derive(Debug, Serialize)]
struct Local<'a> {
    name: Text<'a>,
    kinds: Vec<&'static str>,
}

/// A constant in the notation of Python. Long values are shortened, because a few shared tuples can stand for endlessly
/// many values.
#[derive(Debug, Clone, Copy)]
struct Constant<'a>(Item<'a>);

/// Where some units come from.
#[derive(Debug, Serialize)]
struct Line {
    units: [u32; 2],
    line: Option<i32>,
    end_line: Option<i32>,
    column: Option<u32>,
    end_column: Option<u32>,
}

/// An exception handler, and the units that it covers.
#[derive(Debug, Serialize)]
struct Cover {
    units: [u32; 2],
    target: u32,
    stack_depth: u32,
    pushes_offset: bool,
}

/// The instructions, in units of the machine.
#[derive(Debug, Clone, Copy)]
struct Units<'a> {
    bytes: &'a [u8],
    unit_size: usize,
}

fn ends(range: &Range<u32>) -> [u32; 2] {
    [range.start, range.end]
}

impl From<Location> for Line {
    fn from(location: Location) -> Self {
        let Location { units, line, end_line, column, end_column, .. } = location;
        Line { units: ends(&units), line, end_line, column, end_column }
    }
}

impl From<Handler> for Cover {
    fn from(handler: Handler) -> Self {
        let Handler { units, target, stack_depth, pushes_offset, .. } = handler;
        Cover { units: ends(&units), target, stack_depth, pushes_offset }
    }
}

impl Constant<'_> {
    fn kind(&self) -> &'static str {
        let Item::Object(object) = self.0 else { return "code" };
        object.kind().map_or("unknown", |kind| kind.name())
    }

    /// Its value in the notation of Python.
    fn value(&self) -> String {
        format!("{:?}", self.0)
    }
}

impl Serialize for Constant<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        struct Fields {
            kind: &'static str,
            value: String,
        }
        Fields { kind: self.kind(), value: self.value() }.serialize(serializer)
    }
}

impl<'a> Units<'a> {
    fn iter(&self) -> impl Iterator<Item = Hex<'a>> + use<'a> {
        self.bytes.chunks(self.unit_size).map(Hex)
    }
}

impl Serialize for Units<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.iter())
    }
}

/// The entries of a table up to the first malformed one, which becomes a problem.
fn entries<T, U: From<T>>(
    table: Option<impl Iterator<Item = permacode_reader::Result<T>>>,
    problems: &mut Vec<String>,
) -> permacode_reader::Result<Option<Vec<U>>> {
    let Some(table) = table else { return Ok(None) };
    let mut entries = Vec::new();
    for entry in table {
        let Some(entry) = decoded(entry, problems)? else { break };
        entries.push(entry.into());
    }
    Ok(Some(entries))
}

impl<'a> CodeView<'a> {
    pub(super) fn new(code: &Code<'a>, unit_size: u8, is_cpython: bool) -> Result<Self> {
        let mut problems = Vec::new();
        let file = match code.filename()? {
            Some(path) => Some(File::from(permacode_reader::Path { root: None, path })),
            None => code.module().filename()?.map(File::from),
        };
        let mut locals = Vec::new();
        for (name, kind) in code.locals()?.strings().zip(code.local_kinds()?.iter()) {
            locals.push(Local { name: text(name?), kinds: kinds(*kind) });
        }
        let signature = if is_cpython { decoded(SignatureView::new(code), &mut problems)?.flatten() } else { None };
        Ok(CodeView {
            module: code.module().name()?,
            qualname: Qual(code.qualname()),
            name: text(code.name()?),
            id: code.id(),
            file,
            first_line: code.first_line()?,
            flags: code.flags(),
            flag_names: flag_names(code.flags()).filter(|_| is_cpython).collect(),
            arg_count: code.arg_count(),
            posonly_count: code.posonly_count(),
            kwonly_count: code.kwonly_count(),
            stack_size: code.stack_size(),
            signature,
            docstring: code.docstring()?.map(text),
            locals,
            constants: code.constants()?.iter().map(|item| item.map(Constant)).collect::<Result<_, _>>()?,
            names: code.names()?.strings().map(|name| name.map(text)).collect::<Result<_, _>>()?,
            lines: entries(code.locations()?, &mut problems)?,
            handlers: entries(code.handlers()?, &mut problems)?,
            units: Units { bytes: code.bytecode()?.as_slice(), unit_size: usize::from(unit_size.max(1)) },
            members: Member::all(code, is_cpython, &mut problems)?,
            problems,
        })
    }

    pub(super) fn print(&self, target: &Description<'_>, out: &mut Output) -> Result<()> {
        out.line(format_args!("{}:{}", escape_short(self.module.as_bytes()), self.qualname.shown()))?;
        text::target(out, target)?;
        if let Some(file) = self.file {
            field(out, "file", format_args!("{file}, line {}", self.first_line))?;
        }
        if let Some(signature) = self.signature {
            field(out, "signature", signature.line())?;
        }
        field(out, "flags", format_args!("{:#x} {}", self.flags, self.flag_names.join(" ")).to_string().trim_end())?;
        field(
            out,
            "parameters",
            format_args!(
                "{} positional ({} positional-only), {} keyword-only",
                self.arg_count, self.posonly_count, self.kwonly_count
            ),
        )?;
        field(out, "stack", counted(self.stack_size.into(), "slot", "slots"))?;
        field(out, "code id", self.id)?;
        docstring(out, self.docstring)?;
        self.print_values(out)?;
        self.print_tables(out)?;
        self.print_units(out)?;
        member::print(&self.members, out)?;
        print_problems(&self.problems, out)
    }

    fn print_values(&self, out: &mut Output) -> Result<()> {
        let mut rows = Rows::new(&[("LOCAL", Right), ("NAME", Left), ("KIND", Left)]);
        for (index, local) in self.locals.iter().enumerate() {
            rows.push([index.to_string(), escape_short(local.name.0), local.kinds.join(", ")]);
        }
        table(out, rows)?;
        let mut rows = Rows::new(&[("CONSTANT", Right), ("KIND", Left), ("VALUE", Left)]);
        for (index, constant) in self.constants.iter().enumerate() {
            rows.push([index.to_string(), constant.kind().to_owned(), harmless(&constant.value())]);
        }
        table(out, rows)?;
        let mut rows = Rows::new(&[("NAME", Right), ("TEXT", Left)]);
        for (index, name) in self.names.iter().enumerate() {
            rows.push([index.to_string(), escape_short(name.0)]);
        }
        table(out, rows)
    }

    fn print_tables(&self, out: &mut Output) -> Result<()> {
        let mut rows = Rows::new(&[("UNITS", Left), ("LINES", Left), ("COLUMNS", Left)]);
        for line in self.lines.iter().flatten() {
            rows.push([units(line.units), lines(line), columns(line)]);
        }
        table(out, rows)?;
        let mut rows = Rows::new(&[("UNITS", Left), ("HANDLER", Right), ("STACK", Right), ("PUSHES", Left)]);
        for handler in self.handlers.iter().flatten() {
            rows.push([
                units(handler.units),
                handler.target.to_string(),
                handler.stack_depth.to_string(),
                if handler.pushes_offset { "offset" } else { "" }.to_owned(),
            ]);
        }
        table(out, rows)
    }

    fn print_units(&self, out: &mut Output) -> Result<()> {
        let row_len = self.units.unit_size * UNITS_ON_ROW;
        let mut rows = Rows::new(&[("UNIT", Right), ("INSTRUCTIONS", Left)]);
        for (row, bytes) in self.units.bytes.chunks(row_len).enumerate() {
            let units = Units { bytes, ..self.units };
            let text: Vec<String> = units.iter().map(|unit| unit.to_string()).collect();
            rows.push([(row * UNITS_ON_ROW).to_string(), text.join(" ")]);
        }
        table(out, rows)
    }
}

/// The names of the bits of a local kind.
fn kinds(kind: u8) -> Vec<&'static str> {
    const NAMES: [(u8, &str); 7] = [
        (local_kind::ARG_POS, "positional"),
        (local_kind::ARG_KW, "keyword"),
        (local_kind::ARG_VAR, "variadic"),
        (local_kind::HIDDEN, "hidden"),
        (local_kind::LOCAL, "local"),
        (local_kind::CELL, "cell"),
        (local_kind::FREE, "free"),
    ];
    NAMES.iter().filter(|(bit, _)| kind & bit != 0).map(|(_, name)| *name).collect()
}

/// `4` or `4..6`, which does not include its end.
fn units([start, end]: [u32; 2]) -> String {
    if end == start.saturating_add(1) { start.to_string() } else { format!("{start}..{end}") }
}

fn lines(line: &Line) -> String {
    match (line.line, line.end_line) {
        (None, _) => "-".to_owned(),
        (Some(first), Some(last)) if last != first => format!("{first} to {last}"),
        (Some(first), _) => first.to_string(),
    }
}

fn columns(line: &Line) -> String {
    match (line.column, line.end_column) {
        (Some(start), Some(end)) => format!("{start} to {end}"),
        (Some(start), None) => start.to_string(),
        _ => String::new(),
    }
}
