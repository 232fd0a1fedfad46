//! The classes and functions that a module, a class or a function defines.

use super::text::Qual;
use crate::{
    output::Output,
    table::{Align, Rows},
};
use anyhow::Result;
use permacode_pyc::is_function;
use permacode_reader::Code;
use serde::Serialize;

/// A code object among the constants of another.
#[derive(Debug, Serialize)]
pub(super) struct Member<'a> {
    qualname: Qual<'a>,
    /// `class` or `function`; `None` if only the machine knows.
    kind: Option<&'static str>,
    first_line: i32,
}

impl<'a> Member<'a> {
    /// The members of a code object, in the order of its constants.
    pub(super) fn all(code: &Code<'a>, is_cpython: bool) -> Result<Vec<Member<'a>>> {
        code.children()?.map(|child| Member::new(&child?, is_cpython)).collect()
    }

    fn new(code: &Code<'a>, is_cpython: bool) -> Result<Self> {
        let kind = if is_function(code.flags()) { "function" } else { "class" };
        Ok(Member { qualname: Qual(code.qualname()), kind: is_cpython.then_some(kind), first_line: code.first_line()? })
    }
}

/// Prints members under a head.
pub(super) fn print(members: &[Member<'_>], out: &mut Output) -> Result<()> {
    if members.is_empty() {
        return Ok(());
    }
    let mut rows = Rows::new(&[("LINE", Align::Right), ("KIND", Align::Left), ("MEMBER", Align::Left)]);
    for member in members {
        rows.push([member.first_line.to_string(), member.kind.unwrap_or("-").to_owned(), member.qualname.shown()]);
    }
    out.line("")?;
    rows.print(out)
}
