//! Parts of the text form, and values that text and JSON share.

use crate::{
    escape::{escape_short, harmless},
    output::Output,
    table::Rows,
    target::Description,
    text::Text,
};
use anyhow::Result;
use permacode_reader::{Path, Qualname, Str};
use serde::{Serialize, Serializer};
use std::fmt;

/// Width of the names of fields.
const WIDTH: usize = 14;

/// A line `  name  value`.
pub(super) fn field(out: &mut Output, name: &str, value: impl fmt::Display) -> Result<()> {
    out.line(format_args!("  {name:WIDTH$}{value}"))
}

/// The target, and what its archive was made without.
pub(super) fn target(out: &mut Output, target: &Description<'_>) -> Result<()> {
    field(out, "target", format_args!("{}: {}", target.number, target.line()))?;
    if let Some(stripped) = target.stripped_words() {
        field(out, "stripped", format_args!("{stripped}: the archive was made without them"))?;
    }
    Ok(())
}

/// Prints rows after an empty line. Without rows, it prints nothing.
pub(super) fn table(out: &mut Output, rows: Rows) -> Result<()> {
    if rows.is_empty() {
        return Ok(());
    }
    out.line("")?;
    rows.print(out)
}

/// A docstring under its head, if there is one.
pub(super) fn docstring(out: &mut Output, text: Option<Text<'_>>) -> Result<()> {
    let Some(text) = text else { return Ok(()) };
    out.line("")?;
    out.line("DOCSTRING")?;
    for line in text.0.trim_ascii_end().split(|byte| *byte == b'\n') {
        out.line(format!("  {}", Text(line)).trim_end())?;
    }
    Ok(())
}

/// A decoded value. A malformed table or signature, which breaks no rule of the format, becomes a problem and gives
/// `None`.
pub(super) fn decoded<T>(
    value: permacode_reader::Result<T>,
    problems: &mut Vec<String>,
) -> permacode_reader::Result<Option<T>> {
    match value {
        Ok(value) => Ok(Some(value)),
        Err(error) if error.rule().is_some() => Err(error),
        Err(error) => {
            problems.push(error.to_string());
            Ok(None)
        }
    }
}

/// Prints problems after empty lines.
pub(super) fn print_problems(problems: &[String], out: &mut Output) -> Result<()> {
    for problem in problems {
        out.line("")?;
        out.line(format_args!("! {problem}"))?;
    }
    Ok(())
}

/// A string of the archive as text or JSON.
pub(super) fn text(text: Str<'_>) -> Text<'_> {
    Text(text.bytes().as_slice())
}

/// A qualified name. It is assembled when it is printed, because many code objects may have long ones.
#[derive(Debug, Clone, Copy)]
pub(super) struct Qual<'a>(pub(super) Qualname<'a>);

impl Serialize for Qual<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}

impl Qual<'_> {
    /// The name for a terminal.
    pub(super) fn shown(self) -> String {
        let mut bytes = Vec::new();
        match self.0.append_to(&mut bytes) {
            Ok(()) => escape_short(&bytes),
            Err(error) => harmless(&format!("<{error}>")),
        }
    }
}

/// A path below a root.
#[derive(Debug, Clone, Copy, Serialize)]
pub(super) struct File<'a> {
    root: Option<Text<'a>>,
    path: Text<'a>,
}

impl<'a> From<Path<'a>> for File<'a> {
    fn from(path: Path<'a>) -> Self {
        File { root: path.root.map(text), path: text(path.path) }
    }
}

impl fmt::Display for File<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(root) = self.root {
            write!(f, "{}: ", escape_short(root.0))?;
        }
        f.write_str(&escape_short(self.path.0))
    }
}
