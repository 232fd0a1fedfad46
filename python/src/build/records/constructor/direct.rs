//! `_PyCode_New` of CPython 3.11 and 3.12 (`Include/internal/pycore_code.h`). The public constructor calls it after it
//! has made tuples that Permacode already has. The function is private but exported. 3.13 no longer exports it.

#![allow(unsafe_code)]

use pyo3::ffi;

use super::Fields;

pub(super) use this_version::{NewCode, find};

#[cfg(Py_3_13)]
mod this_version {
    use super::{Fields, ffi};
    use pyo3::Python;

    /// A type without values, because this version does not export the function.
    pub(in super::super) enum NewCode {}

    #[allow(clippy::unnecessary_wraps, reason = "an earlier version may lack what it should have")]
    pub(in super::super) fn find() -> Result<Option<NewCode>, String> {
        Ok(None)
    }

    impl NewCode {
        pub(in super::super) fn call(
            &self,
            _py: Python<'_>,
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
    use pyo3::Python;

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

    /// The functions `_PyCode_Validate` and `_PyCode_New`.
    pub(in super::super) struct NewCode {
        validate: unsafe extern "C" fn(*mut CodeConstructor) -> c_int,
        new: unsafe extern "C" fn(*mut CodeConstructor) -> *mut ffi::PyObject,
    }

    /// The two functions, if this interpreter exports them.
    pub(in super::super) fn find() -> Result<Option<NewCode>, String> {
        let (validate, new) = (symbol(c"_PyCode_Validate")?, symbol(c"_PyCode_New")?);
        // SAFETY: the pointer must be a function of this type. `symbol` found it under its name in this process and it
        // is not null. In 3.11 and 3.12, its declaration is `int _PyCode_Validate(struct _PyCodeConstructor *)`, and
        // `CodeConstructor` has the fields of that struct. An extension module without the stable ABI is loaded only by
        // the minor version for which it was compiled.
        let validate = unsafe {
            std::mem::transmute::<*mut c_void, unsafe extern "C" fn(*mut CodeConstructor) -> c_int>(validate)
        };
        // SAFETY: as above, with `PyCodeObject *_PyCode_New(struct _PyCodeConstructor *)`.
        let new = unsafe {
            std::mem::transmute::<*mut c_void, unsafe extern "C" fn(*mut CodeConstructor) -> *mut ffi::PyObject>(new)
        };
        Ok(Some(NewCode { validate, new }))
    }

    #[cfg(unix)]
    fn symbol(name: &CStr) -> Result<*mut c_void, String> {
        // SAFETY: `dlsym` requires a valid handle and a string that ends in a zero byte. `RTLD_DEFAULT` is a valid
        // handle, and `name` is a `CStr`.
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
        /// A new code object, or null if an exception was raised.
        pub(in super::super) fn call(
            &self,
            _py: Python<'_>,
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
            // SAFETY: `_PyCode_Validate` requires to be attached, which `_py` proves, and a constructor whose pointers
            // are live objects. It checks their types itself. The caller holds a reference to each object: see
            // `Fields`, and `new_code` for the other three.
            if unsafe { (self.validate)(&raw mut constructor) } < 0 {
                return std::ptr::null_mut();
            }
            // SAFETY: as above. `_PyCode_New` also requires a constructor that `_PyCode_Validate` has accepted.
            unsafe { (self.new)(&raw mut constructor) }
        }
    }
}
