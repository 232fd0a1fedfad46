//! Facts about the interpreter that runs, for `permacode-image`.

#![allow(unsafe_code)]

use std::{fmt::Write, path::PathBuf};

use hashbrown::HashMap;
use permacode_image::{Facts, Layout, Objects, Types};
use permacode_reader::{Archive, Mapping, Target};
use pyo3::{
    exceptions::PyStopIteration,
    ffi, intern,
    prelude::*,
    types::{PyBytes, PyCode, PyComplex, PyEllipsis, PyFloat, PyInt, PyModule, PySlice, PyString, PyTuple, PyType},
};

use super::process::{LoadedFile, loaded_files};
use crate::{hex::Hex, library, sys::sys};

unsafe extern "C" {
    /// `layout.c`
    fn permacode_layout(out: *mut Layout);
}

/// The build of this interpreter.
pub(super) struct Interpreter {
    pub(super) layout: Layout,
    pub(super) types: Types,
    /// The address of `PyUnicode_Type` in this process.
    pub(super) anchor: u64,
    /// The executable and the file with the anchor, which may be the same.
    pub(super) files: Vec<LoadedFile>,
}

impl Interpreter {
    /// Collects what a fingerprint needs.
    ///
    /// # Errors
    /// The reason why this interpreter cannot use images.
    pub(super) fn new(py: Python<'_>) -> Result<Interpreter, String> {
        let layout = layout();
        if !layout.is_complete() {
            return Err("the description of CPython's objects has another size than this package expects".to_owned());
        }
        if layout.is_debug != 0 || has_debug_functions(py) {
            return Err("this is a debug build of CPython".to_owned());
        }
        let anchor = (&raw const ffi::PyUnicode_Type).addr() as u64;
        let files = loaded_files(|file| file.contains(anchor));
        let Some(library) = files.last().filter(|file| file.contains(anchor)) else {
            return Err("PyUnicode_Type lies outside all loaded files".to_owned());
        };
        if files.iter().any(|file| file.build_id.is_empty()) {
            return Err("the executable or libpython has no build id".to_owned());
        }
        let types = Addresses { anchor, library }.types(py)?;
        Ok(Interpreter { layout, types, anchor, files })
    }

    /// All facts.
    ///
    /// # Errors
    /// The reason why there can be no image for this interpreter.
    pub(super) fn facts(&self, py: Python<'_>) -> Result<Facts, String> {
        if checks_assertions(py).map_err(|error| error.to_string())? {
            return Err("this build of CPython checks assertions (--with-assertions), and by one of them only mortal \
                        strings may be interned"
                .to_owned());
        }
        let Some(library) = self.files.last() else { return Err("libpython is not loaded".to_owned()) };
        let addresses = Addresses { anchor: self.anchor, library };
        Ok(Facts {
            layout: self.layout,
            fixed_anchor: self.fixed_anchor(),
            types: self.types,
            objects: addresses.objects(py, &self.layout).map_err(|error| error.to_string())??,
            names: HashMap::new(),
            fingerprint: String::new(),
        })
    }

    /// Whether static objects have the same address in each process.
    pub(super) fn is_fixed(&self) -> bool {
        self.files.last().is_some_and(LoadedFile::is_fixed)
    }

    fn fixed_anchor(&self) -> Option<u64> {
        self.is_fixed().then_some(self.anchor)
    }

    /// The fingerprint of an image of a target: one fact in each line.
    pub(super) fn fingerprint(
        &self,
        py: Python<'_>,
        archive: &Archive<Mapping>,
        target: &Target<'_>,
    ) -> PyResult<String> {
        let version: String = sys(py)?.getattr(intern!(py, "version"))?.extract()?;
        let mut text = String::new();
        let mut line = |name: &str, value: &dyn std::fmt::Display| _ = writeln!(text, "{name}: {value}");
        line("interpreter", &version.replace('\n', " "));
        for file in &self.files {
            line("build id", &Hex(&file.build_id));
        }
        match self.fixed_anchor() {
            Some(anchor) => line("PyUnicode_Type", &format_args!("{anchor:#x}")),
            None => line("PyUnicode_Type", &"relocated"),
        }
        line("layout of objects", &Hex(&permacode_format::digest(self.layout.as_bytes())));
        // The build ids determine these addresses. A few of them are here as a second witness.
        let Types { str, bytes, tuple, int, float, complex, slice, code } = self.types;
        line(
            "types",
            &format_args!("{str:#x} {bytes:#x} {tuple:#x} {int:#x} {float:#x} {complex:#x} {slice:#x} {code:#x}"),
        );
        let objects = [py.None().into_bound(py), PyTuple::empty(py).into_any(), 0u8.into_pyobject(py)?.into_any()];
        let [none, empty, zero] =
            objects.map(|object| self.anchor.wrapping_sub(object.as_ptr().addr() as u64).cast_signed());
        line("None, () and 0", &format_args!("{none:#x} {empty:#x} {zero:#x}"));
        line("target", &format_args!("{:#x}, optimisation level {}", target.vm_version(), target.optimization()));
        line("archive", &Hex(&library::digest(archive)));
        Ok(text)
    }

    /// The paths of the files.
    pub(super) fn paths(&self) -> impl Iterator<Item = &PathBuf> {
        self.files.iter().map(|file| &file.path)
    }
}

fn layout() -> Layout {
    let mut layout = <Layout as bytemuck::Zeroable>::zeroed();
    // SAFETY: the function requires a pointer to a struct with the fields of `Layout`, and writes only to it. Both
    // declarations have the same fields in the same order, and `Layout::is_complete` compares the sizes.
    unsafe { permacode_layout(&raw mut layout) };
    layout
}

fn has_debug_functions(py: Python<'_>) -> bool {
    sys(py).and_then(|sys| sys.hasattr(intern!(py, "gettotalrefcount"))).unwrap_or(true)
}

/// Whether the interpreter was configured with assertions. No other trace of that can be seen from outside.
fn checks_assertions(py: Python<'_>) -> PyResult<bool> {
    let arguments = py.import("sysconfig")?.call_method1("get_config_var", ("CONFIG_ARGS",))?;
    Ok(arguments.extract::<Option<String>>()?.is_some_and(|arguments| arguments.contains("--with-assertions")))
}

/// Addresses relative to the anchor.
struct Addresses<'a> {
    anchor: u64,
    library: &'a LoadedFile,
}

impl Addresses<'_> {
    /// A static object.
    ///
    /// # Errors
    /// If it does not lie in the same file as the anchor.
    fn of(&self, object: &Bound<'_, PyAny>, what: &str) -> Result<i64, String> {
        let address = object.as_ptr().addr() as u64;
        match self.library.contains(address) {
            true => Ok(address.wrapping_sub(self.anchor).cast_signed()),
            false => Err(format!("{what} is not a static object of this interpreter")),
        }
    }

    fn types(&self, py: Python<'_>) -> Result<Types, String> {
        let of = |class: Bound<'_, PyType>| self.of(&class, "a type of constants");
        Ok(Types {
            str: of(py.get_type::<PyString>())?,
            bytes: of(py.get_type::<PyBytes>())?,
            tuple: of(py.get_type::<PyTuple>())?,
            int: of(py.get_type::<PyInt>())?,
            float: of(py.get_type::<PyFloat>())?,
            complex: of(py.get_type::<PyComplex>())?,
            slice: of(py.get_type::<PySlice>())?,
            code: of(py.get_type::<PyCode>())?,
        })
    }

    fn objects(&self, py: Python<'_>, layout: &Layout) -> PyResult<Result<Objects, String>> {
        let text = |text: &str| PyString::new(py, text).into_any();
        let bytes = |data: &[u8]| PyBytes::new(py, data).into_any();
        let builtins = PyModule::import(py, "builtins")?;
        let boolean = |name: &str| builtins.getattr(name);
        let int = |number: i64| number.into_pyobject(py).map(Bound::into_any);
        let range = -i64::from(layout.small_negative)..i64::from(layout.small_positive);
        let (false_, true_) = (boolean("False")?, boolean("True")?);
        let ints = range.map(int).collect::<Result<Vec<_>, _>>()?;
        let of_all = |objects: Vec<Bound<'_, PyAny>>, what: &str| {
            objects.iter().map(|object| self.of(object, what)).collect::<Result<Vec<_>, _>>()
        };
        let objects = || {
            Ok(Objects {
                none: self.of(py.None().bind(py), "None")?,
                false_: self.of(&false_, "False")?,
                true_: self.of(&true_, "True")?,
                ellipsis: self.of(&PyEllipsis::get(py).to_owned().into_any(), "Ellipsis")?,
                stop_iteration: self.of(&py.get_type::<PyStopIteration>(), "StopIteration")?,
                empty_tuple: self.of(&PyTuple::empty(py), "the empty tuple")?,
                empty_str: self.of(&text(""), "the empty string")?,
                empty_bytes: self.of(&bytes(b""), "the empty bytes object")?,
                bytes: of_all((0..=u8::MAX).map(|byte| bytes(&[byte])).collect(), "a bytes object with one byte")?,
                characters: of_all(
                    (0..=u8::MAX).map(|character| text(char::from(character).encode_utf8(&mut [0; 2]))).collect(),
                    "a string with one character",
                )?,
                ints: of_all(ints, "a small integer")?,
            })
        };
        Ok(objects())
    }
}
