//! What stamps depend on, besides files and folders.

use super::super::importlib::Importlib;
use crate::{
    hex::Hex,
    library::{self, Library},
    roots::Roots,
};

/// The archive and the interpreter that stamps were made for.
pub(super) struct Context<'a> {
    archive: Vec<u8>,
    target: Vec<u8>,
    /// The suffixes of extension modules, sources and bytecode, in the order of the search.
    suffixes: Vec<u8>,
    roots: &'a Roots,
}

impl<'a> Context<'a> {
    pub(super) fn new(importlib: &Importlib, library: &Library, roots: &'a Roots) -> Self {
        Context {
            archive: Hex(&library::digest(library.archive())).to_string().into_bytes(),
            target: library.for_whom().unwrap_or_default().into_bytes(),
            suffixes: importlib.stock.suffixes().collect::<Vec<_>>().join(" ").into_bytes(),
            roots,
        }
    }

    fn facts(&self) -> [(&'static str, &[u8]); 3] {
        [("archive", &self.archive), ("interpreter", &self.target), ("suffixes of modules", &self.suffixes)]
    }

    /// The context as bytes: its parts, with a zero byte after each. `names` are the roots that modules lie in.
    pub(super) fn encode(&self, names: impl IntoIterator<Item = Vec<u8>>) -> Vec<u8> {
        let mut bytes = Vec::new();
        let mut add = |part: &[u8]| {
            bytes.extend_from_slice(part);
            bytes.push(0);
        };
        for (_, fact) in self.facts() {
            add(fact);
        }
        for name in names {
            if let Some(folder) = self.roots.folder(&name) {
                add(&name);
                add(&folder);
            }
        }
        bytes
    }

    /// How stamps with this context differ from those of this process.
    pub(super) fn difference(&self, found: &[u8]) -> Option<String> {
        let mut parts = found.strip_suffix(&[0]).unwrap_or(found).split(|byte| *byte == 0);
        let differ = |name: &str, found: &[u8], expected: &[u8]| {
            let [found, expected] = [found, expected].map(String::from_utf8_lossy);
            format!("the stamps were made for {name} \"{found}\", and this process has \"{expected}\"")
        };
        for (name, expected) in self.facts() {
            let part = parts.next().unwrap_or_default();
            if part != expected {
                return Some(differ(name, part, expected));
            }
        }
        while let (Some(name), Some(folder)) = (parts.next(), parts.next()) {
            let expected = self.roots.folder(name).unwrap_or_default();
            if *expected != *folder {
                return Some(differ(&format!("root \"{}\" at", String::from_utf8_lossy(name)), folder, &expected));
            }
        }
        None
    }
}
