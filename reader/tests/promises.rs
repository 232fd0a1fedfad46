//! The promises of accessors about archives that were not verified (spec.md 8.2). No error blames correct bytes.

use permacode_format::{SectionKind, Slot, object_flag};
use permacode_reader::{Archive, Constant, ErrorKind, Item, Module, ObjectKind, Rule};
use permacode_testkit::{Edited, Repair, Sections, behind, shapes};
use std::mem::offset_of;

/// The archive with every feature, with these fields changed and all checksums corrected.
fn changed(edits: &[(&str, u64)]) -> Vec<u8> {
    let mut archive = Edited(shapes::everything());
    for (path, value) in edits {
        archive.set(path, *value);
    }
    archive.repair(Repair::Chunks);
    archive.0
}

fn module<'a>(archive: &'a Archive<&[u8]>, number: u32) -> Module<'a> {
    archive.targets().next().unwrap().module(number).unwrap()
}

/// The offset of the name of a module in the names section.
fn name_of(module: u64) -> u64 {
    Edited(shapes::everything()).get(&format!("modules[{module}].name_offset"))
}

/// The id of a container from which code objects can be reached.
fn container_with_code(bytes: &[u8]) -> u32 {
    let archive = Archive::open(bytes).unwrap();
    let edited = Edited(bytes.to_vec());
    let is_it = |id: &u32| {
        archive.object(*id).unwrap().kind().unwrap() == ObjectKind::Tuple
            && edited.get(&edited.object(*id)) & u64::from(object_flag::CODE) != 0
    };
    (0..archive.object_count()).find(is_it).unwrap()
}

#[test]
fn a_container_used_as_a_path_breaks_the_rule_of_that_path() {
    let id = u64::from(container_with_code(&shapes::everything()));
    for (field, rule) in
        [("filename", Rule::M5), ("filename_root", Rule::M5), ("source_path", Rule::M6), ("source_root", Rule::M6)]
    {
        let bytes = changed(&[(&format!("modules[4].{field}"), id)]);
        let archive = Archive::open(&bytes[..]).unwrap();
        let module = module(&archive, 4);
        let error = if rule == Rule::M5 { module.filename().err() } else { module.source().err() };
        assert_eq!(error.unwrap().rule(), Some(rule), "{field}");
        assert_eq!(archive.verify_structure().unwrap_err().rule(), Some(rule), "{field}");
    }
}

#[test]
fn every_object_of_a_valid_archive_can_be_read_by_its_id() {
    let bytes = shapes::everything();
    let archive = Archive::open(&bytes[..]).unwrap();
    let mut codes = 0;
    for id in 0..archive.object_count() {
        let Constant::Container(container) = archive.object(id).unwrap().constant().unwrap() else { continue };
        for item in container.iter() {
            match item {
                Ok(Item::Object(object)) => assert!(object.id() < id),
                Ok(Item::Code(code)) => panic!("{code:?} without a module"),
                // The caller has to ask the module; no byte of the archive is wrong.
                Err(error) => {
                    assert!(matches!(error.kind(), ErrorKind::NeedsModule { .. }), "{error}");
                    assert_eq!(error.rule(), None, "{error}");
                    codes += 1;
                }
            }
        }
    }
    assert!(codes > 0);
}

/// The CRC of a correct chunk must not stand for another chunk of a malicious archive.
#[test]
fn chunks_that_share_a_checksum_are_each_compared_with_it() {
    let mut archive = Edited(shapes::everything());
    archive.set("section:bytecode.first_chunk", archive.get("section:code.first_chunk"));
    archive.repair(Repair::Sections);
    let checked = Archive::open(&archive.0[..]).unwrap().checked().unwrap();
    let code = module(&checked, 4).body().unwrap().unwrap();
    assert_eq!(code.bytecode().unwrap_err().rule(), Some(Rule::K1));
    assert_eq!(checked.verify_module(&module(&checked, 4)).unwrap_err().rule(), Some(Rule::K1));
}

#[test]
fn an_invalid_module_name_is_never_returned() {
    for (what, byte) in [("an empty component", b'.'), ("a NUL", 0), ("no UTF-8", 0xFF)] {
        let bytes = changed(&[(&format!("names@{}", name_of(4)), byte.into())]);
        let archive = Archive::open(&bytes[..]).unwrap();
        assert_eq!(module(&archive, 4).name().unwrap_err().rule(), Some(Rule::N3), "{what}");
    }
}

#[test]
fn a_signature_that_is_not_utf8_is_never_returned() {
    let bytes = changed(&[("signature-text@0", 0xFF)]);
    let archive = Archive::open(&bytes[..]).unwrap();
    let signatures = module(&archive, 4).codes().map(|code| code.unwrap().signature_text());
    let refused: Vec<_> = signatures.filter_map(Result::err).map(|error| error.rule()).collect();
    assert_eq!(refused, [Some(Rule::G2)]);
}

#[test]
fn an_index_without_buckets_or_slots_has_no_names() {
    let huge = u64::from(u32::MAX) - 8;
    for count in ["bucket_count", "slot_count"] {
        let index = "targets[0].module_index";
        let bytes = changed(&[
            (&format!("{index}.{count}"), 0),
            (&format!("{index}.pilots_offset"), huge),
            (&format!("{index}.slots_offset"), huge),
        ]);
        let archive = Archive::open(&bytes[..]).unwrap();
        assert!(archive.targets().next().unwrap().find("ma").unwrap().is_none(), "{count}");
        assert_eq!(archive.verify_structure().unwrap_err().rule(), Some(Rule::X1), "{count}");
    }
}

#[test]
fn a_slot_that_points_outside_its_target_breaks_the_rule_of_slots() {
    let whole = Edited(shapes::everything());
    let slots = whole.get("targets[0].module_index.slots_offset");
    let record = |slot: u64| slot + offset_of!(Slot, record) as u64;
    let byte = |at: u64| format!("index@{at}");
    // The first slot that is not empty: the high byte of its record is zero.
    let slot = (0..)
        .map(|number| slots + number * size_of::<Slot>() as u64)
        .find(|slot| whole.get(&byte(record(*slot) + 3)) == 0)
        .unwrap();
    let bytes = changed(&[(&byte(record(slot) + 1), 1)]);
    let record = whole.get(&byte(record(slot)));
    let archive = Archive::open(&bytes[..]).unwrap();
    let name = module(&archive, record as u32).name().unwrap();
    assert_eq!(archive.targets().next().unwrap().find(name).unwrap_err().rule(), Some(Rule::X3));
    assert_eq!(archive.verify_structure().unwrap_err().rule(), Some(Rule::X3));
}

#[test]
fn overlapping_indexes_are_refused_even_if_every_name_is_found() {
    // An index without names may have a bucket.
    let mut sections = Sections::of(&shapes::archive(vec![shapes::plain("m")], vec![]));
    sections.section(SectionKind::Index).extend([0; 8]);
    let valid = Edited(sections.archive());
    let pilots = valid.get("targets[0].module_index.pilots_offset");
    for (offset, is_valid) in [(valid.section(SectionKind::Index).len() as u64 - 1, true), (pilots, false)] {
        let mut archive = valid.clone();
        archive.set("targets[0].resource_index.bucket_count", 1);
        archive.set("targets[0].resource_index.pilots_offset", offset);
        archive.repair(Repair::Chunks);
        let rule = Archive::open(&archive.0[..]).unwrap().verify().err().and_then(|error| error.rule());
        assert_eq!(rule, (!is_valid).then_some(Rule::X1), "pilots at {offset}");
    }
}

#[test]
fn a_code_object_in_a_container_is_below_its_bound_and_in_its_module() {
    let valid = Edited(shapes::everything());
    let tuple = valid.object(container_with_code(&valid.0));
    // The head of the tuple: kind and flags, count, depth, bound. Then the first item, which is the code object below
    // the bound.
    let (bound, item) = (behind(&tuple, 3), behind(&tuple, 4));
    assert_eq!(valid.get(&bound), valid.get(&item) + 1);
    for (field, value, rule) in
        [(&bound, valid.get(&bound), None), (&bound, valid.get(&item), Some(Rule::O7)), (&item, 0, Some(Rule::C11))]
    {
        let bytes = changed(&[(field, value)]);
        let archive = Archive::open(&bytes[..]).unwrap();
        let body = module(&archive, 4).body().unwrap().unwrap();
        let list = body.constants().unwrap().get(2).unwrap().unwrap().object().unwrap();
        let Constant::Container(list) = list.constant().unwrap() else { panic!("a list") };
        let Constant::Container(tuple) = list.get(0).unwrap().unwrap().object().unwrap().constant().unwrap() else {
            panic!("a tuple")
        };
        assert_eq!(tuple.get(0).unwrap().err().and_then(|error| error.rule()), rule, "{field} is {value}");
    }
}

#[test]
fn a_container_that_nothing_reaches_refers_to_code_objects_that_exist() {
    for (code, is_valid) in [(0u32, true), (99, false)] {
        let mut sections = Sections::of(&shapes::archive(vec![shapes::plain("m")], vec![]));
        let start = sections.section(SectionKind::Constants).len() as u32;
        let first = ObjectKind::Tuple as u8 | object_flag::WIDE | object_flag::CODE;
        let head = [first, 1, 1, code as u8 + 1];
        let constants = sections.section(SectionKind::Constants);
        constants.extend(head.into_iter().chain((1 << 31 | code).to_le_bytes()));
        sections.section(SectionKind::Objects).extend(start.to_le_bytes());
        let bytes = sections.archive();
        let rule = Archive::open(&bytes[..]).unwrap().verify().err().and_then(|error| error.rule());
        assert_eq!(rule, (!is_valid).then_some(Rule::O7), "code object {code}");
    }
}
