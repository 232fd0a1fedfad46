//! Qualified names of the code objects of a module, which mostly follow from those of their parents.

use permacode_format::{LOCAL_SEPARATOR, MAX_QUALNAME_LEN, MEMBER_SEPARATOR};
use permacode_reader::{Code, List, QualnameForm};
use pyo3::prelude::*;

use super::{
    raw::{self, Held},
    tables::{Load, Tables},
};
use crate::error::{Error, Result};

/// Those that are known already, by the place of the code object in the module.
pub(super) struct Qualnames<'a, 'py> {
    /// The way from a code object to an ancestor; kept for its memory.
    path: Vec<Code<'a>>,
    known: Vec<Option<Bound<'py, PyAny>>>,
    /// Characters that they may still have: shared names could else make a small archive describe gigabytes.
    left: u64,
}

impl Qualnames<'_, '_> {
    pub(super) fn new(count: usize, archive_len: u64) -> Self {
        Qualnames { path: Vec::new(), known: vec![None; count], left: archive_len.saturating_mul(8) }
    }
}

impl Tables {
    /// The qualified name of a code object.
    pub(super) fn qualname<'a>(&self, load: &mut Load<'a, '_>, code: &Code<'a>) -> Result<Held> {
        // Up to the first ancestor whose name is known, and down again.
        let mut path = std::mem::take(&mut load.qualnames.path);
        path.clear();
        path.push(*code);
        let mut name = loop {
            let Some(&code) = path.last() else {
                return Err(Error::unsupported("such qualified names", code.offset()));
            };
            if let Some(Some(known)) = load.qualnames.known.get(load.place(code.id()) as usize) {
                path.pop();
                break raw::held(known);
            }
            match code.qualname_form().0 {
                QualnameForm::Member | QualnameForm::Local => {
                    let parent = code.parent()?;
                    path.push(
                        parent.ok_or_else(|| Error::unsupported("derived names without a parent", code.offset()))?,
                    );
                }
                QualnameForm::Name | QualnameForm::Explicit => {
                    path.pop();
                    let list = code.list()?;
                    break self.at(load, &list, list.qualname_index().unwrap_or(List::NAME))?;
                }
            }
        };
        while let Some(code) = path.pop() {
            let (form, is_interned) = code.qualname_form();
            let separator = if form == QualnameForm::Local { LOCAL_SEPARATOR } else { MEMBER_SEPARATOR };
            let last = self.at(load, &code.list()?, List::NAME)?;
            let made = raw::joined(load.py, name, separator, last, is_interned)?;
            name = load.keep_qualname(&code, made)?;
        }
        load.qualnames.path = path;
        Ok(name)
    }
}

impl<'py> Load<'_, 'py> {
    fn keep_qualname(&mut self, code: &Code<'_>, made: Bound<'py, PyAny>) -> Result<Held> {
        let len = made.len()? as u64;
        let left = self.qualnames.left.checked_sub(len).filter(|_| len <= u64::from(MAX_QUALNAME_LEN));
        self.qualnames.left = left.ok_or_else(|| Error::unsupported("derived names of such length", code.offset()))?;
        let (name, place) = (raw::held(&made), self.place(code.id()) as usize);
        match self.qualnames.known.get_mut(place) {
            Some(known) => *known = Some(made),
            None => return Err(Error::unsupported("code objects of other modules", code.offset())),
        }
        Ok(name)
    }
}
