//! The texts of derived qualified names, from the model.

use std::borrow::Cow;

use permacode_model::{Leaf, Module, Object, Qualname, Ref, Str};

use super::qualname::MAX_DERIVED;
use crate::error::{Error, ErrorKind};

/// The most bytes of derived qualified names that one module may have. Without a limit, a small model could describe
/// gigabytes, because code objects can share long names. Modules of standard libraries stay below a few hundred
/// kilobytes.
const MAX_DERIVED_TOTAL: usize = 1 << 26;

pub(super) fn too_long() -> Error {
    Error::new(ErrorKind::TooLarge { what: "derived qualified names are" }, 0)
}

/// The string object at an index of [`Module::objects`].
pub(super) fn text_of<'m, 'a>(module: &'m Module<'a>, object: u32) -> Result<&'m Str<'a>, Error> {
    match module.objects.get(object as usize) {
        Some(Object::Leaf(Leaf::Str(string))) => Ok(string),
        _ => Err(Error::model("a name is not a string")),
    }
}

/// The qualified names of the code objects of a module.
pub(super) struct DerivedNames<'m, 'a> {
    module: &'m Module<'a>,
    parents: Vec<Option<u32>>,
    texts: Vec<Option<Cow<'m, [u8]>>>,
    /// The sum of the lengths of all derived names.
    total: usize,
}

impl<'m, 'a> DerivedNames<'m, 'a> {
    pub(super) fn new(module: &'m Module<'a>) -> Self {
        DerivedNames { module, parents: parents(module), texts: vec![None; module.codes.len()], total: 0 }
    }

    /// The qualified name of a code object. The loop goes up to the nearest ancestor whose qualified name is known, and
    /// then derives the names on the way down.
    pub(super) fn of(&mut self, index: u32) -> Result<Cow<'m, [u8]>, Error> {
        let module = self.module;
        let mut path = vec![index];
        let (mut text, at) = loop {
            let Some(&at) = path.last() else { return Err(Error::model("a code object is missing")) };
            if let Some(known) = &self.texts[at as usize] {
                path.pop();
                break (known.clone(), at);
            }
            let code = &module.codes[at as usize];
            let name = match code.qualname {
                Qualname::Name => code.name,
                Qualname::Explicit(object) => object,
                Qualname::Member { .. } | Qualname::Local { .. } => {
                    let parent = self.parents[at as usize].ok_or_else(|| {
                        Error::model("a code object with a derived qualified name must have exactly one parent")
                    })?;
                    if path.len() > module.codes.len() {
                        return Err(Error::model("a code object must not contain itself"));
                    }
                    path.push(parent);
                    continue;
                }
            };
            path.pop();
            break (Cow::Borrowed(&*text_of(module, name)?.text), at);
        };
        self.texts[at as usize] = Some(text.clone());
        while let Some(next) = path.pop() {
            let code = &module.codes[next as usize];
            let separator = code.qualname.separator().unwrap_or_default().as_bytes();
            let name = &*text_of(module, code.name)?.text;
            let len = text.len() + separator.len() + name.len();
            self.total += len;
            if len > MAX_DERIVED || self.total > MAX_DERIVED_TOTAL {
                return Err(too_long());
            }
            text = Cow::Owned([&text, separator, name].concat());
            self.texts[next as usize] = Some(text.clone());
        }
        Ok(text)
    }
}

/// For each code object, the only code object that has it as a constant. `None` if there is not exactly one.
fn parents(module: &Module<'_>) -> Vec<Option<u32>> {
    const MANY: u32 = u32::MAX;
    let mut parents = vec![None; module.codes.len()];
    for (number, code) in (0u32..).zip(&module.codes) {
        for constant in &code.constants {
            if let Ref::Code(child) = *constant
                && let Some(parent) = parents.get_mut(child as usize)
            {
                *parent = if parent.is_none_or(|other| other == number) { Some(number) } else { Some(MANY) };
            }
        }
    }
    parents.into_iter().map(|parent| parent.filter(|&number| number != MANY)).collect()
}
