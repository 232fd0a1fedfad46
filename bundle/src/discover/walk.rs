//! Walking places.
//!
//! Each real folder is bundled once, however many links lead to it. If it is the folder of a place, it has that name.
//! If not, the path without links wins, and then the first linked name. (If an earlier place hides the path without
//! links, the linked names come before it.) The order in which the system lists entries does not matter.
//!
//! Patterns to include ask for names. A name that is included wins over a name that is not. A folder may therefore be
//! visited twice: under an included name for everything in it, and under a name that is not included for what is
//! included inside it.

use std::{
    collections::{BTreeSet, HashMap},
    io, mem,
    path::{Path, PathBuf},
};

use super::{
    Claim, Discovery, FoundFile, FoundKind, Name, OtherName, Skip, Wanted, Why, ancestors,
    entry::{Entry, EntryKind},
    finder::{Choices, FileKind},
};
use crate::{
    error::{Error, Unreadable},
    name::{is_shared_object, module_part},
    place::{Place, PlaceKind},
};

/// A folder that is still to be looked at.
struct Folder {
    name: Name,
    location: PathBuf,
    /// Its path without links.
    real: PathBuf,
    /// The names of its modules up to the last dot, or the reason why nothing imports them.
    prefix: Result<String, Why>,
    /// The name of the file that makes it a package.
    init: Option<String>,
    /// Whether everything in it is included, because it or a folder above it matches a pattern, or there is no pattern.
    is_included: bool,
}

struct Walk<'w> {
    places: &'w [Place],
    wanted: &'w Wanted<'w>,
    found: Discovery,
    /// Files that are not included. Packages among them may be needed.
    unwanted: Vec<FoundFile>,
    /// The name under which each real folder is visited. The second part of the key says whether the user included the
    /// folder. A folder may have one name of each kind.
    names: HashMap<(PathBuf, bool), Name>,
    /// Links to folders. They wait until all folders were visited that are reached without links.
    links: Vec<Folder>,
    /// Packages that an earlier place hides. They wait until all links were visited, because the interpreter may find
    /// such a folder through a link.
    late: Vec<Folder>,
    /// Names of modules for which a place of the interpreter has a file, and the first such place.
    taken: HashMap<String, usize>,
}

/// Walks all places.
pub(super) fn walk(places: &[Place], wanted: &Wanted<'_>) -> Result<Discovery, Error> {
    let mut walk = Walk {
        places,
        wanted,
        found: Discovery::default(),
        unwanted: Vec::new(),
        names: HashMap::new(),
        links: Vec::new(),
        late: Vec::new(),
        taken: HashMap::new(),
    };
    let mut tops = Vec::new();
    for (index, place) in places.iter().enumerate() {
        tops.push(walk.top(index, place)?);
    }
    for top in tops {
        walk.tree(top);
    }
    while !walk.links.is_empty() || !walk.late.is_empty() {
        let mut next = mem::take(if walk.links.is_empty() { &mut walk.late } else { &mut walk.links });
        next.sort_by(|one, other| one.name.cmp(&other.name));
        for folder in next {
            walk.tree(folder);
        }
    }
    let unwanted = mem::take(&mut walk.unwanted);
    add_needed(&mut walk.found, unwanted);
    Ok(walk.found)
}

impl Walk<'_> {
    /// The folder of a place. A file or folder that the user named keeps its name in that place.
    fn top(&mut self, index: usize, place: &Place) -> Result<Folder, Error> {
        let real = |path: &Path| path.canonicalize();
        let own = real(&place.folder).map_err(|error| Error::io("cannot find", &place.folder, error))?;
        let name = |path: &[u8]| Name { place: index, path: path.to_vec() };
        let is_included = self.wanted.filter.includes_all();
        match &place.only {
            _ if place.kind == PlaceKind::Extensions => {}
            None => drop(self.names.entry((own.clone(), is_included)).or_insert_with(|| name(b""))),
            Some(only) => {
                for entry in only {
                    // Files among them do no harm, because only folders are looked up.
                    if let Ok(own) = real(&place.folder.join(entry)) {
                        self.names.entry((own, is_included)).or_insert_with(|| name(entry.as_encoded_bytes()));
                    }
                }
            }
        }
        Ok(Folder {
            name: name(b""),
            location: place.folder.clone(),
            real: own,
            prefix: Ok(String::new()),
            init: None,
            is_included,
        })
    }

    /// Visits a folder and everything below it except links. It does not recurse, because a tree can be deeper than the
    /// stack.
    fn tree(&mut self, top: Folder) {
        let mut folders = vec![top];
        while let Some(folder) = folders.pop() {
            let place = &self.places[folder.name.place];
            // The user did not name the whole folder, so it may be part of another place.
            let is_part = folder.name.path.is_empty() && (place.only.is_some() || place.kind == PlaceKind::Extensions);
            if !is_part {
                let key = (folder.real.clone(), folder.is_included);
                let first = self.names.entry(key).or_insert_with(|| folder.name.clone());
                if *first != folder.name {
                    let first = first.clone();
                    if folder.is_included {
                        self.found.other_names.push(OtherName { name: folder.name, first });
                    } else {
                        self.skip(Skip::NotIncluded, &folder.name);
                    }
                    continue;
                }
            }
            self.folder(&folder, &mut folders);
        }
    }

    fn folder(&mut self, folder: &Folder, folders: &mut Vec<Folder>) {
        let place = &self.places[folder.name.place];
        let is_top = folder.name.path.is_empty();
        let entries = match Entry::all(&folder.location, &self.wanted.suffixes) {
            Ok(entries) => entries,
            Err(error) => {
                self.found.unreadable.push(Unreadable::new(&folder.location, &error));
                return;
            }
        };
        if entries.is_empty() && !is_top {
            self.skip(Skip::EmptyFolder, &folder.name);
        }
        let choices = self.wanted.suffixes.choices(&entries);
        let is_wanted = |name: &[u8]| {
            let only = place.only.as_ref().filter(|_| is_top);
            only.is_none_or(|only| only.iter().any(|wanted| wanted.as_encoded_bytes() == name))
        };
        for (part, choice) in &choices {
            let entry = choice.file.split(|byte| *byte == b'/').next().unwrap_or_default();
            if let (Ok(prefix), true) = (&folder.prefix, is_wanted(entry)) {
                let (name, file) = (module_name(prefix, part), folder.name.join(&choice.file));
                if place.kind != PlaceKind::Given {
                    self.taken.entry(name.clone()).or_insert(file.place);
                }
                self.found.claims.push(Claim { name, file });
            }
        }
        if place.kind == PlaceKind::Extensions {
            return;
        }
        for entry in entries {
            if is_wanted(entry.bytes()) {
                self.entry(folder, entry, &choices, folders);
            }
        }
    }

    fn entry(&mut self, folder: &Folder, entry: Entry, choices: &Choices, folders: &mut Vec<Folder>) {
        let name = folder.name.join(entry.bytes());
        let part = match entry.kind {
            EntryKind::Folder => module_part(entry.bytes()).ok(),
            _ => self.wanted.suffixes.split(entry.bytes()).map(|(stem, _)| stem),
        };
        let module = folder.prefix.as_ref().ok().zip(part).map(|(prefix, part)| module_name(prefix, part));
        let Place { root, kind, .. } = &self.places[name.place];
        let is_given = *kind == PlaceKind::Given;
        // Both are asked first and about each entry, because a pattern that nothing matches is reported.
        let is_excluded = self.wanted.filter.excludes(root, &name.path, module.as_deref());
        let is_included = self.wanted.filter.includes(root, &name.path, module.as_deref()) || folder.is_included;
        if !is_excluded && is_included && self.is_output_and_input(folder, &entry) {
            self.found.output = Some(entry.location);
            return;
        }
        if let Some(why) = self.reason(folder, &entry, is_excluded) {
            self.skip(why, &name);
            return;
        }
        match &entry.kind {
            EntryKind::Folder => {
                let real = match real_path(folder, &entry) {
                    Ok(real) => real,
                    Err(error) => return self.found.unreadable.push(Unreadable::new(&entry.location, &error)),
                };
                let prefix = self.prefix(folder, &entry, choices);
                let subfolder = Folder { name, location: entry.location, real, prefix, init: entry.init, is_included };
                let taken = subfolder.prefix.as_ref().ok().and_then(|package| self.taken.get(package));
                match (entry.is_link, taken) {
                    (true, _) => self.links.push(subfolder),
                    (false, Some(first)) if *first < subfolder.name.place && !is_given => self.late.push(subfolder),
                    _ => folders.push(subfolder),
                }
            }
            EntryKind::Unreadable(error) => self.found.unreadable.push(Unreadable::new(&entry.location, error)),
            _ => {
                let kind = self.kind(folder, &entry, choices);
                let item = FoundFile { place: name.place, path: name.path, file: entry.location, kind };
                if is_included { &mut self.found.items } else { &mut self.unwanted }.push(item);
            }
        }
    }

    /// The reason why an entry is left out; `None` if it is not.
    fn reason(&self, folder: &Folder, entry: &Entry, is_excluded: bool) -> Option<Skip> {
        let place = &self.places[folder.name.place];
        let is_top = folder.name.path.is_empty();
        let is_folder = entry.kind == EntryKind::Folder;
        let is_library_top = is_folder && is_top && place.kind == PlaceKind::Library;
        let name = entry.bytes();
        let is_packages =
            || matches!(name, b"site-packages" | b"dist-packages") || self.wanted.packages.contains(&entry.location);
        // A file or folder that the user named is wanted under any name.
        let is_asked_for = self.wanted.hidden || is_top && place.only.is_some();
        let hidden = if is_asked_for { None } else { Skip::of_hidden(entry) };
        match () {
            () if self.is_output(folder, entry) => Some(Skip::Output),
            () if is_folder && name == b"__pycache__" => Some(Skip::Cache),
            () if is_library_top && is_packages() => Some(Skip::SitePackages),
            () if is_library_top && name.starts_with(b"config-") => Some(Skip::Config),
            () if is_excluded => Some(Skip::Excluded),
            () if hidden.is_some() => hidden,
            () if entry.kind == EntryKind::BrokenLink => Some(Skip::BrokenLink),
            () if entry.kind == EntryKind::Special => Some(Skip::Special),
            () if entry.kind == EntryKind::File && is_shared_object(name) => Some(Skip::SharedObject),
            () => None,
        }
    }

    /// Whether an entry is the output, and not the archive of an earlier run. Such a file has no bytes, because only
    /// archives and empty files are replaced. An archive is an input if the user named it.
    fn is_output_and_input(&self, folder: &Folder, entry: &Entry) -> bool {
        let is_named = folder.name.path.is_empty() && self.places[folder.name.place].only.is_some();
        let is_empty = || entry.location.metadata().is_ok_and(|metadata| metadata.len() == 0);
        entry.kind == EntryKind::File
            && real_path(folder, entry).is_ok_and(|real| self.wanted.output.as_ref() == Some(&real))
            && (is_named || is_empty())
    }

    /// The file that the archive is written to, `.NAME.*.perma-tmp` beside it, or the folder for compiled files.
    fn is_output(&self, folder: &Folder, entry: &Entry) -> bool {
        let Ok(real) = real_path(folder, entry) else { return false };
        if entry.kind == EntryKind::Folder {
            return self.wanted.kept.as_ref() == Some(&real);
        }
        let Some(output) = &self.wanted.output else { return false };
        let Some(name) = output.file_name().map(|name| name.as_encoded_bytes()) else { return false };
        let rest = entry.bytes().strip_prefix(b".").and_then(|rest| rest.strip_prefix(name));
        let is_temporary = rest.is_some_and(|rest| rest.starts_with(b".") && rest.ends_with(b".perma-tmp"));
        real == *output || is_temporary && real.parent() == output.parent()
    }

    /// The names of the modules in a folder up to the last dot, or the reason why nothing imports them.
    fn prefix(&self, above: &Folder, entry: &Entry, choices: &Choices) -> Result<String, Why> {
        let prefix = above.prefix.as_ref().map_err(Why::clone)?;
        let part = module_part(entry.bytes()).map_err(|message| Why::NoName { message })?;
        match choices.get(part) {
            Some(choice) if !choice.is_package => Err(self.shadowed(above, &choice.file)),
            _ => Ok(module_name(prefix, part)),
        }
    }

    fn kind(&self, folder: &Folder, entry: &Entry, choices: &Choices) -> FoundKind {
        let file = entry.bytes();
        let stem = self.wanted.suffixes.source_stem(file);
        let prefix = match &folder.prefix {
            Ok(prefix) => prefix,
            Err(why) => return FoundKind::Resource(stem.map(|_| why.clone())),
        };
        let Some((part, kind)) = self.wanted.suffixes.split(file) else {
            let message = stem.and_then(|stem| module_part(stem).err());
            return FoundKind::Resource(message.map(|message| Why::NoName { message }));
        };
        let is_package = part == "__init__" && !prefix.is_empty();
        let winner = match is_package {
            true => folder.init.as_ref().map(|init| init.as_bytes()),
            false => choices.get(part).map(|choice| &choice.file[..]),
        };
        match kind {
            FileKind::Source if winner == Some(file) => {
                let name = if is_package { prefix.clone() } else { module_name(prefix, part) };
                FoundKind::Module { name, is_package }
            }
            FileKind::Source => FoundKind::Resource(winner.map(|winner| self.shadowed(folder, winner))),
            FileKind::Bytecode if winner == Some(file) => FoundKind::Resource(Some(Why::OnlyBytecode)),
            FileKind::Bytecode | FileKind::Extension => FoundKind::Resource(None),
        }
    }

    /// A file in this folder is imported instead.
    fn shadowed(&self, folder: &Folder, file: &[u8]) -> Why {
        Why::Shadowed { by: folder.name.join(file).shown(self.places) }
    }

    fn skip(&mut self, why: Skip, name: &Name) {
        self.found.skipped.push((why, name.place, name.path.clone()));
    }
}

/// The path of an entry without links.
fn real_path(folder: &Folder, entry: &Entry) -> io::Result<PathBuf> {
    if entry.is_link { entry.location.canonicalize() } else { Ok(folder.real.join(&entry.name)) }
}

/// Adds the packages above included modules, which are needed to import them.
fn add_needed(found: &mut Discovery, unwanted: Vec<FoundFile>) {
    let mut needed = BTreeSet::new();
    for item in &found.items {
        if let FoundKind::Module { name, .. } = &item.kind {
            needed.extend(ancestors(name).map(|package| (item.place, package.to_owned())));
        }
    }
    for item in unwanted {
        match &item.kind {
            FoundKind::Module { name, is_package: true } if needed.contains(&(item.place, name.clone())) => {
                found.items.push(item);
            }
            _ => found.skipped.push((Skip::NotIncluded, item.place, item.path)),
        }
    }
}

/// The name of a module or package in a folder whose modules have this prefix.
fn module_name(prefix: &str, part: &str) -> String {
    if prefix.is_empty() { part.to_owned() } else { format!("{prefix}.{part}") }
}
