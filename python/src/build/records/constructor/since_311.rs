//! The constructors of CPython from 3.11 on. A code object has one list of the names and one of the kinds of all
//! locals, and the public constructor cannot take these lists.

#![allow(unsafe_code)]

use std::ffi::c_int;

use permacode_reader::{Code, local_kind};
use pyo3::{ffi, intern, prelude::*, types::PyBytes};

use super::{Fields, direct, fields, local_kinds, scratch::Scratch};
use crate::{
    build::records::{
        raw::{self, Held},
        tuples::Tuples,
    },
    error::Result,
};

/// Names and kinds of the locals, and the counts of the kinds (`get_localsplus_counts` in `Objects/codeobject.c`).
pub(in crate::build::records) struct Locals {
    pub(super) names: Held,
    pub(super) kinds: Held,
    pub(super) counts: Counts,
}

/// The numbers of locals of each kind.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Counts {
    total: c_int,
    pub(super) locals: c_int,
    /// Cells that are not parameters.
    pub(super) plain_cells: c_int,
    pub(super) cells: c_int,
    pub(super) free: c_int,
}

impl Counts {
    fn of(kinds: &[u8]) -> Counts {
        let mut counts = Counts { total: kinds.len() as c_int, ..Counts::default() };
        for kind in kinds {
            let (is_local, is_cell) = (kind & local_kind::LOCAL != 0, kind & local_kind::CELL != 0);
            counts.locals += c_int::from(is_local);
            counts.cells += c_int::from(is_cell);
            counts.plain_cells += c_int::from(is_cell && !is_local);
            counts.free += c_int::from(kind & local_kind::FREE != 0);
        }
        counts
    }
}

impl Locals {
    /// Checks and counts the kinds. `names` becomes a tuple.
    pub(in crate::build::records) fn new<'py>(
        py: Python<'py>,
        tuples: &mut Tuples<'py>,
        names: &[Held],
        kinds: Held,
        code: &Code<'_>,
    ) -> Result<Locals> {
        let counts = Counts::of(local_kinds(&kinds, names, code)?);
        Ok(Locals { names: tuples.get(py, names, false)?, kinds, counts })
    }
}

/// The constructor.
pub(in crate::build::records) struct Constructor {
    /// `_PyCode_New`, if this interpreter exports it. Otherwise the public constructor makes the code object, and its
    /// locals are set afterwards.
    direct: Option<direct::NewCode>,
    bytecode: Scratch,
}

unsafe extern "C" {
    #[cfg_attr(Py_3_12, link_name = "PyUnstable_Code_NewWithPosOnlyArgs")]
    fn PyCode_NewWithPosOnlyArgs(
        arg_count: c_int,
        posonly_count: c_int,
        kwonly_count: c_int,
        local_count: c_int,
        stack_size: c_int,
        flags: c_int,
        bytecode: *mut ffi::PyObject,
        constants: *mut ffi::PyObject,
        names: *mut ffi::PyObject,
        variables: *mut ffi::PyObject,
        free: *mut ffi::PyObject,
        cells: *mut ffi::PyObject,
        filename: *mut ffi::PyObject,
        name: *mut ffi::PyObject,
        qualname: *mut ffi::PyObject,
        first_line: c_int,
        line_table: *mut ffi::PyObject,
        exception_table: *mut ffi::PyObject,
    ) -> *mut ffi::PyObject;
}

impl Constructor {
    /// Finds a constructor that is correct for this interpreter. As a test, it copies a code object of the interpreter,
    /// and the copy must equal the original.
    ///
    /// Returns the constructor and the reason for the choice.
    ///
    /// # Errors
    /// The reasons why no constructor is correct.
    pub(in crate::build::records) fn new(py: Python<'_>) -> std::result::Result<(Self, String), String> {
        let failed = |error: PyErr| format!("the fields of a code object cannot be read: {error}");
        let function = py
            .import("_frozen_importlib")
            .and_then(|module| module.getattr(intern!(py, "_find_and_load")))
            .map_err(failed)?;
        let sample = function.getattr(intern!(py, "__code__")).map_err(failed)?;
        let Some((names, kinds)) = fields::locals_of(&sample).map_err(failed)? else {
            return Err("the code objects of this interpreter have other fields than this package knows".to_owned());
        };
        let mut reasons = Vec::new();
        let direct = direct::find().unwrap_or_else(|reason| {
            reasons.push(reason);
            None
        });
        for direct in direct.map(Some).into_iter().chain([None]) {
            let constructor = Constructor { direct, bytecode: Scratch::new() };
            let is_same = constructor.makes(&sample, &names, &kinds);
            constructor.bytecode.clear(py);
            match is_same {
                Ok(true) => {
                    reasons.push("a code object of this interpreter was made again, and the copy is equal".to_owned());
                    return Ok((constructor, reasons.join("; ")));
                }
                Ok(false) => reasons
                    .push(format!("a copy that {} makes of a code object is not equal to it", constructor.name())),
                Err(error) => reasons.push(format!("{} fails: {error}", constructor.name())),
            }
        }
        Err(reasons.join("; "))
    }

    /// Whether the constructor makes an equal copy of a code object.
    fn makes(&self, sample: &Bound<'_, PyAny>, names: &Bound<'_, PyAny>, kinds: &Bound<'_, PyAny>) -> Result<bool> {
        let py = sample.py();
        let attribute = |name: &str| fields::attribute(sample, name);
        let number = |name: &str| attribute(name)?.extract::<c_int>();
        let [bytecode, line_table, exception_table] = ["co_code", "co_linetable", "co_exceptiontable"].map(attribute);
        let (bytecode, line_table, exception_table) = (bytecode?, line_table?, exception_table?);
        let [constants, code_names, filename] = ["co_consts", "co_names", "co_filename"].map(attribute);
        let (constants, code_names, filename) = (constants?, code_names?, filename?);
        let (name, qualname) = (attribute("co_name")?, attribute("co_qualname")?);
        let fields = Fields {
            arg_count: number("co_argcount")?,
            posonly_count: number("co_posonlyargcount")?,
            kwonly_count: number("co_kwonlyargcount")?,
            stack_size: number("co_stacksize")?,
            flags: number("co_flags")?,
            first_line: number("co_firstlineno")?,
            bytecode: bytecode.cast::<PyBytes>().map_err(PyErr::from)?.as_bytes(),
            line_table: line_table.cast::<PyBytes>().map_err(PyErr::from)?.as_bytes(),
            exception_table: exception_table.cast::<PyBytes>().map_err(PyErr::from)?.as_bytes(),
            constants: raw::held(&constants),
            names: raw::held(&code_names),
            locals: Locals {
                names: raw::held(names),
                kinds: raw::held(kinds),
                counts: Counts::of(kinds.cast::<PyBytes>().map_err(PyErr::from)?.as_bytes()),
            },
            filename: raw::held(&filename),
            name: raw::held(&name),
            qualname: raw::held(&qualname),
        };
        let made = self.new_code(py, &fields)?;
        let Some((made_names, made_kinds)) = fields::locals_of(&made)? else { return Ok(false) };
        Ok(made.eq(sample)?
            && made_names.is(names)
            && made_kinds.is(kinds)
            && fields::attribute(&made, "co_qualname")?.is(&qualname))
    }

    pub(in crate::build::records) fn name(&self) -> &'static str {
        match (&self.direct, cfg!(Py_3_12)) {
            (Some(_), _) => "_PyCode_New",
            (None, true) => "PyUnstable_Code_NewWithPosOnlyArgs, locals set afterwards",
            (None, false) => "PyCode_NewWithPosOnlyArgs, locals set afterwards",
        }
    }

    /// Releases the object that is kept for the next code object.
    pub(in crate::build::records) fn clear(&self, py: Python<'_>) {
        self.bytecode.clear(py);
    }

    /// A code object.
    pub(in crate::build::records) fn new_code<'py>(
        &self,
        py: Python<'py>,
        fields: &Fields<'_>,
    ) -> Result<Bound<'py, PyAny>> {
        let line_table = raw::bytes(py, fields.line_table)?;
        let exception_table = raw::bytes(py, fields.exception_table)?;
        let tables = (line_table.as_ptr(), exception_table.as_ptr());
        if let Some(direct) = &self.direct {
            return raw::new(
                py,
                self.bytecode.with(py, fields.bytecode, |bytecode| direct.call(py, fields, bytecode, tables))?,
            );
        }
        let empty = raw::tuple(py, &[], false)?;
        let code = self.bytecode.with(py, fields.bytecode, |bytecode| {
            // SAFETY: the function requires to be attached, which `py` proves, live objects, and tuples for the names
            // of variables, free variables and cells. The caller keeps the objects of `Fields` alive, and this function
            // those that it made. `locals.names` is a tuple: `Locals::new` made it, or `locals_of` checked its type.
            // `empty` is a tuple. The function checks the types of all other objects (`_PyCode_Validate`).
            unsafe {
                PyCode_NewWithPosOnlyArgs(
                    fields.arg_count,
                    fields.posonly_count,
                    fields.kwonly_count,
                    fields.locals.counts.total,
                    fields.stack_size,
                    fields.flags,
                    bytecode,
                    fields.constants.as_ptr(),
                    fields.names.as_ptr(),
                    fields.locals.names.as_ptr(),
                    empty.as_ptr(),
                    empty.as_ptr(),
                    fields.filename.as_ptr(),
                    fields.name.as_ptr(),
                    fields.qualname.as_ptr(),
                    fields.first_line,
                    tables.0,
                    tables.1,
                )
            }
        })?;
        let code = raw::new(py, code)?;
        fields::set_locals(&code, &fields.locals);
        Ok(code)
    }
}
