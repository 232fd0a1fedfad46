//! Qualified names. Most of them are derived from the qualified name of the parent (spec.md 5.8).

use crate::{
    code::Code,
    error::{Error, Result},
    string::Str,
};
use alloc::vec::Vec;
use core::fmt;
use permacode_format::{MAX_PARENTS, MAX_QUALNAME_LEN, Rule};

/// The qualified name of a code object, for example `JSONDecoder.decode` or `outer.<locals>.inner`.
#[derive(Debug, Clone, Copy)]
pub struct Qualname<'a> {
    code: Code<'a>,
}

/// One string of a qualified name, and the separator that follows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct QualnamePart<'a> {
    /// The name of a code object, or an explicit qualified name.
    pub text: Str<'a>,
    /// `.` or `.<locals>.`; empty after the last string.
    pub separator: &'static str,
}

/// The last string of a qualified name, and the code object from which the rest derives.
pub(crate) struct Step<'a> {
    pub(crate) last: Str<'a>,
    /// The parent and the separator after its qualified name. `None` if the qualified name is not derived.
    pub(crate) before: Option<(Code<'a>, &'static str)>,
}

impl<'a> Qualname<'a> {
    pub(crate) fn new(code: Code<'a>) -> Self {
        Qualname { code }
    }

    /// The strings that it consists of, in order.
    ///
    /// # Errors
    /// `[C-4]`, `[C-6]`, `[C-10]`
    pub fn parts(&self) -> Result<Vec<QualnamePart<'a>>> {
        let mut parts = Vec::new();
        let mut separator = "";
        let mut len = 0u64;
        let mut code = self.code;
        for _ in 0..=MAX_PARENTS {
            let step = step(code)?;
            len = len.saturating_add(step.last.bytes().len() as u64).saturating_add(separator.len() as u64);
            parts.push(QualnamePart { text: step.last, separator });
            if parts.len() > 1 && len > u64::from(MAX_QUALNAME_LEN) {
                return Err(too_long(self.code, len));
            }
            match step.before {
                Some((parent, before)) => (code, separator) = (parent, before),
                None => {
                    parts.reverse();
                    return Ok(parts);
                }
            }
        }
        Err(too_deep(code))
    }

    /// Whether it is `text`, which is generalised UTF-8. It allocates nothing.
    ///
    /// # Errors
    /// `[C-4]`, `[C-6]`, `[C-10]`
    pub fn is(&self, text: &[u8]) -> Result<bool> {
        let mut rest = text;
        let mut code = self.code;
        for _ in 0..=MAX_PARENTS {
            let step = step(code)?;
            let Some((parent, separator)) = step.before else { return Ok(step.last.bytes() == *rest) };
            let before = rest
                .strip_suffix(step.last.bytes().as_slice())
                .and_then(|rest| rest.strip_suffix(separator.as_bytes()));
            match before {
                Some(before) => (code, rest) = (parent, before),
                None => return Ok(false),
            }
        }
        Err(too_deep(code))
    }

    /// Appends it to `out`, in generalised UTF-8.
    ///
    /// # Errors
    /// `[C-4]`, `[C-6]`, `[C-10]`
    pub fn append_to(&self, out: &mut Vec<u8>) -> Result<()> {
        for QualnamePart { text, separator } in self.parts()? {
            out.extend_from_slice(&text.bytes());
            out.extend_from_slice(separator.as_bytes());
        }
        Ok(())
    }
}

pub(crate) fn step(code: Code<'_>) -> Result<Step<'_>> {
    let Some(separator) = code.qualname_form().separator() else {
        let object = code.qualname_object()?;
        let last = object.map_or_else(|| code.name(), |object| object.as_str(Rule::C10))?;
        return Ok(Step { last, before: None });
    };
    match code.parent()? {
        Some(parent) => Ok(Step { last: code.name()?, before: Some((parent, separator)) }),
        None => Err(no_parent(code)),
    }
}

#[cold]
pub(crate) fn no_parent(code: Code<'_>) -> Error {
    let what = "the id of a code object with a derived qualified name and without a parent";
    Error::value(Rule::C6, code.parent_field(), what, code.id())
}

#[cold]
pub(crate) fn too_long(code: Code<'_>, len: u64) -> Error {
    Error::value(Rule::C6, code.offset(), "the length of a derived qualified name", len)
}

#[cold]
fn too_deep(code: Code<'_>) -> Error {
    Error::value(Rule::C6, code.offset(), "the least number of parents", MAX_PARENTS)
}

impl fmt::Display for Qualname<'_> {
    /// The name, with U+FFFD in place of bytes that are not UTF-8. `<broken>` if the archive is invalid there.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.parts() {
            Ok(parts) => parts.iter().try_for_each(|part| write!(f, "{}{}", part.text, part.separator)),
            Err(_) => f.write_str("<broken>"),
        }
    }
}
