//! The qualified names of the code objects of a module. Most of them derive from the qualified name of the parent.

use hashbrown::HashMap;
use permacode_format::MAX_QUALNAME_LEN;
use permacode_reader::{Code, Item, List};
use pyo3::prelude::*;

use super::{
    Load, Records,
    raw::{self, Held},
};
use crate::error::{Error, Result};

/// The qualified names that have been made during one load.
pub(super) struct Qualnames<'a, 'py> {
    /// Code objects from one to an ancestor. Kept between calls to reuse its memory.
    path: Vec<Code<'a>>,
    /// By the index of the code object in the module.
    known: Vec<Option<Bound<'py, PyAny>>>,
    /// Up to 3.10, qualified names are constants. By the index of the code object that they name, and whether they are
    /// interned.
    constants: HashMap<(u32, bool), Bound<'py, PyAny>>,
    /// The values of `constants`, by their text and whether they are interned.
    texts: HashMap<(Vec<u8>, bool), Bound<'py, PyAny>>,
    /// The number of characters that derived names may still have. Without a limit, a small archive with shared names
    /// could describe gigabytes.
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

impl Records {
    /// The qualified name of a code object.
    pub(super) fn qualname<'a>(&self, load: &mut Load<'a, '_>, code: &Code<'a>) -> Result<Held> {
        // The first loop goes up to the nearest ancestor whose name is known, and the second derives names on the way
        // down.
        let mut path = std::mem::take(&mut load.qualnames.path);
        path.clear();
        path.push(*code);
        let mut name = loop {
            let Some(&code) = path.last() else {
                return Err(Error::unsupported("qualified names without a code object", code.offset()));
            };
            if let Some(Some(known)) = load.qualnames.known.get(load.index(code.id()) as usize) {
                path.pop();
                break raw::held(known);
            }
            if code.qualname_form().separator().is_none() {
                path.pop();
                let list = code.list()?;
                break self.name_at(load, &list, list.qualname_index().unwrap_or(List::NAME))?;
            }
            let missing = || Error::unsupported("derived qualified names without a parent", code.offset());
            path.push(code.parent()?.ok_or_else(missing)?);
        };
        while let Some(code) = path.pop() {
            let made = self.derived(load, &code, name, code.is_qualname_interned())?;
            name = load.keep_qualname(&code, made)?;
        }
        load.qualnames.path = path;
        Ok(name)
    }

    /// The qualified name of a code object, derived from the qualified name `parent` of its parent.
    fn derived<'a, 'py>(
        &self,
        load: &mut Load<'a, 'py>,
        code: &Code<'a>,
        parent: Held,
        is_interned: bool,
    ) -> Result<Bound<'py, PyAny>> {
        let separator = code.qualname_form().separator().unwrap_or_default();
        let last = self.name_at(load, &code.list()?, List::NAME)?;
        raw::joined(load.py, parent, separator, last, is_interned)
    }

    /// The qualified name of the code object at index `constant` of the constants of `list`.
    pub(super) fn qualname_constant<'a>(
        &self,
        load: &mut Load<'a, '_>,
        list: &List<'a>,
        constant: u32,
        is_interned: bool,
    ) -> Result<Held> {
        let Some(Item::Code(code)) = list.constants().get(constant as usize).transpose()? else {
            let what = "qualified names of constants that are not code objects";
            return Err(Error::unsupported(what, load.module.offset()));
        };
        let key = (load.index(code.id()), is_interned);
        if let Some(found) = load.qualnames.constants.get(&key) {
            return Ok(raw::held(found));
        }
        let parent = if code.qualname_form().separator().is_some() { code.parent()? } else { None };
        let made = match parent {
            Some(parent) => {
                let parent = self.qualname(load, &parent)?;
                self.derived(load, &code, parent, is_interned)?
            }
            None => raw::copied(load.py, self.qualname(load, &code)?, is_interned)?,
        };
        // Two functions of a class can have the same name. The compiler makes one string for both, and so does this. It
        // leaves out the few names that are not ASCII, because reading their UTF-8 would store a copy in each.
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
        self.qualnames.left =
            left.ok_or_else(|| Error::unsupported("derived qualified names of this length", code.offset()))?;
        let (name, index) = (raw::held(&made), self.index(code.id()) as usize);
        match self.qualnames.known.get_mut(index) {
            Some(known) => *known = Some(made),
            None => return Err(Error::unsupported("code objects of two modules", code.offset())),
        }
        Ok(name)
    }
}
