//! The JSON of `show` and `dump` has the form that `docs/schemas` describes.
#![allow(missing_docs)]

mod sample;

use permacode_model::{Code, Leaf, Module, ModuleKind, Object, Path, Ref, Str, Target};
use permacode_reader::{Archive, local_kind};
use permacode_testkit::{Part, Program, shapes, toy};
use serde_json::Value;
use std::process::{Command, Stdio};

struct Checked {
    schema: jsonschema::Validator,
    folder: tempfile::TempDir,
}

impl Checked {
    fn new(name: &str) -> Self {
        let path = format!("{}/../docs/schemas/{name}.json", env!("CARGO_MANIFEST_DIR"));
        let schema: Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
        jsonschema::meta::validate(&schema).unwrap();
        let folder = tempfile::tempdir().unwrap();
        for (name, bytes) in archives() {
            std::fs::write(folder.path().join(name), bytes).unwrap();
        }
        Checked { schema: jsonschema::validator_for(&schema).unwrap(), folder }
    }

    /// The JSON that the command prints. It follows the schema.
    fn run(&self, args: &[&str]) -> Value {
        let mut command = Command::new(env!("CARGO_BIN_EXE_permacode"));
        let output = command.args(args).arg("--json").current_dir(self.folder.path()).stdin(Stdio::null()).output();
        let output = output.unwrap();
        let value = serde_json::from_slice(&output.stdout).unwrap_or_else(|error| {
            panic!("{args:?}: {error}: {}", String::from_utf8_lossy(&output.stderr));
        });
        let faults: Vec<String> = self.schema.iter_errors(&value).map(|error| error.to_string()).collect();
        assert!(faults.is_empty(), "{args:?}: {faults:?}\n{value:#}");
        value
    }
}

fn archives() -> [(&'static str, Vec<u8>); 4] {
    let mut damaged = shapes::everything();
    damaged.truncate(damaged.len() - 9);
    [
        ("shop.perma", sample::archive()),
        ("toy.perma", toy::archive()),
        ("everything.perma", shapes::everything()),
        ("damaged.perma", damaged),
    ]
}

/// An archive whose function `f` has the parameter `x` and a signature that is not JSON.
fn malformed() -> Vec<u8> {
    let text = |text: &'static str| Object::Leaf(Leaf::Str(Str::interned(text)));
    let function = Code {
        name: 1,
        flags: 3,
        arg_count: 1,
        locals: vec![2],
        local_kinds: vec![local_kind::LOCAL].into(),
        signature: Some((&b"{"[..]).into()),
        ..Code::default()
    };
    let body = Code { constants: vec![Ref::Code(0)], ..Code::default() };
    let module = Module {
        objects: vec![text("<module>"), text("f"), text("x")],
        codes: vec![function, body],
        body: Some(1),
        ..Module::namespace("shapes")
    };
    let filename = Some(Path { root: None, path: Str::plain("shapes.py") });
    let module = Module { kind: ModuleKind::Module, filename, ..module };
    let target = Target::new("cpython", 0x0A0D_0DF3, 0x030D_00F0, 2);
    Program { targets: vec![Part { target, modules: vec![module], resources: vec![] }] }.write()
}

#[test]
fn a_malformed_signature_is_a_problem_and_the_rest_is_shown() {
    let checked = Checked::new("show");
    std::fs::write(checked.folder.path().join("malformed.perma"), malformed()).unwrap();
    for (name, signature) in [("shapes", "/members/0/signature"), ("shapes:f", "/signature")] {
        let shown = checked.run(&["show", "malformed.perma", name]);
        assert_eq!(shown.pointer(signature), Some(&Value::Null));
        let problem = shown["problems"][0].as_str().unwrap();
        assert!(problem.starts_with("no function of CPython has this signature: "), "{problem}");
        let mut command = Command::new(env!("CARGO_BIN_EXE_permacode"));
        let output =
            command.args(["show", "malformed.perma", name]).current_dir(checked.folder.path()).output().unwrap();
        assert_eq!(output.status.code(), Some(1));
        assert!(String::from_utf8(output.stdout).unwrap().ends_with(&format!("! {problem}\n")));
    }
}

#[test]
fn a_signature_says_what_inspect_says() {
    let checked = Checked::new("show");
    let shown = checked.run(&["show", "shop.perma", "shop.basket:Basket.__init__"]);
    let parameter = |name: &str, kind: &str, default: Option<&str>, annotation: Option<&str>| serde_json::json!({ "name": name, "kind": kind, "default": default, "annotation": annotation });
    let expected = [
        parameter("self", "positional or keyword", None, None),
        parameter("goods", "variadic positional", None, Some("str")),
        parameter("limit", "keyword-only", Some("10"), Some("int")),
        parameter("notes", "variadic keyword", None, None),
    ];
    assert_eq!(shown["signature"], serde_json::json!({ "parameters": expected, "returns": null }));
    let module = checked.run(&["show", "shop.perma", "shop.basket"]);
    let members: Vec<&Value> = module["members"].as_array().unwrap().iter().collect();
    assert_eq!((&members[0]["qualname"], &members[0]["signature"]), (&"Basket".into(), &Value::Null));
    assert_eq!(members[1]["signature"]["parameters"][0], parameter("n", "positional-only", None, None));
    // The archive of shapes has a target of another machine.
    let other = checked.run(&["show", "everything.perma", "pkg.mod"]);
    let members = other["members"].as_array().unwrap();
    assert!(!members.is_empty() && members.iter().all(|member| member["signature"].is_null()));
}

#[test]
fn every_dump_follows_the_schema() {
    let checked = Checked::new("dump");
    for (name, bytes) in archives() {
        let dump = checked.run(&["dump", name]);
        assert_eq!(dump["bytes"], bytes.len());
        let hex: usize = dump["lines"]
            .as_array()
            .unwrap()
            .iter()
            .map(|line| {
                line["bytes"].as_str().map_or(0, |hex| hex.len() / 2) + line["len"].as_u64().unwrap_or(0) as usize
            })
            .sum();
        assert_eq!(hex, bytes.len(), "{name}");
        let has_problem = dump["lines"].as_array().unwrap().iter().any(|line| line["line"] == "problem");
        assert_eq!(has_problem, name == "damaged.perma");
    }
    let field = checked.run(&["dump", "toy.perma", "header.version"]);
    assert_eq!(field["lines"][1]["value"], 1);
}

#[test]
fn every_module_and_every_code_object_follows_the_schema() {
    let checked = Checked::new("show");
    for (name, bytes) in archives().into_iter().filter(|(name, _)| *name != "damaged.perma") {
        let archive = Archive::open(&bytes).unwrap();
        for (number, target) in archive.targets().enumerate() {
            let target_number = number.to_string();
            for module in target.modules() {
                let module = module.unwrap();
                let shown = checked.run(&["show", name, module.name().unwrap(), "--target", &target_number]);
                assert_eq!((&shown["kind"], &shown["code_objects"]), (&"module".into(), &module.code_count().into()));
                for code in module.codes() {
                    let code = code.unwrap();
                    let qualname = code.qualname().to_string();
                    let same = module.find_codes(&qualname).map(Result::unwrap);
                    let mut same: Vec<_> = same.map(|code| (code.first_line().unwrap(), code.id())).collect();
                    same.sort();
                    let place = same.iter().position(|(_, id)| *id == code.id()).unwrap() + 1;
                    let full = format!("{}:{qualname}#{place}", module.name().unwrap());
                    let shown = checked.run(&["show", name, &full, "--target", &target_number]);
                    assert_eq!((&shown["kind"], &shown["id"]), (&"code".into(), &code.id().into()), "{full}");
                    assert_eq!(shown["names"].as_array().unwrap().len(), code.names().unwrap().len());
                    let units = code.bytecode().unwrap().len().div_ceil(target.unit_size().into());
                    assert_eq!(shown["units"].as_array().unwrap().len(), units);
                }
            }
        }
    }
}
