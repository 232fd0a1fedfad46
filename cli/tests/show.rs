//! What `show` prints of values that the transcripts do not have: line breaks, surrogates, long values, equal names.
#![allow(missing_docs)]

use permacode_model::{Code, Container, Leaf, Module, ModuleKind, Object, Path, Ref, Str, Target};
use permacode_reader::local_kind;
use permacode_testkit::{Part, Program, interpreters};
use serde_json::Value;
use std::process::{Command, Output, Stdio};

/// The module `shapes` with these functions, each with the parameter `x`. `objects` are the constants of each, and the
/// first of them is the docstring.
fn archive(objects: Vec<Object<'static>>, functions: Vec<Code<'static>>) -> tempfile::TempDir {
    let text = |text: &'static str| Object::Leaf(Leaf::Str(Str::interned(text)));
    let own = [text("<module>"), text("f"), text("x")];
    let constants: Vec<Ref> = (0..objects.len()).map(|index| Ref::Object((own.len() + index) as u32)).collect();
    let function = |code: Code<'static>| Code {
        name: 1,
        flags: 3,
        arg_count: 1,
        locals: vec![2],
        local_kinds: vec![local_kind::LOCAL].into(),
        docstring: (!constants.is_empty()).then_some(0),
        constants: constants.clone(),
        ..code
    };
    let mut codes: Vec<Code<'static>> = functions.into_iter().map(function).collect();
    let children = (0..codes.len() as u32).map(Ref::Code).collect();
    codes.push(Code { constants: children, ..Code::default() });
    let module = Module {
        kind: ModuleKind::Module,
        objects: own.into_iter().chain(objects).collect(),
        body: Some(codes.len() as u32 - 1),
        codes,
        filename: Some(Path { root: None, path: Str::plain("shapes.py") }),
        ..Module::namespace("shapes")
    };
    let target = Target::new("cpython", 0x0A0D_0DF3, 0x030D_00F0, 2);
    let bytes = Program { targets: vec![Part { target, modules: vec![module], resources: vec![] }] }.write();
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("a.perma"), bytes).unwrap();
    folder
}

fn show(folder: &tempfile::TempDir, args: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_permacode"));
    command.args(["show", "a.perma"]).args(args).current_dir(folder.path()).stdin(Stdio::null()).output().unwrap()
}

fn text(bytes: Vec<u8>) -> String {
    String::from_utf8(bytes).unwrap()
}

#[test]
fn a_line_break_in_a_default_does_not_look_like_an_escape() {
    let with = |json: &'static [u8]| Code { signature: Some(json.into()), ..Code::default() };
    let folder = archive(vec![], vec![with(br#"{"d":["'''a\nb\tc'''"]}"#)]);
    let breaks = text(show(&folder, &["shapes:f"]).stdout);
    assert!(breaks.contains("  signature     (x='''a↵b⇥c''')\n"), "{breaks}");
    let members = text(show(&folder, &["shapes"]).stdout);
    assert!(members.contains("f(x='''a↵b⇥c''')\n"), "{members}");
    let json: Value = serde_json::from_slice(&show(&folder, &["shapes:f", "--json"]).stdout).unwrap();
    assert_eq!(json["signature"]["parameters"][0]["default"], "'''a\nb\tc'''");
    let folder = archive(vec![], vec![with(br#"{"d":["'a\\nb'"]}"#)]);
    let escape = text(show(&folder, &["shapes:f"]).stdout);
    assert!(escape.contains("  signature     (x='a\\nb')\n"), "{escape}");
}

#[test]
fn python_reads_a_docstring_with_a_surrogate_back() {
    let docstring = Str { text: b"a\xED\xA0\x80 \xC3\xA9".as_slice().into(), interned: false };
    let folder = archive(vec![Object::Leaf(Leaf::Str(docstring))], vec![Code::default()]);
    let output = show(&folder, &["shapes:f", "--json"]);
    assert_eq!(output.status.code(), Some(0));
    std::fs::write(folder.path().join("shown.json"), &output.stdout).unwrap();
    let script = "import json; print(ascii(json.load(open('shown.json', encoding='utf-8'))['docstring']))";
    let mut python = Command::new(interpreters::newest().executable);
    let output = python.args(["-I", "-c", script]).current_dir(folder.path()).output().unwrap();
    assert_eq!(text(output.stdout).trim(), r"'a\ud800 \xe9'", "{}", text(output.stderr));
}

#[test]
fn long_values_are_as_whole_as_the_help_says() {
    let long = |letter: &str, count: usize| Object::Leaf(Leaf::Str(Str::plain(letter.repeat(count))));
    let tuple = Object::Container(Container::Tuple, vec![Ref::Object(4); 1200]);
    let folder = archive(vec![long("d", 5000), long("c", 201), tuple], vec![Code::default()]);
    let shown = text(show(&folder, &["shapes:f"]).stdout);
    let json: Value = serde_json::from_slice(&show(&folder, &["shapes:f", "--json"]).stdout).unwrap();
    assert!(shown.contains(&format!("\n  {}\n", "d".repeat(5000))));
    assert_eq!(json["docstring"], "d".repeat(5000));
    let short = format!("\"{}\"... <201 bytes>", "c".repeat(200));
    assert_eq!(json["constants"][1]["value"], short);
    assert!(shown.contains(&format!("  ascii  {short}\n")), "{shown}");
    let value = json["constants"][2]["value"].as_str().unwrap();
    // The tuple itself is one of the values.
    assert!(value.ends_with(", ...)") && value.matches("<201 bytes>").count() == 999, "{value}");
    let mut command = Command::new(env!("CARGO_BIN_EXE_permacode"));
    let help = text(command.args(["show", "--help"]).output().unwrap().stdout);
    let help = help.split_whitespace().collect::<Vec<_>>().join(" ");
    for words in ["Docstrings and the signature of a function are whole", "1,000 values", "200 characters"] {
        assert!(help.contains(words), "{words}: {help}");
    }
}

#[test]
fn a_line_with_several_code_objects_lists_only_these() {
    let line = |first_line| Code { first_line, ..Code::default() };
    let folder = archive(vec![], vec![line(3), line(7), line(7), line(9)]);
    let output = show(&folder, &["shapes:f@7"]);
    assert_eq!(output.status.code(), Some(1));
    let lines = [
        "permacode: \"shapes:f\" is the name of 2 code objects in this line",
        "  choose one with #N",
        "  \"shapes:f#2\" starts in line 7",
        "  \"shapes:f#3\" starts in line 7",
    ];
    assert_eq!(text(output.stderr).lines().collect::<Vec<_>>(), lines);
    assert_eq!(show(&folder, &["shapes:f@3"]).status.code(), Some(0));
    assert_eq!(show(&folder, &["shapes:f#3"]).status.code(), Some(0));
    let wrong = ["f#0", "f#5", "f@1", "f#x", "f@x", "f#", "f@", "f#-1", "f#99999999999999999999"];
    let answers = wrong.map(|name| text(show(&folder, &[&format!("shapes:{name}")]).stderr));
    assert!(answers[0].contains("\"shapes:f\" is the name of 4 code objects\n  nothing fits"), "{}", answers[0]);
    assert!(answers.iter().all(|answer| *answer == answers[0]), "{answers:?}");
}
