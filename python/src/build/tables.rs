//! Code objects from the tables of an archive.

#![allow(unsafe_code)]

use std::ops::Range;

use hashbrown::HashMap;
use permacode_reader::{Archive, Budget, Code, Item, ItemRef, Leaf, Leaves, List, Mapping, Module, QualnameForm};
use pyo3::{prelude::*, types::PyString};

use super::{
    Build, Method,
    constructor::{Constructor, Fields, Locals},
    instructions,
    objects::{Marks, Objects, Window},
    qualnames::Qualnames,
    raw::{self, Held},
    tuples::Tuples,
    weights,
};
use crate::error::{Error, Result};

/// Makes code objects from the tables: strings, numbers and tuples once for the whole archive, then one call of a
/// constructor of CPython for each code object.
pub(super) struct Tables {
    objects: Objects,
    archive_len: u64,
    constructor: Constructor,
    reason: String,
}

/// What one load of a module has to itself.
pub(super) struct Load<'a, 'py> {
    pub(super) py: Python<'py>,
    pub(super) module: Module<'a>,
    filename: Bound<'py, PyAny>,
    pub(super) leaves: Leaves<'a>,
    pub(super) qualnames: Qualnames<'a, 'py>,
    /// Those that are done, by their place in the module. Children come before their parents.
    codes: Vec<Bound<'py, PyAny>>,
    /// Objects that the module has alone.
    pub(super) window: Window<'py>,
    /// Objects that are made anew for each load: mutable ones, and those that hold code objects.
    pub(super) own: HashMap<u32, Bound<'py, PyAny>>,
    tuples: Tuples<'py>,
    /// What the archive may still ask for.
    pub(super) budget: Budget,
    /// Values that CPython may still be led through.
    pub(super) values_left: u64,
}

/// What is to be known of the objects of a list.
#[derive(Default)]
struct About {
    /// Some are of this load alone.
    has_own: bool,
    /// What is true of some.
    marks: Marks,
}

impl Load<'_, '_> {
    /// The place in the module of the code object with this id.
    pub(super) fn place(&self, id: u32) -> u32 {
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
        Tables { objects, archive_len: archive.file_len(), constructor, reason }
    }

    /// What the whole list of a code object stands for, in order.
    ///
    /// That names are strings is left to the constructor to find out: a look at each would cost more than the rest.
    fn resolve<'a>(&self, load: &mut Load<'a, '_>, list: &List<'a>, items: &mut Vec<Held>) -> Result<About> {
        items.clear();
        // Each is overwritten.
        items.resize(list.len(), raw::held(&load.filename));
        let mut about = About::default();
        for (index, (item, reference)) in items.iter_mut().zip(list.all().references()).enumerate() {
            let reference = reference?;
            *item = match reference {
                ItemRef::Object(id) if let Some((object, marks)) = self.objects.cached(&load.window, id) => {
                    about.marks |= marks;
                    object
                }
                _ => self.first_use(load, list, index, reference, &mut about)?,
            };
        }
        Ok(about)
    }

    /// What an item stands for that is not in the cache.
    #[inline(never)]
    fn first_use<'a>(
        &self,
        load: &mut Load<'a, '_>,
        list: &List<'a>,
        index: usize,
        reference: ItemRef,
        about: &mut About,
    ) -> Result<Held> {
        let object = match reference {
            ItemRef::Object(id) => match load.leaves.get(id) {
                Some(Leaf::Qualname { constant, interned }) => {
                    self.qualname_constant(load, list, constant, interned)?
                }
                Some(leaf) => return self.objects.leaf(&mut load.window, id, leaf),
                None => self.other(load, list, index)?,
            },
            ItemRef::Code(id) => load.code(id)?,
        };
        match reference {
            ItemRef::Object(id) if let Some((_, marks)) = self.objects.cached(&load.window, id) => {
                about.marks |= marks;
            }
            _ => {
                about.has_own = true;
                about.marks |= Marks::new(raw::is_tracked(object), false);
            }
        }
        Ok(object)
    }

    /// What an item stands for that is no leaf; or what is wrong with it.
    fn other<'a>(&self, load: &mut Load<'a, '_>, list: &List<'a>, index: usize) -> Result<Held> {
        match list.all().get(index).transpose()? {
            Some(Item::Object(object)) => self.objects.container(load, object),
            Some(Item::Code(code)) => load.code(code.id()),
            None => Err(Error::unsupported("item behind the last one", load.module.offset())),
        }
    }

    /// The name at this place of a list. One that follows from other names is none: that could go in a circle.
    pub(super) fn name_at(&self, load: &mut Load<'_, '_>, list: &List<'_>, index: usize) -> Result<Held> {
        match list.reference(index) {
            Some(ItemRef::Object(id)) if let Some((object, _)) = self.objects.cached(&load.window, id) => Ok(object),
            Some(ItemRef::Object(id)) if let Some(leaf @ Leaf::Str(_)) = load.leaves.get(id) => {
                self.objects.leaf(&mut load.window, id, leaf)
            }
            _ => Err(Error::unsupported("names that are no strings", load.module.offset())),
        }
    }

    fn one<'a, 'py>(
        &self,
        load: &mut Load<'a, 'py>,
        code: &Code<'a>,
        items: &mut Vec<Held>,
    ) -> Result<Bound<'py, PyAny>> {
        let py = load.py;
        let list = code.list()?;
        load.budget.take_list(&list)?;
        let about = self.resolve(load, &list, items)?;
        if about.marks.is_heavy() || !load.own.is_empty() {
            self.objects.weights.borrow().take_constants(&list, &mut load.values_left)?;
        }
        let bytecode = code.bytecode()?;
        instructions::check(&bytecode)?;
        let item =
            |index: usize| items.get(index).copied().ok_or_else(|| Error::unsupported("such lists", code.offset()));
        let part = |range: Range<usize>| items.get(range).unwrap_or_default();
        let (kinds, name) = (item(List::KINDS)?, item(List::NAME)?);
        let filename = list.filename_index().map_or(Ok(raw::held(&load.filename)), item)?;
        // Up to 3.10 code objects have none.
        let qualname = match (list.qualname_index(), code.qualname_form()) {
            (Some(index), _) => item(index)?,
            (None, QualnameForm::Member | QualnameForm::Local) if cfg!(Py_3_11) => {
                self.qualname(load, code).map_err(|error| Self::explain(code, error))?
            }
            _ => name,
        };
        // It lives until the constructor has a reference of its own.
        let mut own_constants = None;
        let constants = part(list.constants_range());
        let constants = match about.has_own {
            true => raw::held(own_constants.insert(raw::tuple(py, constants, about.marks.is_tracked())?)),
            false => load.tuples.get(py, constants, about.marks.is_tracked())?,
        };
        let number = |number: u32| {
            let large = || Error::unsupported("numbers in code objects above 31 bits", code.offset());
            i32::try_from(number).map_err(|_| large())
        };
        let cold = code.cold()?;
        let fields = Fields {
            arg_count: number(code.arg_count())?,
            posonly_count: number(code.posonly_count())?,
            kwonly_count: number(code.kwonly_count())?,
            stack_size: number(code.stack_size())?,
            flags: code.flags().cast_signed(),
            first_line: cold.first_line,
            bytecode: bytecode.as_slice(),
            line_table: cold.line_table.as_slice(),
            exception_table: cold.exception_table.as_slice(),
            constants,
            names: load.tuples.get(py, part(list.names_range()), false)?,
            locals: Locals::new(py, &mut load.tuples, part(list.locals_range()), kinds, code)?,
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
        let count = module.codes().len();
        let mut load = Load {
            py,
            module: *module,
            filename: filename.clone().into_any(),
            leaves: module.leaves(),
            qualnames: Qualnames::new(count, self.archive_len),
            codes: Vec::with_capacity(count),
            tuples: Tuples::for_codes(count),
            window: Window::new(py, module, self.archive_len),
            own: HashMap::new(),
            budget: module.budget(),
            values_left: weights::budget(self.archive_len),
        };
        let mut items = Vec::new();
        for code in module.codes() {
            let made = self.one(&mut load, &code?, &mut items)?;
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
