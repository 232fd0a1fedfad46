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

/// What a name stands for.
#[derive(Debug)]
pub(crate) struct Named<'a> {
    pub(crate) target: Description<'a>,
    pub(crate) target_view: Target<'a>,
    pub(crate) module: Module<'a>,
    /// `None` if the name is that of a module.
    pub(crate) code: Option<Code<'a>>,
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
    let permacode_reader::Named { qualname, all, chosen } = module.named(name)?;
    let shown = escape(qualname.as_bytes());
    let module_name = module.name()?;
    let full = format!("{}:{shown}", escape_short(module_name.as_bytes()));
    if all.is_empty() {
        note(format_args!(
            "permacode: module \"{}\" has no code object \"{shown}\"",
            escape_short(module_name.as_bytes())
        ));
        suggestion(module, qualname)?.into_iter().for_each(note);
        return Ok(None);
    }
    if let [code] = chosen[..] {
        return Ok(Some(code));
    }
    let objects = counted(all.len() as u64, "code object", "code objects");
    let advice = if chosen.is_empty() { "there is no such number or line" } else { "choose one with #N or @LINE" };
    note(format_args!("permacode: \"{full}\" is the name of {objects}; {advice}"));
    for (index, code) in all.iter().enumerate().take(MAX_NAMED) {
        note(format_args!("  \"{full}#{}\" starts in line {}", index + 1, code.first_line()?));
    }
    if let Some(others @ 1..) = all.len().checked_sub(MAX_NAMED) {
        note(format_args!("  and {} more", grouped(others as u64)));
    }
    Ok(None)
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
