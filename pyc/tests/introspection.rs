//! CPython 3.14 and 3.15: positions, handlers and docstrings in an archive against what those interpreters report
//! (`testdata/pyc`). `cargo xtask introspection` compares the versions that are installed.

use permacode_pyc::{decode_pyc, target_for};
use permacode_reader::{Archive, Code};
use permacode_writer::{Options, Writer};
use serde_json::{Value, json};
use std::{fs, path::PathBuf};

/// Code objects, each before those in it.
fn depth_first(body: Code<'_>) -> Vec<Code<'_>> {
    let (mut found, mut stack) = (Vec::new(), vec![body]);
    while let Some(code) = stack.pop() {
        found.push(code);
        let children: Vec<_> = code.children().unwrap().map(Result::unwrap).collect();
        stack.extend(children.into_iter().rev());
    }
    found
}

/// Line, end line, column and end column of each unit.
fn positions(code: &Code<'_>) -> Vec<Value> {
    let locations = code.locations().unwrap().unwrap().map(Result::unwrap);
    let all = locations.flat_map(|location| {
        let position = json!([location.line, location.end_line, location.column, location.end_column]);
        vec![position; location.units.len()]
    });
    all.collect()
}

/// The line of each unit, from ranges of offsets.
fn lines(ranges: &Value) -> Vec<Value> {
    let offset = |range: &Value, index: usize| range[index].as_u64().unwrap() as usize;
    let ranges = ranges.as_array().unwrap().iter();
    ranges.flat_map(|range| vec![range[2].clone(); (offset(range, 1) - offset(range, 0)) / 2]).collect()
}

fn handlers(code: &Code<'_>) -> Vec<Value> {
    let handlers = code.handlers().unwrap().unwrap().map(Result::unwrap);
    let numbers = handlers.map(|handler| {
        let (start, end) = (handler.units.start, handler.units.end);
        json!([start, end, handler.target, handler.stack_depth, u8::from(handler.pushes_offset)])
    });
    numbers.collect()
}

#[test]
fn later_versions_report_the_same() {
    let (mut units, mut all_handlers, mut docstrings) = (0, 0, 0);
    for minor in ["3.14", "3.15"] {
        let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../testdata/pyc").join(minor);
        let read = |name: &str| -> Value { serde_json::from_slice(&fs::read(folder.join(name)).unwrap()).unwrap() };
        let (expected, introspection) = (read("expected.json"), read("introspection.json"));
        let files = expected["files"].as_object().unwrap();
        assert_eq!((files.len(), introspection["files"].as_object().unwrap().len()), (8, 8));
        for (file, expected) in files {
            let bytes = fs::read(folder.join(file)).unwrap();
            let mut pyc = decode_pyc(&bytes).unwrap();
            pyc.module.name = "features".into();
            let mut writer = Writer::new(Options::default());
            let target = writer.add_target(&target_for(pyc.header.version, 0, 0)).unwrap();
            writer.add_module(target, &pyc.module).unwrap();
            let archive_bytes = writer.plan().unwrap().to_bytes();
            let archive = Archive::open(&archive_bytes).unwrap();
            let module = archive.target(0).unwrap().find("features").unwrap().unwrap();
            let codes = depth_first(module.body().unwrap().unwrap());
            let (expected, more) = (expected.as_array().unwrap(), introspection["files"][file].as_array().unwrap());
            assert_eq!((codes.len(), codes.len()), (expected.len(), more.len()), "{minor}/{file}");
            for ((code, expected), more) in codes.iter().zip(expected).zip(more) {
                let place = format!("{minor}/{file}: {}", expected["qualname"]);
                assert_eq!(expected["qualname"], more["qualname"], "{place}");
                let found = positions(code);
                assert_eq!(&found, expected["positions"].as_array().unwrap(), "{place}");
                let found_lines: Vec<_> = found.iter().map(|position| position[0].clone()).collect();
                assert_eq!(found_lines, lines(&expected["lines"]), "{place}");
                let found_handlers = handlers(code);
                assert_eq!(&found_handlers, more["handlers"].as_array().unwrap(), "{place}");
                let docstring = code.docstring().unwrap().map(|text| text.to_string());
                assert_eq!(json!(docstring), more["docstring"], "{place}");
                units += found.len();
                all_handlers += found_handlers.len();
                docstrings += usize::from(docstring.is_some());
            }
        }
    }
    println!("{units} units, {all_handlers} handlers, {docstrings} docstrings");
    assert!(units > 10_000 && all_handlers > 100 && docstrings > 30);
}
