//! Walking one place.

use std::{
    collections::BTreeSet,
    ffi::OsString,
    fs, io,
    path::{Path, PathBuf},
};

use super::{Discovery, Item, ItemKind, Rule, Rules, Why, ancestors};
use crate::{
    error::Error,
    name::{is_identifier, is_imported_all_the_same, is_shared_object},
    place::{Place, PlaceKind},
};

/// A folder that is still to be looked at.
struct Folder {
    /// Path below the place.
    path: Vec<u8>,
    location: PathBuf,
    /// How the modules in it are called up to the last dot; `None` if nothing imports them.
    prefix: Option<String>,
    /// Nothing imports them because a module has the name of this folder or of one above.
    is_hidden: bool,
    /// A folder above it, or it itself, matches a pattern to include.
    is_included: bool,
    /// Real paths of the folders above it, and its own.
    real: Vec<PathBuf>,
}

/// An entry of a folder.
struct Entry {
    name: OsString,
    location: PathBuf,
    is_folder: bool,
}

struct Walk<'w> {
    place: &'w Place,
    index: usize,
    rules: &'w Rules<'w>,
    found: &'w mut Discovery,
    /// What is not included; packages of it may be needed all the same.
    unwanted: Vec<Item>,
    folders: Vec<Folder>,
}

/// Walks the place with this index.
pub(super) fn walk(places: &[Place], index: usize, rules: &Rules<'_>, found: &mut Discovery) -> Result<(), Error> {
    let place = &places[index];
    let first = found.items.len();
    let mut walk = Walk { place, index, rules, found, unwanted: Vec::new(), folders: Vec::new() };
    walk.folders.push(Folder {
        path: Vec::new(),
        location: place.folder.clone(),
        prefix: Some(String::new()),
        is_hidden: false,
        is_included: false,
        real: vec![real(&place.folder)?],
    });
    // No recursion: how deep a tree is, is up to the tree.
    while let Some(folder) = walk.folders.pop() {
        walk.folder(&folder)?;
    }
    let unwanted = std::mem::take(&mut walk.unwanted);
    add_needed(found, first, unwanted);
    Ok(())
}

impl Walk<'_> {
    fn folder(&mut self, folder: &Folder) -> Result<(), Error> {
        let entries = self.entries(folder)?;
        let sources: BTreeSet<Vec<u8>> = entries.iter().filter_map(Entry::source_stem).map(<[u8]>::to_vec).collect();
        let mut packages = BTreeSet::new();
        for entry in entries.iter().filter(|entry| entry.is_folder) {
            if entry.location.join("__init__.py").is_file() {
                packages.insert(entry.bytes().to_vec());
            }
        }
        for entry in entries {
            if entry.is_folder {
                let is_hidden = !packages.contains(entry.bytes()) && sources.contains(entry.bytes());
                self.subfolder(folder, &entry, is_hidden)?;
            } else {
                let is_hidden = entry.source_stem().is_some_and(|stem| packages.contains(stem));
                self.file(folder, entry, is_hidden);
            }
        }
        Ok(())
    }

    /// Entries that are neither excluded nor passed over, sorted by name.
    fn entries(&mut self, folder: &Folder) -> Result<Vec<Entry>, Error> {
        let of_error = |error| Error::io("cannot read the folder", &folder.location, error);
        let mut entries = Vec::new();
        let is_top = folder.path.is_empty();
        let mut is_empty = true;
        for entry in fs::read_dir(&folder.location).map_err(of_error)? {
            let entry = entry.map_err(of_error)?;
            is_empty = false;
            let name = entry.file_name();
            if is_top && self.place.only.as_ref().is_some_and(|only| *only != name) {
                continue;
            }
            let location = folder.location.join(&name);
            let path = join(&folder.path, name.as_encoded_bytes());
            let mut kind = entry.file_type().map_err(of_error)?;
            if kind.is_symlink() {
                match fs::metadata(&location) {
                    Ok(metadata) => kind = metadata.file_type(),
                    Err(_) => {
                        self.skip(Rule::BrokenLink, path);
                        continue;
                    }
                }
            }
            if !kind.is_dir() && !kind.is_file() {
                self.skip(Rule::Special, path);
                continue;
            }
            let entry = Entry { name, location, is_folder: kind.is_dir() };
            match self.rule(&entry, &path, folder) {
                Some(rule) => self.skip(rule, path),
                None => entries.push(entry),
            }
        }
        if is_empty && !is_top {
            self.skip(Rule::EmptyFolder, folder.path.clone());
        }
        entries.sort_by(|one, other| one.bytes().cmp(other.bytes()));
        Ok(entries)
    }

    /// The rule by which an entry is passed over.
    fn rule(&self, entry: &Entry, path: &[u8], folder: &Folder) -> Option<Rule> {
        let name = entry.bytes();
        if !entry.is_folder {
            let module = entry.source_stem().and_then(|stem| module_name(folder.prefix.as_deref()?, stem));
            return match () {
                () if self.is_output(entry, folder) => Some(Rule::Output),
                () if is_shared_object(name) => Some(Rule::SharedObject),
                () if self.rules.filter.excludes(path, module.as_deref()) => Some(Rule::Excluded),
                () => None,
            };
        }
        let is_library_top = self.place.kind == PlaceKind::Library && folder.path.is_empty();
        let is_packages =
            || matches!(name, b"site-packages" | b"dist-packages") || self.rules.packages.contains(&entry.location);
        let module = folder.prefix.as_deref().and_then(|prefix| module_name(prefix, name));
        match () {
            () if folder.real_of(entry).is_some_and(|real| self.rules.kept == Some(real)) => Some(Rule::Output),
            () if name == b"__pycache__" => Some(Rule::Cache),
            () if is_library_top && is_packages() => Some(Rule::SitePackages),
            () if is_library_top && name.starts_with(b"config-") => Some(Rule::Config),
            () if self.rules.filter.excludes(path, module.as_deref()) => Some(Rule::Excluded),
            () => None,
        }
    }

    /// The file that the archive is written to, or `.NAME.*.perma-tmp` beside it.
    fn is_output(&self, entry: &Entry, folder: &Folder) -> bool {
        let (Some(output), Some(real)) = (&self.rules.output, folder.real_of(entry)) else { return false };
        let Some(name) = output.file_name().map(|name| name.as_encoded_bytes()) else { return false };
        let rest = entry.bytes().strip_prefix(b".").and_then(|rest| rest.strip_prefix(name));
        let is_temporary = rest.is_some_and(|rest| rest.starts_with(b".") && rest.ends_with(b".perma-tmp"));
        real == *output || is_temporary && real.parent() == output.parent()
    }

    fn subfolder(&mut self, above: &Folder, entry: &Entry, is_hidden: bool) -> Result<(), Error> {
        let path = join(&above.path, entry.bytes());
        let own = real(&entry.location)?;
        if above.real.contains(&own) {
            self.skip(Rule::Cycle, path);
            return Ok(());
        }
        let prefix = above.prefix.as_deref().filter(|_| !is_hidden);
        let prefix = prefix.and_then(|prefix| module_name(prefix, entry.bytes()));
        self.folders.push(Folder {
            location: entry.location.clone(),
            is_hidden: above.is_hidden || is_hidden,
            is_included: above.is_included || self.rules.filter.includes(&path, prefix.as_deref()),
            real: above.real.iter().cloned().chain([own]).collect(),
            prefix,
            path,
        });
        Ok(())
    }

    fn file(&mut self, folder: &Folder, entry: Entry, is_hidden: bool) {
        let path = join(&folder.path, entry.bytes());
        let kind = self.kind(folder, &entry, is_hidden);
        let name = match &kind {
            ItemKind::Module { name, .. } => Some(name.as_str()),
            ItemKind::Resource(_) => None,
        };
        let is_wanted = folder.is_included || self.rules.filter.includes(&path, name);
        let item = Item { place: self.index, path, file: entry.location, kind };
        if is_wanted {
            self.found.items.push(item);
        } else {
            self.unwanted.push(item);
        }
    }

    fn kind(&self, folder: &Folder, entry: &Entry, is_hidden: bool) -> ItemKind {
        let Some(stem) = entry.source_stem() else {
            let is_bytecode = entry.bytes().ends_with(b".pyc") && folder.prefix.is_some();
            return ItemKind::Resource(is_bytecode.then_some(Why::OnlyBytecode));
        };
        let Some(prefix) = &folder.prefix else {
            return ItemKind::Resource(Some(if folder.is_hidden { Why::HiddenByModule } else { Why::OddName }));
        };
        if is_hidden {
            return ItemKind::Resource(Some(Why::HiddenByPackage));
        }
        if stem == b"__init__" && !prefix.is_empty() {
            return ItemKind::Module { name: prefix.clone(), is_package: true };
        }
        let is_top = self.place.kind == PlaceKind::Library && prefix.is_empty();
        let known = std::str::from_utf8(stem).ok().filter(|stem| is_top && is_imported_all_the_same(stem));
        match known.map(ToOwned::to_owned).or_else(|| module_name(prefix, stem)) {
            Some(name) => ItemKind::Module { name, is_package: false },
            None => ItemKind::Resource(Some(Why::OddName)),
        }
    }

    fn skip(&mut self, rule: Rule, path: Vec<u8>) {
        self.found.skipped.push((rule, self.index, path));
    }
}

impl Folder {
    /// The real path of an entry, unless it is itself a link.
    fn real_of(&self, entry: &Entry) -> Option<PathBuf> {
        self.real.last().map(|folder| folder.join(&entry.name))
    }
}

impl Entry {
    fn bytes(&self) -> &[u8] {
        self.name.as_encoded_bytes()
    }

    /// The name of a source without its suffix.
    fn source_stem(&self) -> Option<&[u8]> {
        self.bytes().strip_suffix(b".py").filter(|_| !self.is_folder)
    }
}

/// The packages above what is wanted are wanted as well: without them it cannot be imported.
fn add_needed(found: &mut Discovery, first: usize, unwanted: Vec<Item>) {
    let mut needed = BTreeSet::new();
    for item in &found.items[first..] {
        if let ItemKind::Module { name, .. } = &item.kind {
            needed.extend(ancestors(name).map(ToOwned::to_owned));
        }
    }
    for item in unwanted {
        match &item.kind {
            ItemKind::Module { name, is_package: true } if needed.contains(name) => found.items.push(item),
            _ => found.skipped.push((Rule::NotIncluded, item.place, item.path)),
        }
    }
}

/// The name of a module or package in a folder whose modules have this prefix, if it can have one.
fn module_name(prefix: &str, stem: &[u8]) -> Option<String> {
    let stem = std::str::from_utf8(stem).ok().filter(|stem| is_identifier(stem))?;
    Some(if prefix.is_empty() { stem.to_owned() } else { format!("{prefix}.{stem}") })
}

fn join(folder: &[u8], name: &[u8]) -> Vec<u8> {
    if folder.is_empty() { name.to_vec() } else { [folder, b"/", name].concat() }
}

fn real(path: &Path) -> Result<PathBuf, Error> {
    path.canonicalize().map_err(|error: io::Error| Error::io("cannot find", path, error))
}
