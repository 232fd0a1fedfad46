//! The valid archives of which mutants are made.

use crate::run::root;
use anyhow::{Context, Result, ensure};
use fastrand::Rng;
use permacode_format::{
    LIST_BUDGET, MAX_DEPTH, MAX_PARENTS, MAX_QUALNAME_LEN, PRIVATE_SECTIONS, SectionKind, code_form,
};
use permacode_model::{Code, Container, Leaf, Object, Qualname, Ref, Str};
use permacode_reader::{Archive, Item};
use permacode_testkit::{Choices, Edited, Repair, Sections, shapes};
use std::{collections::BTreeMap, fs};

/// Number of programs from the generator of the writer's tests.
const PROGRAMS: usize = 150;

/// Choices of a program. More choices give larger archives, but no more variety.
const CHOICES: usize = 300;

/// One mutant in so many is that of a large archive, because large archives take long to verify.
const LARGE: usize = 60;

/// Valid archives.
pub(super) struct Bases {
    small: Vec<Base>,
    large: Vec<Base>,
}

impl Bases {
    pub(super) fn choose(&self, rng: &mut Rng) -> &Base {
        let bases = if rng.usize(..LARGE) == 0 { &self.large } else { &self.small };
        &bases[rng.usize(..bases.len())]
    }
}

/// A valid archive.
pub(super) struct Base {
    pub(super) name: String,
    pub(super) bytes: Vec<u8>,
    /// Its sections, with the numbers of their kinds as keys.
    pub(super) sections: BTreeMap<u32, Vec<u8>>,
}

/// The valid test vectors, generated programs, and archives that the writer never makes.
pub(super) fn bases(seed: u64) -> Result<Bases> {
    let mut bases = Vec::new();
    let folder = root().join("testdata/valid");
    for entry in fs::read_dir(&folder).with_context(|| format!("cannot list {}", folder.display()))? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "perma") {
            let bytes = fs::read(&path).with_context(|| format!("cannot read {}", path.display()))?;
            bases.push(base(path.display().to_string(), bytes)?);
        }
    }
    // Folders are listed in no particular order.
    bases.sort_by(|one, other| one.name.cmp(&other.name));
    let mut rng = Rng::with_seed(seed);
    for number in 0..PROGRAMS {
        let choices: Vec<u8> = (0..CHOICES).map(|_| rng.u8(..)).collect();
        bases.push(base(format!("program {number}"), Choices(&choices).program().write())?);
    }
    bases.push(base("skipped sections".into(), with_skipped_sections())?);
    bases.push(base("wide lists".into(), with_wide_lists(&shapes::everything())?)?);
    let large = [
        ("containers of the greatest depth", containers_in_containers()),
        ("the greatest number of parents", parents(&vec!["f".into(); MAX_PARENTS as usize])),
        ("the longest qualified name", parents(&halves_of_a_qualname())),
        ("the longest lists", shared_lists()),
        ("sections of several chunks", large_sections()),
    ];
    let large = large.into_iter().map(|(name, bytes)| base(name.into(), bytes)).collect::<Result<_>>()?;
    Ok(Bases { small: bases, large })
}

fn base(name: String, bytes: Vec<u8>) -> Result<Base> {
    let verdict = Archive::open(&bytes[..]).and_then(|archive| archive.verify());
    ensure!(verdict.is_ok(), "{name} is not a valid archive: {verdict:?}");
    let sections = Sections::of(&bytes).0.into_iter().map(|(kind, bytes)| (kind, bytes.into_owned())).collect();
    Ok(Base { name, bytes, sections })
}

/// Adds sections that a reader does not know and must skip, before and after those it knows.
fn with_skipped_sections() -> Vec<u8> {
    let mut sections = Sections::of(&shapes::everything());
    for kind in [0, SectionKind::Checksums as u32 + 1, PRIVATE_SECTIONS] {
        sections.0.insert(kind, b"somebody else's".into());
    }
    sections.archive()
}

/// The same archive with four bytes for each list item.
fn with_wide_lists(bytes: &[u8]) -> Result<Vec<u8>> {
    let archive = Archive::open(bytes)?;
    let mut sections = Sections::of(bytes);
    let mut lists = Vec::new();
    for module in archive.targets().flat_map(|target| target.modules()) {
        for code in module?.codes() {
            let code = code?;
            let items = code.list()?.all().iter().map(|item| {
                Ok(match item? {
                    Item::Object(object) => object.id(),
                    Item::Code(inner) => inner.id() | 1 << 31,
                })
            });
            let items: Vec<u8> = items.collect::<Result<Vec<u32>>>()?.into_iter().flat_map(u32::to_le_bytes).collect();
            let section = sections.section(SectionKind::Lists);
            lists.push((code.id(), section.len() as u64 / SectionKind::Lists.record_len()));
            section.extend(items);
        }
    }
    let mut archive = Edited(sections.archive());
    for (code, offset) in lists {
        archive.set(&format!("code[{code}].list_offset"), offset);
        let form = format!("code[{code}].form");
        archive.set(&form, archive.get(&form) | u64::from(code_form::WIDE_LIST));
    }
    archive.repair(Repair::Chunks);
    Ok(archive.0)
}

/// Each container holds the one before.
fn containers_in_containers() -> Vec<u8> {
    let mut module = shapes::plain("m");
    for level in 0..MAX_DEPTH {
        module.objects.push(Object::Container(Container::Tuple, vec![Ref::Object(1 + level)]));
    }
    module.codes[0].constants = vec![Ref::Object(module.objects.len() as u32 - 1)];
    shapes::archive(vec![module], vec![])
}

/// Nested code objects with these names. The innermost comes first.
fn parents(names: &[String]) -> Vec<u8> {
    let mut module = shapes::plain("m");
    module.objects.extend(names.iter().map(|name| Object::Leaf(Leaf::Str(Str::interned(name.clone())))));
    let first_name = module.objects.len() - names.len();
    module.codes = (0..=names.len())
        .map(|level| {
            let name = if level < names.len() { first_name + level } else { 0 };
            let is_outer = level + 1 >= names.len();
            let qualname = if is_outer { Qualname::Name } else { Qualname::Member { interned: false } };
            let constants = level.checked_sub(1).map(|inner| Ref::Code(inner as u32)).into_iter().collect();
            Code { qualname, ..shapes::code(name as u32, constants) }
        })
        .collect();
    module.body = Some(names.len() as u32);
    shapes::archive(vec![module], vec![])
}

fn halves_of_a_qualname() -> [String; 2] {
    let half = MAX_QUALNAME_LEN as usize / 2;
    ["i".repeat(half - ".".len()), "o".repeat(half)]
}

/// Code objects that share one list and together have exactly as many items as [C-9] allows.
fn shared_lists() -> Vec<u8> {
    const CODES: u32 = 40;
    /// Items that the list has room for.
    const ROOM: u64 = 8000;
    /// Local kinds and name.
    const HEAD: u64 = 2;
    let mut module = shapes::plain("m");
    module.codes = vec![shapes::code(0, vec![]); CODES as usize];
    module.codes.push(shapes::code(0, (0..CODES).map(Ref::Code).collect()));
    module.body = Some(CODES);
    let archive = Edited(shapes::archive(vec![module], vec![]));
    let mut sections = Sections::of(&archive.0);
    let old = 2 * archive.get("code[0].list_offset") as usize;
    let lists = sections.section(SectionKind::Lists);
    let new = lists.len() as u64 / 2;
    lists.extend_from_within(old..old + 2 * HEAD as usize);
    // Item 0 is object 0.
    lists.resize(lists.len() + 2 * ROOM as usize, 0);
    let mut archive = Edited(sections.archive());
    let mut left = LIST_BUDGET * archive.0.len() as u64 - HEAD - u64::from(CODES);
    for code in 0..CODES {
        let count = (left - HEAD * u64::from(CODES - code)).min(ROOM - 100);
        archive.set(&format!("code[{code}].list_offset"), new);
        archive.set(&format!("code[{code}].constant_count"), count);
        left -= HEAD + count;
    }
    archive.repair(Repair::Chunks);
    archive.0
}

/// Sections that are larger than a chunk.
fn large_sections() -> Vec<u8> {
    let mut module = shapes::classes("m");
    let large: Vec<u8> = (0..150_000u32).map(|number| (number >> 8 ^ number) as u8).collect();
    module.objects.push(Object::Leaf(Leaf::Bytes(large.clone().into())));
    let object = Ref::Object(module.objects.len() as u32 - 1);
    for code in &mut module.codes {
        code.constants.push(object);
        code.bytecode = large.clone().into();
    }
    shapes::archive(vec![module], vec![shapes::resource(b"large", &large)])
}

#[cfg(test)]
mod tests {
    use super::*;
    use permacode_format::Rule;

    #[test]
    fn one_more_item_of_a_list_is_too_many() {
        let bytes = shared_lists();
        assert!(Archive::open(&bytes[..]).unwrap().verify().is_ok());
        let mut archive = Edited(bytes);
        let path = "code[1].constant_count";
        archive.set(path, archive.get(path) + 1);
        archive.repair(Repair::Chunks);
        let error = Archive::open(&archive.0[..]).unwrap().verify().unwrap_err();
        assert_eq!(error.rule(), Some(Rule::C9), "{error}");
    }
}
