//! The classes and functions that a module, a class or a function defines.

use super::{
    signature::SignatureView,
    text::{Qual, decoded, table},
};
use crate::{
    output::Output,
    table::{Align, Rows},
};
use anyhow::Result;
use permacode_pyc::{TYPE_PARAMETERS, is_function};
use permacode_reader::Code;
use serde::Serialize;

/// A code object among the constants of another.
#[derive(Debug, Serialize)]
pub(super) struct Member<'a> {
    qualname: Qual<'a>,
    /// `class` or `function`; `None` if only the machine knows.
    kind: Option<&'static str>,
    first_line: i32,
    /// `None` for a class, and for a machine that is not CPython.
    signature: Option<SignatureView<'a>>,
}

impl<'a> Member<'a> {
    /// The members of a code object, in the order of its constants. A malformed signature becomes a problem.
    pub(super) fn all(code: &Code<'a>, is_cpython: bool, problems: &mut Vec<String>) -> Result<Vec<Member<'a>>> {
        let mut members = Vec::new();
        for child in code.children()? {
            let child = child?;
            let defined = if is_cpython { generic(&child)? } else { None };
            members.push(Member::new(&defined.unwrap_or(child), is_cpython, problems)?);
        }
        Ok(members)
    }

    fn new(code: &Code<'a>, is_cpython: bool, problems: &mut Vec<String>) -> Result<Self> {
        let (qualname, first_line) = (Qual(code.qualname()), code.first_line()?);
        if !is_cpython {
            return Ok(Member { qualname, kind: None, first_line, signature: None });
        }
        let kind = if is_function(code.flags()) { "function" } else { "class" };
        let signature = decoded(SignatureView::new(code), problems)?.flatten();
        Ok(Member { qualname, kind: Some(kind), first_line, signature })
    }
}

/// The definition in a scope of type parameters: `X` of `<generic parameters of X>` (CPython 3.12 and later).
fn generic<'a>(scope: &Code<'a>) -> Result<Option<Code<'a>>> {
    let name = scope.name()?.bytes();
    let inner = name.strip_prefix(TYPE_PARAMETERS).and_then(|name| name.strip_suffix(b">"));
    let Some(inner) = inner else { return Ok(None) };
    for child in scope.children()? {
        let child = child?;
        if child.name()?.bytes().as_slice() == inner {
            return Ok(Some(child));
        }
    }
    Ok(None)
}

/// Prints members under a head.
pub(super) fn print(members: &[Member<'_>], out: &mut Output) -> Result<()> {
    let mut rows = Rows::new(&[("LINE", Align::Right), ("KIND", Align::Left), ("MEMBER", Align::Left)]);
    for member in members {
        let signature = member.signature.map(SignatureView::shortened).unwrap_or_default();
        let name = member.qualname.shown() + &signature;
        rows.push([member.first_line.to_string(), member.kind.unwrap_or("-").to_owned(), name]);
    }
    table(out, rows)
}
