//! No source makes the parser or the walk over its tree overflow the stack, run for long or panic.

use permacode_signatures::{Functions, Refused};
use proptest::prelude::*;
use std::time::Instant;

const LEVELS: usize = 100_000;

fn nested(open: &str, inner: &str, close: &str, levels: usize) -> String {
    [open.repeat(levels).as_str(), inner, &close.repeat(levels)].concat()
}

/// For each construct that nests: a source with this many levels.
fn sources(levels: usize) -> Vec<(&'static str, String)> {
    let expression = |text: String| format!("f = lambda x={text}: 0\n");
    // The indentation of n blocks needs n * n / 2 bytes.
    let blocks = |header: &str, levels: usize| {
        let lines = (0..levels).map(|level| format!("{}{header}:\n", " ".repeat(level)));
        lines.collect::<String>() + &" ".repeat(levels) + "pass\n"
    };
    vec![
        ("parentheses", expression(nested("(", "1", ")", levels))),
        ("lists", expression(nested("[", "1", "]", levels))),
        ("tuples", expression(nested("(1,", "1", ")", levels))),
        ("dicts", expression(nested("{0:", "1", "}", levels))),
        ("open brackets", nested("(", "", "", levels)),
        ("closing brackets", nested(")", "", "", levels)),
        ("calls in calls", expression(nested("f(", "1", ")", levels))),
        ("calls of calls", expression(format!("f{}", "()".repeat(levels)))),
        ("subscripts", expression(format!("f{}", "[0]".repeat(levels)))),
        ("attributes", expression(format!("f{}", ".a".repeat(levels)))),
        ("minus", expression(nested("-", "1", "", levels))),
        ("not", expression(nested("not ", "1", "", levels))),
        ("await", format!("async def f(): {}g\n", "await ".repeat(levels))),
        ("stars", format!("f({}g)\n", "*".repeat(levels))),
        ("sums", expression(format!("1{}", "+1".repeat(levels)))),
        ("powers", expression(format!("1{}", "**1".repeat(levels)))),
        ("comparisons", expression(format!("1{}", "<1".repeat(levels)))),
        ("and", expression(format!("1{}", " and 1".repeat(levels)))),
        ("conditionals", expression(format!("1{}", " if 1 else 1".repeat(levels)))),
        ("lambdas", expression(nested("lambda: ", "1", "", levels))),
        ("lambdas with parameters", expression(nested("lambda a, b: ", "1", "", levels))),
        ("lambdas in defaults", expression(nested("lambda a=", "1", ": 0", levels))),
        ("lambdas in brackets", expression(nested("[lambda a, b: (0,", "1", ")]", levels))),
        ("named", expression(nested("(a:=", "1", ")", levels))),
        ("yields", nested("(yield ", "1", ")", levels)),
        ("yields without parentheses", format!("x = {}1\n", "yield 1, ".repeat(levels))),
        ("f-strings", nested("f'{", "1", "}'", levels)),
        ("format specs", format!("f'{}'", nested("{1:", "1", "}", levels))),
        ("t-strings", nested("t'{", "1", "}'", levels)),
        ("comprehensions", expression(nested("[x for x in ", "1", "]", levels))),
        ("clauses of a comprehension", expression(format!("[1{}]", " for x in y".repeat(levels)))),
        ("decorators", format!("{}def f(): 0\n", "@d\n".repeat(levels))),
        ("elif", format!("if 1: 0\n{}", "elif 1: 0\n".repeat(levels))),
        ("strings", expression(format!("({})", "'a' ".repeat(levels)))),
        ("targets", format!("{}1\n", "a = ".repeat(levels))),
        ("items", expression(format!("[{}]", "1,".repeat(levels)))),
        ("lambdas as items", expression(format!("[{}]", "lambda: 1,".repeat(levels)))),
        ("parameters", format!("def f({}): 0\n", (0..levels).map(|i| format!("a{i}=1,")).collect::<String>())),
        ("statements", "x = lambda a=1: 0\n".repeat(levels)),
        ("statements on a line", "x = 1;".repeat(levels)),
        ("blocks on a line", "if 1: ".repeat(levels)),
        ("with on a line", "with a, b: ".repeat(levels)),
        ("patterns", format!("match x:\n case {}: 0\n", nested("[", "1", "]", levels))),
        ("alternatives", format!("match x:\n case 1{}: 0\n", "|1".repeat(levels))),
        ("class patterns", format!("match x:\n case {}: 0\n", nested("C(", "1", ")", levels))),
        ("type parameters", format!("def f[T: {}]: 0\n", nested("(", "1", ")", levels))),
        ("annotations", format!("def f(a: {}): 0\n", nested("List[", "int", "]", levels))),
        ("continuations", format!("x = 1{}\n", "\\\n".repeat(levels))),
        ("functions", blocks("def f(a=1)", levels.min(5000))),
        ("classes", blocks("class C", levels.min(5000))),
        ("conditions", blocks("if 1", levels.min(5000))),
        ("loops in brackets", nested("(\n", &blocks("for a in b", levels.min(3000)), "", 1)),
        ("try", blocks("try", levels.min(3000))),
    ]
}

#[test]
fn a_hundred_thousand_levels_of_everything() {
    for (name, source) in sources(LEVELS) {
        let start = Instant::now();
        let result = Functions::of_source(source.as_bytes()).map(|functions| functions.len());
        println!("{name}: {} bytes, {:?}, {:?}", source.len(), result, start.elapsed());
    }
}

#[test]
fn what_is_flat_is_not_refused_and_what_is_deep_is() {
    let flat = ["decorators", "elif", "strings", "items", "parameters", "statements"];
    let deep = ["parentheses", "attributes", "minus", "sums", "lambdas with parameters", "f-strings", "functions"];
    for (name, source) in sources(LEVELS) {
        let result = Functions::of_source(source.as_bytes());
        assert!(!flat.contains(&name) || result.is_ok(), "{name}: {result:?}");
        assert!(!deep.contains(&name) || matches!(result, Err(Refused::Nesting)), "{name}: {result:?}");
    }
}

/// The greatest depth that is not refused.
#[test]
fn just_below_the_limit_everything_is_walked() {
    let mut accepted = 0;
    for levels in [1, 10, 90, 1300, 1900, 3900] {
        for (name, source) in sources(levels) {
            match Functions::of_source(source.as_bytes()) {
                Ok(_) => accepted += 1,
                Err(Refused::Nesting) => assert!(levels > 1000, "{name}: {levels} levels"),
                Err(Refused::Syntax(_) | Refused::TooLarge) => {}
                Err(refused) => panic!("{name}: {refused}"),
            }
        }
    }
    assert!(accepted > 200, "{accepted}");
}

#[test]
fn texts_that_contain_each_other_are_limited() {
    // Each default contains all defaults inside it.
    let source = format!("f = {}1{}\n", "lambda a=".repeat(1200), ": 0".repeat(1200));
    assert!(matches!(Functions::of_source(source.as_bytes()), Err(Refused::TooLarge)));
    let source = format!("f = {}1{}\n", "lambda a=".repeat(20), ": 0".repeat(20));
    assert_eq!(Functions::of_source(source.as_bytes()).unwrap().len(), 20);
}

#[test]
fn bytes_that_are_no_source() {
    for source in [
        &b""[..],
        b"\0",
        b"\xFF",
        b"\xEF\xBB\xBF",
        b"def",
        b"\x0c",
        b"'''",
        b"f'{",
        b"\\",
        b"#",
        b"\r",
        b"def f(\0): 0",
    ] {
        let _ = Functions::of_source(source);
    }
}

/// Pieces of sources, which may make sense together.
const PIECES: &[&str] = &[
    "def ", "f", "(", ")", "[", "]", "{", "}", ":", ",", " ", "\n", "\n    ", "lambda ", "a", "=", "1", "*", "**", "/",
    "->", "int", "@", "class ", "async ", "await ", "if ", "else ", "for ", " in ", "'", "\"\"\"", "f'", "t\"", "#",
    "\\", "\r", "yield ", ":=", "type ", "match ", "case ", "try:", "with ", "as ", "é", "\0", "\u{c}", "...", "!r",
    ".", "-",
];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(20_000))]

    #[test]
    fn any_pieces_of_source(pieces in proptest::collection::vec(proptest::sample::select(PIECES), 0..40)) {
        let _ = Functions::of_source(pieces.concat().as_bytes());
    }

    #[test]
    fn any_bytes(bytes in proptest::collection::vec(any::<u8>(), 0..60)) {
        let _ = Functions::of_source(&bytes);
    }
}
