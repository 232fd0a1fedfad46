//! What files of expected output cannot say: exact bytes, pipes, standard input, help.
#![allow(missing_docs)]

use permacode_testkit::toy;
use serde_json::Value;
use std::{
    io::Write,
    path::PathBuf,
    process::{Command, Output, Stdio},
};
use tempfile::TempDir;

fn permacode(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_permacode"));
    command.args(args).stdin(Stdio::null());
    command
}

fn run(args: &[&str]) -> Output {
    permacode(args).output().unwrap()
}

fn stdout(args: &[&str]) -> String {
    let output = run(args);
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && stderr.is_empty(), "{args:?}: {} {stderr}", output.status);
    String::from_utf8(output.stdout).unwrap()
}

fn json(args: &[&str]) -> Value {
    serde_json::from_slice(&run(args).stdout).unwrap()
}

/// The toy archive as a file, which goes when the folder is dropped.
fn toy_file() -> (TempDir, String) {
    let folder = tempfile::tempdir().unwrap();
    let path: PathBuf = folder.path().join("toy.perma");
    std::fs::write(&path, toy::archive()).unwrap();
    let path = path.to_str().unwrap().to_owned();
    (folder, path)
}

#[test]
fn names_are_escaped_for_people_and_exact_in_json() {
    let (_folder, path) = toy_file();
    let list = stdout(&["list", &path, "--resources", "--target", "0"]);
    assert!(list.contains(r"evil\u{1b}[31m\nname") && list.contains(r"latin\xe9"), "{list}");
    assert!(list.chars().all(|character| character == '\n' || !character.is_control()), "{list:?}");
    let list = json(&["list", &path, "evil", "--resources", "--json"]);
    assert_eq!(list["targets"][0]["entries"][0]["name"], "evil\x1b[31m\nname");
    let missing = run(&["cat", &path, "evil\x1b[32m\nname"]);
    assert_eq!(missing.status.code(), Some(1));
    let stderr = String::from_utf8(missing.stderr).unwrap();
    assert!(stderr.contains(r#""evil\u{1b}[32m\nname""#), "{stderr}");
    assert!(stderr.contains(r#"did you mean "evil\u{1b}[31m\nname"?"#), "{stderr}");
    assert!(!stderr.contains('\x1b'), "{stderr:?}");
}

#[test]
fn a_resource_leaves_byte_for_byte() {
    use std::os::unix::ffi::OsStrExt;
    let (_folder, path) = toy_file();
    let mut command = permacode(&["cat", &path]);
    let output = command.arg(std::ffi::OsStr::from_bytes(b"latin\xE9")).output().unwrap();
    assert_eq!((output.status.code(), &output.stdout[..]), (Some(0), &b"\x00\x01\x02"[..]));
}

#[test]
fn every_query_answers_in_json() {
    let (_folder, path) = toy_file();
    assert_eq!(json(&["info", &path, "--json"])["modules"], 7);
    assert_eq!(json(&["list", &path, "--json"])["targets"].as_array().unwrap().len(), 2);
    assert_eq!(json(&["list", &path, "absent", "--json"])["targets"][0]["entries"], Value::Array(vec![]));
    assert_eq!(json(&["show", &path, "tools", "--json"])["kind"], "module");
    assert_eq!(json(&["dump", &path, "header.version", "--json"])["lines"][1]["value"], 1);
    assert_eq!(json(&["verify", &path, "--json"])["is_valid"], true);
    let absent = json(&["verify", &path, "--module", "absent", "--json"]);
    assert_eq!((&absent["is_valid"], &absent["error"]["rule"]), (&Value::Bool(false), &Value::Null));
}

#[test]
fn an_archive_can_come_from_standard_input() {
    let mut child = permacode(&["verify", "-"]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(&toy::archive()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(0));
    assert!(output.stdout.starts_with(b"ok: standard input: "), "{output:?}");
}

#[test]
fn a_reader_that_goes_away_is_not_an_error() {
    let (_folder, path) = toy_file();
    for args in [
        &["list", &path][..],
        &["info", &path, "--json"],
        &["cat", &path, "tools"],
        &["--help"],
        &["dump", &path],
        &["show", &path, "tools"],
        &["completions", "bash"],
        &["man"],
    ] {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let output = permacode(args).stdout(writer).stderr(Stdio::piped()).output().unwrap();
        assert_eq!((output.status.code(), &output.stderr[..]), (Some(0), &b""[..]), "{args:?}");
    }
}

#[test]
fn a_full_disk_is_an_error() {
    let (_folder, path) = toy_file();
    let Ok(full) = std::fs::OpenOptions::new().write(true).open("/dev/full") else { return };
    let output = permacode(&["info", &path]).stdout(full).stderr(Stdio::piped()).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert!(stderr.starts_with("permacode: cannot write to standard output: "), "{stderr}");
}

#[test]
fn each_help_explains_the_exit_status() {
    let commands: [&[&str]; 11] = [
        &[],
        &["bundle"],
        &["list"],
        &["info"],
        &["verify"],
        &["cat"],
        &["show"],
        &["extract"],
        &["dump"],
        &["completions"],
        &["man"],
    ];
    for command in commands {
        for flag in ["-h", "--help"] {
            let help = stdout(&[command, &[flag]].concat());
            assert!(help.contains("Examples:") && help.contains("Exit status:"), "{command:?} {flag}");
        }
    }
    let output = run(&[]);
    assert_eq!((output.status.code(), output.stdout.is_empty()), (Some(2), true));
}
