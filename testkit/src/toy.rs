//! The archive of the command's tests: two targets of CPython, with names that a terminal must not see as they are.

use crate::{Part, Program};
use permacode_format::digest;
use permacode_model::{Code, Leaf, Module, ModuleKind, Object, Path, Ref, Resource, Source, Str, Target};

/// The archive. It has the same bytes on every machine.
#[must_use]
pub fn archive() -> Vec<u8> {
    let tools = || module("tools", ModuleKind::Package, "tools/__init__.py", Some("\"Tools.\"\n"));
    let hammer = || module("tools.hammer", ModuleKind::Module, "tools/hammer.py", Some("x = 1\n"));
    let more = [
        module("tools.secret", ModuleKind::Module, "tools/secret.py", None),
        module("LICENSE", ModuleKind::Module, "LICENSE.py", Some("text = 'long'\n")),
        Module::namespace("space"),
    ];
    let resources = [
        (&b"tools/readme.txt"[..], &b"read me\n"[..]),
        (b"LICENSE", b"do what you like\n"),
        (b"evil\x1b[31m\nname", b"red\n"),
        (b"latin\xE9", b"\x00\x01\x02"),
    ];
    let resources = resources.map(|(path, data)| Resource {
        root: "lib".into(),
        path: path.into(),
        executable: path == b"LICENSE",
        data: data.into(),
    });
    let target = Target { cache_tag: "cpython-311".into(), ..Target::new("cpython", 0x0A0D_0DA7, 0x030B_09F0, 2) };
    let optimized = Target { optimization: 2, sealed: true, ..target.clone() };
    let modules = [tools(), hammer()].into_iter().chain(more).collect();
    Program {
        targets: vec![
            Part { target, modules, resources: resources.into() },
            Part { target: optimized, modules: vec![tools(), hammer()], resources: vec![] },
        ],
    }
    .write()
}

fn module(name: &str, kind: ModuleKind, path: &'static str, text: Option<&'static str>) -> Module<'static> {
    let path = Path { root: Some("lib".into()), path: Str::plain(path) };
    let code = Code {
        stack_size: 1,
        first_line: 1,
        constants: vec![Ref::Object(1)],
        bytecode: (&[151u8, 0, 100, 0, 83, 0][..]).into(),
        ..Code::default()
    };
    let source = text.unwrap_or("secret = 42\n").as_bytes();
    Module {
        name: name.into(),
        kind,
        objects: vec![Object::Leaf(Leaf::Str(Str::interned("<module>"))), Object::Leaf(Leaf::None)],
        codes: vec![code],
        body: Some(0),
        filename: Some(path.clone()),
        source: Some(Source {
            path,
            size: source.len() as u64,
            digest: digest(source),
            mtime: None,
            executable: false,
            text: text.map(|text| text.as_bytes().into()),
        }),
    }
}
