//! Programs that the writer refuses. Each error names the module. An existing file and the writer stay unchanged.

use permacode_model::*;
use permacode_testkit::{Edited, Part, Program, shapes};
use permacode_writer::{Error, ErrorKind, Options, Writer};

/// The error of writing a program. Checks that the file that was there is still the same.
#[track_caller]
fn refused(options: Options, targets: Vec<Part<'static>>) -> Error {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("lib.perma");
    std::fs::write(&path, "old").unwrap();
    let plan = Program { targets }.plan(options, 0);
    let error = plan.and_then(|plan| plan.publish(&path)).expect_err("the program is written");
    assert_eq!(std::fs::read(&path).unwrap(), b"old");
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    error
}

#[track_caller]
fn refused_module(name: &str, change: impl FnOnce(&mut Module<'static>)) -> Error {
    let mut module = shapes::classes(name);
    change(&mut module);
    leaves_the_writer_as_it_was(&module);
    refused(Options::default(), vec![shapes::part(0, vec![module], vec![])])
}

/// Checks that a refused module changes neither the archive nor the report of modules that are added later.
#[track_caller]
fn leaves_the_writer_as_it_was(refused: &Module<'_>) {
    let plan = |refused: Option<&Module<'_>>| {
        let mut writer = Writer::new(Options::default());
        let target = writer.add_target(&shapes::target(0)).unwrap();
        writer.add_module(target, &shapes::plain("first")).unwrap();
        if let Some(refused) = refused {
            writer.add_module(target, refused).unwrap_err();
        }
        writer.add_module(target, &shapes::classes("last")).unwrap();
        writer.add_module(target, &shapes::values("values")).unwrap();
        writer.plan().unwrap()
    };
    let (with, without) = (plan(Some(refused)), plan(None));
    assert_eq!(with.report(), without.report());
    assert!(with.to_bytes() == without.to_bytes());
}

#[test]
fn a_target_of_another_writer_is_refused() {
    let mut other = Writer::new(Options::default());
    let target = other.add_target(&shapes::target(0)).unwrap();
    let mut writer = Writer::new(Options::default());
    let error = writer.add_module(target, &shapes::plain("m")).unwrap_err();
    check(&error, r#""target 0": the target belongs to another writer"#);
    let error = writer.add_resource(target, shapes::resource(b"x", b"")).unwrap_err();
    check(&error, r#""target 0": the target belongs to another writer"#);
}

#[test]
fn a_damaged_archive_is_not_copied() {
    let mut damaged = Edited(shapes::archive(vec![shapes::plain("m")], vec![]));
    damaged.set("objects[0]", u32::MAX.into());
    let archive = permacode_reader::Archive::open(&damaged.0).unwrap();
    let error = Writer::new(Options::default()).copy_from(&archive).unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::Archive(_)), "{error}");
    check(&error, "cannot read the archive to copy from");
    assert!(std::error::Error::source(&error).unwrap().to_string().contains("offset"));
}

#[track_caller]
fn check(error: &Error, shown: &str) {
    assert_eq!(error.to_string(), shown);
}

#[test]
fn duplicate_names_are_refused() {
    let twice = |modules, resources| refused(Options::default(), vec![shapes::part(0, modules, resources)]);
    let error = twice(vec![shapes::plain("a.b"), shapes::namespace("a.b")], vec![]);
    assert!(matches!(error.kind(), ErrorKind::DuplicateModule(name) if name == "a.b"));
    check(&error, r#"module "a.b" occurs twice"#);
    let error = twice(vec![], vec![shapes::resource(b"p/x", b"1"), shapes::resource(b"p/x", b"2")]);
    assert!(matches!(error.kind(), ErrorKind::DuplicateResource(name) if name == "stdlib/p/x"));
    check(&error, r#"resource "stdlib/p/x" occurs twice"#);
    let error = refused(Options::default(), vec![shapes::part(0, vec![], vec![]), shapes::part(0, vec![], vec![])]);
    assert!(matches!(error.kind(), ErrorKind::DuplicateTarget(_)));
    check(&error, r#"target "toy 0x00000100 -O0" occurs twice"#);
}

#[test]
fn invalid_and_overlong_names_are_refused() {
    for name in ["", ".", "a.", ".a", "a..b", "a\0"] {
        check(
            &refused_module(name, |_| ()),
            &format!(
                "{name:?}: a module name must consist of non-empty components separated by dots, without a NUL character"
            ),
        );
    }
    let long = "n".repeat(65_536);
    let shown = format!("{long:?}: bytes in the name: found 65536; at most 65535 are allowed");
    check(&refused_module(&long, |_| ()), &shown);
    let resource =
        |path: &[u8]| refused(Options::default(), vec![shapes::part(0, vec![], vec![shapes::resource(path, b"")])]);
    let long_file = format!("stdlib/{}", "n".repeat(65_529));
    let path = &long_file.as_bytes()["stdlib/".len()..];
    check(&resource(path), &format!("{long_file:?}: bytes in the name: found 65536; at most 65535 are allowed"));
    let problem =
        "a resource must have a root without slashes and a relative path without empty, `.` or `..` components";
    for path in ["", "/", "/a", "a/", "a//b", ".", "..", "a/../b", "./a", "a\0b"] {
        check(&resource(path.as_bytes()), &format!("{:?}: {problem}", format!("stdlib/{path}")));
    }
    let modules = vec![shapes::namespace(&long[1..])];
    let bytes = shapes::archive(modules, vec![shapes::resource(&path[1..], b"")]);
    permacode_reader::Archive::open(bytes).unwrap().verify().unwrap();
}

#[test]
fn targets_that_do_not_fit_the_format_are_refused() {
    let target = |change: fn(&mut Target)| {
        let mut part = shapes::part(0, vec![], vec![]);
        change(&mut part.target);
        refused(Options::default(), vec![part]).to_string()
    };
    for change in
        [|target| target.vm.clear(), |target| target.vm = "seventeen-letters".into(), |target| target.vm.push(' ')]
            as [fn(&mut Target); 3]
    {
        assert!(target(change).ends_with("the name of a virtual machine must be 1 to 16 printable ASCII characters"));
    }
    assert_eq!(target(|target| target.unit_size = 0), r#""toy": a bytecode unit must have at least one byte"#);
    assert_eq!(
        target(|target| target.cache_tag = "t".repeat(65_536)),
        r#""toy": bytes in the cache tag: found 65536; at most 65535 are allowed"#
    );
    let error = refused(Options::default().code_align_log2(13), vec![]);
    check(&error, "power of two of the alignment of bytecode: found 13; at most 12 are allowed");
}

#[test]
fn cycles_and_deep_nesting_are_refused() {
    let cycle = |change: fn(&mut Module<'static>)| {
        let error = refused_module("m", change);
        assert!(matches!(error.kind(), ErrorKind::Cycle(name) if name == "m"), "{error}");
        check(&error, r#""m": an object or code object contains itself"#);
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
    check(&refused_module("m", tuples(2001)), r#""m": nested containers: found 2001; at most 2000 are allowed"#);
    let codes = |depth: u32| {
        move |module: &mut Module<'static>| {
            let first = module.codes.len() as u32;
            let inner = |level| if level == 0 { vec![] } else { vec![Ref::Code(first + level - 1)] };
            module.codes.extend((0..depth).map(|level| shapes::code(0, inner(level))));
            module.codes[4].constants.push(Ref::Code(first + depth - 1));
        }
    };
    check(&refused_module("m", codes(2001)), r#""m": nested code objects: found 2001; at most 2000 are allowed"#);
    let mut module = shapes::classes("m");
    tuples(2000)(&mut module);
    codes(2000)(&mut module);
    let bytes = shapes::archive(vec![module], vec![]);
    permacode_reader::Archive::open(bytes).unwrap().verify().unwrap();
}

#[test]
fn invalid_values_are_refused() {
    type Change = fn(&mut Module<'static>);
    let cases: [(Change, &str); 21] = [
        (
            |m| m.objects[11] = Object::Leaf(Leaf::Int(b"\0".as_slice().into())),
            "an integer must be in its shortest form",
        ),
        (
            |m| m.objects[11] = Object::Leaf(Leaf::Int(b"\x01\0".as_slice().into())),
            "an integer must be in its shortest form",
        ),
        (
            |m| m.objects[11] = Object::Leaf(Leaf::Int(b"\x80\xFF".as_slice().into())),
            "an integer must be in its shortest form",
        ),
        (
            |m| m.objects[12] = Object::Leaf(Leaf::Str(Str { text: b"\xFF".as_slice().into(), interned: true })),
            "a string must be generalised UTF-8",
        ),
        (
            |m| m.objects[12] = Object::Leaf(Leaf::Str(Str { text: b"\xC0\x80".as_slice().into(), interned: true })),
            "a string must be generalised UTF-8",
        ),
        (|m| m.objects[12] = Object::Leaf(Leaf::None), "a name, path or docstring must be a string"),
        (|m| m.objects[6] = Object::Leaf(Leaf::None), "a name, path or docstring must be a string"),
        (|m| m.codes[0].docstring = Some(2), "a docstring must be one of the constants of its code object"),
        (|m| m.codes[3].docstring = Some(0), "a name, path or docstring must be a string"),
        (
            |m| m.objects[7] = Object::Leaf(Leaf::Qualname { constant: 1, interned: true }),
            "a derived qualified name must refer to a constant that is a code object",
        ),
        (
            |m| m.objects[10] = Object::Container(Container::List, vec![Ref::Object(7)]),
            "a derived qualified name must be a constant of a code object, not of a container",
        ),
        (
            |m| m.objects[10] = Object::Container(Container::Dict, vec![Ref::Object(1)]),
            "a mapping must have one value for each key, and a slice three items",
        ),
        (
            |m| m.objects[10] = Object::Container(Container::Slice, vec![Ref::Object(1)]),
            "a mapping must have one value for each key, and a slice three items",
        ),
        (|m| m.codes[0].local_kinds = b"\x20".as_slice().into(), "there must be one kind for each local variable"),
        (|m| m.codes[0].names.push(99), "a reference must be to an object or code object of the module"),
        (|m| m.body = Some(99), "its body must be one of its code objects"),
        (|m| m.body = None, "a module or package must have a body"),
        (|m| m.filename = None, "a module or package must have a file name"),
        (
            |m| m.codes[4].qualname = Qualname::Member { interned: true },
            "the qualified name of the body cannot be derived, because it has no parent",
        ),
        (|m| m.codes[0].signature = Some(b"\xFF".as_slice().into()), "a signature must be UTF-8"),
        (
            |m| m.source.as_mut().unwrap().digest = [0; 16],
            "the stated digest of the source must be the XXH3-128 of its text",
        ),
    ];
    for (change, what) in cases {
        check(&refused_module("m", change), &format!(r#""m": {what}"#));
    }
    check(
        &refused_module("m", |module| module.codes[0].local_count = Some(u32::MAX)),
        r#""m": stated local variables: found 4294967295; at most 4294967294 are allowed"#,
    );
    check(
        &refused_module("m", |module| module.source.as_mut().unwrap().size = 1),
        r#""m": the stated size of the source must equal the length of its text"#,
    );
}
