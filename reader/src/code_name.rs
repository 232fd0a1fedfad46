//! The names by which people ask for code objects: `C.f`, `C.f#2` and `C.f@120`.

use crate::{code::Code, error::Result, module::Module};
use alloc::vec::Vec;

/// The part of a qualified name that stands for the body of a function.
const LOCALS: &str = ".<locals>";

/// The code objects that a name may stand for; see [`Module::named`].
#[derive(Debug, Clone)]
pub struct Named<'a, 'n> {
    /// The qualified name, without `#2` or `@120`.
    pub qualname: &'n str,
    /// All code objects of this qualified name, in the order of their first lines.
    pub all: Vec<Code<'a>>,
    /// Those that the name stands for: all of them, unless it states a number or a line.
    pub chosen: Vec<Code<'a>>,
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
    /// None, because the text after `#` or `@` is not a number.
    Malformed,
}

impl<'a> Module<'a> {
    /// The code objects that a name stands for: a qualified name, in which `.<locals>` may be left out. If several code
    /// objects have the same name, `#2` after it means the second one in the order of lines, and `@120` means the one
    /// that starts in line 120.
    ///
    /// ```
    /// # use permacode_model::{Code, Module, ModuleKind, Object, Path, Qualname, Ref, Str, Target};
    /// # use permacode_writer::{Options, Writer};
    /// # let mut writer = Writer::new(Options::default());
    /// # let target = writer.add_target(&Target::new("toy", 1, 1, 2))?;
    /// # let text = |text: &'static str| Object::Leaf(permacode_model::Leaf::Str(Str::interned(text)));
    /// # let double = |line| Code { name: 1, first_line: line, ..Code::default() };
    /// # let body = Code { constants: vec![Ref::Code(0), Ref::Code(1)], ..Code::default() };
    /// # writer.add_module(target, &Module { name: "tool".into(), kind: ModuleKind::Module,
    /// #     objects: vec![text("<module>"), text("double")], codes: vec![double(9), double(3), body], body: Some(2),
    /// #     filename: Some(Path { root: None, path: Str::plain("tool.py") }), source: None })?;
    /// # let bytes = writer.plan()?.to_bytes();
    /// let archive = permacode_reader::Archive::open(&bytes)?;
    /// let module = archive.target(0).unwrap().find("tool")?.unwrap();
    /// assert_eq!(module.named("double")?.all.len(), 2);
    /// assert_eq!(module.named("double#2")?.chosen[0].first_line()?, 9);
    /// assert_eq!(module.named("double@3")?.chosen[0].first_line()?, 3);
    /// assert!(module.named("single")?.all.is_empty());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// `[M-3]`, `[C-*]`
    pub fn named<'n>(&self, name: &'n str) -> Result<Named<'a, 'n>> {
        // A qualified name may look like one with a choice.
        let whole = all(*self, name)?;
        if !whole.is_empty() {
            return Ok(Named { qualname: name, chosen: whole.clone(), all: whole });
        }
        let (qualname, choice) = split(name);
        let all = if choice == Choice::Only { whole } else { all(*self, qualname)? };
        let chosen = match choice {
            Choice::Only => all.clone(),
            Choice::Malformed => Vec::new(),
            Choice::Number(number) => {
                number.checked_sub(1).and_then(|index| all.get(index)).copied().into_iter().collect()
            }
            Choice::Line(line) => {
                all.iter().copied().filter(|code| code.first_line().is_ok_and(|first| first == line)).collect()
            }
        };
        Ok(Named { qualname, all, chosen })
    }
}

fn split(name: &str) -> (&str, Choice) {
    let Some(at) = name.rfind(['#', '@']) else { return (name, Choice::Only) };
    let (qualname, choice) = name.split_at_checked(at).unwrap_or((name, ""));
    let number = || Some(Choice::Number(choice.strip_prefix('#')?.parse().ok()?));
    let line = || Some(Choice::Line(choice.strip_prefix('@')?.parse().ok()?));
    (qualname, number().or_else(line).unwrap_or(Choice::Malformed))
}

/// All code objects of this qualified name, in the order of lines. If there are none, those whose qualified name is the
/// same without `<locals>`.
fn all<'a>(module: Module<'a>, qualname: &str) -> Result<Vec<Code<'a>>> {
    let mut found: Vec<Code<'a>> = module.find_codes(qualname).collect::<Result<_>>()?;
    if found.is_empty() {
        for code in module.codes() {
            let code = code?;
            if is_short_for(qualname, code)? {
                found.push(code);
            }
        }
    }
    let mut lines = Vec::with_capacity(found.len());
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

#[cfg(test)]
mod tests {
    use super::{Choice, split};

    #[test]
    fn a_choice_is_a_number_or_a_line() {
        for (name, qualname, choice) in [
            ("f", "f", Choice::Only),
            ("C.f#2", "C.f", Choice::Number(2)),
            ("f@12", "f", Choice::Line(12)),
            ("f#x", "f", Choice::Malformed),
            ("f#", "f", Choice::Malformed),
            ("f@x", "f", Choice::Malformed),
            ("f#99999999999999999999", "f", Choice::Malformed),
            ("<lambda>@-1", "<lambda>", Choice::Line(-1)),
        ] {
            assert_eq!(split(name), (qualname, choice), "{name}");
        }
    }
}
