//! Makes objects of CPython from the bytes of an archive, with calls of the C API for which PyO3 has no equally fast
//! safe form.
//!
//! Most functions of the C API require that this thread is attached to the interpreter. A value of type `Python` proves
//! that. The comments below say "attached: `py`" for this proof. A [`Held`] proves it, too.

#![allow(unsafe_code)]

use std::{ffi::c_char, mem::MaybeUninit, ptr::NonNull};

use pyo3::{ffi, intern, prelude::*};

use crate::error::{Error, Result};

/// A borrowed reference to an object.
///
/// Each function that returns a `Held` guarantees that the cache of the archive, the current `Load` or a local variable
/// of the caller owns the object for as long as the `Held` is used. A `Held` is used only while a module is loaded or a
/// constructor is tested. Both have a `Python` and do not detach, and a `NonNull` does not leave its thread.
pub(super) type Held = NonNull<ffi::PyObject>;

/// Borrows an object. The caller must keep it alive while it uses the result.
pub(super) fn held(object: &Bound<'_, PyAny>) -> Held {
    // SAFETY: the pointer must not be null, and the pointer of a `Bound` never is.
    unsafe { NonNull::new_unchecked(object.as_ptr()) }
}

/// A new reference to an object.
pub(super) fn owned(py: Python<'_>, object: Held) -> Bound<'_, PyAny> {
    // SAFETY: the function requires a live object, which `Held` guarantees. Attached: `py`.
    unsafe { Bound::from_borrowed_ptr(py, object.as_ptr()) }
}

/// Takes the current exception.
#[cold]
fn raised(py: Python<'_>) -> Error {
    PyErr::fetch(py).into()
}

/// Converts the result of a function of the C API that returns a new reference, or null if it raised an exception. The
/// caller must pass such a result.
pub(super) fn new(py: Python<'_>, object: *mut ffi::PyObject) -> Result<Bound<'_, PyAny>> {
    // SAFETY: the function requires null or an owned reference, which the caller passes. Attached: `py`.
    match unsafe { Bound::from_owned_ptr_or_opt(py, object) } {
        Some(object) => Ok(object),
        None => Err(raised(py)),
    }
}

fn size(len: usize) -> ffi::Py_ssize_t {
    // A slice has at most `isize::MAX` bytes, so the cast keeps the value.
    len as ffi::Py_ssize_t
}

/// A string from generalised UTF-8 (as `TYPE_UNICODE` and the ASCII types in `Python/marshal.c`).
pub(super) fn string<'py>(py: Python<'py>, text: &[u8], is_interned: bool) -> Result<Bound<'py, PyAny>> {
    // `decoded` returns the existing object for an empty string and for one character, as CPython does.
    let string = if text.len() > 1 && is_ascii(text) { ascii(py, &[text])? } else { decoded(py, text)? };
    if is_interned { interned(string) } else { Ok(string) }
}

fn interned<'py>(string: Bound<'py, PyAny>) -> Result<Bound<'py, PyAny>> {
    let py = string.py();
    let mut string = string.into_ptr();
    // SAFETY: the function requires a pointer to an owned reference to a string, which it may replace by another owned
    // reference. Attached: `py`.
    unsafe { ffi::PyUnicode_InternInPlace(&raw mut string) };
    new(py, string)
}

/// The characters of an ASCII string. `None` for other strings and other objects.
pub(super) fn ascii_of(string: &Held) -> Option<&[u8]> {
    // SAFETY: the function requires a live object, which `Held` guarantees.
    if unsafe { ffi::PyUnicode_CheckExact(string.as_ptr()) } == 0 {
        return None;
    }
    // `PyUnicode_AsUTF8AndSize` would store a copy of the UTF-8 in a string that is not ASCII.
    // SAFETY: the function requires a string, which the first check found.
    #[cfg(not(Py_3_14))]
    if unsafe { ffi::PyUnicode_IS_COMPACT_ASCII(string.as_ptr()) } == 0 {
        return None;
    }
    let mut size = 0;
    // SAFETY: the function requires a string, which the first check found, and to be attached, which `Held` guarantees.
    let characters = unsafe { ffi::PyUnicode_AsUTF8AndSize(string.as_ptr(), &raw mut size) };
    if characters.is_null() {
        // The string has surrogates, and the function raised an exception.
        // SAFETY: the function requires to be attached, which `Held` guarantees.
        unsafe { ffi::PyErr_Clear() };
        return None;
    }
    // The UTF-8 has as many bytes as the string has characters if and only if the string is ASCII.
    // SAFETY: the function requires a string, which the first check found.
    if unsafe { ffi::PyUnicode_GET_LENGTH(string.as_ptr()) } != size {
        return None;
    }
    // SAFETY: the pointer must be valid for `size` bytes that do not change during the lifetime of the result. The
    // UTF-8 of an ASCII string has `size` bytes, is part of the string and never changes. `Held` guarantees that the
    // string lives.
    Some(unsafe { std::slice::from_raw_parts(characters.cast(), usize::try_from(size).unwrap_or_default()) })
}

/// A new string: two strings with a separator between them. The result must have more than one character.
pub(super) fn joined<'py>(
    py: Python<'py>,
    before: Held,
    separator: &str,
    after: Held,
    is_interned: bool,
) -> Result<Bound<'py, PyAny>> {
    let string = match (ascii_of(&before), ascii_of(&after)) {
        (Some(before), Some(after)) => ascii(py, &[before, separator.as_bytes(), after])?,
        _ => owned(py, before).add(separator)?.add(owned(py, after))?,
    };
    if is_interned { interned(string) } else { Ok(string) }
}

/// A new string with the same text. CPython has only one object for each string of less than two ASCII characters, so
/// this returns that object.
pub(super) fn copied<'py>(py: Python<'py>, string: Held, is_interned: bool) -> Result<Bound<'py, PyAny>> {
    let string = match ascii_of(&string) {
        Some(text) if text.len() > 1 => ascii(py, &[text])?,
        _ => owned(py, string).call_method1(intern!(py, "__add__"), ("",))?,
    };
    if is_interned { interned(string) } else { Ok(string) }
}

/// Like `[u8]::is_ascii`, but faster for the usual length of names.
fn is_ascii(text: &[u8]) -> bool {
    let (words, rest) = text.as_chunks();
    let words = words.iter().fold(0, |all, word| all | u64::from_ne_bytes(*word));
    let rest = rest.iter().fold(0, |all, byte| all | byte);
    words & 0x8080_8080_8080_8080 == 0 && rest < 0x80
}

/// A new string from ASCII bytes. All parts together must have at least two bytes.
fn ascii<'py>(py: Python<'py>, parts: &[&[u8]]) -> Result<Bound<'py, PyAny>> {
    let len = parts.iter().map(|part| part.len()).sum();
    // SAFETY: attached: `py`.
    let string = new(py, unsafe { ffi::PyUnicode_New(size(len), 0x7f) })?;
    // SAFETY: the function requires a string that is ready, and the result of `PyUnicode_New` is.
    let characters = unsafe { ffi::PyUnicode_DATA(string.as_ptr()) }.cast::<MaybeUninit<u8>>();
    // SAFETY: the pointer must be valid for `len` bytes, and nothing else may access them. The string was made with
    // `len` characters of one byte. It is new, and strings of two or more characters are never shared before they are
    // interned. `MaybeUninit` allows memory that is not initialised.
    let mut rest = unsafe { std::slice::from_raw_parts_mut(characters, len) };
    for part in parts {
        let (start, end) = rest.split_at_mut(part.len());
        start.write_copy_of_slice(part);
        rest = end;
    }
    Ok(string)
}

fn decoded<'py>(py: Python<'py>, text: &[u8]) -> Result<Bound<'py, PyAny>> {
    let (data, len) = (text.as_ptr().cast::<c_char>(), size(text.len()));
    // SAFETY: the function requires `len` readable bytes, which are those of a slice, and a string that ends in a zero
    // byte, which is a `CStr`. Attached: `py`.
    new(py, unsafe { ffi::PyUnicode_DecodeUTF8(data, len, c"surrogatepass".as_ptr()) })
}

/// A bytes object.
pub(super) fn bytes<'py>(py: Python<'py>, data: &[u8]) -> Result<Bound<'py, PyAny>> {
    // SAFETY: the function requires `len` readable bytes, which are those of a slice. Attached: `py`.
    new(py, unsafe { ffi::PyBytes_FromStringAndSize(data.as_ptr().cast(), size(data.len())) })
}

/// A bytes object of this length. Its content is not initialised.
#[cfg(Py_3_11)]
pub(super) fn bytes_of_len(py: Python<'_>, len: usize) -> Result<Bound<'_, PyAny>> {
    // SAFETY: the function reads nothing if the pointer is null. Attached: `py`.
    new(py, unsafe { ffi::PyBytes_FromStringAndSize(std::ptr::null(), size(len)) })
}

/// An integer from its shortest two's complement, little-endian; zero has no bytes.
pub(super) fn integer<'py>(py: Python<'py>, bytes: &[u8]) -> Result<Bound<'py, PyAny>> {
    if bytes.len() <= 8 {
        let fill = if bytes.last().is_some_and(|last| last & 0x80 != 0) { 0xff } else { 0 };
        let mut word = [fill; 8];
        word[..bytes.len()].copy_from_slice(bytes);
        // SAFETY: attached: `py`.
        return new(py, unsafe { ffi::PyLong_FromLongLong(i64::from_le_bytes(word)) });
    }
    let keywords = pyo3::types::PyDict::new(py);
    keywords.set_item("signed", true)?;
    let data = pyo3::types::PyBytes::new(py, bytes);
    Ok(py.get_type::<pyo3::types::PyInt>().call_method(intern!(py, "from_bytes"), (data, "little"), Some(&keywords))?)
}

/// A complex number.
pub(super) fn complex(py: Python<'_>, real: f64, imaginary: f64) -> Result<Bound<'_, PyAny>> {
    // SAFETY: attached: `py`.
    new(py, unsafe { ffi::PyComplex_FromDoubles(real, imaginary) })
}

/// A tuple of objects. `is_tracked` is whether the garbage collector tracks one of them.
///
/// If it tracks none, it need not track the tuple. The garbage collector would find that out itself
/// (`_PyTuple_MaybeUntrack` in `Objects/tupleobject.c`), but only after it has visited each tuple once.
pub(super) fn tuple<'py>(py: Python<'py>, items: &[Held], is_tracked: bool) -> Result<Bound<'py, PyAny>> {
    // SAFETY: attached: `py`.
    let tuple = new(py, unsafe { ffi::PyTuple_New(size(items.len())) })?;
    for (index, item) in items.iter().enumerate() {
        let item = owned(py, *item).into_ptr();
        // SAFETY: the macro requires a tuple that no other code uses yet, an index below its length whose item is null,
        // and an owned reference, which it takes. The tuple is new and has the length of `items`.
        unsafe { ffi::PyTuple_SET_ITEM(tuple.as_ptr(), size(index), item) };
    }
    if !is_tracked && !items.is_empty() {
        // SAFETY: the function requires an object with a header of the garbage collector, which a tuple has. It ignores
        // objects that are not tracked. Attached: `py`.
        unsafe { ffi::PyObject_GC_UnTrack(tuple.as_ptr().cast()) };
    }
    Ok(tuple)
}

/// Whether the garbage collector tracks an object.
pub(super) fn is_tracked(object: Held) -> bool {
    // SAFETY: the function requires a live object, which `Held` guarantees.
    unsafe { ffi::PyObject_GC_IsTracked(object.as_ptr()) != 0 }
}

/// Whether the items of a tuple are exactly these objects. The caller must pass a tuple.
pub(super) fn is_tuple_of(tuple: Held, items: &[Held]) -> bool {
    // SAFETY: the macro requires a live tuple, which the caller passes: `Tuples` stores only results of `tuple`.
    let len = unsafe { ffi::PyTuple_GET_SIZE(tuple.as_ptr()) };
    len == size(items.len())
        && items.iter().enumerate().all(|(index, item)| {
            // SAFETY: the macro requires a tuple, as above, and an index below its length. The tuple is as long as
            // `items`.
            let other = unsafe { ffi::PyTuple_GET_ITEM(tuple.as_ptr(), size(index)) };
            other == item.as_ptr()
        })
}

/// The content of a bytes object. `None` for other objects.
pub(super) fn content(object: &Held) -> Option<&[u8]> {
    // SAFETY: the function requires a live object, which `Held` guarantees.
    if unsafe { ffi::PyBytes_CheckExact(object.as_ptr()) } == 0 {
        return None;
    }
    // SAFETY: the function requires a bytes object, which the check found.
    let len = unsafe { ffi::PyBytes_Size(object.as_ptr()) };
    // SAFETY: as above.
    let start = unsafe { ffi::PyBytes_AsString(object.as_ptr()) };
    // SAFETY: the pointer must be valid for `len` bytes that do not change during the lifetime of the result. A bytes
    // object has `len` bytes there and is immutable, except for that of `Scratch`, which is never a `Held`. `Held`
    // guarantees that the object lives.
    Some(unsafe { std::slice::from_raw_parts(start.cast(), usize::try_from(len).unwrap_or_default()) })
}

/// A frozenset or set of these objects. They are added one after the other, as marshal does (`TYPE_FROZENSET` in
/// `Python/marshal.c`), because the order of iteration depends on that.
pub(super) fn set<'py>(py: Python<'py>, items: &[Held], is_frozen: bool) -> Result<Bound<'py, PyAny>> {
    let make = if is_frozen { ffi::PyFrozenSet_New } else { ffi::PySet_New };
    // SAFETY: the function makes an empty set if the pointer is null. Attached: `py`.
    let set = new(py, unsafe { make(std::ptr::null_mut()) })?;
    for item in items {
        // SAFETY: the function requires a live item, which `Held` guarantees, and a set, or a frozenset that no other
        // code uses yet. `set` is new. Attached: `py`.
        if unsafe { ffi::PySet_Add(set.as_ptr(), item.as_ptr()) } != 0 {
            return Err(raised(py));
        }
    }
    Ok(set)
}

/// A slice of start, stop and step.
pub(super) fn slice<'py>(py: Python<'py>, items: [Held; 3]) -> Result<Bound<'py, PyAny>> {
    let [start, stop, step] = items.map(NonNull::as_ptr);
    // SAFETY: the function requires live objects, which `Held` guarantees. Attached: `py`.
    new(py, unsafe { ffi::PySlice_New(start, stop, step) })
}
