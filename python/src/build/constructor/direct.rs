//! `_PyCode_New` of CPython 3.11 and 3.12 (`Include/internal/pycore_code.h`): what the public constructor calls, without the
//! tuples that one makes first. It is private but exported; 3.13 does not export it.

#![allow(unsafe_code)]

use pyo3::ffi;

use super::Fields;

pub(super) use this_version::{NewCode, find};

#[cfg(Py_3_13)]
mod this_version {
    use super::{Fields, ffi};

    /// There is none.
    pub(in super::super) enum NewCode {}

    #[allow(clippy::unnecessary_wraps, reason = "an earlier version may lack what it should have")]
    pub(in super::super) fn find() -> Result<Option<NewCode>, String> {
        Ok(None)
    }

    impl NewCode {
        pub(in super::super) fn call(
            &self,
            _fields: &Fields<'_>,
            _bytecode: *mut ffi::PyObject,
            _tables: (*mut ffi::PyObject, *mut ffi::PyObject),
        ) -> *mut ffi::PyObject {
            match *self {}
        }
    }
}

#[cfg(not(Py_3_13))]
mod this_version {
    use std::ffi::{CStr, c_int, c_void};

    use super::{Fields, ffi};

    /// `struct _PyCodeConstructor`
    #[repr(C)]
    struct CodeConstructor {
        filename: *mut ffi::PyObject,
        name: *mut ffi::PyObject,
        qualname: *mut ffi::PyObject,
        flags: c_int,
        code: *mut ffi::PyObject,
        firstlineno: c_int,
        linetable: *mut ffi::PyObject,
        consts: *mut ffi::PyObject,
        names: *mut ffi::PyObject,
        localsplusnames: *mut ffi::PyObject,
        localspluskinds: *mut ffi::PyObject,
        argcount: c_int,
        posonlyargcount: c_int,
        kwonlyargcount: c_int,
        stacksize: c_int,
        exceptiontable: *mut ffi::PyObject,
    }

    /// `_PyCode_Validate` and `_PyCode_New`
    pub(in super::super) struct NewCode {
        validate: unsafe extern "C" fn(*mut CodeConstructor) -> c_int,
        new: unsafe extern "C" fn(*mut CodeConstructor) -> *mut ffi::PyObject,
    }

    /// The two functions, if this interpreter exports them.
    pub(in super::super) fn find() -> Result<Option<NewCode>, String> {
        let (validate, new) = (symbol(c"_PyCode_Validate")?, symbol(c"_PyCode_New")?);
        // SAFETY: that is its type in both versions that this is compiled for.
        let validate = unsafe {
            std::mem::transmute::<*mut c_void, unsafe extern "C" fn(*mut CodeConstructor) -> c_int>(validate)
        };
        // SAFETY: as above.
        let new = unsafe {
            std::mem::transmute::<*mut c_void, unsafe extern "C" fn(*mut CodeConstructor) -> *mut ffi::PyObject>(new)
        };
        Ok(Some(NewCode { validate, new }))
    }

    #[cfg(unix)]
    fn symbol(name: &CStr) -> Result<*mut c_void, String> {
        // SAFETY: the name ends with a zero; looking up a symbol of this process runs no code.
        let found = unsafe { libc::dlsym(libc::RTLD_DEFAULT, name.as_ptr()) };
        if found.is_null() {
            Err(format!("this interpreter does not export {}", name.to_string_lossy()))
        } else {
            Ok(found)
        }
    }

    #[cfg(not(unix))]
    fn symbol(name: &CStr) -> Result<*mut c_void, String> {
        Err(format!("{} is looked up on Unix only", name.to_string_lossy()))
    }

    impl NewCode {
        /// A new code object, or null and an exception.
        pub(in super::super) fn call(
            &self,
            fields: &Fields<'_>,
            bytecode: *mut ffi::PyObject,
            (line_table, exception_table): (*mut ffi::PyObject, *mut ffi::PyObject),
        ) -> *mut ffi::PyObject {
            let mut constructor = CodeConstructor {
                filename: fields.filename.as_ptr(),
                name: fields.name.as_ptr(),
                qualname: fields.qualname.as_ptr(),
                flags: fields.flags,
                code: bytecode,
                firstlineno: fields.first_line,
                linetable: line_table,
                consts: fields.constants.as_ptr(),
                names: fields.names.as_ptr(),
                localsplusnames: fields.locals.names.as_ptr(),
                localspluskinds: fields.locals.kinds.as_ptr(),
                argcount: fields.arg_count,
                posonlyargcount: fields.posonly_count,
                kwonlyargcount: fields.kwonly_count,
                stacksize: fields.stack_size,
                exceptiontable: exception_table,
            };
            // SAFETY: the fields are those of the struct, and the objects are alive.
            if unsafe { (self.validate)(&raw mut constructor) } < 0 {
                return std::ptr::null_mut();
            }
            // SAFETY: as above, and the fields have been validated, as it asks.
            unsafe { (self.new)(&raw mut constructor) }
        }
    }
}
