//! `image` and `stamp` run the Python package of an interpreter. Here the package is a script; the tests of the package
//! run both commands with the real one.
#![cfg(unix)]
#![allow(missing_docs)]

use permacode_testkit::{interpreters, toy};
use serde_json::{Value, json};
use std::{
    fs,
    path::Path,
    process::{Command, Output, Stdio},
};

struct Fixture(tempfile::TempDir);

/// Answers with its arguments as the path of what it made.
const ANSWER: &str = r#"
import json, sys
def main():
    made = {"path": " ".join(sys.argv[1:]), "bytes": 5, "modules": 2, "folders": 1, "left_out": [["a", "why\x1b"]]}
    print(json.dumps({**made, "stamps": {**made, "path": "beside"}}))
"#;

impl Fixture {
    /// A package whose modules have this text.
    fn new(module: &str) -> Self {
        let fixture = Fixture(tempfile::tempdir().unwrap());
        fixture.write("toy.perma", &toy::archive());
        for name in ["image", "stamp"] {
            fixture.write(&format!("packages/permacode/{name}.py"), module.as_bytes());
        }
        fixture.write("packages/permacode/__init__.py", b"");
        fixture
    }

    fn write(&self, name: &str, bytes: &[u8]) {
        let path = self.0.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    }

    fn run(&self, args: &[&str]) -> Output {
        let python = interpreters::newest().executable;
        let mut command = Command::new(env!("CARGO_BIN_EXE_permacode"));
        command
            .arg(args[0])
            .arg("--python")
            .arg(python)
            .args(&args[1..])
            .current_dir(self.0.path())
            .stdin(Stdio::null());
        command.env("PYTHONPATH", self.0.path().join("packages")).output().unwrap()
    }

    /// Exit status, standard output and standard error.
    fn text(&self, args: &[&str]) -> (i32, String, String) {
        let output = self.run(args);
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
    }

    /// Exit status, and the JSON on standard output or standard error.
    fn json(&self, args: &[&str]) -> (i32, Value) {
        let (status, stdout, stderr) = self.text(&[&args[..1], &["--json"], &args[1..]].concat());
        (status, serde_json::from_str(if stdout.is_empty() { &stderr } else { &stdout }).unwrap())
    }
}

#[test]
fn the_package_gets_the_arguments() {
    let fixture = Fixture::new(ANSWER);
    let path = |args: &[&str]| {
        let (status, report) = fixture.json(args);
        assert_eq!(status, 0, "{report}");
        report.get("image").filter(|image| !image.is_null()).unwrap_or(&report["stamps"])["path"].clone()
    };
    assert_eq!(path(&["image", "toy.perma"]), "--json -- toy.perma");
    assert_eq!(
        path(&["image", "toy.perma", "-o", "x", "--root", "a=b c"]),
        "--output x --root a=b c --json -- toy.perma"
    );
    assert_eq!(
        path(&["stamp", "toy.perma", "--root", "a=b", "--root=c=d=e"]),
        "--root a=b --root c=d=e --json -- toy.perma"
    );
    fs::rename(fixture.0.path().join("toy.perma"), fixture.0.path().join("-o")).unwrap();
    assert_eq!(path(&["stamp", "--", "-o"]).as_str(), Some("--json -- -o"));
}

#[test]
fn the_text_names_files_and_what_is_missing() {
    let fixture = Fixture::new(ANSWER);
    let (status, stdout, stderr) = fixture.text(&["image", "toy.perma"]);
    assert_eq!((status, stderr.as_str()), (0, ""));
    let lines = [
        "--json -- toy.perma: 2 modules, 5 B",
        "not in the image: a: why\\u{1b}",
        "beside: 2 modules, 5 B",
        "not in the stamps: a: why\\u{1b}",
    ];
    assert_eq!(stdout.lines().collect::<Vec<_>>(), lines);
    assert_eq!(fixture.text(&["stamp", "toy.perma"]).1.lines().count(), 2);
    assert_eq!(fixture.text(&["image", "toy.perma", "--quiet"]), (0, String::new(), String::new()));
}

#[test]
fn an_image_that_is_verified() {
    let fixture =
        Fixture::new("import sys\ndef main():\n    print('{\"verified\": true}' if '--verify' in sys.argv else 0)");
    assert_eq!(fixture.text(&["image", "toy.perma", "--verify"]).1, "ok: the image of toy.perma is as it should be\n");
    let (status, report) = fixture.json(&["image", "toy.perma", "--verify"]);
    assert_eq!((status, &report["is_valid"], &report["error"]), (0, &json!(true), &Value::Null));
}

#[test]
fn a_sealed_archive_needs_no_stamps() {
    let fixture = Fixture::new("def main():\n    print('null')");
    assert_eq!(fixture.text(&["stamp", "toy.perma"]).1, "toy.perma: the archive is sealed and needs no stamps\n");
    assert_eq!(
        fixture.json(&["stamp", "toy.perma"]),
        (0, json!({"archive": "toy.perma", "stamps": null, "error": null}))
    );
}

#[test]
fn the_answer_is_no() {
    let fixture = Fixture::new("def main():\n    print('{\"error\": \"it differs\"}')\n    return 1");
    for args in [&["image", "toy.perma", "--verify"][..], &["image", "toy.perma"], &["stamp", "toy.perma"]] {
        assert_eq!(fixture.text(args), (1, String::new(), "permacode: it differs\n".to_owned()));
        let (status, report) = fixture.json(&[args, &["--quiet"]].concat());
        assert_eq!((status, &report["error"]), (1, &json!("it differs")));
    }
    let (_, _, stderr) = fixture.text(&["image", "toy.perma", "--json", "--verify"]);
    let error: Value = serde_json::from_str(&stderr).unwrap();
    assert_eq!((&error["kind"], &error["message"]), (&json!("refused"), &json!("it differs")));
}

#[test]
fn a_file_that_cannot_be_written() {
    let answer = r#"{"error": "x", "errno": 13, "file": "/some/where"}"#;
    let fixture = Fixture::new(&format!("def main():\n    print('{answer}')\n    return 2"));
    let (status, _, stderr) = fixture.text(&["stamp", "toy.perma"]);
    assert_eq!(status, 2);
    assert!(stderr.starts_with("permacode: cannot read or write \"/some/where\": "), "{stderr}");
    assert_eq!(fixture.json(&["stamp", "toy.perma"]).1["kind"], "permission-denied");
}

#[test]
fn an_interpreter_without_the_package() {
    let fixture = Fixture::new(ANSWER);
    fs::rename(fixture.0.path().join("packages/permacode"), fixture.0.path().join("permacode")).unwrap();
    // A folder of this name in the current folder is not the package.
    let (status, stdout, stderr) = fixture.text(&["image", "toy.perma"]);
    assert_eq!((status, stdout.as_str()), (2, ""));
    assert!(stderr.contains("does not have the package permacode\n  Install a wheel of the package (`"), "{stderr}");
    let (status, report) = fixture.json(&["stamp", "toy.perma"]);
    assert_eq!((status, &report["kind"]), (2, &json!("interpreter")));
    assert!(report["advice"].as_str().unwrap().contains("-m pip install"), "{report}");
}

#[test]
fn a_program_that_is_no_interpreter_or_fails() {
    let fixture = Fixture::new("print('hello')\nraise SystemError('broken')");
    let (status, _, stderr) = fixture.text(&["image", "toy.perma"]);
    assert!(status == 2 && stderr.contains("failed: SystemError: broken"), "{stderr}");
    // An answer of another form is no success.
    let (status, _, stderr) = Fixture::new("def main():\n    print('{}')").text(&["stamp", "toy.perma"]);
    assert!(status == 2 && stderr.contains("failed: exit status: 0"), "{stderr}");
    let run = |program: &str| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_permacode"));
        command.args(["stamp", "toy.perma", "--json", "--python", program]).current_dir(fixture.0.path());
        let output = command.output().unwrap();
        let report: Value = serde_json::from_slice(&output.stderr).unwrap();
        assert_eq!((output.status.code(), &report["kind"]), (Some(2), &json!("interpreter")));
        report["message"].as_str().unwrap().to_owned()
    };
    assert!(run("/missing/python").starts_with("cannot run \"/missing/python\": "));
    assert!(run("true").starts_with("\"true\" failed: exit status: 0"));
}

#[test]
fn the_archive_comes_first() {
    let fixture = Fixture::new("raise SystemError('not asked')");
    assert_eq!(fixture.json(&["image", "missing.perma"]).1["kind"], "not-found");
    fixture.write("text", b"no archive");
    assert_eq!(fixture.json(&["stamp", "text"]).1["kind"], "not-an-archive");
    for args in [&["image", "-"][..], &["stamp", "toy.perma", "--root", "a"], &["stamp", "toy.perma", "--root", "=b"]] {
        let (status, report) = fixture.json(args);
        assert_eq!((status, &report["kind"]), (2, &json!("usage")), "{args:?}");
    }
    assert!(Path::new(&fixture.0.path().join("toy.perma")).exists());
}
