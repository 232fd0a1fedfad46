//! The fields of code objects that no public constructor sets (`struct PyCodeObject` in `Include/cpython/code.h`).

#![allow(unsafe_code)]

use std::ffi::c_int;

use pyo3::{
    ffi,
    prelude::*,
    types::{PyBytes, PyString, PyTuple},
};

use super::since_311::Locals;
use crate::build::raw::{self, Held};

/// The start of a code object.
#[repr(C)]
struct CodeObject {
    ob_base: ffi::PyVarObject,
    co_consts: *mut ffi::PyObject,
    co_names: *mut ffi::PyObject,
    co_exceptiontable: *mut ffi::PyObject,
    co_flags: c_int,
    #[cfg(not(Py_3_12))]
    co_warmup: i16,
    #[cfg(not(Py_3_12))]
    co_linearray_entry_size: i16,
    co_argcount: c_int,
    co_posonlyargcount: c_int,
    co_kwonlyargcount: c_int,
    co_stacksize: c_int,
    co_firstlineno: c_int,
    co_nlocalsplus: c_int,
    #[cfg(Py_3_12)]
    co_framesize: c_int,
    co_nlocals: c_int,
    #[cfg(not(Py_3_12))]
    co_nplaincellvars: c_int,
    co_ncellvars: c_int,
    co_nfreevars: c_int,
    #[cfg(Py_3_12)]
    co_version: u32,
    co_localsplusnames: *mut ffi::PyObject,
    co_localspluskinds: *mut ffi::PyObject,
}

/// Sets what the public constructor cannot know: which of the locals are cells, free variables, hidden, parameters.
///
/// The constructor was given all names as plain locals, so that everything else is as it should be.
pub(super) fn set_locals(code: &Bound<'_, PyAny>, locals: &Locals) {
    let object = code.as_ptr().cast::<CodeObject>();
    let counts = &locals.counts;
    // SAFETY: `check` has compared the layout with a code object of this interpreter; this one is new and known to nobody else.
    let object = unsafe { &mut *object };
    object.co_nlocals = counts.locals;
    #[cfg(not(Py_3_12))]
    {
        object.co_nplaincellvars = counts.plain_cells;
    }
    object.co_ncellvars = counts.cells;
    object.co_nfreevars = counts.free;
    replace(code.py(), &mut object.co_localsplusnames, locals.names);
    replace(code.py(), &mut object.co_localspluskinds, locals.kinds);
}

fn replace(py: Python<'_>, field: &mut *mut ffi::PyObject, by: Held) {
    let old = std::mem::replace(field, raw::owned(py, by).into_ptr());
    // SAFETY: attached; the field owned a reference, which is nobody's now.
    drop(unsafe { Bound::from_owned_ptr(py, old) });
}

/// The names and kinds of the locals of a code object, after comparing all fields before them with its attributes.
pub(super) fn locals_of<'py>(code: &Bound<'py, PyAny>) -> PyResult<Option<(Bound<'py, PyAny>, Bound<'py, PyAny>)>> {
    let py = code.py();
    let object = code.as_ptr().cast::<CodeObject>();
    // SAFETY: a code object has fields to the end of this struct and beyond; whether they are these is found out here, and no
    // pointer is followed before.
    let object = unsafe { &*object };
    let number = |name: &str| attribute(code, name)?.extract::<c_int>();
    let variables = attribute(code, "co_varnames")?.len()?;
    let has_numbers = object.co_flags == number("co_flags")?
        && object.co_argcount == number("co_argcount")?
        && object.co_posonlyargcount == number("co_posonlyargcount")?
        && object.co_kwonlyargcount == number("co_kwonlyargcount")?
        && object.co_stacksize == number("co_stacksize")?
        && object.co_firstlineno == number("co_firstlineno")?
        && object.co_nlocals == number("co_nlocals")?
        && object.co_nlocals as usize == variables
        && object.co_ncellvars as usize == attribute(code, "co_cellvars")?.len()?
        && object.co_nfreevars as usize == attribute(code, "co_freevars")?.len()?;
    let has_objects = object.co_consts == attribute(code, "co_consts")?.as_ptr()
        && object.co_names == attribute(code, "co_names")?.as_ptr()
        && object.co_exceptiontable == attribute(code, "co_exceptiontable")?.as_ptr();
    if !has_numbers || !has_objects {
        return Ok(None);
    }
    // SAFETY: attached; every field before this one was found where it should be, and so is it.
    let names = unsafe { Bound::from_borrowed_ptr(py, object.co_localsplusnames) };
    // SAFETY: as above.
    let kinds = unsafe { Bound::from_borrowed_ptr(py, object.co_localspluskinds) };
    let len = object.co_nlocalsplus as usize;
    let is_right = names.is_exact_instance_of::<PyTuple>()
        && kinds.is_exact_instance_of::<PyBytes>()
        && names.len()? == len
        && kinds.len()? == len;
    Ok(is_right.then_some((names, kinds)))
}

/// An attribute of a code object. Its name is interned: the interpreter keeps each string for a time by which an attribute of a
/// class was looked up, so that new ones at each opening would pile up there.
pub(super) fn attribute<'py>(code: &Bound<'py, PyAny>, name: &str) -> PyResult<Bound<'py, PyAny>> {
    code.getattr(PyString::intern(code.py(), name))
}
