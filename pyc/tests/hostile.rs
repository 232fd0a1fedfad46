//! Files that are damaged on purpose: an error or a module, never a panic, and nothing that takes long.

use std::{fs, path::PathBuf, time::Instant};

use permacode_model::{Code, Container, Leaf, Module, ModuleKind, Object, Qualname, Ref, Str};
use permacode_pyc::{Header, Validation, Version, decode_pyc, encode_pyc};
use proptest::prelude::*;

fn real_files() -> Vec<Vec<u8>> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../testdata/pyc");
    let names = ["3.14/features.pyc", "3.15/features.pyc", "3.15/features_312.pyc", "3.15/features_314.pyc"];
    names.iter().map(|name| fs::read(folder.join(name)).unwrap()).collect()
}

/// Decodes, and encodes what was decoded.
fn try_all(bytes: &[u8]) -> bool {
    let Ok(pyc) = decode_pyc(bytes) else { return false };
    let _ = encode_pyc(&pyc.module, &pyc.header, b"x");
    true
}

#[test]
fn every_prefix_is_an_error() {
    for file in real_files() {
        for len in 0..file.len() {
            assert!(decode_pyc(&file[..len]).is_err(), "{len}");
        }
        let mut longer = file.clone();
        longer.push(b'N');
        assert_eq!(
            decode_pyc(&longer).unwrap_err().to_string(),
            format!("1 bytes follow the end of the module (at offset {:#x})", file.len())
        );
    }
}

#[test]
fn single_bytes_changed() {
    for file in &real_files()[1..] {
        for at in 0..file.len() {
            for value in [0xFF, file[at] ^ 0x80, file[at].wrapping_add(1), b'r'] {
                let mut bytes = file.clone();
                bytes[at] = value;
                try_all(&bytes);
            }
        }
    }
}

/// A minimal code object of CPython 3.13 (or, with `old`, 3.10) around constants and names.
fn code(constants: &[u8], names: &[u8], old: bool) -> Vec<u8> {
    let mut bytes = b"c".to_vec();
    bytes.extend_from_slice(&vec![0; if old { 24 } else { 20 }]);
    bytes.extend_from_slice(b"s\0\0\0\0");
    bytes.extend_from_slice(constants);
    bytes.extend_from_slice(names);
    bytes.extend_from_slice(if old { b")\0)\0)\0z\x01fz\x01n" } else { b")\0s\0\0\0\0z\x01fz\x01nz\x01n" });
    bytes.extend_from_slice(&1i32.to_le_bytes());
    bytes.extend_from_slice(b"s\0\0\0\0");
    if !old {
        bytes.extend_from_slice(b"s\0\0\0\0");
    }
    bytes
}

fn pyc(minor: u8, code: &[u8]) -> Vec<u8> {
    let header =
        Header { version: Version::of_minor(minor).unwrap(), validation: Validation::Timestamp { mtime: 0, size: 0 } };
    [&header.encode()[..], code].concat()
}

#[test]
fn lists_that_are_shared_cannot_grow_without_bound() {
    // A tuple of 10,000 names, which 10,000 code objects refer to: a hundred million entries for less than a megabyte.
    for (minor, old) in [(10, true), (13, false)] {
        let mut names = b"\xA8\x10\x27\0\0".to_vec();
        names.extend_from_slice(&b"Z\x01a".repeat(10_000));
        let mut constants = b"(\x10\x27\0\0".to_vec();
        for number in 0..10_000 {
            constants.extend_from_slice(&code(b")\0", if number == 0 { &names } else { b"r\0\0\0\0" }, old));
        }
        let bytes = pyc(minor, &code(&constants, b")\0", old));
        let start = Instant::now();
        let error = decode_pyc(&bytes).unwrap_err().to_string();
        assert!(error.contains("names and constants of code objects are too large"), "{error}");
        assert!(start.elapsed().as_secs() < 5);
    }
}

#[test]
fn long_values_that_are_shared_are_read_once() {
    // A name, a file name and bytecode of a megabyte each (and for 3.11+ a qualified name that reads like the name),
    // which 10,000 code objects refer to: comparing or hashing them for each would take minutes.
    const LEN: u32 = 1 << 20;
    let long = |kind: u8| [&[kind | 0x80], &LEN.to_le_bytes()[..], &vec![b'x'; LEN as usize]].concat();
    let reference = |number: u32| [b"r", &number.to_le_bytes()[..]].concat();
    for (minor, old) in [(10, true), (13, false)] {
        let long_code = |bytecode: &[u8], constants: &[u8], filename: &[u8], name: &[u8], qualname: &[u8]| {
            let mut bytes = b"c".to_vec();
            bytes.extend_from_slice(&vec![0; if old { 24 } else { 20 }]);
            bytes.extend([bytecode, constants, b")\0"].concat());
            bytes.extend_from_slice(if old { &b")\0)\0)\0"[..] } else { b")\0s\0\0\0\0" });
            bytes.extend([filename, name].concat());
            bytes.extend_from_slice(if old { b"" } else { qualname });
            bytes.extend_from_slice(b"\0\0\0\0s\0\0\0\0");
            bytes.extend_from_slice(if old { b"" } else { b"s\0\0\0\0" });
            bytes
        };
        let one = |first: bool| {
            let part = |number, kind| if first { long(kind) } else { reference(number) };
            // The file name of the module is that text too, but another object.
            long_code(&part(0, b's'), b")\x01N", &part(1, b'a'), &part(2, b'a'), &part(3, b'A'))
        };
        let mut constants = b"(\x10\x27\0\0".to_vec();
        for number in 0..10_000 {
            constants.extend_from_slice(&one(number == 0));
        }
        let plain = |kind: u8| {
            long(kind)[..].iter().enumerate().map(|(at, &byte)| if at == 0 { kind } else { byte }).collect::<Vec<_>>()
        };
        let root = long_code(b"s\0\0\0\0", &constants, &plain(b'a'), b"z\x01n", b"z\x01n");
        let start = Instant::now();
        assert!(try_all(&pyc(minor, &root)));
        assert!(start.elapsed().as_secs() < 5, "{:?}", start.elapsed());
    }
}

#[test]
fn nested_code_objects_stop_at_the_depth_of_marshal() {
    for (minor, old) in [(10, true), (13, false)] {
        // Each is a constant of the one around it: two levels each.
        let mut bytes = code(b")\0", b")\0", old);
        for _ in 0..999 {
            bytes = code(&[b")\x01", &*bytes].concat(), b")\0", old);
        }
        assert!(try_all(&pyc(minor, &bytes)));
        bytes = code(&[b")\x02N", &*bytes].concat(), b")\0", old);
        let error = decode_pyc(&pyc(minor, &bytes)).unwrap_err().to_string();
        assert!(error.starts_with("values are nested more than 2000 levels deep"), "{error}");
    }
}

#[test]
fn fields_of_the_wrong_type_are_named() {
    let text = |bytes: &[u8]| decode_pyc(&pyc(13, bytes)).unwrap_err().to_string();
    assert_eq!(text(b"N"), "the value in the file is None, expected a code object (at offset 0x10)");
    assert_eq!(text(&code(b"[\0\0\0\0", b")\0", false)), "co_consts is a list, expected a tuple (at offset 0x10)");
    assert_eq!(text(&code(b")\0", b")\x01N", false)), "co_names is None, expected a tuple of str (at offset 0x10)");
    let mut bytes = code(b")\0", b")\0", false);
    bytes[1..5].fill(0xFF);
    assert_eq!(text(&bytes), "co_argcount is -1, expected zero or more (at offset 0x10)");
    // Another list of names for locals, but still no kinds.
    let bytes = code(b")\0", b")\0", false);
    let at = bytes.windows(4).enumerate().rfind(|(_, window)| *window == b")\0s\0").unwrap().0;
    let bytes = [&bytes[..at], b")\x01z\x01a", &bytes[at + 2..]].concat();
    assert_eq!(text(&bytes), "co_localsplusnames has 1 names, but co_localspluskinds has 0 kinds (at offset 0x10)");
}

fn reference() -> impl Strategy<Value = Ref> {
    prop_oneof![(0u32..12).prop_map(Ref::Object), (0u32..5).prop_map(Ref::Code)]
}

fn object() -> impl Strategy<Value = Object<'static>> {
    let container = prop::sample::select(
        &[
            Container::Tuple,
            Container::FrozenSet,
            Container::List,
            Container::Set,
            Container::Dict,
            Container::FrozenDict,
            Container::Slice,
        ][..],
    );
    prop_oneof![
        4 => prop::sample::select(&["", "a", "f", "f.a", "<locals>"][..]).prop_map(|text| Object::Leaf(Leaf::Str(Str::interned(text)))),
        1 => Just(Object::Leaf(Leaf::Str(Str { text: b"\xFF"[..].into(), interned: false }))),
        1 => Just(Object::Leaf(Leaf::None)),
        1 => prop::collection::vec(any::<u8>(), 0..9).prop_map(|bytes| Object::Leaf(Leaf::Int(bytes.into()))),
        1 => (0u32..4, any::<bool>()).prop_map(|(constant, interned)| Object::Leaf(Leaf::Qualname { constant, interned })),
        2 => (container, prop::collection::vec(reference(), 0..4))
            .prop_map(|(container, items)| Object::Container(container, items)),
    ]
}

fn model_code() -> impl Strategy<Value = Code<'static>> {
    let qualname = prop_oneof![
        3 => Just(Qualname::Name),
        1 => any::<bool>().prop_map(|interned| Qualname::Member { interned }),
        1 => any::<bool>().prop_map(|interned| Qualname::Local { interned }),
        1 => (0u32..12).prop_map(Qualname::Explicit),
    ];
    let list = || prop::collection::vec(0u32..12, 0..3);
    let constants = prop::collection::vec(reference(), 0..4);
    let local_count = prop::option::weighted(0.1, any::<u32>());
    (0u32..12, qualname, prop::option::weighted(0.2, 0u32..12), constants, list(), list(), local_count).prop_map(
        |(name, qualname, filename, constants, names, locals, local_count)| Code {
            name,
            qualname,
            filename,
            arg_count: 0,
            posonly_count: 0,
            kwonly_count: 0,
            stack_size: 0,
            flags: 0,
            first_line: 0,
            constants,
            names,
            local_kinds: vec![0x20; locals.len()].into(),
            locals,
            local_count,
            bytecode: Vec::new().into(),
            line_table: Vec::new().into(),
            exception_table: Vec::new().into(),
            docstring: None,
            signature: None,
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(2_000) })]

    #[test]
    fn several_bytes_changed(file in 0usize..4, changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..20)) {
        let mut bytes = real_files().swap_remove(file);
        for (at, value) in changes {
            let at = at.index(bytes.len());
            bytes[at] = value;
        }
        try_all(&bytes);
    }

    #[test]
    fn no_model_panics(
        objects in prop::collection::vec(object(), 0..12),
        codes in prop::collection::vec(model_code(), 0..5),
        body in prop::option::weighted(0.9, 0u32..5),
        minor in 8u8..=15,
    ) {
        let module = Module { name: String::new(), kind: ModuleKind::Module, objects, codes, body, filename: None, source: None };
        let header = Header {
            version: Version::of_minor(minor).unwrap(),
            validation: Validation::UncheckedHash([0; 8]),
        };
        // What can be encoded can be decoded, and is the same then.
        if let Ok(bytes) = encode_pyc(&module, &header, b"file") {
            let pyc = decode_pyc(&bytes).unwrap();
            // "file", unless the body has a file name of its own: that is the module's then.
            let filename = pyc.module.filename.as_ref().map_or(b"file".to_vec(), |filename| filename.path.text.to_vec());
            prop_assert_eq!(encode_pyc(&pyc.module, &header, &filename).unwrap(), bytes);
        }
    }
}
