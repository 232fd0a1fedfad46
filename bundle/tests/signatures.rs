//! Signatures, made from sources and found again in the archive.

mod common;

use common::tree;
use permacode_bundle::{Bundle, BundleOptions, BundleReport, Interpreter, Strip, bundle};
use permacode_reader::{Archive, Code};
use permacode_testkit::interpreters::{newest, one_per_minor};

fn bundle_of(interpreter: &Interpreter, source: &[u8], change: impl FnOnce(BundleOptions) -> BundleOptions) -> Bundle {
    let tree = tree(&[]);
    std::fs::write(tree.path().join("a.py"), source).unwrap();
    let options = BundleOptions::new(interpreter.clone()).library(false).path(tree.path());
    let bundle = bundle(&change(options), &()).unwrap();
    assert!(bundle.report().not_modules.is_empty(), "{:?}", bundle.report().not_modules);
    bundle
}

/// The name and signature of each function, parents before their children, in the order of the constants.
fn shown(bundle: &Bundle) -> Vec<String> {
    let archive = Archive::open(bundle.plan().to_bytes()).unwrap();
    archive.verify().unwrap();
    let module = archive.target(0).unwrap().find("a").unwrap().unwrap();
    let mut found = Vec::new();
    let mut stack: Vec<Code<'_>> = vec![module.body().unwrap().unwrap()];
    while let Some(code) = stack.pop() {
        let name = code.name().unwrap().to_string();
        if code.flags() & 1 != 0 && (name == "<lambda>" || !name.starts_with('<')) {
            found.push(format!("{name}{}", code.signature().unwrap()));
        }
        let first = stack.len();
        stack.extend(code.children().unwrap().map(Result::unwrap));
        stack[first..].reverse();
    }
    found
}

fn counts(report: &BundleReport) -> [u64; 4] {
    let signatures = &report.signatures;
    [signatures.matched, signatures.unmatched, signatures.ambiguous, signatures.refused.len() as u64]
}

/// Each function has its signature, in each version from `least` on.
fn check(least: u8, source: &str, expected: &[&str]) {
    let mut checked = 0;
    for interpreter in one_per_minor().iter().filter(|interpreter| interpreter.version.minor() >= least) {
        let bundle = bundle_of(interpreter, source.as_bytes(), |options| options);
        let mut shown = shown(&bundle);
        // The scopes of type parameters and aliases. Their names have one letter.
        shown.retain(|one| {
            !one.split('(').next().unwrap().chars().eq([one.chars().next().unwrap().to_ascii_uppercase()])
        });
        assert_eq!(shown, expected, "{}", interpreter.version);
        assert_eq!(counts(bundle.report()), [expected.len() as u64, 0, 0, 0], "{}", interpreter.version);
        checked += 1;
    }
    assert!(checked > 0 || least > 12, "no CPython 3.{least} or later was found");
}

#[test]
fn every_kind_of_parameter() {
    check(
        8,
        "def f(a, b=1, /, c=(2, 3), *args: int, d, e: str = None, f=..., **kw: dict) -> 'x': ...\n\
         def g(a, /): ...\ndef h(*, a): ...\ndef i(*a): ...\ndef j(): ...\ndef k(a, /, *, b=-1): ...\n\
         async def l(a=b'x') -> None: ...\nm = lambda a, *b, c=0, **d: 0\n",
        &[
            "f(a, b=1, /, c=(2, 3), *args: int, d, e: str = None, f=..., **kw: dict) -> 'x'",
            "g(a, /)",
            "h(*, a)",
            "i(*a)",
            "j()",
            "k(a, /, *, b=-1)",
            "l(a=b'x') -> None",
            "<lambda>(a, *b, c=0, **d)",
        ],
    );
}

#[test]
fn comments_and_line_breaks_are_left_out_and_strings_keep_their_value() {
    let source = [
        "def f(a=[  # a comment",
        "        1,   2,  # another",
        "",
        "        3],",
        "      b: \"Dict[ # no comment",
        "]\" = ('x'",
        "            'y'),",
        "      c=1 + \\",
        "        2,",
        "      d='''two",
        "lines\\n''', e=(yield_ := 5), g=f'{1 = } {2 }', h=(",
        "        1",
        "        + 2",
        "      )): ...",
        "",
    ];
    let source = source.join("\n").replace("\"Dict[ # no comment\n]\"", "\"Dict[ # no comment]\"");
    let expected = "f(a=[1, 2, 3], b: \"Dict[ # no comment]\" = 'x' 'y', c=1 + 2, d='''two\nlines\\n''', \
                    e=(yield_ := 5), g=f'{1 = } {2 }', h=1 + 2)";
    check(8, &source, &[expected]);
    check(8, &source.replace('\n', "\r\n"), &[expected]);
}

#[test]
fn decorated_overloaded_and_conditional_functions() {
    check(
        8,
        "from typing import overload\n\
         @overload\ndef f(a: int) -> int: ...\n\
         @overload\n@overload\ndef f(a: str) -> str: ...\n\
         if f:\n    def g(a=1): ...\nelse:\n    def g(a=2): ...\n\
         try: pass\nfinally:\n    def h(a=1): ...\n    h = lambda a=2: a\n\
         while (lambda a=3: a)(): pass\n",
        &["f(a: int) -> int", "f(a: str) -> str", "g(a=1)", "g(a=2)", "h(a=1)", "<lambda>(a=2)", "<lambda>(a=3)"],
    );
    // The first line of a decorated function is that of its first decorator.
    let source = "@(lambda f=1: f)\n@(\n  lambda f=2: f\n)\ndef f(a=3): ...\n\n@(\nlambda g=4: g)\ndef g(b=5): ...\n";
    check(9, source, &["<lambda>(f=1)", "<lambda>(f=2)", "f(a=3)", "<lambda>(g=4)", "g(b=5)"]);
}

#[test]
fn nested_functions_and_classes_with_private_names() {
    check(
        8,
        "class _C:\n    class D:\n        def __f(self, __x=1, *, __y__=2, __z: int = 3): return lambda __x=4: __x\n\
         \n    def g(self, __x: 'T'):\n        def h(__x=5): ...\nclass __:\n    def f(__x=6): ...\n",
        &[
            "__f(self, _D__x=1, *, __y__=2, _D__z: int = 3)",
            "<lambda>(_D__x=4)",
            "g(self, _C__x: 'T')",
            "h(_C__x=5)",
            "f(__x=6)",
        ],
    );
}

#[test]
fn lambdas_in_defaults_comprehensions_and_arguments() {
    check(
        8,
        "def f(a=lambda b=1: b, *, c=(d := 2)): ...\n\
         x = [lambda a=i: a for i in range(3)], {lambda: i for i in x}, (lambda *a: a for j in x)\n\
         y = sorted(x, key=lambda a, b=3: a)\n\
         z = lambda a=1: lambda a=2: lambda a=3: a\n",
        &[
            "<lambda>(b=1)",
            "f(a=lambda b=1: b, *, c=(d := 2))",
            "<lambda>(a=i)",
            "<lambda>()",
            "<lambda>(*a)",
            "<lambda>(a, b=3)",
            "<lambda>(a=1)",
            "<lambda>(a=2)",
            "<lambda>(a=3)",
        ],
    );
}

/// The compiler makes one code object of equal lambdas, up to 3.11 even if they have different defaults.
#[test]
fn lambdas_on_one_line() {
    check(
        8,
        "x = lambda a=1: a, lambda b=2: b, lambda a=3: -a\n",
        &["<lambda>(a=1)", "<lambda>(b=2)", "<lambda>(a=3)"],
    );
    for interpreter in one_per_minor() {
        let minor = interpreter.version.minor();
        let bundle = bundle_of(&interpreter, b"x = lambda a=1: a, lambda a=2: a\n", |options| options);
        if minor <= 11 && shown(&bundle).len() == 1 {
            assert_eq!((shown(&bundle), counts(bundle.report())), (vec!["<lambda>(a)".to_owned()], [0, 0, 1, 0]));
        } else {
            assert_eq!(shown(&bundle), ["<lambda>(a=1)", "<lambda>(a=2)"], "{minor}");
            assert_eq!(counts(bundle.report()), [2, 0, 0, 0]);
        }
        // Equal signatures make no difference.
        let bundle = bundle_of(&interpreter, b"x = lambda a=1: a, lambda a=1: a, lambda a=1: -a\n", |options| options);
        assert!(shown(&bundle).iter().all(|one| one == "<lambda>(a=1)"), "{minor}");
        assert_eq!(counts(bundle.report()), [shown(&bundle).len() as u64, 0, 0, 0]);
        // The value is compiled before the target, and the target of `+=` before the value.
        for source in [&b"x[lambda a=1: a] = lambda a=2: -a\n"[..], b"x[lambda a=1: a] += lambda a=2: -a\n"] {
            let bundle = bundle_of(&interpreter, source, |options| options);
            let (first, second) = if source.contains(&b'+') { (1, 2) } else { (2, 1) };
            assert_eq!(shown(&bundle), [format!("<lambda>(a={first})"), format!("<lambda>(a={second})")], "{minor}");
        }
    }
}

#[test]
fn code_that_is_not_compiled() {
    let source =
        b"if 0:\n    def f(a=1): ...\nassert (lambda a=2: a)(), (lambda a=3: -a)()\nif __debug__: g = lambda: 1\n";
    for interpreter in one_per_minor() {
        for level in [0, 1] {
            let bundle = bundle_of(&interpreter, source, |options| options.optimize(level));
            let [matched, unmatched, ambiguous, refused] = counts(bundle.report());
            assert_eq!((unmatched, ambiguous, refused), (0, 0, 0));
            // Some versions keep the code objects of blocks that never run.
            assert_eq!(matched, shown(&bundle).len() as u64, "{}", interpreter.version);
            assert!(matched >= if level == 0 { 3 } else { 0 });
        }
        // One of two lambdas is left, and nothing says which one.
        let bundle = bundle_of(&interpreter, b"x = (lambda a=1: a) if 0 else (lambda a=2: -a)\n", |options| options);
        if shown(&bundle).len() == 1 {
            assert_eq!((shown(&bundle), counts(bundle.report())), (vec!["<lambda>(a)".to_owned()], [0, 0, 1, 0]));
        }
    }
}

#[test]
fn starred_annotations() {
    check(11, "def f(*args: *Ts, **kw: 'x'): ...\n", &["f(*args: *Ts, **kw: 'x')"]);
}

#[test]
fn type_parameters() {
    check(
        12,
        "def f[T: (int, str), *Ts, **P](a: T = 1, *args: *Ts) -> P: return lambda b=2: b\n\
         class C[T]:\n    def g[U: int](self, a: U = 4) -> T: ...\n\
         def i[V: lambda: 3](): ...\n\
         type A[T] = list[lambda c=5: T]\ntype B = int\n\
         @f\nasync def h[T](a: T): ...\n",
        &[
            "f(a: T = 1, *args: *Ts) -> P",
            "<lambda>(b=2)",
            "g(self, a: U = 4) -> T",
            "<lambda>()",
            "i()",
            "<lambda>(c=5)",
            "h(a: T)",
        ],
    );
}

#[test]
fn the_declared_encoding() {
    let source = b"# coding: latin-1\ndef f(a='\xE9'): ...\n";
    let bundle = bundle_of(&newest(), source, |options| options);
    assert_eq!(shown(&bundle), ["f(a='\u{e9}')"]);
}

#[test]
fn without_signatures_names_and_kinds_stay() {
    let source = b"def f(a, /, b=1, *, c: int = 2): ...\n";
    let with = bundle_of(&newest(), source, |options| options);
    let without = bundle_of(&newest(), source, |options| options.strip(Strip::Signatures));
    assert_eq!(shown(&with), ["f(a, /, b=1, *, c: int = 2)"]);
    assert_eq!(shown(&without), ["f(a, /, b, *, c)"]);
    assert_eq!((counts(with.report()), counts(without.report())), ([1, 0, 0, 0], [0; 4]));
    // This tree is flat, but the check of the nesting sees only 5,000 operators without a comma.
    let deep = format!("def f(a=1): ...\nx = {}\n", vec!["0"; 5000].join(" and "));
    let bundle = bundle_of(&newest(), deep.as_bytes(), |options| options);
    assert_eq!((shown(&bundle), counts(bundle.report())), (vec!["f(a)".to_owned()], [0, 0, 0, 1]));
    assert_eq!(bundle.report().signatures.refused[0].module, "a");
}

/// Functions with equal texts share them.
#[test]
fn equal_texts_are_stored_once() {
    let one = bundle_of(&newest(), b"def f(a=1): ...\n", |options| options);
    let many = "def f(a=1): ...\n".repeat(1000);
    let many = bundle_of(&newest(), many.as_bytes(), |options| options);
    let len = |bundle: &Bundle, name| {
        let sections = &bundle.report().archive.sections;
        sections.iter().find(|section| section.name == name).unwrap().bytes
    };
    assert_eq!(len(&many, "signature-text"), len(&one, "signature-text"));
    assert_eq!((len(&one, "signatures"), len(&many, "signatures")), (12, 12_000));
}
