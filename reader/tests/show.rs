//! The debug form of a value stays short, even if its parts are shared.

use permacode_model::*;
use permacode_reader::Archive;
use permacode_testkit::shapes;

#[test]
fn debug_output_shortens_long_values_in_large_tuples() {
    let len = 65_000;
    let surrogates = [&b"\xED\xA0\x80"[..], &vec![b's'; len]].concat();
    let texts = vec![
        Object::Leaf(Leaf::Str(Str::interned("m"))),
        Object::Leaf(Leaf::Str(Str::plain("é".repeat(len)))),
        Object::Leaf(Leaf::Str(Str { text: surrogates.into(), interned: false })),
        Object::Leaf(Leaf::Bytes(vec![b'b'; len].into())),
        Object::Leaf(Leaf::Int(vec![0x11; len].into())),
        Object::Leaf(Leaf::Str(Str::plain("n".repeat(len)))),
    ];
    let mut objects = texts.clone();
    for text in 1..5 {
        objects.push(Object::Container(Container::Tuple, vec![Ref::Object(text); 900]));
    }
    objects.push(Object::Container(Container::List, vec![Ref::Code(0); 900]));
    let function = Code { name: 5, ..Code::default() };
    let constants = [(6..11).map(Ref::Object).collect(), vec![Ref::Code(0)]].concat();
    let root = Code { constants, ..Code::default() };
    let module = Module {
        name: "m".into(),
        kind: ModuleKind::Module,
        objects,
        codes: vec![function, root],
        body: Some(1),
        filename: Some(Path { root: None, path: Str::plain("m.py") }),
        source: None,
    };
    let archive = Archive::open(shapes::archive(vec![module], vec![])).unwrap();
    archive.verify().unwrap();
    let module = archive.targets().next().unwrap().find("m").unwrap().unwrap();
    let mut shown = Vec::new();
    for item in module.body().unwrap().unwrap().constants().unwrap().iter() {
        shown.push(format!("{:?}", item.unwrap()));
    }
    for (text, part) in shown.iter().zip([
        format!("({:?}... <130000 bytes>, ", "é".repeat(200)),
        format!(r#"(<surrogates b"\xed\xa0\x80{}"... <65003 bytes>>, "#, "s".repeat(197)),
        format!(r#"(b"{}"... <65000 bytes>, "#, "b".repeat(200)),
        "(<int of 65000 bytes>, ".to_owned(),
        "[<code of a long name #0>, ".to_owned(),
    ]) {
        assert!(text.starts_with(&part), "{}", text.chars().take(400).collect::<String>());
        assert!(text.len() < 1_000_000, "{}", text.len());
    }
}
