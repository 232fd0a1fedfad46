//! CPython 3.14 and 3.15: every field of every code object against what those interpreters report (`testdata/pyc`).

use std::{borrow::Cow, fs, path::PathBuf};

use permacode_format::{Container, local_kind};
use permacode_model::{Code, Leaf, Module, Object, Qualname, Ref};
use permacode_pyc::{Header, Pyc, Validation, Version, decode_pyc, encode_pyc, source_hash};
use serde_json::Value;

const VERSIONS: [u8; 2] = [14, 15];

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../testdata/pyc")
}

/// Each file of a version: name, bytes, and what is expected of its code objects.
fn files(minor: u8) -> Vec<(String, Vec<u8>, Vec<Value>)> {
    let folder = folder().join(format!("3.{minor}"));
    let expected: Value = serde_json::from_slice(&fs::read(folder.join("expected.json")).unwrap()).unwrap();
    let magic = Version::of_minor(minor).unwrap().magic_token().to_le_bytes();
    assert_eq!(expected["magic"], hex(&magic));
    let files = expected["files"].as_object().unwrap();
    assert_eq!(files.len(), 8);
    let codes = |codes: &Value| codes.as_array().unwrap().clone();
    files.iter().map(|(name, value)| (name.clone(), fs::read(folder.join(name)).unwrap(), codes(value))).collect()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Code objects depth first, as constants have them, with the parent of each.
fn depth_first(module: &Module<'_>) -> Vec<(u32, Option<u32>)> {
    let mut found = Vec::new();
    let mut todo = vec![(module.body.unwrap(), None)];
    while let Some((number, parent)) = todo.pop() {
        found.push((number, parent));
        for constant in module.codes[number as usize].constants.iter().rev() {
            if let Ref::Code(child) = *constant {
                todo.push((child, Some(number)));
            }
        }
    }
    found
}

struct View<'m, 'a> {
    module: &'m Module<'a>,
}

impl View<'_, '_> {
    fn text(&self, object: u32) -> Vec<u8> {
        match &self.module.objects[object as usize] {
            Object::Leaf(Leaf::Str(string)) => string.text.to_vec(),
            other => panic!("{other:?} is no string"),
        }
    }

    fn code(&self, number: u32) -> &Code<'_> {
        &self.module.codes[number as usize]
    }

    fn qualname(&self, number: u32) -> Vec<u8> {
        let code = self.code(number);
        let separator = match code.qualname {
            Qualname::Name => return self.text(code.name),
            Qualname::Explicit(object) => return self.text(object),
            Qualname::Member { .. } => &b"."[..],
            Qualname::Local { .. } => b".<locals>.",
        };
        let parent = depth_first(self.module).into_iter().find(|&(child, _)| child == number).unwrap().1.unwrap();
        [&self.qualname(parent), separator, &self.text(code.name)].concat()
    }

    fn repr(&self, reference: Ref) -> String {
        let object = match reference {
            Ref::Code(number) => return format!("<code {}>", String::from_utf8(self.qualname(number)).unwrap()),
            Ref::Object(object) => &self.module.objects[object as usize],
        };
        match object {
            Object::Leaf(Leaf::None) => "None".to_owned(),
            Object::Leaf(Leaf::False) => "False".to_owned(),
            Object::Leaf(Leaf::True) => "True".to_owned(),
            Object::Leaf(Leaf::Ellipsis) => "Ellipsis".to_owned(),
            Object::Leaf(Leaf::StopIteration) => "<class 'StopIteration'>".to_owned(),
            Object::Leaf(Leaf::Int(bytes)) => {
                let sign = if bytes.last().is_some_and(|&high| high >= 0x80) { 0xFF } else { 0 };
                let mut all = [sign; 16];
                all[..bytes.len()].copy_from_slice(bytes);
                i128::from_le_bytes(all).to_string()
            }
            &Object::Leaf(Leaf::Float(bits)) => float(f64::from_bits(bits), true),
            &Object::Leaf(Leaf::Complex(real, imaginary)) => {
                let (real, imaginary) = (f64::from_bits(real), float(f64::from_bits(imaginary), false));
                if real.to_bits() == 0 {
                    format!("{imaginary}j")
                } else {
                    let plus = if imaginary.starts_with('-') { "" } else { "+" };
                    format!("({}{plus}{imaginary}j)", float(real, false))
                }
            }
            Object::Leaf(Leaf::Bytes(bytes)) => {
                format!("b{}", quoted(&bytes.iter().map(|&byte| byte.into()).collect::<Vec<_>>(), true))
            }
            Object::Leaf(Leaf::Str(string)) => quoted(&code_points(&string.text), false),
            Object::Leaf(Leaf::Qualname { .. }) => panic!("these have names of their own"),
            Object::Container(container, items) => {
                let parts: Vec<_> = items.iter().map(|&item| self.repr(item)).collect();
                let parts = parts.join(", ");
                match container {
                    Container::Tuple if items.len() == 1 => format!("({parts},)"),
                    Container::Tuple => format!("({parts})"),
                    Container::Slice => format!("slice({parts})"),
                    Container::FrozenSet => format!("frozenset({{{parts}}})"),
                    other => panic!("{other:?} is no constant"),
                }
            }
        }
    }
}

fn float(number: f64, point: bool) -> String {
    let text = format!("{number:?}").replace("e", "e+").replace("e+-", "e-");
    if point { text } else { text.trim_end_matches(".0").to_owned() }
}

fn code_points(text: &[u8]) -> Vec<u32> {
    let mut points = Vec::new();
    let mut rest = text;
    while !rest.is_empty() {
        // A lone surrogate is what the standard library takes for an error.
        let valid = std::str::from_utf8(rest).map_or_else(|error| error.valid_up_to(), str::len);
        points.extend(std::str::from_utf8(&rest[..valid]).unwrap().chars().map(u32::from));
        rest = &rest[valid..];
        if let [a, b, c, tail @ ..] = rest {
            points.push(u32::from(a & 0xF) << 12 | u32::from(b & 0x3F) << 6 | u32::from(c & 0x3F));
            rest = tail;
        }
    }
    points
}

fn quoted(points: &[u32], bytes: bool) -> String {
    let quote = if points.contains(&u32::from('\'')) && !points.contains(&u32::from('"')) { '"' } else { '\'' };
    let mut text = String::from(quote);
    for &point in points {
        match char::from_u32(point) {
            Some('\n') => text.push_str("\\n"),
            Some('\\') => text.push_str("\\\\"),
            Some(character) if character == quote => text.extend(['\\', quote]),
            Some(_) if point < 0x20 || point == 0x7F || bytes && point > 0x7F => {
                text.push_str(&format!("\\x{point:02x}"))
            }
            Some(character) => text.push(character),
            None => text.push_str(&format!("\\u{point:04x}")),
        }
    }
    text.push(quote);
    text
}

fn check(pyc: &Pyc<'_>, file: &str, expected: &[Value]) {
    let module = &pyc.module;
    let view = View { module };
    let order = depth_first(module);
    assert_eq!(order.len(), expected.len(), "{file}");
    for (&(number, _), expected) in order.iter().zip(expected) {
        let code = view.code(number);
        let place = format!("{file}: {}", expected["qualname"]);
        let names = |indices: &[u32]| -> Vec<String> {
            indices.iter().map(|&index| String::from_utf8(view.text(index)).unwrap()).collect()
        };
        let of_kind = |kind: u8| -> Vec<u32> {
            let both = code.locals.iter().zip(&*code.local_kinds);
            both.filter(|&(_, kinds)| kinds & kind != 0).map(|(&name, _)| name).collect()
        };
        let filename = match code.filename {
            Some(object) => view.text(object),
            None => module.filename.as_ref().unwrap().path.text.to_vec(),
        };
        assert_eq!(expected["name"], *String::from_utf8(view.text(code.name)).unwrap(), "{place}");
        assert_eq!(expected["qualname"], *String::from_utf8(view.qualname(number)).unwrap(), "{place}");
        assert_eq!(expected["filename"], *String::from_utf8(filename).unwrap(), "{place}");
        for (field, number) in [
            ("argcount", code.arg_count),
            ("posonly", code.posonly_count),
            ("kwonly", code.kwonly_count),
            ("stacksize", code.stack_size),
            ("flags", code.flags),
            ("firstlineno", code.first_line.cast_unsigned()),
        ] {
            assert_eq!(expected[field], number, "{place}.{field}");
        }
        for (field, bytes) in
            [("code", &code.bytecode), ("linetable", &code.line_table), ("exceptiontable", &code.exception_table)]
        {
            assert_eq!(expected[field], *hex(bytes), "{place}.{field}");
        }
        for (field, list) in [
            ("names", &code.names),
            ("varnames", &of_kind(local_kind::LOCAL)),
            ("cellvars", &of_kind(local_kind::CELL)),
            ("freevars", &of_kind(local_kind::FREE)),
        ] {
            assert_eq!(serde_json::to_value(names(list)).unwrap(), expected[field], "{place}.{field}");
        }
        let constants = expected["consts"].as_array().unwrap();
        assert_eq!(code.constants.len(), constants.len(), "{place}");
        for (&constant, expected) in code.constants.iter().zip(constants) {
            let (found, expected) = (view.repr(constant), expected.as_str().unwrap());
            if found.starts_with("frozenset") {
                // In what order a set shows its members depends on the process that shows it.
                let sorted = |text: &str| {
                    let mut bytes = text.as_bytes().to_vec();
                    bytes.sort_unstable();
                    bytes
                };
                assert_eq!(sorted(&found), sorted(expected), "{place}");
            } else {
                assert_eq!(found, expected, "{place}");
            }
        }
    }
}

#[test]
fn every_field_is_what_the_interpreter_reports() {
    for minor in VERSIONS {
        for (file, bytes, expected) in files(minor) {
            let pyc = decode_pyc(&bytes).unwrap_or_else(|error| panic!("3.{minor}/{file}: {error}"));
            check(&pyc, &file, &expected);
            // And so it is after writing and reading again.
            let encoded = encode_pyc(&pyc.module, &pyc.header, b"src/elsewhere.py").unwrap();
            let mut again = decode_pyc(&encoded).unwrap();
            let filename = again.module.filename.as_mut().unwrap();
            assert_eq!(*filename.path.text, *b"src/elsewhere.py");
            filename.path.text = pyc.module.filename.as_ref().unwrap().path.text.clone();
            check(&again, &file, &expected);
            let same = encode_pyc(&pyc.module, &pyc.header, &pyc.module.filename.as_ref().unwrap().path.text).unwrap();
            assert!(same.len() <= bytes.len(), "3.{minor}/{file}: {} bytes became {}", bytes.len(), same.len());
            assert_eq!(encode_pyc(&again.module, &again.header, &filename_of(&again)).unwrap(), same);
        }
    }
}

fn filename_of(pyc: &Pyc<'_>) -> Vec<u8> {
    pyc.module.filename.as_ref().unwrap().path.text.to_vec()
}

#[test]
fn headers_are_what_py_compile_was_asked_for() {
    let source = fs::read(folder().join("features.py")).unwrap();
    for minor in VERSIONS {
        let version = Version::of_minor(minor).unwrap();
        let hash = source_hash(version, &source);
        for (file, bytes, _) in files(minor) {
            let header = Header::decode(&bytes).unwrap();
            let name = format!("{}.py", file.split('.').next().unwrap());
            let size = fs::metadata(folder().join(name)).unwrap().len() as u32;
            let validation = match &*file {
                "features.checked_hash.pyc" => Validation::CheckedHash(hash),
                "features.unchecked_hash.pyc" => Validation::UncheckedHash(hash),
                _ => Validation::Timestamp { mtime: 1_700_000_000, size },
            };
            assert_eq!(header, Header { version, validation }, "3.{minor}/{file}");
            assert_eq!(header.encode(), bytes[..16]);
        }
    }
}

#[test]
fn docstrings() {
    for minor in VERSIONS {
        for (file, bytes, _) in files(minor) {
            let pyc = decode_pyc(&bytes).unwrap();
            let view = View { module: &pyc.module };
            let found: Vec<_> = depth_first(&pyc.module)
                .into_iter()
                .filter_map(|(number, _)| {
                    let code = view.code(number);
                    let Ref::Object(docstring) = code.constants[code.docstring? as usize] else { panic!("{file}") };
                    let text = String::from_utf8(view.text(docstring)).unwrap();
                    Some((String::from_utf8(view.qualname(number)).unwrap(), text[..text.len().min(9)].to_owned()))
                })
                .collect();
            let found: Vec<_> = found.iter().map(|(name, text)| (&**name, &**text)).collect();
            let expected: &[_] = match &*file {
                "features.opt-2.pyc" => &[],
                "features_310.pyc" => &[("<module>", "match sta")],
                "features_312.pyc" => &[("<module>", "except* (")],
                "features_314.pyc" => &[("<module>", "template ")],
                _ => &[
                    ("<module>", "Module do"),
                    ("signature", "Docstring"),
                    ("coroutine", "async doc"),
                    ("Base", "Class doc"),
                ],
            };
            assert_eq!(found, expected, "3.{minor}/{file}");
        }
    }
}

#[test]
fn names_are_derived_and_bytes_borrowed() {
    for minor in VERSIONS {
        for (_, bytes, _) in files(minor) {
            let pyc = decode_pyc(&bytes).unwrap();
            for code in &pyc.module.codes {
                if let Qualname::Explicit(name) = code.qualname {
                    // FUNCTION.__annotate__ is a constant of the same code object as FUNCTION (3.15).
                    let view = View { module: &pyc.module };
                    assert_eq!((minor, &*view.text(code.name)), (15, &b"__annotate__"[..]));
                    assert!(view.text(name).ends_with(b".__annotate__"));
                }
                assert!(matches!(code.bytecode, Cow::Borrowed(_)) && matches!(code.local_kinds, Cow::Borrowed(_)));
                assert_eq!(code.filename, None);
            }
        }
    }
}
