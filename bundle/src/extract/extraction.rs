//! The plan of an extraction: the files, their paths, and the most bytes.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use permacode_model::Target;
use permacode_pyc::Version;
use permacode_reader::{self as reader, Archive};

use super::{ExtractOptions, base, size::PycSizes};
use crate::{
    error::{Error, ErrorKind},
    extract_report::{LeftOut, WhyLeftOut},
    name::root_text,
    text,
    tree_layout::{Kind, TreeLayout},
};

/// The plan of an extraction. It borrows names from the archive, because records may share them.
pub(super) struct Extraction<'a> {
    pub(super) version: Version,
    pub(super) layout: TreeLayout,
    pub(super) roots: BTreeSet<&'a str>,
    pub(super) things: Vec<Thing<'a>>,
    /// Packages without code.
    pub(super) namespaces: u64,
    pub(super) left_out: Vec<LeftOut>,
}

/// An entry that becomes one or two files. Paths are below the folder that is written to.
pub(super) enum Thing<'a> {
    Module {
        module: reader::Module<'a>,
        /// The path of the source, if the archive has the source.
        source: Option<Vec<u8>>,
        /// The path of the compiled file, unless the file system refuses its name.
        compiled: Option<Vec<u8>>,
    },
    Resource {
        resource: reader::Resource<'a>,
        path: Vec<u8>,
    },
}

impl<'a> Extraction<'a> {
    /// Decides on all paths, and checks that each is used once.
    pub(super) fn new<D: AsRef<[u8]>>(archive: &'a Archive<D>, options: &ExtractOptions) -> Result<Self, Error> {
        let target = choose(archive, options.target)?;
        let model = Target::try_from(&target)?;
        let version = Version::of_target(&model)
            .ok_or_else(|| Error::new(ErrorKind::Target { vm: model.vm.clone(), magic: model.bytecode_magic }))?;
        let (mut modules, mut resources, mut namespaces) = (Vec::new(), Vec::new(), 0);
        let roots: BTreeSet<&str> = target.roots()?.into_iter().map(root_text).collect::<Result<_, _>>()?;
        let mut known = KnownRoots::default();
        for module in target.modules() {
            let module = module?;
            if module.is_namespace() {
                namespaces += 1;
            } else {
                modules.push((module, known.of_module(&module)?));
            }
        }
        for resource in target.resources() {
            resources.push(resource?);
        }
        if let Some(name) = options.bases.keys().find(|name| !roots.contains(name.as_str())) {
            let roots = roots.into_iter().map(ToOwned::to_owned).collect();
            return Err(Error::new(ErrorKind::NoSuchRoot { name: name.clone(), roots }));
        }
        let layout = TreeLayout::new(&roots, &model.cache_tag, model.optimization)?;
        let mut things = Vec::with_capacity(modules.len() + resources.len());
        for (module, root) in modules {
            let kind = if module.is_package() { Kind::Package } else { Kind::Module };
            let name = module.name()?;
            let has_text = module.source()?.is_some_and(|source| source.has_text);
            let source = has_text.then(|| layout.source(root, name, kind)).transpose()?;
            let compiled = if has_text { layout.cached(root, name, kind) } else { layout.sourceless(root, name, kind) };
            things.push(Thing::Module { module, source, compiled: Some(compiled?) });
        }
        for resource in resources {
            let path = layout.resource(resource.root()?, &resource.path()?)?;
            things.push(Thing::Resource { resource, path });
        }
        let mut extraction = Extraction { version, layout, roots, things, namespaces, left_out: Vec::new() };
        extraction.settle()?;
        Ok(extraction)
    }

    /// Checks that no two files have one path, and that no file has the path of a folder. (If the file system takes two
    /// different names for the same, the second file cannot be created.)
    ///
    /// A resource that has the path of the compiled file of a module is an older compiled file, and is left out.
    fn settle(&mut self) -> Result<(), Error> {
        let mut files: Vec<(&[u8], usize, Role)> = Vec::with_capacity(self.things.len() * 2);
        for (number, thing) in self.things.iter().enumerate() {
            match thing {
                Thing::Module { source, compiled, .. } => {
                    files.extend(source.iter().map(|path| (path.as_slice(), number, Role::Source)));
                    files.extend(compiled.iter().map(|path| (path.as_slice(), number, Role::Compiled)));
                }
                Thing::Resource { path, .. } => files.push((path, number, Role::Resource)),
            }
        }
        // Sorted by components, the contents of a folder follow directly after a file of its name.
        files.sort_unstable_by(|(one, _, role), (other, _, other_role)| {
            components(one).cmp(components(other)).then(role.cmp(other_role))
        });
        let mut hidden = BTreeSet::new();
        let mut before: Option<(&[u8], Role)> = None;
        for (path, number, role) in files {
            let same = |path| Err(Error::new(ErrorKind::SameFile { path: text::shown(path) }));
            match before {
                Some((other, Role::Compiled)) if other == path && role == Role::Resource => {
                    hidden.insert(number);
                    self.left_out.push(LeftOut { path: text::shown(path), why: WhyLeftOut::HiddenByModule });
                    continue;
                }
                Some((other, _)) if other == path => return same(path),
                Some((other, _)) if path.strip_prefix(other).is_some_and(|rest| rest.starts_with(b"/")) => {
                    return same(other);
                }
                _ => before = Some((path, role)),
            }
        }
        let mut number = 0..;
        self.things.retain(|_| number.next().is_none_or(|number| !hidden.contains(&number)));
        Ok(())
    }

    /// The most bytes that will be written. This reads everything once, so damage is found before a file is written.
    pub(super) fn bytes(&self, options: &ExtractOptions, folder: &std::path::Path) -> Result<u64, Error> {
        let mut sizes = PycSizes::new(self.version);
        let mut bases: BTreeMap<Option<&str>, u64> = BTreeMap::new();
        let mut bytes = 0u64;
        for thing in &self.things {
            bytes = bytes.saturating_add(match thing {
                Thing::Resource { resource, .. } => resource.data()?.len() as u64,
                Thing::Module { module, .. } => {
                    let filename = match module.filename()? {
                        None => 0,
                        Some(path) => {
                            let root = path.root.map(|root| root_text(root.bytes().as_slice())).transpose()?;
                            let base = bases.entry(root).or_insert_with(|| match root {
                                None => 0,
                                // One more byte for the separator.
                                root => text::of_path(&base(options, folder, &self.layout, root)).len() as u64 + 1,
                            });
                            base.saturating_add(path.path.bytes().len() as u64)
                        }
                    };
                    let source = module.source_text()?.map_or(0, |text| text.len() as u64);
                    sizes.module(module, filename)?.saturating_add(source)
                }
            });
        }
        Ok(bytes)
    }
}

fn components(path: &[u8]) -> impl Iterator<Item = &[u8]> {
    path.split(|byte| *byte == b'/')
}

/// The role of a file, in the order in which one hides the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Role {
    Source,
    Compiled,
    Resource,
}

fn choose<D: AsRef<[u8]>>(archive: &Archive<D>, number: Option<usize>) -> Result<reader::Target<'_>, Error> {
    let mut targets = archive.targets();
    let count = targets.len() as u64;
    let target = match number {
        Some(number) => targets.nth(number),
        None if count == 1 => targets.next(),
        None => None,
    };
    target.ok_or_else(|| Error::new(ErrorKind::TargetChoice { count }))
}

/// The roots of modules as text. Many modules may share a long root, so each is checked once.
#[derive(Default)]
struct KnownRoots<'a> {
    /// Roots by offset and length in the archive.
    known: HashMap<(u64, usize), &'a str>,
}

impl<'a> KnownRoots<'a> {
    /// The root of the files of a module.
    fn of_module(&mut self, module: &reader::Module<'a>) -> Result<Option<&'a str>, Error> {
        let of_source = module.source()?.and_then(|source| source.path.root);
        let of_filename = module.filename()?.and_then(|filename| filename.root);
        let Some(root) = of_source.or(of_filename) else { return Ok(None) };
        let place = (root.bytes().offset(), root.bytes().len());
        if let Some(name) = self.known.get(&place) {
            return Ok(Some(name));
        }
        let name = root_text(root.bytes().as_slice())?;
        self.known.insert(place, name);
        Ok(Some(name))
    }
}
