//! Signatures: parameters from the code object, defaults and annotations from the stored text.

mod counting;

use counting::allocations;
use permacode_model::{Code, Leaf, Module, ModuleKind, Object, Path, Ref, Str, local_kind};
use permacode_reader::{Archive, ErrorKind, ParameterKind, Text};
use permacode_testkit::shapes;
use std::fmt::{self, Write};

/// Counts of parameters: positional-only, positional, keyword-only.
type Counts = [u32; 3];

const VARARGS: u32 = 4;
const VARKEYWORDS: u32 = 8;

/// An archive with one function whose local variables are `a`, `b`, `c`, ....
fn archive(counts: Counts, flags: u32, locals: u8, text: Option<&str>) -> Vec<u8> {
    let string = |text: String| Object::Leaf(Leaf::Str(Str::interned(text)));
    let mut objects = vec![string("f".into())];
    objects.extend((0..locals).map(|number| string(char::from(b'a' + number).to_string())));
    let function = Code {
        posonly_count: counts[0],
        arg_count: counts[1],
        kwonly_count: counts[2],
        flags,
        locals: (1..=u32::from(locals)).collect(),
        local_kinds: vec![local_kind::LOCAL; locals.into()].into(),
        signature: text.map(|text| text.as_bytes().to_vec().into()),
        ..shapes::code(0, vec![])
    };
    let module = Module {
        name: "m".into(),
        kind: ModuleKind::Module,
        objects,
        codes: vec![function, shapes::code(0, vec![Ref::Code(0)])],
        body: Some(1),
        filename: Some(Path { root: None, path: "m.py".into() }),
        source: None,
    };
    shapes::archive(vec![module], vec![])
}

fn with<T>(bytes: &[u8], work: impl FnOnce(permacode_reader::Code<'_>) -> T) -> T {
    let archive = Archive::open(bytes).unwrap();
    let module = archive.target(0).unwrap().find("m").unwrap().unwrap();
    let function = module.body().unwrap().unwrap().children().unwrap().next().unwrap().unwrap();
    work(function)
}

#[test]
fn printed_like_python_prints_them() {
    for (counts, flags, text, expected) in [
        ([0, 0, 0], 0, None, "()"),
        ([0, 0, 0], 0, Some(r#"{"r":"int"}"#), "() -> int"),
        ([0, 2, 0], 0, None, "(a, b)"),
        ([1, 1, 0], 0, None, "(a, /)"),
        ([1, 2, 0], 0, Some(r#"{"d":["1","(2, 3)"]}"#), "(a=1, /, b=(2, 3))"),
        ([1, 1, 1], 0, None, "(a, /, *, b)"),
        ([0, 0, 2], 0, Some(r#"{"k":[null,"0"]}"#), "(*, a, b=0)"),
        ([0, 0, 1], VARARGS, None, "(*b, a)"),
        ([1, 1, 0], VARARGS, None, "(a, /, *b)"),
        ([0, 0, 0], VARKEYWORDS, Some(r#"{"a":["int"]}"#), "(**a: int)"),
        ([1, 1, 0], VARKEYWORDS, None, "(a, /, **b)"),
        (
            [1, 2, 2],
            VARARGS | VARKEYWORDS,
            Some(r#"{"d":["-1"],"k":["'\"\\\n'"],"a":[null,"int","*T","str",null,"\u00e9"],"r":"x"}"#),
            "(a, /, b: int = -1, *e: *T, c: str = '\"\\\n', d, **f: é) -> x",
        ),
    ] {
        let bytes = archive(counts, flags, 6, text);
        with(&bytes, |code| {
            let signature = code.signature().unwrap();
            assert_eq!(signature.to_string(), expected);
            assert_eq!(signature.parameters().count(), signature.len());
            assert_eq!(code.signature_text().unwrap().map(|found| found.to_vec()), text.map(|text| text.into()));
        });
    }
}

#[test]
fn parameters_one_by_one() {
    let text = r#"{"d":["1"],"k":[null,"\t"],"a":["A",null,"B"]}"#;
    with(&archive([1, 2, 2], VARARGS | VARKEYWORDS, 6, Some(text)), |code| {
        let signature = code.signature().unwrap();
        let found: Vec<_> = signature
            .parameters()
            .map(|parameter| {
                let parameter = parameter.unwrap();
                let [default, annotation] =
                    [parameter.default, parameter.annotation].map(|text| text.map(|text| text.to_cow().into_owned()));
                (parameter.name.to_string(), parameter.kind, default, annotation)
            })
            .collect();
        let row = |name: &str, kind, default: Option<&str>, annotation: Option<&str>| {
            (name.to_owned(), kind, default.map(str::to_owned), annotation.map(str::to_owned))
        };
        let expected = [
            row("a", ParameterKind::PositionalOnly, None, Some("A")),
            row("b", ParameterKind::PositionalOrKeyword, Some("1"), None),
            row("e", ParameterKind::VarPositional, None, Some("B")),
            row("c", ParameterKind::KeywordOnly, None, None),
            row("d", ParameterKind::KeywordOnly, Some("\t"), None),
            row("f", ParameterKind::VarKeyword, None, None),
        ];
        assert_eq!(found, expected);
        assert!(signature.returns().is_none() && !signature.is_empty());
        let tab: Text<'_> = signature.parameters().nth(4).unwrap().unwrap().default.unwrap();
        assert!(tab == "\t" && tab != "t" && tab.as_str().is_none());
    });
}

/// The text is no rule of the format, so the archive stays valid.
#[test]
fn a_malformed_text_is_an_error_with_the_offset_of_the_fault() {
    for (text, at) in [
        ("", 0),
        ("[]", 0),
        ("{", 1),
        ("{}x", 2),
        (r#"{"x":1}"#, 1),
        (r#"{"r":1}"#, 5),
        (r#"{"r":"a\x"}"#, 5),
        (r#"{"r":"a"#, 5),
        (r#"{"r":"a","r":"b"}"#, 13),
        (r#"{"a":[],"r":"b"}"#, 6),
        (r#"{"k":["1"],"d":["1"]}"#, 15),
        (r#"{"d":["1",]}"#, 10),
        (r#"{"d":["1" "2"]}"#, 9),
        (r#"{"d":["1",2]}"#, 10),
        (r#"{"d":"1"}"#, 5),
        (r#"{"d":["1"] }"#, 10),
        (r#"{"d":["1"],}"#, 11),
        (r#"{"d":["1","2","3"]}"#, 0),
        (r#"{"k":["1","2"]}"#, 0),
        (r#"{"a":["1","2","3","4"]}"#, 0),
    ] {
        let bytes = archive([0, 2, 1], 0, 3, Some(text));
        Archive::open(&bytes).unwrap().verify().unwrap();
        with(&bytes, |code| {
            let start = code.signature_text().unwrap().unwrap().offset();
            let error = code.signature().unwrap_err();
            assert!(matches!(error.kind(), ErrorKind::Signature { .. }), "{error}");
            assert_eq!((error.rule(), error.offset()), (None, Some(start + at)), "{text}: {error}");
        });
    }
}

#[test]
fn parameters_without_local_variables() {
    for (counts, flags) in [([0, 3, 0], 0), ([0, 1, 1], VARARGS), ([u32::MAX; 3], VARARGS), ([2, 1, 0], 0)] {
        let bytes = archive(counts, flags, 2, None);
        with(&bytes, |code| {
            let error = code.signature().unwrap_err();
            assert!(matches!(error.kind(), ErrorKind::Signature { .. }), "{error}");
            assert_eq!(error.offset(), Some(code.offset()));
        });
    }
}

#[test]
fn reading_and_printing_allocate_nothing() {
    struct Sink(usize);
    impl Write for Sink {
        fn write_str(&mut self, text: &str) -> fmt::Result {
            self.0 += text.len();
            Ok(())
        }
    }
    let text = r#"{"d":["'\u00e9\n'"],"a":["A",null,"B"],"r":"\"C\""}"#;
    let bytes = archive([1, 2, 2], VARARGS | VARKEYWORDS, 6, Some(text));
    with(&bytes, |code| {
        assert!(allocations(|| drop(std::hint::black_box(vec![1u8]))) > 0);
        let calls = allocations(|| {
            let signature = code.signature().unwrap();
            let mut sink = Sink(0);
            write!(sink, "{signature}").unwrap();
            assert_eq!(sink.0, "(a: A, /, b='é\n', *e: B, c, d, **f) -> \"C\"".len());
            for parameter in signature.parameters() {
                let parameter = parameter.unwrap();
                let text = parameter.default.or(parameter.annotation);
                assert!(text.is_none_or(|text| text == "A" || text == "B" || text == "'é\n'"));
            }
            assert!(signature.returns().unwrap() == "\"C\"");
        });
        assert_eq!(calls, 0);
    });
}
