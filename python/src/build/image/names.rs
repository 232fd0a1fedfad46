//! The names for which an image must use an object of the interpreter.
//!
//! CPython interns the names of a code object, so equal names are one object. Code in C may rely on that and compare a
//! name with its own by identity. Code in Python compares strings by value. So a name must be the interpreter's own
//! object only if C code may have it, too: if the name is a static object of the interpreter, or if its text ends in a
//! zero byte somewhere in the executable, libpython or an extension module of the standard library, as the text of
//! each string in C does. All other names are strings of the image, which are not interned.

use std::{
    collections::BTreeSet,
    fs, io,
    path::{Path, PathBuf},
};

use hashbrown::HashMap;
use object::{
    Endianness, Object, ObjectSegment,
    elf::PF_X,
    read::elf::{ElfFile64, ElfSegment64, ProgramHeader},
};
use permacode_image::Name;
use pyo3::{intern, prelude::*, types::PyString};

use super::facts::Interpreter;
use crate::sys::sys;

/// Says for each text which object an image must use. Texts that are not in the result become strings of the image.
pub(super) fn names(
    py: Python<'_>,
    interpreter: &Interpreter,
    texts: BTreeSet<Vec<u8>>,
) -> PyResult<HashMap<Vec<u8>, Name>> {
    let mut names = HashMap::new();
    let in_binaries = Ends::new(&texts, &binaries(py, interpreter)?)?;
    for text in &texts {
        let Ok(string) = std::str::from_utf8(text) else { continue };
        // If no string with this text is interned, this one is, until it is freed.
        let address = PyString::intern(py, string).as_ptr().addr() as u64;
        let offset = address.wrapping_sub(interpreter.anchor).cast_signed();
        let is_static = interpreter.files.last().is_some_and(|library| library.contains(address));
        if is_static && !interpreter.layout.is_literal(offset) {
            names.insert(text.clone(), Name::Static(offset));
        } else if in_binaries.contains(text) {
            names.insert(text.clone(), Name::Canonical);
        }
    }
    Ok(names)
}

/// The executable, libpython, and the extension modules of the standard library, in a fixed order.
fn binaries(py: Python<'_>, interpreter: &Interpreter) -> PyResult<Vec<PathBuf>> {
    let mut binaries: Vec<PathBuf> = interpreter.paths().cloned().collect();
    let sys = sys(py)?;
    let of_sys = |name: &Bound<'_, PyString>| sys.getattr(name)?.extract::<PathBuf>();
    let library = format!("python3.{}", py.version_info().minor);
    let folder = of_sys(intern!(py, "base_exec_prefix"))?.join(of_sys(intern!(py, "platlibdir"))?).join(library);
    let mut modules = Vec::new();
    // An interpreter that has all its extension modules inside it has no such folder.
    for file in fs::read_dir(folder.join("lib-dynload")).into_iter().flatten() {
        let path = file?.path();
        if path.extension().is_some_and(|extension| extension == "so") {
            modules.push(path);
        }
    }
    modules.sort();
    binaries.extend(modules);
    Ok(binaries)
}

/// The texts that end in a zero byte somewhere in files.
struct Ends<'a> {
    found: BTreeSet<&'a [u8]>,
}

impl<'a> Ends<'a> {
    /// Linkers let a string share the end of a longer one. So this looks at each part of the bytes before a zero byte
    /// that reaches to the zero byte.
    fn new(texts: &'a BTreeSet<Vec<u8>>, files: &[PathBuf]) -> io::Result<Self> {
        let mut by_hash: HashMap<u64, Vec<&'a [u8]>> = HashMap::new();
        for text in texts {
            let hash = text.iter().rev().fold(START, |hash, byte| mix(hash, *byte));
            by_hash.entry(hash).or_default().push(text);
        }
        let longest = texts.iter().map(Vec::len).max().unwrap_or(0);
        let mut found = BTreeSet::new();
        for file in files {
            let bytes = read(file)?;
            for segment in data(file, &bytes)? {
                for piece in segment.split(|byte| *byte == 0) {
                    let mut hash = START;
                    for (index, byte) in piece.iter().enumerate().rev().take(longest) {
                        // Most bytes of a binary are not text.
                        if !(0x20..0x7f).contains(byte) {
                            break;
                        }
                        hash = mix(hash, *byte);
                        let candidates = by_hash.get(&hash).into_iter().flatten();
                        found.extend(candidates.filter(|text| piece.get(index..) == Some(**text)));
                    }
                }
            }
        }
        Ok(Ends { found })
    }

    fn contains(&self, text: &[u8]) -> bool {
        self.found.contains(text)
    }
}

fn read(path: &Path) -> io::Result<Vec<u8>> {
    fs::read(path).map_err(|error| io::Error::new(error.kind(), format!("{}: {error}", path.display())))
}

/// The parts of a binary that a process maps and does not run. The rest is code and information for debuggers.
fn data<'b>(path: &Path, binary: &'b [u8]) -> io::Result<Vec<&'b [u8]>> {
    let invalid = |error| io::Error::new(io::ErrorKind::InvalidData, format!("{}: {error}", path.display()));
    let file = ElfFile64::<Endianness>::parse(binary).map_err(invalid)?;
    let is_data = |segment: &ElfSegment64<'b, '_>| segment.elf_program_header().p_flags(file.endian()) & PF_X == 0;
    file.segments().filter(is_data).map(|segment| segment.data().map_err(invalid)).collect()
}

/// FNV-1a, which takes one byte after the other.
const START: u64 = 0xcbf2_9ce4_8422_2325;

fn mix(hash: u64, byte: u8) -> u64 {
    (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3)
}
