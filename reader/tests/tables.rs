//! Line tables and exception tables (spec.md Annex A): their values, their faults, and what decoding them costs.

mod counting;

use counting::allocations;
use permacode_model::{Code, Leaf, Module, ModuleKind, Object, Path, Str, Target};
use permacode_reader::{Archive, Error, ErrorKind, ExceptionEncoding, Handler, LineEncoding, Location, Result, Rule};
use permacode_testkit::{Edited, Part, Program, Repair, walk};
use proptest::prelude::*;
use std::{hint::black_box, ops::Range};

const ENCODED: [LineEncoding; 3] = [LineEncoding::Lnotab, LineEncoding::LineTable310, LineEncoding::LocationTable];

/// The archive of one module. Its body has these tables.
fn archive(
    encoding: LineEncoding,
    unit_size: u8,
    len: usize,
    first_line: i32,
    lines: &[u8],
    exceptions: &[u8],
) -> Vec<u8> {
    let code = Code {
        bytecode: vec![0; len].into(),
        first_line,
        line_table: lines.into(),
        exception_table: exceptions.into(),
        ..Code::default()
    };
    let module = Module {
        name: "m".into(),
        kind: ModuleKind::Module,
        objects: vec![Object::Leaf(Leaf::Str(Str::interned("<module>")))],
        codes: vec![code],
        body: Some(0),
        filename: Some(Path { root: None, path: Str::plain("m.py") }),
        source: None,
    };
    let exception_encoding = match encoding {
        LineEncoding::Private => ExceptionEncoding::Private,
        _ => ExceptionEncoding::Table311,
    };
    let target = Target { line_encoding: encoding, exception_encoding, ..Target::new("toy", 1, 1, unit_size) };
    Program { targets: vec![Part { target, modules: vec![module], resources: vec![] }] }.write()
}

/// Calls `look` with the code object.
fn with_code<T>(bytes: &[u8], look: impl FnOnce(permacode_reader::Code<'_>) -> T) -> T {
    let archive = Archive::open(bytes).unwrap();
    archive.verify().unwrap();
    look(archive.target(0).unwrap().find("m").unwrap().unwrap().body().unwrap().unwrap())
}

/// The items, and the error that ends them.
fn split<T>(items: Result<Option<impl Iterator<Item = Result<T>>>>) -> (Vec<T>, Option<Error>) {
    let (mut found, mut error) = (Vec::new(), None);
    for item in items.unwrap().unwrap() {
        assert!(error.is_none(), "nothing follows an error");
        match item {
            Ok(item) => found.push(item),
            Err(other) => error = Some(other),
        }
    }
    (found, error)
}

fn lines_of(encoding: LineEncoding, len: usize, table: &[u8]) -> Vec<(Range<u32>, Option<i32>)> {
    with_code(&archive(encoding, 2, len, 10, table, &[]), |code| {
        let found = code.locations().unwrap().unwrap().map(|location| {
            let location = location.unwrap();
            assert_eq!((location.end_line, location.column, location.end_column), (None, None, None));
            (location.units, location.line)
        });
        found.collect()
    })
}

#[test]
fn lnotab_gives_the_last_line_to_the_rest() {
    let lines = |len, table: &[u8]| lines_of(LineEncoding::Lnotab, len, table);
    assert_eq!(lines(8, &[]), [(0..4, Some(10))]);
    // The line grows after the instructions. Pairs without instructions only change the line.
    assert_eq!(lines(8, &[2, 1, 0, 5, 4, 0xFF]), [(0..1, Some(10)), (1..3, Some(16)), (3..4, Some(15))]);
    // Nothing after the last instruction counts.
    assert_eq!(lines(4, &[2, 1, 255, 1, 2]), [(0..1, Some(10)), (1..2, Some(11))]);
    assert_eq!(lines(0, &[2, 1]), []);
    // An entry covers the units whose first byte it covers. The last byte is no whole unit.
    assert_eq!(lines(7, &[1, 1, 2, 1]), [(0..1, Some(10)), (1..2, Some(11)), (2..3, Some(12))]);
}

#[test]
fn the_line_table_of_3_10_has_instructions_without_a_line() {
    let lines = |len, table: &[u8]| lines_of(LineEncoding::LineTable310, len, table);
    assert_eq!(lines(8, &[]), []);
    // The line grows before the instructions.
    let table = [2, 1, 0, 5, 2, 0x80, 2, 0xFF];
    assert_eq!(lines(12, &table), [(0..1, Some(11)), (1..2, None), (2..3, Some(15))]);
    assert_eq!(lines(4, &[254, 1, 0]), [(0..2, Some(11))]);
}

#[test]
fn the_location_table_has_all_kinds_of_entries() {
    let table = [
        &[0x80 | 5 << 3 | 1, 0x7F][..],
        &[0x80 | 9 << 3, 0x00],
        &[0x80 | 10 << 3, 127, 3],
        &[0x80 | 12 << 3, 1, 2],
        &[0x80 | 13 << 3, 3],
        // 100 lines on, three lines long, columns 0 and none.
        &[0x80 | 14 << 3, 0x40 | (200 & 63), 200 >> 6, 3, 1, 0],
        &[0x80 | 15 << 3 | 7],
        &[0x80 | 10 << 3, 0, 0],
    ]
    .concat();
    let expected = [
        (0..2, Some(10), Some(10), Some(47), Some(62)),
        (2..3, Some(10), Some(10), Some(72), Some(72)),
        (3..4, Some(10), Some(10), Some(127), Some(3)),
        (4..5, Some(12), Some(12), Some(1), Some(2)),
        (5..6, Some(11), Some(11), None, None),
        (6..7, Some(111), Some(114), Some(0), None),
        (7..15, None, None, None, None),
        (15..16, Some(111), Some(111), Some(0), Some(0)),
    ];
    let expected = expected.map(|(units, line, end_line, column, end_column)| Location {
        units,
        line,
        end_line,
        column,
        end_column,
    });
    with_code(&archive(LineEncoding::LocationTable, 2, 40, 10, &table, &[]), |code| {
        assert_eq!(split(code.locations()).0, expected);
        assert_eq!(code.location_at(6).unwrap().as_ref(), Some(&expected[5]));
        // No entry covers the last units.
        assert_eq!((code.unit_count().unwrap(), code.location_at(16).unwrap()), (20, None));
    });
    // An entry may reach beyond the last unit.
    with_code(&archive(LineEncoding::LocationTable, 2, 20, 10, &table, &[]), |code| {
        assert_eq!(split(code.locations()).0.last().unwrap().units, 7..10);
        assert_eq!(code.location_at(10).unwrap(), None);
    });
}

#[test]
fn the_first_handler_that_covers_a_unit_counts() {
    let table = [
        &[0x82u8, 2, 7, 5][..],
        // 0x1040 units from 1 on. The handler lies beyond the last unit.
        &[0x81, 0x41, 0x41, 0, 0x7F, 0x3F, 2],
        // Covers nothing.
        &[0x80, 0, 1, 1],
        // Zeros before a number change nothing.
        &[0xC0, 0x40, 0, 9, 0x40, 3, 0],
    ]
    .concat();
    let expected = [
        Handler { units: 2..4, target: 7, stack_depth: 2, pushes_offset: true },
        Handler { units: 1..10, target: 4095, stack_depth: 1, pushes_offset: false },
        Handler { units: 0..9, target: 3, stack_depth: 0, pushes_offset: false },
    ];
    with_code(&archive(LineEncoding::LocationTable, 2, 20, 1, &[], &table), |code| {
        assert_eq!(split(code.handlers()).0, expected);
        let targets = (0..11).map(|unit| code.handler_at(unit).unwrap().map(|handler| handler.target));
        let (inner, outer) = (Some(7), Some(4095));
        let all = [Some(3), outer, inner, inner, outer, outer, outer, outer, outer, outer, None];
        assert_eq!(targets.collect::<Vec<_>>(), all);
    });
}

#[test]
fn a_private_encoding_is_not_decoded() {
    with_code(&archive(LineEncoding::Private, 2, 8, 1, &[2, 1], &[0x80, 1, 1, 1]), |code| {
        assert!(code.locations().unwrap().is_none() && code.handlers().unwrap().is_none());
        assert!(code.location_at(0).unwrap().is_none() && code.handler_at(0).unwrap().is_none());
    });
}

#[test]
fn a_malformed_entry_ends_the_table_with_its_offset() {
    use LineEncoding::{LineTable310, Lnotab, LocationTable};
    let cut_off = "it needs bytes after the end of the table";
    let first = "bit 7 of its first byte is clear";
    let later = "bit 7 of a byte after its first one is set";
    let large = "a number in it exceeds 32 bits";
    let line = "its line or end line does not fit";
    const MAX: i32 = i32::MAX;
    for (encoding, first_line, good, bad, fault) in [
        (Lnotab, 1, &[2, 1][..], &[2][..], cut_off),
        (Lnotab, MAX - 1, &[2, 1], &[2, 1], line),
        (Lnotab, i32::MIN, &[], &[0, 0xFF], line),
        (LineTable310, 1, &[2, 1], &[2], cut_off),
        (LineTable310, MAX, &[2, 0, 2, 0x80], &[2, 1], line),
        (LocationTable, 1, &[0xF8], &[0x78], first),
        (LocationTable, 1, &[0xF8], &[0x80], cut_off),
        (LocationTable, 1, &[0xF8], &[0x80, 0x80], later),
        (LocationTable, 1, &[0xD0, 1, 1], &[0xD0, 1, 0x81], later),
        (LocationTable, 1, &[0xD0, 1, 1], &[0xD0, 1], cut_off),
        (LocationTable, MAX - 1, &[0xD8, 1, 1], &[0xD8, 1, 1], line),
        (LocationTable, 1, &[0xE8, 2], &[0xE8, 0x42], cut_off),
        (LocationTable, 1, &[0xE8, 2], &[0xE8, 0x42, 0x80], later),
        (
            LocationTable,
            1,
            &[0xE8, 0x43, 0x40, 0x40, 0x40, 0x40, 0x40, 0x40, 0],
            &[0xE8, 0x40, 0x40, 0x40, 0x40, 0x40, 4],
            large,
        ),
        (LocationTable, 1, &[], &[0xE8, 0x40, 0x40, 0x40, 0x40, 0x40, 0x40, 1], large),
        (LocationTable, -2, &[], &[0xE8, 0x7F, 0x7F, 0x7F, 0x7F, 0x7F, 3], line),
        (LocationTable, 2, &[], &[0xF0, 0, 0x7E, 0x7F, 0x7F, 0x7F, 0x7F, 1, 0, 0], line),
        (LocationTable, 2, &[], &[0xF0, 0, 0, 0, 0x40], cut_off),
    ] {
        let table = [good, bad].concat();
        with_code(&archive(encoding, 2, 40, first_line, &table, &[]), |code| {
            let (found, error) = split(code.locations());
            let error = error.unwrap_or_else(|| panic!("{encoding}: {table:x?} gives {found:?}"));
            assert!(matches!(error.kind(), ErrorKind::MalformedEntry { table: "line table", .. }), "{error:?}");
            assert!(error.to_string().contains(fault), "{table:x?}: {error}");
            assert_eq!(error.rule(), None);
            let at = code.line_table().unwrap().offset() + good.len() as u64;
            assert_eq!(error.offset(), Some(at), "{table:x?}");
            // What is asked of the entries before is answered.
            let covered = found.last().map_or(0, |location| location.units.end);
            assert!((0..covered).all(|unit| code.location_at(unit).unwrap().is_some()));
            assert!((covered..20).all(|unit| code.location_at(unit).is_err()));
        });
    }
    for (good, bad, fault) in [
        (&[0x81u8, 1, 1, 1][..], &[0x01][..], first),
        (&[0x81, 1, 1, 1], &[0x80, 1, 1], cut_off),
        (&[0x81, 1, 1, 1], &[0x80, 0x81, 1, 1], later),
        (&[0x81, 1, 1, 1], &[0xC0, 0x81], later),
        (&[], &[0xC4, 0x40, 0x40, 0x40, 0x40, 0, 1, 1, 1], large),
        (&[0xC3, 0x7F, 0x7F, 0x7F, 0x7F, 0x3F, 1, 1, 1], &[0x80, 1, 1, 0x44, 0x40, 0x40, 0x40, 0x40, 0], large),
    ] {
        let table = [good, bad].concat();
        with_code(&archive(LineEncoding::LocationTable, 2, 40, 1, &[], &table), |code| {
            let error = split(code.handlers()).1.unwrap();
            assert!(matches!(error.kind(), ErrorKind::MalformedEntry { table: "exception table", .. }), "{error:?}");
            assert!(error.to_string().contains(fault), "{table:x?}: {error}");
            assert_eq!(
                error.offset(),
                Some(code.exception_table().unwrap().offset() + good.len() as u64),
                "{table:x?}"
            );
        });
    }
}

#[test]
fn units_of_zero_bytes_break_the_rule_of_targets() {
    let mut bytes = Edited(archive(LineEncoding::Lnotab, 2, 8, 1, &[2, 1], &[]));
    bytes.set("targets[0].unit_size", 0);
    bytes.repair(Repair::Chunks);
    let archive = Archive::open(&bytes.0).unwrap();
    let code = archive.target(0).unwrap().find("m").unwrap().unwrap().body().unwrap().unwrap();
    assert_eq!(code.locations().unwrap_err().rule(), Some(Rule::T3));
    assert_eq!(code.handlers().unwrap_err().rule(), Some(Rule::T3));
}

#[test]
fn decoding_and_asking_allocate_nothing() {
    for encoding in ENCODED {
        let lines = if encoding == LineEncoding::LocationTable { [0xF8; 40].to_vec() } else { [2, 1].repeat(40) };
        let bytes = archive(encoding, 2, 80, 1, &lines, &[0x80, 20, 7, 1, 0x81, 39, 9, 0]);
        with_code(&bytes, |code| {
            let calls = allocations(|| {
                let locations = code.locations().unwrap().unwrap();
                assert_eq!(black_box(locations.clone()).map(Result::unwrap).count(), 40);
                assert_eq!(locations.map(|location| location.unwrap().units.len()).sum::<usize>(), 40);
                assert_eq!(code.handlers().unwrap().unwrap().map(Result::unwrap).count(), 2);
                assert!((0..40).all(|unit| code.location_at(unit).unwrap().is_some()));
                assert!((0..40).all(|unit| code.handler_at(unit).unwrap().is_some()));
            });
            assert_eq!(calls, 0, "{encoding}");
        });
    }
}

/// The line of each byte of instructions, as spec.md A.1 and A.2 say. `None` if the table is malformed.
fn line_of_each_byte(encoding: LineEncoding, len: usize, first_line: i32, table: &[u8]) -> Option<Vec<Option<i32>>> {
    let (mut lines, mut line) = (Vec::new(), i64::from(first_line));
    for pair in table.chunks(2) {
        let &[count, delta] = pair else { return None };
        let delta = delta.cast_signed();
        if encoding == LineEncoding::LineTable310 && delta == -128 {
            lines.extend(vec![None; count.into()]);
            continue;
        }
        let before = line;
        line += i64::from(delta);
        let covering = if encoding == LineEncoding::Lnotab { before } else { line };
        lines.extend(vec![Some(i32::try_from(covering).ok()?); count.into()]);
    }
    if encoding == LineEncoding::Lnotab {
        lines.resize(lines.len().max(len), Some(i32::try_from(line).ok()?));
    }
    lines.truncate(len);
    Some(lines)
}

/// What the longest kind of entry states: line delta, further lines, column and end column.
type Place = (i32, u32, Option<u32>, Option<u32>);

/// Adds an entry of the longest kind to a location table, or one of kind 15.
fn encode(units: u8, place: Option<Place>, table: &mut Vec<u8>) {
    let Some((delta, lines, column, end_column)) = place else { return table.push(0xF8 | (units - 1)) };
    table.push(0xF0 | (units - 1));
    let signed = delta.unsigned_abs() << 1 | u32::from(delta < 0);
    let stored = |column: Option<u32>| column.map_or(0, |column| column + 1);
    for mut number in [signed, lines, stored(column), stored(end_column)] {
        while number >= 64 {
            table.push(0x40 | (number & 63) as u8);
            number >>= 6;
        }
        table.push(number as u8);
    }
}

fn places() -> impl Strategy<Value = Place> {
    (-70_000i32..70_000, 0u32..5000, prop::option::of(0..1u32 << 20), prop::option::of(0u32..200))
}

fn pairs() -> impl Strategy<Value = Vec<(u8, u8)>> {
    prop::collection::vec((prop_oneof![0u8..9, any::<u8>()], prop_oneof![Just(128u8), any::<u8>()]), 0..20)
}

proptest! {
    #[test]
    fn lines_are_those_of_each_byte(
        encoding in prop::sample::select(&ENCODED[..2]),
        unit_size in 1u8..9,
        len in 0usize..600,
        first_line in -300i32..300,
        pairs in pairs(),
    ) {
        let table: Vec<u8> = pairs.into_iter().flat_map(|(one, other)| [one, other]).collect();
        let expected = line_of_each_byte(encoding, len, first_line, &table).unwrap();
        with_code(&archive(encoding, unit_size, len, first_line, &table, &[]), |code| {
            let size = usize::from(unit_size);
            for unit in 0..len / size {
                let line = code.location_at(unit as u32).unwrap().map(|location| location.line);
                assert_eq!(line, expected.get(unit * size).copied(), "unit {unit}");
            }
        });
    }

    #[test]
    fn a_location_table_gives_what_was_encoded(
        entries in prop::collection::vec((1u8..9, prop::option::of(places())), 0..20),
    ) {
        let (mut table, mut expected, mut line, mut units) = (Vec::new(), Vec::new(), 5, 0);
        for (count, place) in entries {
            encode(count, place, &mut table);
            let units = { let start = units; units += u32::from(count); start..units };
            expected.push(match place {
                None => Location { units, line: None, end_line: None, column: None, end_column: None },
                Some((delta, lines, column, end_column)) => {
                    line += delta;
                    Location { units, line: Some(line), end_line: Some(line + lines as i32), column, end_column }
                }
            });
        }
        let bytes = archive(LineEncoding::LocationTable, 2, units as usize * 2, 5, &table, &[]);
        prop_assert_eq!(with_code(&bytes, |code| split(code.locations()).0), expected);
    }

    #[test]
    fn any_bytes_end_in_order_and_every_question_agrees(
        encoding in prop::sample::select(&ENCODED[..]),
        unit_size in 1u8..9,
        len in 0usize..300,
        first_line in prop_oneof![Just(1), Just(i32::MAX - 3), Just(i32::MIN + 3), any::<i32>()],
        lines in prop::collection::vec(prop_oneof![0x80u8.., any::<u8>(), 0u8..4], 0..60),
        exceptions in prop::collection::vec(prop_oneof![0x80u8.., 0u8..40, 0u8..40, 0u8..40, any::<u8>()], 0..60),
    ) {
        with_code(&archive(encoding, unit_size, len, first_line, &lines, &exceptions), |code| {
            let table = code.line_table().unwrap();
            let place = |error: &Error, table: &[u8], start: u64| {
                let inside = error.offset().unwrap().checked_sub(start);
                assert!(error.rule().is_none() && inside.is_some_and(|at| at < table.len() as u64), "{error}");
            };
            let (found, error) = split(code.locations());
            let mut covered = 0;
            for location in &found {
                assert_eq!(location.units.start, covered);
                assert!(location.units.end > covered && location.units.end <= code.unit_count().unwrap());
                covered = location.units.end;
            }
            if let Some(error) = &error {
                place(error, &table, table.offset());
            }
            for unit in 0..code.unit_count().unwrap() + 2 {
                let answer = found.iter().find(|location| location.units.contains(&unit));
                match code.location_at(unit) {
                    Ok(location) => assert_eq!(location.as_ref(), answer),
                    Err(_) => assert!(answer.is_none() && error.is_some()),
                }
            }
            let table = code.exception_table().unwrap();
            let (found, error) = split(code.handlers());
            if let Some(error) = &error {
                place(error, &table, table.offset());
            }
            for unit in 0..code.unit_count().unwrap() + 2 {
                let answer = found.iter().find(|handler| handler.units.contains(&unit));
                match code.handler_at(unit) {
                    Ok(handler) => assert_eq!(handler.as_ref(), answer),
                    Err(_) => assert!(answer.is_none() && error.is_some()),
                }
            }
        });
    }
}

#[test]
fn a_module_knows_its_target() {
    let module = |name: &str| Module::namespace(name);
    let part = |optimization, names: &[&str]| Part {
        target: Target { optimization, ..Target::new("toy", 1, 1, 2) },
        modules: names.iter().map(|name| module(name)).collect(),
        resources: vec![],
    };
    // Targets without modules start at the same record as the next ones.
    let program =
        Program { targets: vec![part(0, &[]), part(1, &["a", "b"]), part(2, &[]), part(3, &["a"]), part(4, &[])] };
    let bytes = program.write();
    let archive = Archive::open(&bytes).unwrap();
    let mut seen = 0;
    for target in archive.targets() {
        for found in target.modules() {
            assert_eq!(found.unwrap().target().unwrap(), target);
            seen += 1;
        }
    }
    assert_eq!(seen, 3);

    // If targets are not in order, a module may be without a target.
    let mut broken = Edited(bytes.clone());
    broken.set("targets[4].first_module", 1);
    broken.repair(Repair::Chunks);
    let archive = Archive::open(&broken.0).unwrap();
    let module = archive.target(3).unwrap().find("a").unwrap().unwrap();
    assert_eq!(module.target().unwrap_err().rule(), Some(Rule::T6));
}

#[test]
fn the_walk_over_every_accessor_reaches_both_tables() {
    let exceptions = [0x80, 20, 7, 1, 0x01];
    let bytes = archive(LineEncoding::LocationTable, 2, 80, 1, &[0xF8; 40], &exceptions);
    let reached = walk::walk(&Archive::open(&bytes[..]).unwrap());
    assert_eq!((reached.entries, reached.malformed), (41, 1));
}
