//! Finds out how each qualified name derives from the qualified name of the parent (`compiler_set_qualname` in
//! `Python/compile.c`).

#![deny(clippy::indexing_slicing, clippy::arithmetic_side_effects)]

use std::collections::HashSet;

use permacode_model::{Leaf, Object, Qualname};

use super::{
    check::{Checked, string, text},
    flag,
    parent::Parent,
};
use crate::{
    error::Error,
    marshal::{Items, NodeId, Value, Values},
};

/// The greatest length in bytes of a derived qualified name. From 3.11 on, longer ones are stored. Up to 3.10, a code
/// object has no qualified name, so one that would be longer is recorded as [`Qualname::Name`].
pub(crate) const MAX_DERIVED: usize = permacode_format::MAX_QUALNAME_LEN as usize;

/// The derivable forms of [`Qualname`], without the interned flag.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    Name,
    Member,
    Local,
}

impl Form {
    pub(crate) fn separator(self) -> Option<&'static [u8]> {
        self.with(false).separator().map(str::as_bytes)
    }

    pub(crate) fn with(self, interned: bool) -> Qualname {
        match self {
            Self::Name => Qualname::Name,
            Self::Member => Qualname::Member { interned },
            Self::Local => Qualname::Local { interned },
        }
    }
}

/// The qualified name that the parent must have if `text` is the qualified name in `form` of a code object named
/// `name`. `None` if `text` cannot be that.
pub(crate) fn parent_part<'t>(text: &'t [u8], form: Form, name: &[u8]) -> Option<&'t [u8]> {
    text.strip_suffix(name)?.strip_suffix(form.separator()?)
}

/// The form, name and parent of each code object. Up to 3.10, code objects do not hold their qualified names, and this
/// takes their place.
#[derive(Debug, Default)]
pub(crate) struct Chain<'t> {
    links: Vec<Option<Link<'t>>>,
}

#[derive(Debug, Clone, Copy)]
struct Link<'t> {
    form: Form,
    name: &'t [u8],
    parent: u32,
}

impl<'t> Chain<'t> {
    pub(crate) fn new(codes: usize) -> Self {
        Chain { links: vec![None; codes] }
    }

    pub(crate) fn set(&mut self, code: u32, form: Form, name: &'t [u8], parent: u32) {
        if let Some(link) = self.links.get_mut(code as usize) {
            *link = Some(Link { form, name, parent });
        }
    }

    /// Whether `text` is the qualified name in `form` of a code object named `name` in `parent`.
    pub(crate) fn matches(&self, text: &[u8], form: Form, name: &[u8], parent: u32) -> bool {
        if text.len() > MAX_DERIVED {
            return false;
        }
        let mut rest = text;
        let mut link = Link { form, name, parent };
        loop {
            if link.form == Form::Name {
                return rest == link.name;
            }
            // Each round shortens the text by a separator, so the loop ends even if the links form a cycle.
            let Some(part) = parent_part(rest, link.form, link.name) else { return false };
            let Some(&Some(next)) = self.links.get(link.parent as usize) else { return false };
            rest = part;
            link = next;
        }
    }
}

/// The qualified names of all code objects of a module.
pub(super) struct Qualnames {
    forms: Vec<Name>,
    /// Constants that are qualified names of other constants. Each entry has the number of the code object, the index
    /// of the constant, the index of the constant whose qualified name it is, and whether it is interned. Sorted.
    constants: Vec<(u32, usize, u32, bool)>,
}

/// One qualified name: a form that the model derives, or a string value.
#[derive(Debug, Clone, Copy)]
pub(super) enum Name {
    Derived(Qualname),
    Explicit(NodeId),
}

fn set(lens: &mut [usize], number: u32, len: usize) {
    if let Some(slot) = lens.get_mut(number as usize) {
        *slot = len;
    }
}

impl Qualnames {
    /// The qualified names from 3.11 on, where each code object holds its own.
    pub(super) fn read(values: &Values<'_>, codes: &[Checked<'_>], parents: &[Parent]) -> Result<Self, Error> {
        let form = |code: &Checked<'_>, parent: Parent| {
            let Some(id) = code.qualname else { return Ok(Name::Derived(Qualname::Name)) };
            let ((name, name_interned), (qualname, interned)) = (text(values, code.name)?, text(values, id)?);
            if id == code.name {
                return Ok(Name::Derived(Qualname::Name));
            }
            if qualname.len() > MAX_DERIVED {
                return Ok(Name::Explicit(id));
            }
            if name == qualname && name_interned == interned {
                return Ok(Name::Derived(Qualname::Name));
            }
            let parent = parent.one().and_then(|parent| codes.get(parent as usize)).and_then(|code| code.qualname);
            let Some(parent) = parent else { return Ok(Name::Explicit(id)) };
            let (parent, _) = text(values, parent)?;
            Ok([Form::Member, Form::Local]
                .into_iter()
                .find(|&form| parent_part(qualname, form, name) == Some(parent))
                .map_or(Name::Explicit(id), |form| Name::Derived(form.with(interned))))
        };
        let forms =
            codes.iter().zip(parents).map(|(code, &parent)| form(code, parent)).collect::<Result<_, Error>>()?;
        Ok(Qualnames { forms, constants: Vec::new() })
    }

    /// The qualified names up to 3.10. The qualified name of a function is the constant of its parent that follows the
    /// code object (`compiler_make_closure`). The qualified name of a class is the first constant of the class
    /// (`compiler_class`).
    pub(super) fn derive(
        values: &Values<'_>,
        codes: &[Checked<'_>],
        parents: &[Parent],
        root: u32,
    ) -> Result<Self, Error> {
        let mut chain = Chain::new(codes.len());
        let mut lens = vec![0usize; codes.len()];
        let mut forms = vec![Name::Derived(Qualname::Name); codes.len()];
        let mut constants = Vec::new();
        let string = |id: Option<&NodeId>| string(values.value(*id?));
        // A parent has a higher number than its children, so its qualified name is known first.
        for (number, code) in codes.iter().enumerate().rev() {
            let number = number as u32;
            let (name, _) = text(values, code.name)?;
            let Some(&Parent::One(parent, index)) = parents.get(number as usize) else {
                chain.set(number, Form::Name, name, number);
                set(&mut lens, number, name.len());
                continue;
            };
            let Some(outer) = codes.get(parent as usize) else { continue };
            let siblings = values.items(outer.constants);
            let next = index.saturating_add(1);
            let by_rule = if outer.flags & flag::OPTIMIZED != 0 {
                Form::Local
            } else if parent == root {
                Form::Name
            } else {
                Form::Member
            };
            let is_class = code.flags & flag::OPTIMIZED == 0;
            let witness = if is_class { values.items(code.constants).first() } else { siblings.get(next) };
            let found = string(witness).and_then(|(text, interned)| {
                let forms = [by_rule, Form::Name, Form::Member, Form::Local];
                let form = forms.into_iter().find(|&form| chain.matches(text, form, name, parent))?;
                Some((form, interned))
            });
            let mut form = found.map_or(by_rule, |(form, _)| form);
            let parent_len = lens.get(parent as usize).copied().unwrap_or_default();
            let mut len = form.separator().map_or(0, |separator| parent_len.saturating_add(separator.len()));
            len = len.saturating_add(name.len());
            if form != Form::Name && len > MAX_DERIVED {
                (form, len) = (Form::Name, name.len());
            }
            set(&mut lens, number, len);
            chain.set(number, form, name, parent);
            // A code object without a witness gets `false`. Up to 3.10, nothing reads this flag.
            let interned = found.is_some_and(|(_, interned)| interned);
            if let Some(slot) = forms.get_mut(number as usize) {
                *slot = Name::Derived(form.with(interned));
            }
            if let (Some((form, interned)), false) = (found, is_class)
                && form != Form::Name
            {
                constants.push((parent, next, index as u32, interned));
            }
        }
        constants.sort_unstable();
        Ok(Qualnames { forms, constants })
    }

    pub(super) fn name(&self, code: u32) -> Name {
        self.forms.get(code as usize).copied().unwrap_or(Name::Derived(Qualname::Name))
    }

    /// The [`Leaf::Qualname`] that replaces the constant `index` of a code object. `None` if the constant is not
    /// replaced.
    pub(super) fn constant<'a>(&self, code: u32, index: usize) -> Option<Object<'a>> {
        let at = self.constants.binary_search_by_key(&(code, index), |&(code, index, ..)| (code, index)).ok()?;
        let &(.., constant, interned) = self.constants.get(at)?;
        Some(Object::Leaf(Leaf::Qualname { constant, interned }))
    }

    /// Removes from the constants to replace those that must stay strings: docstrings, and strings with a second use in
    /// a constant or a container. Both uses must remain one object.
    pub(super) fn keep_plain_strings(
        &mut self,
        values: &Values<'_>,
        codes: &[Checked<'_>],
        docstrings: &[Option<u32>],
    ) {
        self.constants.retain(|&(code, index, ..)| {
            let docstring = docstrings.get(code as usize).copied().flatten();
            docstring.is_none_or(|docstring| docstring as usize != index)
        });
        let constant = |code: u32, index: usize| {
            let constants = codes.get(code as usize).map(|code| values.items(code.constants)).unwrap_or_default();
            constants.get(index).map(|&id| values.value(id))
        };
        let mut others = HashSet::new();
        for (code, checked) in (0u32..).zip(codes) {
            let indices = 0..values.items(checked.constants).len();
            let plain = indices.filter(|&index| self.constant(code, index).is_none());
            others.extend(plain.filter_map(|index| constant(code, index).and_then(string)));
        }
        // The lists of constants are tuples, too, but `plain` covers them.
        let lists: HashSet<Items> = codes.iter().map(|code| code.constants).collect();
        for id in values.ids() {
            if let Value::Container(_, items) = values.value(id)
                && !lists.contains(items)
            {
                others.extend(values.items(*items).iter().filter_map(|&id| string(values.value(id))));
            }
        }
        self.constants.retain(|&(code, index, ..)| {
            constant(code, index).and_then(string).is_none_or(|text| !others.contains(&text))
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chains_compare_from_the_end() {
        let mut chain = Chain::new(3);
        chain.set(2, Form::Name, b"<module>", 2);
        chain.set(1, Form::Name, b"outer", 2);
        chain.set(0, Form::Local, b"C", 1);
        assert!(chain.matches(b"outer.<locals>.C.method", Form::Member, b"method", 0));
        assert!(chain.matches(b"outer.<locals>.C.<locals>.method", Form::Local, b"method", 0));
        assert!(chain.matches(b"method", Form::Name, b"method", 0));
        assert!(!chain.matches(b"outer.C.method", Form::Member, b"method", 0));
        assert!(!chain.matches(b"xouter.<locals>.C.method", Form::Member, b"method", 0));
        assert!(!chain.matches(b"C.method", Form::Member, b"method", 7));
    }

    #[test]
    fn long_names_are_not_derived() {
        let mut chain = Chain::new(1);
        let long = vec![b'x'; MAX_DERIVED];
        chain.set(0, Form::Name, &long, 0);
        let mut text = long.clone();
        text.extend_from_slice(b".y");
        assert!(!chain.matches(&text, Form::Member, b"y", 0));
    }
}
