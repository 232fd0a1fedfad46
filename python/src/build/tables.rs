//! Code objects from the tables of an archive.

#![allow(unsafe_code)]

use std::ops::Range;

use hashbrown::HashMap;
use permacode_reader::{
    Archive, Budget, Code, Constant, Item, ItemRef, Items, Leaves, List, Mapping, Module, QualnameForm, Qualnames,
};
use pyo3::{prelude::*, types::PyString};

use super::{
    Build, Method,
    constructor::{Constructor, Fields, Locals},
    objects::Objects,
    raw::{self, Held},
    tuples::Tuples,
};
use crate::error::{Error, Result};

/// Makes code objects from the tables: strings, numbers and tuples once for the whole archive, then one call of a
/// constructor of CPython for each code object.
pub(super) struct Tables {
    objects: Objects,
    tuples: Tuples,
    constructor: Constructor,
    reason: String,
}

/// What one load of a module has to itself.
pub(super) struct Load<'a, 'py> {
    pub(super) py: Python<'py>,
    module: Module<'a>,
    filename: Bound<'py, PyAny>,
    pub(super) leaves: Leaves<'a>,
    qualnames: Qualnames,
    /// Those that are done, by their place in the module. Children come before their parents.
    codes: Vec<Bound<'py, PyAny>>,
    /// Objects that are made anew for each load: mutable ones, and those that hold code objects.
    pub(super) own: HashMap<u32, Bound<'py, PyAny>>,
    /// Up to 3.10 qualified names are constants: by the place of the code object they name, and whether they are interned.
    qualname_constants: HashMap<(u32, bool), Bound<'py, PyAny>>,
    /// What the archive may still ask for.
    pub(super) budget: Budget,
    /// Locals, constants and names of the code object that is being made.
    items: Vec<Held>,
}

impl Load<'_, '_> {
    /// The place in the module of the code object with this id.
    fn place(&self, id: u32) -> u32 {
        id.wrapping_sub(self.module.first_code())
    }

    /// A code object that is done.
    pub(super) fn code(&self, id: u32) -> Result<Held> {
        let what = "code objects that hold one that comes later";
        let missing = || Error::unsupported(what, self.module.offset());
        self.codes.get(self.place(id) as usize).map(raw::held).ok_or_else(missing)
    }
}

impl Tables {
    pub(super) fn new(archive: &Archive<Mapping>, constructor: Constructor, reason: String) -> Tables {
        let objects = Objects::new(archive.object_count(), archive.file_len());
        Tables { objects, tuples: Tuples::default(), constructor, reason }
    }

    /// The objects of a list of names, put behind the other items of the load.
    ///
    /// That they are strings is left to the constructor to find out: looking at each of them here would cost more than the rest.
    fn strings(&self, load: &mut Load<'_, '_>, items: Items<'_>) -> Result<Range<usize>> {
        let start = load.items.len();
        load.items.reserve(items.len());
        items.references().enumerate().try_for_each(|(index, reference)| {
            let object = self.at(load, items, index, reference)?;
            load.items.push(object);
            Ok::<_, Error>(())
        })?;
        Ok(start..load.items.len())
    }

    /// The constants, put behind the other items of the load, and whether some of them are of this load alone.
    fn constants(&self, load: &mut Load<'_, '_>, constants: Items<'_>) -> Result<(Range<usize>, bool)> {
        let (start, mut are_own) = (load.items.len(), false);
        load.items.reserve(constants.len());
        constants.references().enumerate().try_for_each(|(index, reference)| {
            let constant = match reference {
                Some(ItemRef::Code(id)) => {
                    are_own = true;
                    load.code(id)?
                }
                _ => {
                    let constant = self.at(load, constants, index, reference)?;
                    // What is not in the cache by now is of this load alone.
                    are_own |= !matches!(reference, Some(ItemRef::Object(id)) if self.objects.cached(id).is_some());
                    constant
                }
            };
            load.items.push(constant);
            Ok::<_, Error>(())
        })?;
        Ok((start..load.items.len(), are_own))
    }

    /// What an item stands for.
    #[inline]
    fn at(&self, load: &mut Load<'_, '_>, items: Items<'_>, index: usize, reference: Option<ItemRef>) -> Result<Held> {
        let Some(ItemRef::Object(id)) = reference else { return self.other(load, items, index) };
        if let Some(found) = self.objects.cached(id) {
            return Ok(found);
        }
        match load.leaves.get(id) {
            Some(leaf) => self.objects.leaf(load.py, id, leaf),
            None => self.other(load, items, index),
        }
    }

    /// What an item stands for that is no leaf; or what is wrong with it.
    #[inline(never)]
    fn other(&self, load: &mut Load<'_, '_>, items: Items<'_>, index: usize) -> Result<Held> {
        match items.get(index).transpose()? {
            Some(Item::Object(object)) => match object.constant()? {
                Constant::Qualname { constant, interned } => Self::qualname_constant(load, items, constant, interned),
                _ => self.objects.container(load, object),
            },
            Some(Item::Code(code)) => load.code(code.id()),
            None => Err(Error::unsupported("item behind the last one", load.module.offset())),
        }
    }

    /// The qualified name of the code object that stands at `constant` among the same constants.
    fn qualname_constant(load: &mut Load<'_, '_>, constants: Items<'_>, constant: u32, interned: bool) -> Result<Held> {
        let Some(Item::Code(code)) = constants.get(constant as usize).transpose()? else {
            return Err(Error::unsupported("qualified name of what is no code object", load.module.offset()));
        };
        let key = (load.place(code.id()), interned);
        if let Some(found) = load.qualname_constants.get(&key) {
            return Ok(raw::held(found));
        }
        let made = raw::string(load.py, load.qualnames.get(key.0).unwrap_or_default(), interned)?;
        let held = raw::held(&made);
        load.qualname_constants.insert(key, made);
        Ok(held)
    }

    fn head(&self, load: &mut Load<'_, '_>, head: Items<'_>, index: usize) -> Result<Held> {
        self.at(load, head, index, head.reference(index))
    }

    fn one<'py>(&self, load: &mut Load<'_, 'py>, code: &Code<'_>) -> Result<Bound<'py, PyAny>> {
        let py = load.py;
        let list = code.list()?;
        load.budget.take_list(&list)?;
        load.items.clear();
        let names = self.strings(load, list.names())?;
        let locals = self.strings(load, list.locals())?;
        let (constants, are_own) = self.constants(load, list.constants())?;
        let head = list.all();
        let kinds = self.head(load, head, List::KINDS)?;
        let name = self.head(load, head, List::NAME)?;
        let filename = match list.filename_index() {
            Some(index) => self.head(load, head, index)?,
            None => raw::held(&load.filename),
        };
        let qualname_form = code.qualname_form();
        let explicit = match list.qualname_index() {
            Some(index) if cfg!(Py_3_11) => Some(self.head(load, head, index)?),
            _ if qualname_form.0 == QualnameForm::Name => Some(name),
            _ => None,
        };
        // What is made here alone lives until the constructor has its own references.
        let (mut own_qualname, mut own_constants) = (None, None);
        let qualname = match explicit {
            Some(qualname) => qualname,
            None if cfg!(Py_3_11) => {
                let text = load.qualnames.get(load.place(code.id())).unwrap_or_default();
                raw::held(own_qualname.insert(raw::string(py, text, qualname_form.1)?))
            }
            None => name,
        };
        let constants = &load.items[constants];
        let constants = match are_own {
            true => raw::held(own_constants.insert(raw::tuple(py, constants)?)),
            false => self.tuples.get(py, constants)?,
        };
        let number = |number: u32| {
            let large = || Error::unsupported("numbers in code objects above 31 bits", code.offset());
            i32::try_from(number).map_err(|_| large())
        };
        let fields = Fields {
            arg_count: number(code.arg_count())?,
            posonly_count: number(code.posonly_count())?,
            kwonly_count: number(code.kwonly_count())?,
            stack_size: number(code.stack_size())?,
            flags: code.flags().cast_signed(),
            first_line: code.first_line()?,
            bytecode: code.bytecode()?.as_slice(),
            line_table: code.line_table()?.as_slice(),
            exception_table: code.exception_table()?.as_slice(),
            constants,
            names: self.tuples.get(py, &load.items[names])?,
            locals: Locals::new(py, &self.tuples, &load.items[locals], kinds, code)?,
            filename,
            name,
            qualname,
        };
        self.constructor.new_code(py, &fields).map_err(|error| Self::explain(code, error))
    }

    /// What is wrong with a code object that the constructor refused: a rule of the format, if it breaks one.
    #[cold]
    fn explain(code: &Code<'_>, refused: Error) -> Error {
        let strings = || {
            code.local_kinds()?;
            code.name()?;
            code.filename()?;
            code.qualname().parts()?;
            code.locals()?.strings().chain(code.names()?.strings()).try_for_each(|text| text.map(drop))
        };
        strings().map_or_else(Error::Archive, |()| refused)
    }
}

impl Build for Tables {
    fn code<'py>(
        &self,
        py: Python<'py>,
        module: &Module<'_>,
        filename: &Bound<'py, PyString>,
    ) -> Result<Bound<'py, PyAny>> {
        let mut load = Load {
            py,
            module: *module,
            filename: filename.clone().into_any(),
            leaves: module.leaves(),
            qualnames: module.qualnames()?,
            codes: Vec::with_capacity(module.codes().len()),
            own: HashMap::new(),
            qualname_constants: HashMap::new(),
            budget: module.budget(),
            items: Vec::new(),
        };
        for code in module.codes() {
            let made = self.one(&mut load, &code?)?;
            load.codes.push(made);
        }
        let missing = || Error::unsupported("module without code", module.offset());
        load.codes.pop().ok_or_else(missing)
    }

    fn method(&self) -> Method {
        Method { name: "tables", constructor: self.constructor.name(), reason: self.reason.clone() }
    }
}

impl Drop for Tables {
    fn drop(&mut self) {
        // Without an interpreter (its end) there is nothing to give the references back to.
        Python::try_attach(|py| {
            self.tuples.clear(py);
            self.objects.clear(py);
            self.constructor.clear(py);
        });
    }
}

// SAFETY: pointers and cells are touched only by those who have the interpreter attached: every method takes a `Python<'_>` or
// something that has one, and dropping attaches. The interpreter lock lets one thread at a time do so; free-threaded builds
// do not use it.
#[cfg(not(Py_GIL_DISABLED))]
unsafe impl Send for Tables {}
// SAFETY: as above.
#[cfg(not(Py_GIL_DISABLED))]
unsafe impl Sync for Tables {}
