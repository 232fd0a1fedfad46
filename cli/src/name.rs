//! Names of modules and code objects: `NAME`, `NAME:QUALNAME`, `NAME:QUALNAME#2` and `NAME:QUALNAME@LINE`.

use crate::{
    archive::ArchiveArg,
    errors::note,
    escape::{escape, escape_short},
    near::{MAX_LEN, Sought, advice, suggest},
    output::{counted, grouped},
    target::{Description, TargetArg},
};
use anyhow::{Context, Result};
use permacode_reader::{Archive, Code, Module, Target};

/// The most code objects of one name that a message lists.
const MAX_NAMED: usize = 20;

/// The part of a qualified name that stands for the body of a function.
const LOCALS: &str = ".<locals>";

/// What a name stands for.
#[derive(Debug)]
pub(crate) struct Named<'a> {
    pub(crate) target: Description<'a>,
    pub(crate) target_view: Target<'a>,
    pub(crate) module: Module<'a>,
    /// `None` if the name is that of a module.
    pub(crate) code: Option<Code<'a>>,
}

/// The name of a code object in a module.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct CodeName<'n> {
    qualname: &'n str,
    choice: Choice,
}

/// Which of several code objects of one qualified name is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Choice {
    /// The only one.
    Only,
    /// This one in the order of lines, counted from 1.
    Number(usize),
    /// The one that starts in this line.
    Line(i32),
}

impl<'n> CodeName<'n> {
    fn new(text: &'n str) -> Self {
        let number =
            text.rsplit_once('#').and_then(|(name, number)| Some((name, Choice::Number(number.parse().ok()?))));
        let line = text.rsplit_once('@').and_then(|(name, line)| Some((name, Choice::Line(line.parse().ok()?))));
        let (qualname, choice) = number.or(line).unwrap_or((text, Choice::Only));
        CodeName { qualname, choice }
    }
}

/// Finds what a name stands for, in the first target that has the module. If there is nothing, or more than one code
/// object, this says so on standard error, and the result is `None`.
pub(crate) fn find<'a, D: AsRef<[u8]>>(
    archive: &'a Archive<D>,
    file: &ArchiveArg,
    target: &TargetArg,
    name: &str,
) -> Result<Option<Named<'a>>> {
    let what = || format!("cannot read \"{}\" in {file}", escape(name.as_bytes()));
    let split = name.split_once(':');
    for (description, target) in target.choose(archive)? {
        // A name of a module may have a colon.
        if let Some(module) = target.find(name).with_context(what)? {
            return Ok(Some(Named { target: description, target_view: target, module, code: None }));
        }
        let Some((module, code)) = split else { continue };
        let Some(module) = target.find(module).with_context(what)? else { continue };
        if code.is_empty() {
            return Ok(Some(Named { target: description, target_view: target, module, code: None }));
        }
        let code = find_code(module, code).with_context(what)?;
        return Ok(code.map(|code| Named { target: description, target_view: target, module, code: Some(code) }));
    }
    let module = split.map_or(name, |(module, _)| module);
    note(format_args!("permacode: {file} has no module \"{}\"", escape(module.as_bytes())));
    advice(archive, module.as_bytes(), Sought::Module, "`permacode cat` prints it")?.into_iter().for_each(note);
    Ok(None)
}

fn find_code<'a>(module: Module<'a>, name: &str) -> Result<Option<Code<'a>>> {
    let CodeName { qualname, choice } = CodeName::new(name);
    // A qualified name may look like one with a choice.
    let mut found = all(module, name)?;
    let is_whole = !found.is_empty();
    if !is_whole {
        found = all(module, qualname)?;
    }
    let shown = escape(if is_whole { name } else { qualname }.as_bytes());
    let module_name = module.name()?;
    let full = format!("{}:{shown}", escape_short(module_name.as_bytes()));
    if found.is_empty() {
        note(format_args!(
            "permacode: module \"{}\" has no code object \"{shown}\"",
            escape_short(module_name.as_bytes())
        ));
        suggestion(module, qualname)?.into_iter().for_each(note);
        return Ok(None);
    }
    let chosen: Vec<Code<'a>> = match choice {
        Choice::Only => found.clone(),
        _ if is_whole => found.clone(),
        Choice::Number(number) => {
            number.checked_sub(1).and_then(|index| found.get(index)).copied().into_iter().collect()
        }
        Choice::Line(line) => {
            found.iter().copied().filter(|code| code.first_line().is_ok_and(|first| first == line)).collect()
        }
    };
    if let [code] = chosen[..] {
        return Ok(Some(code));
    }
    let objects = counted(found.len() as u64, "code object", "code objects");
    let advice = if chosen.is_empty() { "there is no such number or line" } else { "choose one with #N or @LINE" };
    note(format_args!("permacode: \"{full}\" is the name of {objects}; {advice}"));
    for (index, code) in found.iter().enumerate().take(MAX_NAMED) {
        note(format_args!("  \"{full}#{}\" starts in line {}", index + 1, code.first_line()?));
    }
    if let Some(others @ 1..) = found.len().checked_sub(MAX_NAMED) {
        note(format_args!("  and {} more", grouped(others as u64)));
    }
    Ok(None)
}

/// All code objects of this qualified name, in the order of lines. If there are none, those whose qualified name is the
/// same without `<locals>`.
fn all<'a>(module: Module<'a>, qualname: &str) -> Result<Vec<Code<'a>>> {
    let mut found: Vec<Code<'a>> = module.find_codes(qualname).collect::<Result<_, _>>()?;
    if found.is_empty() {
        for code in module.codes() {
            let code = code?;
            if is_short_for(qualname, code)? {
                found.push(code);
            }
        }
    }
    let mut lines = Vec::new();
    for code in found {
        lines.push((code.first_line()?, code.id(), code));
    }
    lines.sort_by_key(|(line, id, _)| (*line, *id));
    Ok(lines.into_iter().map(|(_, _, code)| code).collect())
}

/// Whether the qualified name of the code object is `wanted` if `<locals>` is left out.
fn is_short_for(wanted: &str, code: Code<'_>) -> Result<bool> {
    let mut rest = wanted.as_bytes();
    for part in code.qualname().parts()? {
        let separator = part.separator.strip_prefix(LOCALS).unwrap_or(part.separator);
        let after = rest.strip_prefix(part.text.bytes().as_slice());
        match after.and_then(|rest| rest.strip_prefix(separator.as_bytes())) {
            Some(after) => rest = after,
            None => return Ok(false),
        }
    }
    Ok(rest.is_empty())
}

fn suggestion(module: Module<'_>, wanted: &str) -> Result<Option<String>> {
    let mut names = Vec::new();
    for code in module.codes() {
        let parts = code?.qualname().parts()?;
        let len: usize = parts.iter().map(|part| part.text.bytes().len() + part.separator.len()).sum();
        if len <= MAX_LEN {
            let name: Vec<u8> = parts
                .iter()
                .flat_map(|part| [part.text.bytes().as_slice(), part.separator.as_bytes()].concat())
                .collect();
            names.push(name);
        }
    }
    Ok(suggest(&names.iter().map(Vec::as_slice).collect(), wanted.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::{Choice, CodeName};

    #[test]
    fn a_choice_is_a_number_or_a_line() {
        for (text, qualname, choice) in [
            ("f", "f", Choice::Only),
            ("C.f#2", "C.f", Choice::Number(2)),
            ("f@12", "f", Choice::Line(12)),
            ("f#x", "f#x", Choice::Only),
            ("<lambda>@-1", "<lambda>", Choice::Line(-1)),
        ] {
            assert_eq!(CodeName::new(text), CodeName { qualname, choice }, "{text}");
        }
    }
}
