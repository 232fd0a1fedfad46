//! Objects of CPython made from the bytes of an archive: the calls of its C API that have no safe form that is as quick.
//!
//! All of them need the interpreter, which `Python<'_>` proves to be attached to this thread; that is what "attached" says
//! below.

#![allow(unsafe_code)]

use std::{ffi::c_char, ptr::NonNull};

use pyo3::{ffi, intern, prelude::*};

use crate::error::{Error, Result};

/// An object that somebody else keeps alive: the cache of the archive, or the load that is under way.
pub(super) type Held = NonNull<ffi::PyObject>;

/// The object as one to be held.
pub(super) fn held(object: &Bound<'_, PyAny>) -> Held {
    // SAFETY: the pointer of a `Bound` is never null.
    unsafe { NonNull::new_unchecked(object.as_ptr()) }
}

/// A reference of its own to an object that is held.
pub(super) fn owned(py: Python<'_>, object: Held) -> Bound<'_, PyAny> {
    // SAFETY: attached, and whoever hands out a `Held` keeps the object alive until the load ends.
    unsafe { Bound::from_borrowed_ptr(py, object.as_ptr()) }
}

/// The exception that was raised.
#[cold]
fn raised(py: Python<'_>) -> Error {
    PyErr::fetch(py).into()
}

/// The result of a function that returns a new reference, or null if it raised an exception.
pub(super) fn new(py: Python<'_>, object: *mut ffi::PyObject) -> Result<Bound<'_, PyAny>> {
    // SAFETY: attached; the callers pass what functions with that contract returned.
    match unsafe { Bound::from_owned_ptr_or_opt(py, object) } {
        Some(object) => Ok(object),
        None => Err(raised(py)),
    }
}

fn size(len: usize) -> ffi::Py_ssize_t {
    // A slice has at most isize::MAX bytes.
    len as ffi::Py_ssize_t
}

/// A string of generalised UTF-8 (`TYPE_UNICODE` and the ASCII types in `Python/marshal.c`).
pub(super) fn string<'py>(py: Python<'py>, text: &[u8], is_interned: bool) -> Result<Bound<'py, PyAny>> {
    // Strings of one character or none exist already.
    let string = if text.len() > 1 && is_ascii(text) { ascii(py, &[text])? } else { decoded(py, text)? };
    if is_interned { interned(string) } else { Ok(string) }
}

fn interned<'py>(string: Bound<'py, PyAny>) -> Result<Bound<'py, PyAny>> {
    let py = string.py();
    let mut string = string.into_ptr();
    // SAFETY: attached; the pointer is a string and a reference that this function owns, and it gets one back.
    unsafe { ffi::PyUnicode_InternInPlace(&raw mut string) };
    new(py, string)
}

/// The characters of a string that has none but ASCII ones.
pub(super) fn ascii_of(string: &Held) -> Option<&[u8]> {
    // SAFETY: the object is alive.
    if unsafe { ffi::PyUnicode_CheckExact(string.as_ptr()) } == 0 {
        return None;
    }
    // Asking others what they say would leave a copy of their UTF-8 in them.
    // SAFETY: it is a string.
    #[cfg(not(Py_3_14))]
    if unsafe { ffi::PyUnicode_IS_COMPACT_ASCII(string.as_ptr()) } == 0 {
        return None;
    }
    let mut size = 0;
    // SAFETY: it is a string, and attached is whoever holds objects.
    let characters = unsafe { ffi::PyUnicode_AsUTF8AndSize(string.as_ptr(), &raw mut size) };
    if characters.is_null() {
        // Lone surrogates.
        // SAFETY: as above; an exception was raised.
        unsafe { ffi::PyErr_Clear() };
        return None;
    }
    // SAFETY: it is a string.
    if unsafe { ffi::PyUnicode_GET_LENGTH(string.as_ptr()) } != size {
        return None;
    }
    // SAFETY: its UTF-8, which for such a string is what it holds itself, has `size` bytes and lives as long as the string.
    Some(unsafe { std::slice::from_raw_parts(characters.cast(), usize::try_from(size).unwrap_or_default()) })
}

/// A new string: two with a separator between them, which has more than one character.
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

/// A string of the same text that is another object, unless it has only one character.
pub(super) fn copied<'py>(py: Python<'py>, string: Held, is_interned: bool) -> Result<Bound<'py, PyAny>> {
    let string = match ascii_of(&string) {
        Some(text) if text.len() > 1 => ascii(py, &[text])?,
        _ => owned(py, string).call_method1(intern!(py, "__add__"), ("",))?,
    };
    if is_interned { interned(string) } else { Ok(string) }
}

/// `[u8]::is_ascii`, quicker for the length of names.
fn is_ascii(text: &[u8]) -> bool {
    let (words, rest) = text.as_chunks();
    let words = words.iter().fold(0, |all, word| all | u64::from_ne_bytes(*word));
    let rest = rest.iter().fold(0, |all, byte| all | byte);
    words & 0x8080_8080_8080_8080 == 0 && rest < 0x80
}

/// A new string of ASCII characters, two at least.
fn ascii<'py>(py: Python<'py>, parts: &[&[u8]]) -> Result<Bound<'py, PyAny>> {
    let len = parts.iter().map(|part| part.len()).sum();
    // SAFETY: attached.
    let string = new(py, unsafe { ffi::PyUnicode_New(size(len), 0x7f) })?;
    // SAFETY: a string that was made so is ready and has its characters in itself.
    let characters = unsafe { ffi::PyUnicode_DATA(string.as_ptr()) }.cast::<u8>();
    // SAFETY: it has room for as many characters of one byte as were asked for, and is known to nobody else.
    let mut rest = unsafe { std::slice::from_raw_parts_mut(characters, len) };
    for part in parts {
        let (start, end) = rest.split_at_mut(part.len());
        start.copy_from_slice(part);
        rest = end;
    }
    Ok(string)
}

fn decoded<'py>(py: Python<'py>, text: &[u8]) -> Result<Bound<'py, PyAny>> {
    let (data, len) = (text.as_ptr().cast::<c_char>(), size(text.len()));
    // SAFETY: attached; data and len describe a slice, and the name of the error handler ends with a zero.
    new(py, unsafe { ffi::PyUnicode_DecodeUTF8(data, len, c"surrogatepass".as_ptr()) })
}

/// A bytes object.
pub(super) fn bytes<'py>(py: Python<'py>, data: &[u8]) -> Result<Bound<'py, PyAny>> {
    // SAFETY: attached; pointer and length describe a slice.
    new(py, unsafe { ffi::PyBytes_FromStringAndSize(data.as_ptr().cast(), size(data.len())) })
}

/// A bytes object of this length, whose content is undefined.
#[cfg(Py_3_11)]
pub(super) fn bytes_of_len(py: Python<'_>, len: usize) -> Result<Bound<'_, PyAny>> {
    // SAFETY: attached; null stands for no content.
    new(py, unsafe { ffi::PyBytes_FromStringAndSize(std::ptr::null(), size(len)) })
}

/// An integer from its shortest two's complement, little-endian; zero has no bytes.
pub(super) fn integer<'py>(py: Python<'py>, bytes: &[u8]) -> Result<Bound<'py, PyAny>> {
    if bytes.len() <= 8 {
        let fill = if bytes.last().is_some_and(|last| last & 0x80 != 0) { 0xff } else { 0 };
        let mut word = [fill; 8];
        word[..bytes.len()].copy_from_slice(bytes);
        // SAFETY: attached.
        return new(py, unsafe { ffi::PyLong_FromLongLong(i64::from_le_bytes(word)) });
    }
    let keywords = pyo3::types::PyDict::new(py);
    keywords.set_item("signed", true)?;
    let data = pyo3::types::PyBytes::new(py, bytes);
    Ok(py.get_type::<pyo3::types::PyInt>().call_method(intern!(py, "from_bytes"), (data, "little"), Some(&keywords))?)
}

/// A complex number.
pub(super) fn complex(py: Python<'_>, real: f64, imaginary: f64) -> Result<Bound<'_, PyAny>> {
    // SAFETY: attached.
    new(py, unsafe { ffi::PyComplex_FromDoubles(real, imaginary) })
}

/// A tuple of objects that are held; `is_tracked` says whether the garbage collector has to look at some of them.
///
/// It would find out by itself that it need not look at tuples of strings and numbers (`_PyTuple_MaybeUntrack` in
/// `Objects/tupleobject.c`), but only after it has looked at each of them once.
pub(super) fn tuple<'py>(py: Python<'py>, items: &[Held], is_tracked: bool) -> Result<Bound<'py, PyAny>> {
    // SAFETY: attached.
    let tuple = new(py, unsafe { ffi::PyTuple_New(size(items.len())) })?;
    for (index, item) in items.iter().enumerate() {
        let item = owned(py, *item).into_ptr();
        // SAFETY: the tuple is new and known to nobody else, has a free place at this index, and takes over the reference.
        unsafe { ffi::PyTuple_SET_ITEM(tuple.as_ptr(), size(index), item) };
    }
    if !is_tracked && !items.is_empty() {
        // SAFETY: attached; the tuple is alive, and holds nothing that could lead back to it.
        unsafe { ffi::PyObject_GC_UnTrack(tuple.as_ptr().cast()) };
    }
    Ok(tuple)
}

/// Whether the garbage collector has to look at an object.
pub(super) fn is_tracked(object: Held) -> bool {
    // SAFETY: the object is alive.
    unsafe { ffi::PyObject_GC_IsTracked(object.as_ptr()) != 0 }
}

/// Whether a tuple has exactly these objects.
pub(super) fn is_tuple_of(tuple: Held, items: &[Held]) -> bool {
    // SAFETY: the callers pass tuples only.
    let len = unsafe { ffi::PyTuple_GET_SIZE(tuple.as_ptr()) };
    len == size(items.len())
        && items.iter().enumerate().all(|(index, item)| {
            // SAFETY: it is a tuple, and the index is below its length.
            let other = unsafe { ffi::PyTuple_GET_ITEM(tuple.as_ptr(), size(index)) };
            other == item.as_ptr()
        })
}

/// The content of a bytes object, as long as it is held.
pub(super) fn content(object: &Held) -> Option<&[u8]> {
    // SAFETY: the object is alive.
    if unsafe { ffi::PyBytes_CheckExact(object.as_ptr()) } == 0 {
        return None;
    }
    // SAFETY: it is a bytes object.
    let len = unsafe { ffi::PyBytes_Size(object.as_ptr()) };
    // SAFETY: as above.
    let start = unsafe { ffi::PyBytes_AsString(object.as_ptr()) };
    // SAFETY: a bytes object has `len` bytes from there on, and is immutable.
    Some(unsafe { std::slice::from_raw_parts(start.cast(), usize::try_from(len).unwrap_or_default()) })
}

/// A frozenset (or set) of these, put in one after the other as `TYPE_FROZENSET` in `Python/marshal.c` does: the order in which
/// it shows them depends on that.
pub(super) fn set<'py>(py: Python<'py>, items: &[Held], is_frozen: bool) -> Result<Bound<'py, PyAny>> {
    let make = if is_frozen { ffi::PyFrozenSet_New } else { ffi::PySet_New };
    // SAFETY: attached; null stands for an empty set.
    let set = new(py, unsafe { make(std::ptr::null_mut()) })?;
    for item in items {
        // SAFETY: attached; the set is new and known to nobody else, as filling a frozenset asks; the item is alive.
        if unsafe { ffi::PySet_Add(set.as_ptr(), item.as_ptr()) } != 0 {
            return Err(raised(py));
        }
    }
    Ok(set)
}

/// A slice of start, stop and step.
pub(super) fn slice<'py>(py: Python<'py>, items: [Held; 3]) -> Result<Bound<'py, PyAny>> {
    let [start, stop, step] = items.map(NonNull::as_ptr);
    // SAFETY: attached; the three are alive.
    new(py, unsafe { ffi::PySlice_New(start, stop, step) })
}
