//! Every field of every record with every extreme value. Checksums are corrected, so that the checks behind them run.

use permacode_format::{Field, Header, IndexHeader, Layout, Record, SectionKind};
use permacode_reader::Archive;
use permacode_testkit::{Edited, Repair, Sections, shapes, walk};
use std::collections::BTreeMap;

#[test]
fn sections_assembled_again_give_the_same_bytes() {
    for (name, bytes) in shapes::all() {
        if name != "aligned" {
            assert!(Sections::of(&bytes).archive() == bytes, "{name}");
        }
    }
}

#[test]
fn every_shape_is_valid_at_every_depth_and_every_accessor_answers() {
    for (name, bytes) in shapes::all() {
        let (structure, module, everything) = walk::verify(&Archive::open(&bytes[..]).unwrap());
        assert!(structure.is_ok() && module.is_ok() && everything.is_ok(), "{name}: {everything:?}");
    }
    let archive = shapes::everything();
    let reached = walk::walk(&Archive::open(&archive[..]).unwrap());
    // The debug form of a view does not contain the archive.
    let whole = Archive::open(&archive[..]).unwrap();
    let target = whole.targets().next().unwrap();
    let module = target.find("pkg.mod").unwrap().unwrap();
    let code = module.body().unwrap().unwrap();
    let shown = format!("{whole:?}{target:?}{module:?}{:?}{:?}", whole.object(0), code.constants());
    assert!(shown.len() < 4000, "{shown}");
    assert!(reached.targets == 2 && reached.codes > 8 && reached.containers >= 10, "{reached:?}");
}

fn paths(archive: &Edited) -> Vec<String> {
    let fields = |layout: &Layout| layout.fields.iter().filter(|field| field.size <= 8);
    let mut paths: Vec<String> = fields(&Header::LAYOUT).map(|field| format!("header.{}", field.name)).collect();
    for (kind, layout) in SectionKind::ALL.iter().filter_map(|kind| Some((*kind, kind.layout()?))) {
        for index in 0..archive.section(kind).len() / layout.len {
            paths.extend(fields(layout).map(|field| format!("{}[{index}].{}", kind.name(), field.name)));
            for inner in layout.fields.iter().filter(|field| field.type_name == "IndexHeader") {
                let path = |field: &Field| format!("{}[{index}].{}.{}", kind.name(), inner.name, field.name);
                paths.extend(IndexHeader::LAYOUT.fields.iter().map(path));
            }
        }
    }
    let items = archive.section(SectionKind::Lists).len() / 2;
    paths.extend((0..items).map(|index| format!("lists[{index}]")));
    for kind in SectionKind::ALL {
        paths.extend(
            ["kind", "flags", "offset", "len", "first_chunk"].map(|field| format!("section:{}.{field}", kind.name())),
        );
    }
    for kind in [SectionKind::Index, SectionKind::Names, SectionKind::Constants, SectionKind::Docstrings] {
        paths.extend((0..archive.section(kind).len()).map(|at| format!("{}@{at}", kind.name())));
    }
    paths
}

#[test]
fn no_value_of_any_field_makes_an_accessor_panic() {
    let whole = Edited(shapes::everything());
    let mut by_rule: BTreeMap<String, u32> = BTreeMap::new();
    let mut runs = 0;
    for path in paths(&whole) {
        let before = whole.get(&path);
        let size = whole.place(&path).len() as u32;
        let most = u64::MAX >> (64 - 8 * size);
        for value in [0, 1, before + 1, before.wrapping_sub(1), before ^ 0x80, most / 2, most / 2 + 1, most - 1, most] {
            let mut broken = whole.clone();
            broken.set(&path, value & most);
            broken.repair(match path.split(['.', ':']).next() {
                Some("header") => Repair::Header,
                Some("section") => Repair::Table,
                _ => Repair::Chunks,
            });
            runs += 1;
            let found = match Archive::open(&broken.0) {
                Err(error) => error.rule(),
                Ok(archive) => {
                    walk::walk(&archive);
                    walk::verify(&archive).2.err().and_then(|error| error.rule())
                }
            };
            *by_rule.entry(found.map_or("valid".into(), |rule| rule.to_string())).or_default() += 1;
        }
    }
    println!("{runs} archives; by the rule that the last check names: {by_rule:?}");
    assert!(by_rule.len() > 45, "{by_rule:?}");
}
