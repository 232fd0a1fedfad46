//! From bytes to names and back, in valid, damaged and arbitrary bytes.
#![allow(missing_docs)]

use permacode_dump::{Address, Line, Map};
use permacode_format::{MAGIC, SectionKind};
use permacode_testkit::{Edited, Program, Repair, shapes, toy};
use proptest::prelude::*;
use std::{convert::Infallible, ops::Range};

fn archives() -> Vec<Vec<u8>> {
    vec![toy::archive(), shapes::everything(), Program::default().write()]
}

fn lines<'a>(map: &Map<'a>, range: Range<u64>) -> Vec<Line<'a>> {
    let mut lines = Vec::new();
    let Ok(()) = map.lines(range, &mut |line| {
        lines.push(line);
        Ok::<(), Infallible>(())
    });
    lines
}

fn find(map: &Map<'_>, address: &str) -> Range<u64> {
    map.find(&address.parse().unwrap()).unwrap_or_else(|error| panic!("{address}: {error}"))
}

/// The places of the lines that have bytes, in their order.
fn places(lines: &[Line<'_>]) -> Vec<Range<u64>> {
    let place = |line: &Line<'_>| match line {
        Line::Bytes { offset, bytes, .. } => Some(*offset..offset + bytes.len() as u64),
        Line::Zeros { offset, len } => Some(*offset..offset + len),
        Line::Heading { .. } | Line::Problem { .. } => None,
    };
    lines.iter().filter_map(place).collect()
}

fn problems(bytes: &[u8]) -> Vec<String> {
    let map = Map::of(bytes);
    let lines = lines(&map, 0..map.len());
    lines.into_iter().filter_map(|line| if let Line::Problem { text, .. } = line { Some(text) } else { None }).collect()
}

#[test]
fn each_byte_of_a_valid_archive_is_on_one_line() {
    for bytes in archives() {
        let map = Map::of(&bytes);
        let mut end = 0;
        for place in places(&lines(&map, 0..map.len())) {
            assert_eq!(place.start, end);
            end = place.end;
        }
        assert_eq!(end, bytes.len() as u64);
        assert_eq!(problems(&bytes), <[String; 0]>::default());
    }
}

#[test]
fn an_offset_leads_to_its_line_and_the_address_of_the_line_to_the_offset() {
    for bytes in archives() {
        let map = Map::of(&bytes);
        for line in lines(&map, 0..map.len()) {
            let Line::Bytes { offset, bytes, address, .. } = &line else { continue };
            for at in [*offset, offset + bytes.len() as u64 - 1] {
                let found = lines(&map, find(&map, &format!("@{at:#x}")));
                assert!(found.contains(&line), "{at:#x}: {found:?}");
                assert_eq!(places(&found).len(), 1, "{at:#x}");
            }
            let place = find(&map, address);
            let is_inside = place.start <= *offset && *offset < place.end;
            assert!(is_inside, "{address} is {place:x?}, and its line is at {offset:#x}");
        }
    }
}

#[test]
fn addresses_name_the_fields_that_tests_change() {
    let bytes = shapes::everything();
    let (map, edited) = (Map::of(&bytes), Edited(bytes.clone()));
    for (address, path) in [
        ("header.file_len", "header.file_len"),
        ("section-table[code].offset", "section:code.offset"),
        ("modules[1].name_len", "modules[1].name_len"),
        ("targets[0].module_index.slot_count", "targets[0].module_index.slot_count"),
        ("objects[3].place", "objects[3]"),
        ("lists[2]", "lists[2]"),
        ("names@4", "names@4"),
        ("@0x42", "file@66"),
    ] {
        let place = edited.place(path);
        assert_eq!(find(&map, address), place.start as u64..place.end as u64, "{address}");
    }
    let code = edited.section(SectionKind::Code).start as u64;
    assert_eq!(find(&map, "code[1..3]"), code + 28..code + 84);
    assert_eq!(find(&map, "@16..0x18"), 16..24);
}

#[test]
fn text_that_is_no_address_is_refused_with_a_reason() {
    for text in ["", "nothing", "modules[", "modules[1", "modules[x]", "@", "@x", "@-1", "@+1", "modules[0]x"] {
        let error = text.parse::<Address>().unwrap_err().to_string();
        assert!(error.contains("is no address: "), "{text}: {error}");
    }
    for text in ["@4..4", "names@0x8..4", "modules[2..2]"] {
        let error = text.parse::<Address>().unwrap_err().to_string();
        assert!(error.contains(" is empty. A range does not include its end"), "{text}: {error}");
    }
    let bytes = toy::archive();
    let map = Map::of(&bytes);
    for (address, reason) in [
        ("modules[99]", "modules has 7 records; there is no modules[99]"),
        ("wide", "the archive has no bytes of wide"),
        ("header.nothing", "Header has no field \"nothing\"; it has magic, version"),
        ("header.version.x", "the field version of Header has no fields"),
        ("modules.name_len", "modules has no fields here"),
        ("constants[999]", "constants has no object 999"),
        ("names@0x10000", "there is no byte 0x10000"),
        ("@0x100000", "the file has"),
        ("index@0.record", "no slot holds byte 0x0 of index"),
    ] {
        let error = map.find(&address.parse().unwrap()).unwrap_err().to_string();
        assert!(error.contains(reason), "{address}: {error}");
    }
}

/// Damages an archive.
type Change<'a> = &'a dyn Fn(&mut Edited);

#[test]
fn a_damaged_archive_is_shown_and_its_faults_are_named() {
    let faults = |change: Change<'_>| {
        let mut edited = Edited(shapes::everything());
        change(&mut edited);
        problems(&edited.0).join("\n")
    };
    let len = shapes::everything().len() as u64;
    let set = |path: &'static str, value: u64| {
        move |edited: &mut Edited| {
            edited.set(path, value);
        }
    };
    let checks: [(Change<'_>, &str); 11] = [
        (&|edited| edited.0[0] = b'x', "the file does not start with the bytes of an archive"),
        (&|edited| edited.0.truncate(40), "the file has 40 bytes; a header has 64"),
        (
            &|edited| edited.0.truncate(len as usize - 1),
            &format!("the header states {len} bytes, and the file has {}", len - 1),
        ),
        (&set("header.section_count", 300), "the header states 300 sections; 256 are shown"),
        (&set("header.header_crc", 0), "the CRC of the header is 0x"),
        (&set("section:code.len", 1 << 40), "code has 1099511627776 bytes at 0x"),
        (&set("section:lists.offset", 0x1000), "starts before the end of"),
        (&set("constants@0", 0x1E), "no kind of object starts with the byte 0x1e"),
        (&set("checksums@0", 7), "but checksums[0] states 0x"),
        (&set("section:code.first_chunk", 0xFFFF), "have no CRC: there is no checksums[65535]"),
        (&set("file@4000", 7), "bytes that belong to no section and are not all zero"),
    ];
    for (change, expected) in checks {
        let found = faults(change);
        assert!(found.contains(expected), "{expected}: {found}");
    }
}

#[test]
fn each_part_that_is_shown_is_compared_with_its_crc() {
    let bytes = shapes::everything();
    let whole = Edited(bytes.clone());
    for kind in SectionKind::ALL.iter().filter(|kind| !whole.section(**kind).is_empty()) {
        let place = whole.section(*kind);
        for at in [place.start, place.end - 1] {
            let mut damaged = bytes.clone();
            damaged[at] ^= 0x10;
            let map = Map::of(&damaged);
            let is_damage = |line: &Line<'_>| {
                matches!(line, Line::Problem { offset, text } if text.starts_with("damaged: bytes 0x")
                    && (*offset..*offset + 4096).contains(&(at as u64)))
            };
            let found = lines(&map, at as u64..at as u64 + 1);
            assert_eq!(found.iter().filter(|line| is_damage(line)).count(), 1, "{kind} {at:#x}: {found:?}");
            // Another part of the archive is not damaged.
            assert!(!lines(&map, 0..64).iter().any(is_damage), "{kind} {at:#x}");
        }
    }
}

#[test]
fn a_code_object_has_its_records_and_its_data() {
    let bytes = shapes::everything();
    let map = Map::of(&bytes);
    let archive = permacode_reader::Archive::open(&bytes).unwrap();
    let mut sections = std::collections::BTreeSet::new();
    for target in archive.targets() {
        for module in target.modules() {
            for code in module.unwrap().codes() {
                let code = code.unwrap();
                let places = map.code_object(code.id());
                let cold = code.cold().unwrap();
                for bytes in [code.bytecode().unwrap(), cold.line_table, cold.exception_table] {
                    let range = bytes.offset()..bytes.offset() + bytes.len() as u64;
                    let is_there = places.iter().any(|place| place.start <= range.start && range.end <= place.end);
                    assert!(is_there || bytes.is_empty(), "{range:x?} {places:x?}");
                }
                assert_eq!(places[0].start, code.offset());
                for place in places {
                    let heading =
                        |line: &Line<'_>| if let Line::Heading { text } = line { Some(text.clone()) } else { None };
                    sections.extend(lines(&map, place).iter().find_map(heading));
                }
            }
        }
    }
    let names = ["bytecode", "code", "details", "lists", "signature-text", "signatures", "tables", "wide"];
    assert_eq!(sections.iter().map(String::as_str).collect::<Vec<_>>(), names);
    assert!(map.code_object(u32::MAX).is_empty());
}

fn check_any(bytes: &[u8]) {
    let map = Map::of(bytes);
    let mut places = places(&lines(&map, 0..map.len()));
    places.sort_by_key(|place| place.start);
    let end = places.iter().try_fold(0, |end, place| (place.start <= end).then_some(end.max(place.end)));
    assert_eq!(end, Some(bytes.len() as u64), "a byte is on no line");
    for line in lines(&map, 0..map.len()) {
        let text = line.to_string();
        assert!(text.chars().all(|c| !c.is_ascii_control() || matches!(line, Line::Heading { .. })), "{text:?}");
    }
}

proptest! {
    #[test]
    fn any_bytes_are_shown_whole(bytes in proptest::collection::vec(any::<u8>(), 0..400), is_archive: bool) {
        let mut bytes = bytes;
        if is_archive {
            bytes.splice(0..bytes.len().min(8), MAGIC);
        }
        check_any(&bytes);
    }

    #[test]
    fn damaged_archives_are_shown_whole(
        edits in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..20),
        cut in proptest::option::of(any::<prop::sample::Index>()),
        in_table: bool,
    ) {
        let mut edited = Edited(shapes::everything());
        let table = edited.table();
        for (at, byte) in edits {
            let at = if in_table { table.start + at.index(table.len()) } else { at.index(edited.0.len()) };
            edited.0[at] = byte;
        }
        edited.repair(Repair::Chunks);
        if let Some(cut) = cut {
            edited.0.truncate(cut.index(edited.0.len()));
        }
        check_any(&edited.0);
    }
}
