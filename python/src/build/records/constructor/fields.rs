//! Access to the fields of code objects that the public constructor does not set (`struct PyCodeObject` in
//! `Include/cpython/code.h`).

#![allow(unsafe_code)]

use std::ffi::c_int;

use pyo3::{
    ffi,
    prelude::*,
    types::{PyBytes, PyCode, PyString, PyTuple},
};

use super::since_311::Locals;
use crate::build::records::raw::{self, Held};

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

/// Sets the names, kinds and counts of the locals of a code object that the public constructor has just returned.
///
/// The public constructor cannot express all kinds, so it was called with all names as plain local variables. All other
/// fields, such as the size of a frame, depend only on the number of names.
pub(super) fn set_locals(code: &Bound<'_, PyAny>, locals: &Locals) {
    let object = code.as_ptr().cast::<CodeObject>();
    let counts = &locals.counts;
    // SAFETY: the pointer must be aligned, point to an initialised `CodeObject`, and not be used otherwise while the
    // reference lives. `code` is a code object: `new_code` calls this only with the result of the constructor of
    // CPython. The code objects of this interpreter begin with a `CodeObject`: `Constructor::new` calls `locals_of`
    // before it makes any `Constructor`, and fails unless that function found the fields in a code object of this
    // interpreter. `code` keeps this one alive. No other code accesses it meanwhile: this thread is attached, and
    // `replace` releases only a tuple of strings and a bytes object, which runs no Python code.
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

/// Sets a field that owns a reference to an object.
fn replace(py: Python<'_>, field: &mut *mut ffi::PyObject, by: Held) {
    let old = std::mem::replace(field, raw::owned(py, by).into_ptr());
    // SAFETY: `from_owned_ptr` requires an owned reference that is not null, and to be attached. The constructor of
    // CPython sets both fields that this is called for. The field owned the reference to `old` and no longer has it.
    // `py` proves that this thread is attached.
    drop(unsafe { Bound::from_owned_ptr(py, old) });
}

/// The names and kinds of the locals of a code object. `None` if `code` is not a code object, or if the fields of
/// `CodeObject` differ from its attributes, so that code objects of this interpreter have another layout.
pub(super) fn locals_of<'py>(code: &Bound<'py, PyAny>) -> PyResult<Option<(Bound<'py, PyAny>, Bound<'py, PyAny>)>> {
    let py = code.py();
    if !code.is_exact_instance_of::<PyCode>() {
        return Ok(None);
    }
    let object = code.as_ptr().cast::<CodeObject>();
    // SAFETY: the pointer must be aligned, point to initialised memory of this length, and nothing may write to it
    // while the reference lives. `code` is a code object. In all versions from 3.11 on, the struct of a code object is
    // longer than `CodeObject`, and CPython aligns objects for pointers. The fields are integers and raw pointers, for
    // which all bytes are valid, so this holds even for another layout. CPython does not write to these fields after it
    // has made a code object, except for `co_warmup` and `co_version`, which are not read here and only written while
    // code runs.
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
    // SAFETY: `from_borrowed_ptr` requires a pointer to a live object, and to be attached, which `py` proves. The
    // fields that were compared lie up to `co_nfreevars`, and all are where this version of CPython has them. In that
    // version, `co_localsplusnames` and `co_localspluskinds` follow at the offsets of this struct, and the code object
    // owns a reference to both.
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

/// An attribute of a code object.
///
/// The name is interned, because the type cache of the interpreter keeps a reference to each name. A new string at each
/// opening of an archive would accumulate there.
pub(super) fn attribute<'py>(code: &Bound<'py, PyAny>, name: &str) -> PyResult<Bound<'py, PyAny>> {
    code.getattr(PyString::intern(code.py(), name))
}
