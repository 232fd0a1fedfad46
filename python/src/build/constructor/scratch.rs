//! A bytes object whose content changes: from 3.11 on constructors copy the bytecode out of one and forget it.

#![allow(unsafe_code)]

use std::cell::Cell;

use pyo3::{ffi, prelude::*};

use crate::error::Result;

use crate::build::raw;

/// The bytes object, for one code object after the other.
#[derive(Debug)]
pub(super) struct Scratch {
    /// Null while it is in use, or when there is none; otherwise a reference that is owned.
    object: Cell<*mut ffi::PyObject>,
    /// Bytes it has room for.
    capacity: Cell<usize>,
}

impl Scratch {
    pub(super) fn new() -> Scratch {
        Scratch { object: Cell::new(std::ptr::null_mut()), capacity: Cell::new(0) }
    }

    /// Calls `use_it` with a bytes object of this content, which must not keep it.
    pub(super) fn with<'py, T>(
        &self,
        py: Python<'py>,
        data: &[u8],
        use_it: impl FnOnce(*mut ffi::PyObject) -> T,
    ) -> Result<T> {
        let object = self.object.replace(std::ptr::null_mut());
        let object = if object.is_null() || self.capacity.get() < data.len() {
            // SAFETY: attached, and the reference was owned (or is null).
            drop(unsafe { Bound::from_owned_ptr_or_opt(py, object) });
            let capacity = data.len().next_power_of_two().max(4096);
            self.capacity.set(capacity);
            raw::bytes_of_len(py, capacity)?.into_ptr()
        } else {
            object
        };
        // SAFETY: `object` is a bytes object.
        let start = unsafe { ffi::PyBytes_AsString(object) }.cast::<u8>();
        // SAFETY: it has room for `capacity` bytes and a zero behind them, and nobody else knows it.
        let content = unsafe { std::slice::from_raw_parts_mut(start, data.len() + 1) };
        content[..data.len()].copy_from_slice(data);
        content[data.len()] = 0;
        // SAFETY: a bytes object begins with these fields, and the length is not above that of its memory.
        unsafe { (*object.cast::<ffi::PyVarObject>()).ob_size = data.len() as ffi::Py_ssize_t };
        let result = use_it(object);
        // SAFETY: the reference is still owned.
        if unsafe { ffi::Py_REFCNT(object) } == 1 && self.object.get().is_null() {
            self.object.set(object);
        } else {
            // SAFETY: attached, and the reference is owned.
            drop(unsafe { Bound::from_owned_ptr(py, object) });
        }
        Ok(result)
    }

    /// Lets go of it.
    pub(super) fn clear(&self, py: Python<'_>) {
        // SAFETY: attached, and the reference was owned (or is null).
        drop(unsafe { Bound::from_owned_ptr_or_opt(py, self.object.replace(std::ptr::null_mut())) });
    }
}
