//! A bytes object to pass bytecode to constructors. From 3.11 on, a constructor copies the bytecode and keeps no
//! reference, so one object can serve for all code objects.

#![allow(unsafe_code)]

use std::cell::Cell;

use pyo3::{ffi, prelude::*};

use crate::{build::records::raw, error::Result};

/// The bytes object.
#[derive(Debug)]
pub(super) struct Scratch {
    /// An owned reference to a bytes object with memory for `capacity` bytes. Null while [`Scratch::with`] uses it, and
    /// before the first use.
    object: Cell<*mut ffi::PyObject>,
    capacity: Cell<usize>,
}

impl Scratch {
    pub(super) fn new() -> Scratch {
        Scratch { object: Cell::new(std::ptr::null_mut()), capacity: Cell::new(0) }
    }

    /// Calls `use_it` with a bytes object that contains `data`. `use_it` should not keep a reference. If it does, the
    /// next call makes a new object.
    pub(super) fn with<'py, T>(
        &self,
        py: Python<'py>,
        data: &[u8],
        use_it: impl FnOnce(*mut ffi::PyObject) -> T,
    ) -> Result<T> {
        let object = self.object.replace(std::ptr::null_mut());
        let object = if object.is_null() || self.capacity.get() < data.len() {
            // SAFETY: the function requires null or an owned reference, and to be attached, which `py` proves. The cell
            // owned the reference, and no longer has it.
            drop(unsafe { Bound::from_owned_ptr_or_opt(py, object) });
            let capacity = data.len().next_power_of_two().max(4096);
            self.capacity.set(capacity);
            raw::bytes_of_len(py, capacity)?.into_ptr()
        } else {
            object
        };
        // SAFETY: the function requires a live bytes object. `bytes_of_len` made this one, and this function owns a
        // reference.
        let start = unsafe { ffi::PyBytes_AsString(object) }.cast::<u8>();
        // SAFETY: the source is a slice. The target is the memory of a bytes object that was made with `capacity`
        // bytes, and `capacity` is at least the length of the slice. No other code refers to the object: it is new, or
        // the reference count was 1 when it was put into the cell. So the two do not overlap, and nothing else reads
        // it.
        unsafe { start.copy_from_nonoverlapping(data.as_ptr(), data.len()) };
        // SAFETY: as above. A bytes object has memory for one more byte after its capacity.
        let end = unsafe { start.add(data.len()) };
        // SAFETY: as above.
        unsafe { end.write(0) };
        // SAFETY: a bytes object begins with a `PyVarObject`, and no other code refers to this one. Its memory has at
        // least this length. CPython does not need `ob_size` to free the memory.
        unsafe { (*object.cast::<ffi::PyVarObject>()).ob_size = data.len() as ffi::Py_ssize_t };
        let result = use_it(object);
        // SAFETY: the object is alive, because this function still owns a reference.
        if unsafe { ffi::Py_REFCNT(object) } == 1 && self.object.get().is_null() {
            self.object.set(object);
        } else {
            // SAFETY: the function requires an owned reference, and to be attached, which `py` proves. This function
            // owns the reference and does not use it again.
            drop(unsafe { Bound::from_owned_ptr(py, object) });
        }
        Ok(result)
    }

    /// Releases the bytes object.
    pub(super) fn clear(&self, py: Python<'_>) {
        // SAFETY: the function requires null or an owned reference, and to be attached, which `py` proves. The cell
        // owned the reference, and no longer has it.
        drop(unsafe { Bound::from_owned_ptr_or_opt(py, self.object.replace(std::ptr::null_mut())) });
    }
}
