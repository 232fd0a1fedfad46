//! Small valid archives, from which mutants are made.

use super::{
    archives::{assemble::Sections, shapes},
    models::Choices,
};
use crate::run::root;
use anyhow::{Context, Result, ensure};
use fastrand::Rng;
use permacode_format::{PRIVATE_SECTIONS, SectionKind};
use permacode_reader::Archive;
use std::{collections::BTreeMap, fs};

/// How many programs the writer's generator makes.
const PROGRAMS: usize = 150;

/// How many choices a program has: with more the archives get large, not more different.
const CHOICES: usize = 300;

/// A valid archive.
pub(super) struct Base {
    pub(super) name: String,
    pub(super) bytes: Vec<u8>,
    /// Its sections, by the numbers of their kinds.
    pub(super) sections: BTreeMap<u32, Vec<u8>>,
}

/// The valid test vectors, programs of the writer's generator, and what no writer makes.
pub(super) fn bases(seed: u64) -> Result<Vec<Base>> {
    let mut bases = Vec::new();
    let folder = root().join("testdata/valid");
    for entry in fs::read_dir(&folder).with_context(|| format!("cannot list {}", folder.display()))? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "perma") {
            let bytes = fs::read(&path).with_context(|| format!("cannot read {}", path.display()))?;
            bases.push(base(path.display().to_string(), bytes)?);
        }
    }
    // The order in which a folder is listed is nobody's promise.
    bases.sort_by(|one, other| one.name.cmp(&other.name));
    let mut rng = Rng::with_seed(seed);
    for number in 0..PROGRAMS {
        let choices: Vec<u8> = (0..CHOICES).map(|_| rng.u8(..)).collect();
        bases.push(base(format!("program {number}"), Choices(&choices).program().write())?);
    }
    bases.push(base("skipped sections".into(), with_skipped_sections())?);
    Ok(bases)
}

fn base(name: String, bytes: Vec<u8>) -> Result<Base> {
    let verdict = Archive::open(&bytes[..]).and_then(|archive| archive.verify());
    ensure!(verdict.is_ok(), "{name} is no valid archive: {verdict:?}");
    let sections = Sections::of(&bytes).0.into_iter().map(|(kind, bytes)| (kind, bytes.into_owned())).collect();
    Ok(Base { name, bytes, sections })
}

/// Sections that a reader does not know and has to skip, before and behind those it knows.
fn with_skipped_sections() -> Vec<u8> {
    let mut sections = Sections::of(&shapes::everything());
    for kind in [0, SectionKind::Checksums as u32 + 1, PRIVATE_SECTIONS] {
        sections.0.insert(kind, b"somebody else's".into());
    }
    sections.archive()
}
