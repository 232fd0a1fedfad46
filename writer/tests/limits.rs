//! What the writer refuses: each time by name, and a file that is there stays as it is.

#[path = "../../reader/tests/common/mod.rs"]
mod common;

use common::shapes;
use permacode_model::*;
use permacode_writer::{Error, ErrorKind, Options, Writer};

type Part = (Target, Vec<Module<'static>>, Vec<Resource<'static>>);

/// Writes over an archive that is there; the error, after a look at the old one.
#[track_caller]
fn refused(options: Options, parts: &[Part]) -> Error {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("lib.perma");
    std::fs::write(&path, "old").unwrap();
    let write = || {
        let mut writer = Writer::new(options);
        for (target, modules, resources) in parts {
            let id = writer.target(target)?;
            modules.iter().try_for_each(|module| writer.module(id, module))?;
            resources.iter().try_for_each(|resource| writer.resource(id, resource))?;
        }
        writer.plan()?.publish(&path)
    };
    let error = write().expect_err("it is written");
    assert_eq!(std::fs::read(&path).unwrap(), b"old");
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    error
}

#[track_caller]
fn refused_module(name: &str, change: impl FnOnce(&mut Module<'static>)) -> Error {
    let mut module = shapes::classes(name);
    change(&mut module);
    refused(Options::default(), &[(shapes::target(0), vec![module], vec![])])
}

#[track_caller]
fn check(error: &Error, shown: &str) {
    assert_eq!(error.to_string(), shown);
}

#[test]
fn names_that_occur_twice() {
    let twice = |modules, resources| refused(Options::default(), &[(shapes::target(0), modules, resources)]);
    let error = twice(vec![shapes::plain("a.b"), shapes::namespace("a.b")], vec![]);
    assert!(matches!(error.kind(), ErrorKind::DuplicateModule(name) if name == "a.b"));
    check(&error, r#"module "a.b" occurs twice"#);
    let error = twice(vec![], vec![shapes::resource(b"p/x", b"1"), shapes::resource(b"p/x", b"2")]);
    assert!(matches!(error.kind(), ErrorKind::DuplicateResource(name) if name == "stdlib/p/x"));
    check(&error, r#"resource "stdlib/p/x" occurs twice"#);
    let error =
        refused(Options::default(), &[(shapes::target(0), vec![], vec![]), (shapes::target(0), vec![], vec![])]);
    assert!(matches!(error.kind(), ErrorKind::DuplicateTarget(_)));
    check(&error, r#"target "toy 0x00000100 -O0" occurs twice"#);
}

#[test]
fn names_that_are_none_or_too_long() {
    for name in ["", ".", "a.", ".a", "a..b", "a\0"] {
        check(&refused_module(name, |_| ()), &format!("{name:?}: it is no module name"));
    }
    let long = "n".repeat(65_536);
    let shown = format!("{long:?}: bytes of its name: 65536, but at most 65535 are possible");
    check(&refused_module(&long, |_| ()), &shown);
    let resource =
        |path: &[u8]| refused(Options::default(), &[(shapes::target(0), vec![], vec![shapes::resource(path, b"")])]);
    let long_file = format!("stdlib/{}", "n".repeat(65_529));
    let path = &long_file.as_bytes()["stdlib/".len()..];
    check(&resource(path), &format!("{long_file:?}: bytes of its name: 65536, but at most 65535 are possible"));
    for path in ["", "/", "/a", "a/", "a//b", ".", "..", "a/../b", "./a", "a\0b"] {
        check(&resource(path.as_bytes()), &format!("{:?}: it is no relative path", format!("stdlib/{path}")));
    }
    let modules = vec![shapes::namespace(&long[1..])];
    let bytes = shapes::write(3, &[(shapes::target(0), modules, vec![shapes::resource(&path[1..], b"")])]);
    permacode_reader::Archive::open(bytes).unwrap().verify().unwrap();
}

#[test]
fn targets_that_the_format_cannot_tell() {
    let target = |change: fn(&mut Target)| {
        let mut target = shapes::target(0);
        change(&mut target);
        refused(Options::default(), &[(target, vec![], vec![])]).to_string()
    };
    for change in
        [|target| target.vm.clear(), |target| target.vm = "seventeen-letters".into(), |target| target.vm.push(' ')]
            as [fn(&mut Target); 3]
    {
        assert!(target(change).ends_with("the name of a machine is 1 to 16 printable ASCII characters"));
    }
    assert_eq!(target(|target| target.unit_size = 0), r#""toy": a bytecode unit has at least one byte"#);
    assert_eq!(
        target(|target| target.tag = "t".repeat(65_536)),
        r#""toy": bytes of its tag: 65536, but at most 65535 are possible"#
    );
    let error = refused(Options { code_align_log2: 13, ..Options::default() }, &[]);
    check(&error, "power of two of the alignment of bytecode: 13, but an archive may have at most 12");
}

#[test]
fn cycles_and_what_is_too_deep() {
    let cycle = |change: fn(&mut Module<'static>)| {
        let error = refused_module("m", change);
        assert!(matches!(error.kind(), ErrorKind::Cycle(name) if name == "m"), "{error}");
        check(&error, r#""m": an object contains itself"#);
    };
    cycle(|module| module.codes[0].constants.push(Ref::Code(0)));
    cycle(|module| module.codes[0].constants.push(Ref::Code(4)));
    cycle(|module| module.objects[10] = Object::Container(Container::List, vec![Ref::Object(10)]));
    cycle(|module| module.objects[10] = Object::Container(Container::Tuple, vec![Ref::Code(3), Ref::Code(4)]));

    let tuples = |depth: u32| {
        move |module: &mut Module<'static>| {
            let first = module.objects.len() as u32;
            let item = |level| Ref::Object(if level == 0 { 0 } else { first + level - 1 });
            module.objects.extend((0..depth).map(|level| Object::Container(Container::Tuple, vec![item(level)])));
            module.codes[4].constants.push(Ref::Object(first + depth - 1));
        }
    };
    check(
        &refused_module("m", tuples(2001)),
        r#""m": containers inside each other: 2001, but at most 2000 are possible"#,
    );
    let codes = |depth: u32| {
        move |module: &mut Module<'static>| {
            let first = module.codes.len() as u32;
            let inner = |level| if level == 0 { vec![] } else { vec![Ref::Code(first + level - 1)] };
            module.codes.extend((0..depth).map(|level| shapes::code(0, inner(level))));
            module.codes[4].constants.push(Ref::Code(first + depth - 1));
        }
    };
    check(
        &refused_module("m", codes(2001)),
        r#""m": code objects inside each other: 2001, but at most 2000 are possible"#,
    );
    let mut module = shapes::classes("m");
    tuples(2000)(&mut module);
    codes(2000)(&mut module);
    let bytes = shapes::write(3, &[(shapes::target(0), vec![module], vec![])]);
    permacode_reader::Archive::open(bytes).unwrap().verify().unwrap();
}

#[test]
fn values_that_are_not_what_they_should_be() {
    type Change = fn(&mut Module<'static>);
    let cases: [(Change, &str); 21] = [
        (
            |m| m.objects[11] = Object::Leaf(Leaf::Int(b"\0".as_slice().into())),
            "an integer is not in its shortest form",
        ),
        (
            |m| m.objects[11] = Object::Leaf(Leaf::Int(b"\x01\0".as_slice().into())),
            "an integer is not in its shortest form",
        ),
        (
            |m| m.objects[11] = Object::Leaf(Leaf::Int(b"\x80\xFF".as_slice().into())),
            "an integer is not in its shortest form",
        ),
        (
            |m| m.objects[12] = Object::Leaf(Leaf::Str(Str { text: b"\xFF".as_slice().into(), interned: true })),
            "a string is not generalised UTF-8",
        ),
        (
            |m| m.objects[12] = Object::Leaf(Leaf::Str(Str { text: b"\xC0\x80".as_slice().into(), interned: true })),
            "a string is not generalised UTF-8",
        ),
        (|m| m.objects[12] = Object::Leaf(Leaf::None), "a name, path or docstring is no string"),
        (|m| m.objects[6] = Object::Leaf(Leaf::None), "a name, path or docstring is no string"),
        (|m| m.codes[0].docstring = Some(2), "a docstring is no constant of its code object"),
        (|m| m.codes[3].docstring = Some(0), "a name, path or docstring is no string"),
        (
            |m| m.objects[7] = Object::Leaf(Leaf::Qualname { constant: 1, interned: true }),
            "a derived qualified name does not name a code object",
        ),
        (
            |m| m.objects[10] = Object::Container(Container::List, vec![Ref::Object(7)]),
            "a derived qualified name is inside a container",
        ),
        (
            |m| m.objects[10] = Object::Container(Container::Dict, vec![Ref::Object(1)]),
            "a mapping has a key without a value, or a slice has not three items",
        ),
        (
            |m| m.objects[10] = Object::Container(Container::Slice, vec![Ref::Object(1)]),
            "a mapping has a key without a value, or a slice has not three items",
        ),
        (|m| m.codes[0].local_kinds = b"\x20".as_slice().into(), "there is not one kind for each local variable"),
        (|m| m.codes[0].names.push(99), "a reference leads out of the module"),
        (|m| m.root = Some(99), "its root is no code object of it"),
        (|m| m.root = None, "a namespace package has no code, and all else has"),
        (|m| m.filename = None, "it has code and no file name"),
        (
            |m| m.codes[4].qualname = Qualname::Member { interned: true },
            "the qualified name of its root follows from no parent",
        ),
        (|m| m.codes[0].signature = Some(b"\xFF".as_slice().into()), "a signature is not UTF-8"),
        (|m| m.source.as_mut().unwrap().digest = [0; 16], "the digest of its source is not that of the text"),
    ];
    for (change, what) in cases {
        check(&refused_module("m", change), &format!(r#""m": {what}"#));
    }
    check(
        &refused_module("m", |module| module.codes[0].local_count = Some(u32::MAX)),
        r#""m": stated local variables: 4294967295, but at most 4294967294 are possible"#,
    );
    check(
        &refused_module("m", |module| module.source.as_mut().unwrap().size = 1),
        r#""m": the size of its source is not that of the text"#,
    );
}
