//! Qualified names of the code objects of a module, which mostly follow from those of their parents.

use hashbrown::HashMap;
use permacode_format::MAX_QUALNAME_LEN;
use permacode_reader::{Code, Item, List, QualnameForm};
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
    /// Up to 3.10 qualified names are constants: by the place of the code object they name, and whether they are interned.
    constants: HashMap<(u32, bool), Bound<'py, PyAny>>,
    /// Those of `constants`, by what they say and whether they are interned.
    texts: HashMap<(Vec<u8>, bool), Bound<'py, PyAny>>,
    /// Characters that they may still have: shared names could else make a small archive describe gigabytes.
    left: u64,
}

impl Qualnames<'_, '_> {
    pub(super) fn new(count: usize, archive_len: u64) -> Self {
        Qualnames {
            path: Vec::new(),
            known: vec![None; count],
            constants: HashMap::new(),
            texts: HashMap::new(),
            left: archive_len.saturating_mul(8),
        }
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
            match code.qualname_form() {
                QualnameForm::Member | QualnameForm::Local => {
                    let parent = code.parent()?;
                    path.push(
                        parent.ok_or_else(|| Error::unsupported("derived names without a parent", code.offset()))?,
                    );
                }
                QualnameForm::Name | QualnameForm::Explicit => {
                    path.pop();
                    let list = code.list()?;
                    break self.name_at(load, &list, list.qualname_index().unwrap_or(List::NAME))?;
                }
            }
        };
        while let Some(code) = path.pop() {
            let made = self.derived(load, &code, name, code.is_qualname_interned())?;
            name = load.keep_qualname(&code, made)?;
        }
        load.qualnames.path = path;
        Ok(name)
    }
}

impl Tables {
    /// A qualified name that follows from that of the parent.
    fn derived<'a, 'py>(
        &self,
        load: &mut Load<'a, 'py>,
        code: &Code<'a>,
        parent: Held,
        is_interned: bool,
    ) -> Result<Bound<'py, PyAny>> {
        let is_local = code.qualname_form() == QualnameForm::Local;
        let separator = if is_local { LOCAL_SEPARATOR } else { MEMBER_SEPARATOR };
        let last = self.name_at(load, &code.list()?, List::NAME)?;
        raw::joined(load.py, parent, separator, last, is_interned)
    }

    /// The qualified name of the code object that stands at `constant` among the constants of the same list.
    pub(super) fn qualname_constant<'a>(
        &self,
        load: &mut Load<'a, '_>,
        list: &List<'a>,
        constant: u32,
        is_interned: bool,
    ) -> Result<Held> {
        let Some(Item::Code(code)) = list.constants().get(constant as usize).transpose()? else {
            return Err(Error::unsupported("qualified names of what is no code object", load.module.offset()));
        };
        let key = (load.place(code.id()), is_interned);
        if let Some(found) = load.qualnames.constants.get(&key) {
            return Ok(raw::held(found));
        }
        let parent = match code.qualname_form() {
            QualnameForm::Member | QualnameForm::Local => code.parent()?,
            QualnameForm::Name | QualnameForm::Explicit => None,
        };
        let made = match parent {
            Some(parent) => {
                let parent = self.qualname(load, &parent)?;
                self.derived(load, &code, parent, is_interned)?
            }
            None => raw::copied(load.py, self.qualname(load, &code)?, is_interned)?,
        };
        // Equal ones are one object, as the compiler has it: two functions of a class may have one name.
        // (Those that are not ASCII are left alone: few are, and asking what they say would leave a copy in them.)
        let one = match raw::ascii_of(&raw::held(&made)).map(<[u8]>::to_vec) {
            Some(text) => load.qualnames.texts.entry((text, is_interned)).or_insert(made).clone(),
            None => made,
        };
        let held = raw::held(&one);
        load.qualnames.constants.insert(key, one);
        Ok(held)
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
