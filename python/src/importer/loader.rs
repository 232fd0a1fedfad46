//! The class `PermacodeLoader`, and the methods that differ from those of `SourceFileLoader`.

#![allow(unsafe_code)]

use pyo3::{
    ffi, intern,
    prelude::*,
    sync::PyOnceLock,
    types::{PyCFunction, PyDict, PyString, PyType},
};

use super::{importlib::Importlib, installed};

unsafe extern "C" {
    /// Makes of something that can be called a method of a class: it is given the instance as its first argument.
    fn PyInstanceMethod_New(function: *mut ffi::PyObject) -> *mut ffi::PyObject;
}

/// The function [`get_code`], as Python sees it.
static GET_CODE: PyOnceLock<Py<PyCFunction>> = PyOnceLock::new();

/// Calls [`get_code`] with the loader as its first argument.
///
/// # Safety
/// CPython calls it as a method with `METH_FASTCALL | METH_KEYWORDS`.
unsafe extern "C" fn call_get_code(
    loader: *mut ffi::PyObject,
    arguments: *const *mut ffi::PyObject,
    count: ffi::Py_ssize_t,
    keywords: *mut ffi::PyObject,
) -> *mut ffi::PyObject {
    // SAFETY: CPython calls methods of objects with a thread state.
    let py = unsafe { Python::assume_attached() };
    // The class does not exist before the function.
    let Some(function) = GET_CODE.get(py) else { return std::ptr::null_mut() };
    // SAFETY: `keywords` is null or a tuple, and alive.
    let keyword_count = if keywords.is_null() { 0 } else { unsafe { ffi::PyTuple_GET_SIZE(keywords) } };
    let given = count + keyword_count;
    // SAFETY: so many arguments were given: first the positional ones, then one for each keyword.
    let arguments = unsafe { std::slice::from_raw_parts(arguments, given as usize) };
    let all = [&[loader], arguments].concat();
    // SAFETY: all arguments are alive during the call, and there is one more than CPython gave.
    unsafe { ffi::PyObject_Vectorcall(function.as_ptr(), all.as_ptr(), count as usize + 1, keywords) }
}

/// The method `get_code`, as extension types have methods.
///
/// `PyInstanceMethod_New` would be simpler. But for such a method, CPython 3.12 tells a profiler (`sys.setprofile`) that
/// it returned and not that it was called.
fn get_code_method<'py>(class: &Bound<'py, PyType>) -> PyResult<Bound<'py, PyAny>> {
    let py = class.py();
    GET_CODE.get_or_try_init(py, || wrap_pyfunction!(get_code, py).map(Bound::unbind))?;
    let definition = Box::leak(Box::new(ffi::PyMethodDef {
        ml_name: c"get_code".as_ptr(),
        ml_meth: ffi::PyMethodDefPointer { PyCFunctionFastWithKeywords: call_get_code },
        ml_flags: ffi::METH_FASTCALL | ffi::METH_KEYWORDS,
        ml_doc: c"get_code($self, /, fullname)\n--\n\nThe code object of the module.".as_ptr(),
    }));
    // SAFETY: attached, the class is alive, the definition lives as long as the process, and its flags are those of its
    // function.
    let method = unsafe { ffi::PyDescr_NewMethod(class.as_type_ptr(), definition) };
    // SAFETY: attached; it is a new reference, or null and an exception was raised.
    unsafe { Bound::from_owned_ptr_or_err(py, method) }
}

/// `PermacodeLoader`: the first call makes the class.
pub(crate) fn class(py: Python<'_>) -> PyResult<&Bound<'_, PyType>> {
    static CLASS: PyOnceLock<Py<PyType>> = PyOnceLock::new();
    Ok(CLASS.get_or_try_init(py, || new_class(py))?.bind(py))
}

/// The class `PermacodeLoader`: a `SourceFileLoader` whose code objects come from the archive.
///
/// It has nothing of its own but that, and no state but the name and the path that `SourceFileLoader` has, so all that
/// asks a loader of files works: `inspect`, `linecache`, `pkgutil`, `importlib.resources`, `runpy`, pickling and
/// copying.
fn new_class(py: Python<'_>) -> PyResult<Py<PyType>> {
    let file_loader = Importlib::get(py)?.stock.source_loader(py);
    let method = |function: Bound<'_, PyCFunction>| {
        // SAFETY: attached, and the function is alive.
        let method = unsafe { PyInstanceMethod_New(function.as_ptr()) };
        // SAFETY: attached; it is a new reference, or null and an exception was raised.
        unsafe { Bound::from_owned_ptr_or_err(py, method) }
    };
    let attributes = PyDict::new(py);
    attributes.set_item("__module__", "permacode")?;
    attributes.set_item("__doc__", "Loads a module from an archive; otherwise it is the loader of its file.")?;
    attributes.set_item("get_code", get_code_method(file_loader)?)?;
    attributes.set_item("__repr__", method(wrap_pyfunction!(repr, py)?)?)?;
    let class = py.get_type::<PyType>().call1(("PermacodeLoader", (file_loader,), attributes))?;
    Ok(class.cast_into::<PyType>()?.unbind())
}

/// The code object of the module: from the first archive that has it, or else from the file.
///
/// A program may have replaced a function of `SourceFileLoader`. Then that class is asked, as it is now.
#[pyfunction]
fn get_code<'py>(loader: &Bound<'py, PyAny>, fullname: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
    let py = loader.py();
    let importlib = Importlib::get(py)?;
    let finder = installed(py)?;
    let layers = finder.as_ref().map(|finder| finder.get().layers()).unwrap_or_default();
    let found = match &finder {
        Some(finder) if importlib.stock.replaced_in_loader(py).is_none() => {
            finder.get().code(importlib, loader, fullname)?
        }
        _ => None,
    };
    let is_of_program = found.as_ref().is_some_and(|found| !found.layer.is_of_start());
    if !is_of_program && layers.iter().any(|layer| layer.is_of_start()) && loader.get_type().is(class(py)?) {
        // Some programs compare the type of a loader: distlib, and so pip. The module is executed next, so from here on
        // its loader is what it is without the archive of the environment.
        loader.setattr(intern!(py, "__class__"), importlib.stock.source_loader(py))?;
    }
    match found {
        Some(found) => Ok(found.code),
        None => importlib.stock.source_loader(py).getattr(intern!(py, "get_code"))?.call1((loader, fullname)),
    }
}

/// `<PermacodeLoader of 'json' from '/lib/json/__init__.py'>`
#[pyfunction]
fn repr<'py>(loader: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyString>> {
    let py = loader.py();
    let (name, path) = (loader.getattr(intern!(py, "name"))?, loader.getattr(intern!(py, "path"))?);
    let text = format!("<PermacodeLoader of {} from {}>", name.repr()?, path.repr()?);
    Ok(PyString::new(py, &text))
}
