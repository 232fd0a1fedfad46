//! The order of data within a section.

use permacode_model::*;
use permacode_testkit::Program;
use permacode_writer::{Options, Placement};
use std::borrow::Cow;

/// The bytecode, the line table and the name of each code object contain the name of their owner.
const KINDS: [&str; 3] = ["bytecode", "lines", "string"];

/// A module whose body holds two functions: one of its own, and one that is equal in all these modules.
fn module(name: &'static str) -> Module<'static> {
    let owners = [format!("{name}-own"), "common".to_owned(), format!("{name}-body")];
    let text = |kind: &str, owner: &str| format!("<{kind} of {owner}>");
    let bytes = |kind: &str, owner: &str| Cow::Owned(text(kind, owner).into_bytes());
    let strings = owners.iter().map(|owner| Object::Leaf(Leaf::Str(Str::plain(text("string", owner)))));
    let codes = owners.iter().zip(0..).map(|(owner, index)| Code {
        name: index,
        constants: if index == 2 { vec![Ref::Code(0), Ref::Code(1)] } else { vec![] },
        bytecode: bytes("bytecode", owner),
        line_table: bytes("lines", owner),
        ..Code::default()
    });
    Module {
        name: name.into(),
        kind: ModuleKind::Module,
        objects: strings.collect(),
        codes: codes.collect(),
        body: Some(2),
        filename: Some(Path { root: None, path: Str::plain(format!("{name}.py")) }),
        source: None,
    }
}

/// The owners in the order of their data, which is the same for all kinds.
fn owners(placement: Placement) -> Vec<String> {
    let program = Program::of(vec![module("b"), module("a")]);
    let bytes = program.plan(Options::default().placement(placement), 0).unwrap().to_bytes();
    let of_kind = |kind: &str| -> Vec<String> {
        let start = format!("<{kind} of ").into_bytes();
        let rest = bytes.windows(start.len()).enumerate().filter(|(_, window)| *window == start);
        rest.map(|(at, _)| {
            let owner: Vec<u8> = bytes[at + start.len()..].iter().copied().take_while(|byte| *byte != b'>').collect();
            String::from_utf8(owner).unwrap()
        })
        .collect()
    };
    let found = KINDS.map(of_kind);
    assert!(found.iter().all(|owners| *owners == found[0]), "{found:?}");
    found[0].clone()
}

#[test]
fn shared_data_comes_first() {
    assert_eq!(owners(Placement::default()), ["common", "a-body", "a-own", "b-body", "b-own"]);
}

#[test]
fn in_the_order_of_first_use_shared_data_lies_with_the_first_module() {
    assert_eq!(owners(Placement::FirstUse), ["a-body", "a-own", "common", "b-body", "b-own"]);
}

#[test]
fn bodies_of_modules_come_before_functions() {
    assert_eq!(owners(Placement::BodiesFirst), ["a-body", "b-body", "a-own", "common", "b-own"]);
}
