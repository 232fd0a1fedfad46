//! A small archive, built by hand: the same bytes on every machine.

use permacode_format::digest;
use permacode_model::{Code, Leaf, Module, ModuleKind, Object, Path, Ref, Resource, Source, Str, Target};
use permacode_writer::{Options, Writer};

/// An archive of two targets, with names that are nasty to print.
pub(crate) fn archive() -> Vec<u8> {
    let mut writer = Writer::new(Options::default());
    let toy = Target { cache_tag: "cpython-311".into(), ..Target::new("cpython", 0x0A0D_0DA7, 0x030B_09F0, 2) };
    for optimization in [0, 2] {
        let target = writer.add_target(&Target { optimization, sealed: optimization > 0, ..toy.clone() }).unwrap();
        writer
            .add_module(target, &module("tools", ModuleKind::Package, "tools/__init__.py", Some("\"Tools.\"\n")))
            .unwrap();
        writer
            .add_module(target, &module("tools.hammer", ModuleKind::Module, "tools/hammer.py", Some("x = 1\n")))
            .unwrap();
        if optimization > 0 {
            continue;
        }
        writer.add_module(target, &module("tools.secret", ModuleKind::Module, "tools/secret.py", None)).unwrap();
        writer
            .add_module(target, &module("LICENSE", ModuleKind::Module, "LICENSE.py", Some("text = 'long'\n")))
            .unwrap();
        writer.add_module(target, &Module::namespace("space")).unwrap();
        for (path, data) in [
            (&b"tools/readme.txt"[..], &b"read me\n"[..]),
            (b"LICENSE", b"do what you like\n"),
            (b"evil\x1b[31m\nname", b"red\n"),
            (b"latin\xE9", b"\x00\x01\x02"),
        ] {
            let resource =
                Resource { root: "lib".into(), path: path.into(), executable: path == b"LICENSE", data: data.into() };
            writer.add_resource(target, &resource).unwrap();
        }
    }
    writer.plan().unwrap().to_bytes()
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
