//! Makes code objects directly from the records and objects of an archive.

#![allow(unsafe_code)]

mod constructor;
mod objects;
mod qualnames;
mod raw;
mod tuples;

use std::ops::Range;

use hashbrown::HashMap;
use permacode_reader::{Budget, Code, Item, ItemRef, Leaf, Leaves, List, Module, QualnameForm};
use pyo3::{prelude::*, types::PyString};

use self::{
    constructor::{Constructor, Fields, Locals},
    objects::{Marks, Objects, Window},
    qualnames::Qualnames,
    raw::Held,
    tuples::Tuples,
};
use super::{Build, Method, instructions, weights};
use crate::error::{Error, Result};

/// Makes code objects from the records of an archive. Strings, numbers and tuples that several modules use are made
/// once. Then one call of a constructor of CPython makes each code object.
pub(super) struct Records {
    objects: Objects,
    archive_len: u64,
    constructor: Constructor,
    reason: String,
}

/// The state of one load of a module.
struct Load<'a, 'py> {
    py: Python<'py>,
    module: Module<'a>,
    filename: Bound<'py, PyAny>,
    leaves: Leaves<'a>,
    qualnames: Qualnames<'a, 'py>,
    /// The code objects that have been made, by their index in the module. Children come before their parents.
    codes: Vec<Bound<'py, PyAny>>,
    /// The objects that only this module uses.
    window: Window<'py>,
    /// The objects that are made again for each load, by id: mutable ones, and containers that reach code objects.
    own: HashMap<u32, Bound<'py, PyAny>>,
    tuples: Tuples<'py>,
    /// Limits the work on an unverified archive.
    budget: Budget,
    /// The number of values that CPython may still visit; see `weights`.
    values_left: u64,
}

/// Facts about the objects of a list.
#[derive(Default)]
struct About {
    /// Some of them are in [`Load::own`].
    has_own: bool,
    /// The marks that some of them have.
    marks: Marks,
}

impl Load<'_, '_> {
    /// The index in the module of the code object with this id.
    fn index(&self, id: u32) -> u32 {
        id.wrapping_sub(self.module.first_code())
    }

    /// A code object that has been made.
    fn code(&self, id: u32) -> Result<Held> {
        let missing = || Error::unsupported("code objects that contain a later one", self.module.offset());
        self.codes.get(self.index(id) as usize).map(raw::held).ok_or_else(missing)
    }
}

impl Records {
    /// Chooses a constructor and makes an empty cache.
    ///
    /// # Errors
    /// The reason why no constructor is correct for this interpreter.
    pub(super) fn new(py: Python<'_>, object_count: u32, archive_len: u64) -> std::result::Result<Records, String> {
        let (constructor, reason) = Constructor::new(py)?;
        let objects = Objects::new(object_count, archive_len);
        Ok(Records { objects, archive_len, constructor, reason })
    }

    /// Sets `items` to the objects of the whole list of a code object, in order.
    ///
    /// This does not check that names are strings. The constructor does, and a second check would cost more than
    /// everything else here.
    fn resolve<'a>(&self, load: &mut Load<'a, '_>, list: &List<'a>, items: &mut Vec<Held>) -> Result<About> {
        items.clear();
        // Any object is good as an initial value, because each item is overwritten.
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

    /// The object of an item that is not in the cache.
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

    /// The object of an item that is not a leaf, or the error about it.
    fn other<'a>(&self, load: &mut Load<'a, '_>, list: &List<'a>, index: usize) -> Result<Held> {
        match list.all().get(index).transpose()? {
            Some(Item::Object(object)) => self.objects.container(load, object),
            Some(Item::Code(code)) => load.code(code.id()),
            None => Err(Error::unsupported("items after the end of a list", load.module.offset())),
        }
    }

    /// The string at `index` of a list. A [`Leaf::Qualname`] is refused here, because names that derive from each other
    /// could form a cycle.
    fn name_at(&self, load: &mut Load<'_, '_>, list: &List<'_>, index: usize) -> Result<Held> {
        match list.reference(index) {
            Some(ItemRef::Object(id)) if let Some((object, _)) = self.objects.cached(&load.window, id) => Ok(object),
            Some(ItemRef::Object(id)) if let Some(leaf @ Leaf::Str(_)) = load.leaves.get(id) => {
                self.objects.leaf(&mut load.window, id, leaf)
            }
            _ => Err(Error::unsupported("names that are not strings", load.module.offset())),
        }
    }

    /// Makes a code object whose children have been made. `items` is memory that all code objects of a load use in
    /// turn.
    fn make_code<'a, 'py>(
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
        let item = |index: usize| {
            items.get(index).copied().ok_or_else(|| Error::unsupported("incomplete lists", code.offset()))
        };
        let part = |range: Range<usize>| items.get(range).unwrap_or_default();
        let (kinds, name) = (item(List::KINDS)?, item(List::NAME)?);
        let filename = list.filename_index().map_or(Ok(raw::held(&load.filename)), item)?;
        // Up to 3.10, code objects have no qualified name, and the constructor ignores this.
        let qualname = match (list.qualname_index(), code.qualname_form()) {
            (Some(index), _) => item(index)?,
            (None, QualnameForm::Member | QualnameForm::Local) if cfg!(Py_3_11) => {
                self.qualname(load, code).map_err(|error| Self::explain(code, error))?
            }
            _ => name,
        };
        // This keeps the tuple alive until the constructor has its own reference.
        let mut own_constants = None;
        let constants = part(list.constants_range());
        let constants = match about.has_own {
            true => raw::held(own_constants.insert(raw::tuple(py, constants, about.marks.is_tracked())?)),
            false => load.tuples.get(py, constants, about.marks.is_tracked())?,
        };
        let number = |number: u32| {
            let large = || Error::unsupported("counts of 2^31 or more in code objects", code.offset());
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

    /// The error about a code object that the constructor refused. If the code object breaks a rule of the format, the
    /// error names the rule. Otherwise it is `refused`.
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

impl Build for Records {
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
            let made = self.make_code(&mut load, &code?, &mut items)?;
            load.codes.push(made);
        }
        let missing = || Error::unsupported("modules without code", module.offset());
        load.codes.pop().ok_or_else(missing)
    }

    fn method(&self) -> Method {
        Method { name: "records", constructor: self.constructor.name(), reason: self.reason.clone() }
    }
}

impl Drop for Records {
    fn drop(&mut self) {
        // After the end of the interpreter, its objects no longer exist, so nothing can be released.
        Python::try_attach(|py| {
            self.objects.clear(py);
            self.constructor.clear(py);
        });
    }
}

// SAFETY: a value may move to another thread if it does not depend on the thread that made it. The pointers in it are
// references to objects of the one interpreter that can import this module (PyO3 refuses subinterpreters), and every
// thread may use them while it is attached. All accesses are attached: `code` takes a `Python`, and `drop` attaches.
unsafe impl Send for Records {}
// SAFETY: threads may share a value if they cannot access its cells at the same time. `code` and `drop` access cells
// and pointers, and both are attached. `method` reads only `constructor.direct` and `reason`, which never change. Only
// one thread is attached at a time, because this module is not compiled for free-threaded builds.
unsafe impl Sync for Records {}
