//! Code objects from the tables of an archive.

#![allow(unsafe_code)]

use std::ops::Range;

use hashbrown::HashMap;
use permacode_reader::{Archive, Budget, Code, Constant, Item, Items, Mapping, Module, Object, Qualnames};
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
    fn place(&self, code: &Code<'_>) -> u32 {
        code.id().wrapping_sub(self.module.first_code())
    }

    /// A code object that is done.
    pub(super) fn code(&self, code: &Code<'_>) -> Result<Held> {
        let missing =
            || Error::Unsupported { what: "code object that holds one that comes later", offset: code.offset() };
        self.codes.get(self.place(code) as usize).map(raw::held).ok_or_else(missing)
    }
}

impl Tables {
    pub(super) fn new(archive: &Archive<Mapping>, constructor: Constructor, reason: String) -> Tables {
        let objects = Objects::new(archive.object_count(), archive.file_len());
        Tables { objects, tuples: Tuples::default(), constructor, reason }
    }

    /// The objects of a list of names, put behind the other items of the load.
    fn strings(&self, load: &mut Load<'_, '_>, items: Items<'_>) -> Result<Range<usize>> {
        let start = load.items.len();
        for object in items.objects() {
            let object = self.objects.get(load, object?)?;
            if !raw::is_string(object) {
                items.strings().try_for_each(|text| text.map(drop))?;
            }
            load.items.push(object);
        }
        Ok(start..load.items.len())
    }

    /// The constants, put behind the other items of the load, and whether some of them are of this load alone.
    fn constants(&self, load: &mut Load<'_, '_>, code: &Code<'_>) -> Result<(Range<usize>, bool)> {
        let (start, mut are_own) = (load.items.len(), false);
        let constants = code.constants()?;
        for item in constants.iter() {
            let constant = match item? {
                Item::Code(child) => {
                    are_own = true;
                    load.code(&child)?
                }
                Item::Object(object) => match self.objects.cached(object.id()) {
                    Some(found) => found,
                    None => match object.constant()? {
                        Constant::Qualname { constant, interned } => {
                            are_own = true;
                            Self::qualname_constant(load, constants, constant, interned)?
                        }
                        value => {
                            let made = self.objects.make(load, object, value)?;
                            are_own |= load.own.contains_key(&object.id());
                            made
                        }
                    },
                },
            };
            load.items.push(constant);
        }
        Ok((start..load.items.len(), are_own))
    }

    /// The qualified name of the code object that stands at `constant` among the same constants.
    fn qualname_constant(load: &mut Load<'_, '_>, constants: Items<'_>, constant: u32, interned: bool) -> Result<Held> {
        let Some(Item::Code(code)) = constants.get(constant as usize).transpose()? else {
            return Err(Error::Unsupported {
                what: "qualified name of what is no code object",
                offset: load.module.offset(),
            });
        };
        let key = (load.place(&code), interned);
        if let Some(found) = load.qualname_constants.get(&key) {
            return Ok(raw::held(found));
        }
        let made = raw::string(load.py, load.qualnames.get(key.0).unwrap_or_default(), interned)?;
        let held = raw::held(&made);
        load.qualname_constants.insert(key, made);
        Ok(held)
    }

    fn string(&self, load: &mut Load<'_, '_>, object: Object<'_>, code: &Code<'_>) -> Result<Held> {
        let string = self.objects.get(load, object)?;
        if raw::is_string(string) {
            return Ok(string);
        }
        Err(Error::Unsupported { what: "name that is no string", offset: code.offset() })
    }

    fn one<'py>(&self, load: &mut Load<'_, 'py>, code: &Code<'_>) -> Result<Bound<'py, PyAny>> {
        let py = load.py;
        load.budget.take_list(code)?;
        load.items.clear();
        let names = self.strings(load, code.names()?)?;
        let locals = self.strings(load, code.locals()?)?;
        let (constants, are_own) = self.constants(load, code)?;
        let kinds = self.objects.get(load, code.local_kinds_object()?)?;
        let name = self.string(load, code.name_object()?, code)?;
        let filename = match code.filename_object()? {
            Some(object) => self.string(load, object, code)?,
            None => raw::held(&load.filename),
        };
        let explicit = match code.qualname_object()? {
            Some(object) if cfg!(Py_3_11) => Some(self.string(load, object, code)?),
            _ => None,
        };
        // What is made here alone lives until the constructor has its own references.
        let (mut own_qualname, mut own_constants) = (None, None);
        let qualname = match explicit {
            Some(qualname) => qualname,
            None if cfg!(Py_3_11) => {
                let text = load.qualnames.get(load.place(code)).unwrap_or_default();
                raw::held(own_qualname.insert(raw::string(py, text, code.qualname_form().1)?))
            }
            None => name,
        };
        let constants = &load.items[constants];
        let constants = match are_own {
            true => raw::held(own_constants.insert(raw::tuple(py, constants)?)),
            false => self.tuples.get(py, constants)?,
        };
        let number = |number: u32| {
            let large = || Error::Unsupported { what: "numbers in code objects above 31 bits", offset: code.offset() };
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
            locals: Locals::new(py, &self.tuples, &load.items[locals], (kinds, &code.local_kinds()?), code)?,
            filename,
            name,
            qualname,
        };
        Ok(self.constructor.new_code(py, &fields)?)
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
            qualnames: module.qualnames()?,
            codes: Vec::new(),
            own: HashMap::new(),
            qualname_constants: HashMap::new(),
            budget: module.budget(),
            items: Vec::new(),
        };
        for code in module.codes() {
            let made = self.one(&mut load, &code?)?;
            load.codes.push(made);
        }
        let missing = || Error::Unsupported { what: "module without code", offset: module.offset() };
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
