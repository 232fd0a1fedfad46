//! The files that an interpreter finds in one folder. The rules are those of `importlib.machinery.FileFinder` of
//! CPython.

use std::{collections::BTreeMap, path::Path};

use super::entry::{Entry, EntryKind};
use crate::{interpreter::Interpreter, name::module_part};

/// The kind of file that a suffix denotes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum FileKind {
    Extension,
    Source,
    Bytecode,
}

/// The suffixes of modules, in the order in which an interpreter tries them.
#[derive(Debug)]
pub(crate) struct Suffixes(Vec<(String, FileKind)>);

/// The file that an interpreter loads for the last part of a module name.
#[derive(Debug)]
pub(super) struct Choice {
    /// The path below the folder: `NAME.SUFFIX`, or `NAME/__init__.SUFFIX` for a package.
    pub(super) file: Vec<u8>,
    pub(super) is_package: bool,
    /// The position of its suffix.
    rank: usize,
}

/// The files that an interpreter finds in one folder, by the last part of module names. A folder without `__init__` is
/// not one of them: the interpreter searches further, and joins such folders of all places.
pub(super) type Choices = BTreeMap<String, Choice>;

impl Suffixes {
    pub(crate) fn new(interpreter: &Interpreter) -> Self {
        let kinds = [
            (&interpreter.extension_suffixes, FileKind::Extension),
            (&interpreter.source_suffixes, FileKind::Source),
            (&interpreter.bytecode_suffixes, FileKind::Bytecode),
        ];
        let suffixes =
            kinds.into_iter().flat_map(|(suffixes, kind)| suffixes.iter().map(move |suffix| (suffix.clone(), kind)));
        Suffixes(suffixes.collect())
    }

    /// Splits the name of a file at its suffix.
    ///
    /// A module name has no dot, so the suffix starts at the first one: `_x.cpython-311-x86_64-linux-gnu.so`.
    pub(super) fn split<'n>(&self, file: &'n [u8]) -> Option<(&'n str, FileKind)> {
        let (stem, rank) = self.ranked(file)?;
        Some((stem, self.0.get(rank)?.1))
    }

    fn ranked<'n>(&self, file: &'n [u8]) -> Option<(&'n str, usize)> {
        let dot = file.iter().position(|byte| *byte == b'.')?;
        let (stem, suffix) = file.split_at(dot);
        let rank = self.0.iter().position(|(known, _)| known.as_bytes() == suffix)?;
        Some((module_part(stem).ok()?, rank))
    }

    /// The name of a source without its suffix. It may have dots, and need not be UTF-8.
    pub(super) fn source_stem<'n>(&self, file: &'n [u8]) -> Option<&'n [u8]> {
        let mut sources = self.0.iter().filter(|(_, kind)| *kind == FileKind::Source);
        sources.find_map(|(suffix, _)| file.strip_suffix(suffix.as_bytes()))
    }

    /// The name of the file that makes a folder a package.
    pub(super) fn init(&self, folder: &Path) -> Option<String> {
        let mut names = self.0.iter().map(|(suffix, _)| format!("__init__{suffix}"));
        names.find(|name| folder.join(name).is_file())
    }

    /// For each module name, the file that CPython chooses in a folder with these entries. Entries that are not bundled
    /// take part in the choice, because CPython sees them.
    pub(super) fn choices(&self, entries: &[Entry]) -> Choices {
        let mut choices = Choices::new();
        for entry in entries {
            if entry.kind == EntryKind::File
                && let Some((stem, rank)) = self.ranked(entry.bytes())
                && choices.get(stem).is_none_or(|choice| rank < choice.rank)
            {
                let file = entry.bytes().to_vec();
                choices.insert(stem.to_owned(), Choice { file, is_package: false, rank });
            }
        }
        for entry in entries {
            if let (Some(init), Ok(part)) = (&entry.init, module_part(entry.bytes())) {
                let file = [entry.bytes(), b"/", init.as_bytes()].concat();
                choices.insert(part.to_owned(), Choice { file, is_package: true, rank: 0 });
            }
        }
        choices
    }
}
