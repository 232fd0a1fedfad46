//! Names of modules and code objects: `NAME`, `NAME:QUALNAME`, `NAME:QUALNAME#2` and `NAME:QUALNAME@LINE`.

use crate::{
    errors::{Choice, No},
    escape::{escape, escape_short},
    near::{MAX_LEN, Sought, advice, suggest},
    output::counted,
    query::Query,
    target::Description,
};
use anyhow::Result;
use permacode_reader::{Archive, Code, Module, QualnamePart, Target};
use std::{borrow::Cow, collections::BTreeSet};

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

/// Finds what a name stands for, in the first target that has the module. `also` are other names that may have been
/// meant.
///
/// # Errors
/// [`No`] if the name is unknown, or the name of several code objects.
pub(crate) fn find<'a, D: AsRef<[u8]>>(
    archive: &'a Archive<D>,
    query: &Query,
    name: &str,
    also: &[&str],
) -> Result<Named<'a>> {
    let file = &query.archive;
    let context = |error: permacode_reader::Error| {
        anyhow::Error::new(error).context(format!("cannot read \"{}\" in {file}", escape(name.as_bytes())))
    };
    let answer = |error: anyhow::Error| match error.downcast::<permacode_reader::Error>() {
        Ok(error) => context(error),
        Err(answer) => answer,
    };
    let split = name.split_once(':');
    for (description, target) in query.target.choose(archive)? {
        let named = |module, code| Named { target: description.clone(), target_view: target, module, code };
        // A name of a module may have a colon.
        if let Some(module) = target.find(name).map_err(context)? {
            return Ok(named(module, None));
        }
        let Some((module, code)) = split else { continue };
        let Some(module) = target.find(module).map_err(context)? else { continue };
        if code.is_empty() {
            return Ok(named(module, None));
        }
        return Ok(named(module, Some(find_code(module, code).map_err(answer)?)));
    }
    let module = split.map_or(name, |(module, _)| module);
    let message = format!("{file} has no module \"{}\"", escape(module.as_bytes()));
    let advice = match cat(archive, query, module)? {
        Some(command) => Some(format!("it is the name of a resource: `{command}` prints it")),
        None => {
            let list = ["permacode", "list", &query.archive.argument(), module, "--resources"].map(quoted).join(" ");
            let other = format!("`{list}` lists what is below it");
            advice(archive, module.as_bytes(), Sought::Module, &other, also)?
        }
    };
    Err(No::unknown(message, advice).into())
}

/// The command that prints the resource of this name, if there is one.
fn cat<D: AsRef<[u8]>>(archive: &Archive<D>, query: &Query, name: &str) -> Result<Option<String>> {
    let mut names = BTreeSet::new();
    let mut is_module = false;
    for target in archive.targets() {
        is_module |= target.find(name)?.is_some();
        for resource in target.resources() {
            let resource = resource?;
            if resource.path()? == *name.as_bytes() || resource.name()? == *name.as_bytes() {
                names.insert(resource.name()?.as_slice());
            }
        }
    }
    // Without its root, a path may be that of several resources.
    let name = match (names.len(), names.first()) {
        (2.., Some(first)) => String::from_utf8_lossy(first),
        (1, _) => Cow::Borrowed(name),
        _ => return Ok(None),
    };
    let option = if is_module { " --resource" } else { "" };
    let words = ["permacode", "cat", &query.archive.argument(), &name].map(quoted).join(" ");
    Ok(Some(words + option))
}

/// A word as a shell reads it. A word that no shell can have stays as it is.
fn quoted(word: &str) -> String {
    shlex::try_quote(word).map_or_else(|_| word.to_owned(), Cow::into_owned)
}

fn find_code<'a>(module: Module<'a>, name: &str) -> Result<Code<'a>> {
    let permacode_reader::Named { qualname, all, chosen } = module.named(name)?;
    let shown = escape(qualname.as_bytes());
    let module_name = module.name()?;
    let full = format!("{}:{shown}", escape_short(module_name.as_bytes()));
    if all.is_empty() {
        let module_name = escape_short(module_name.as_bytes());
        let message = format!("module \"{module_name}\" has no code object \"{shown}\"");
        return Err(No::unknown(message, suggestion(module, qualname)?).into());
    }
    if let [code] = chosen[..] {
        return Ok(code);
    }
    let (place, listed, advice) = if chosen.is_empty() {
        ("", &all, "nothing fits the number or line after the name; choose one with #N or @LINE")
    } else if chosen.len() < all.len() {
        (" in this line", &chosen, "choose one with #N")
    } else {
        ("", &all, "choose one with #N or @LINE")
    };
    let objects = counted(listed.len() as u64, "code object", "code objects");
    let message = format!("\"{full}\" is the name of {objects}{place}");
    let mut choices = Vec::new();
    // Both lists have the same order.
    let mut rest = listed.iter().peekable();
    let is_listed = |(_, code): &(usize, &Code<'_>)| rest.next_if(|listed| listed == code).is_some();
    for (index, code) in all.iter().enumerate().filter(is_listed).take(MAX_NAMED) {
        choices.push(Choice { name: format!("{full}#{}", index + 1), first_line: code.first_line()? });
    }
    let no = if chosen.is_empty() { No::unknown(message, Some(advice.into())) } else { No::ambiguous(message, advice) };
    Err(no.choices(choices, listed.len().saturating_sub(MAX_NAMED)).into())
}

/// The nearest names of code objects. `.<locals>` is left out of them, as it can be left out of arguments.
fn suggestion(module: Module<'_>, wanted: &str) -> Result<Option<String>> {
    let separator = |part: &QualnamePart<'_>| part.separator.trim_start_matches(".<locals>").as_bytes();
    let mut names = Vec::new();
    for code in module.codes() {
        let parts = code?.qualname().parts()?;
        let len: usize = parts.iter().map(|part| part.text.bytes().len() + part.separator.len()).sum();
        if len <= MAX_LEN {
            let name: Vec<u8> =
                parts.iter().flat_map(|part| [part.text.bytes().as_slice(), separator(part)].concat()).collect();
            names.push(name);
        }
    }
    let wanted = wanted.replace(".<locals>", "");
    Ok(suggest(&names.iter().map(Vec::as_slice).collect(), wanted.as_bytes()))
}
