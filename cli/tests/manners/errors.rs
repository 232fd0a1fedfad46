//! Errors and answers as JSON.

use crate::fixture::{Fixture, json_error, run};
use permacode_testkit::{Edited, Program, toy};
use serde_json::Value;

#[test]
fn errors_are_json_where_json_is_wanted() {
    let fixture = Fixture::new();
    fixture.write("text.perma", b"# no archive\n");
    let mut damaged = Edited(toy::archive());
    damaged.set("header.file_len", damaged.get("header.file_len") + 1);
    fixture.write("damaged.perma", &damaged.0);
    let check = |error: &Value, expected: [&str; 3]| {
        let text = |key: &str| error[key].as_str().unwrap_or("null").to_owned();
        assert_eq!([text("kind"), text("file"), text("rule")], expected, "{error}");
        let keys: Vec<&str> = error.as_object().unwrap().keys().map(String::as_str).take(5).collect();
        assert_eq!(keys, ["kind", "message", "file", "offset", "rule"]);
    };
    for args in [&["info"][..], &["list"], &["verify"], &["show"], &["dump"]] {
        let name: &[&str] = if args[0] == "show" { &["tools"] } else { &[] };
        let args = [args, &["absent.perma", "--json"], name].concat();
        let error = json_error(&mut fixture.command(&args));
        check(&error, ["not-found", "absent.perma", "null"]);
        let message = error["message"].as_str().unwrap();
        assert_eq!(message, "cannot open \"absent.perma\": No such file or directory (os error 2)");
    }
    let error = json_error(&mut fixture.command(&["list", "text.perma", "--json"]));
    check(&error, ["not-an-archive", "text.perma", "H-1"]);
    assert_eq!(error["offset"], 0);
    let error = json_error(&mut fixture.command(&["info", "damaged.perma", "--json"]));
    assert!(error["rule"].is_string() && error["offset"].is_u64() && error["advice"].is_string(), "{error}");
    let error = json_error(&mut fixture.command(&["show", "text.perma", "tools", "--json"]));
    check(&error, ["not-an-archive", "text.perma", "H-1"]);
    let error = json_error(&mut fixture.command(&["dump", "text.perma", "tools", "--json"]));
    check(&error, ["not-an-archive", "text.perma", "H-1"]);
    let error = json_error(&mut fixture.command(&["dump", "toy.perma", "header[", "--json"]));
    check(&error, ["usage", "toy.perma", "null"]);
    let error = json_error(&mut fixture.command(&["info", "--json"]));
    check(&error, ["usage", "null", "null"]);
    let error = json_error(&mut fixture.command(&["info", "--json", "--no\x1b"]));
    assert!(error["message"].as_str().unwrap().contains(r"--no\u{1b}"), "{error}");
    let error = json_error(&mut fixture.command(&["bundle", "src", "--python", "/no/python", "-o", "x", "--json"]));
    check(&error, ["interpreter", "/no/python", "null"]);
    let error = json_error(&mut fixture.bundle(&["absent", "-o", "x.perma", "--json"]));
    check(&error, ["not-found", "absent", "null"]);
    let error = json_error(&mut fixture.bundle(&["-o", "absent/x.perma", "--json"]));
    check(&error, ["not-found", "absent", "null"]);
    // After `--` it is the name of a file, and errors are for people.
    let (code, _, stderr) = run(&mut fixture.command(&["info", "--", "--json"]));
    assert_eq!((code, stderr.starts_with("permacode: cannot open")), (Some(2), true), "{stderr}");
}

#[test]
fn an_answer_about_a_name_is_json_where_json_is_wanted() {
    let fixture = Fixture::new();
    let answer = |args: &[&str]| {
        let (code, stdout, stderr) = run(&mut fixture.command(args));
        assert_eq!(code, Some(1), "{args:?}: {stderr}");
        assert_eq!(stderr.lines().count(), 1, "{args:?}: {stderr}");
        let value: Value = serde_json::from_str(&stderr).unwrap();
        assert_eq!((&value["kind"], &value["file"]), (&"unknown-name".into(), &"toy.perma".into()), "{args:?}");
        (stdout, value)
    };
    for args in [
        &["show", "toy.perma", "tolls", "--json"][..],
        &["show", "toy.perma", "tools:f", "--json"],
        &["dump", "toy.perma", "tolls", "--json"],
        &["dump", "toy.perma", "modules[99]", "--json"],
    ] {
        assert_eq!(answer(args).0, "", "{args:?}");
    }
    let (_, value) = answer(&["show", "toy.perma", "tolls", "--json"]);
    assert_eq!(value["message"], "\"toy.perma\" has no module \"tolls\"");
    assert_eq!(value["advice"], "did you mean \"tools\"?");
    // These also have a result on standard output.
    let (stdout, _) = answer(&["list", "toy.perma", "tolls", "--json"]);
    assert_eq!(serde_json::from_str::<Value>(&stdout).unwrap()["targets"][0]["entries"], serde_json::json!([]));
    let (stdout, _) = answer(&["verify", "toy.perma", "--module", "tolls", "--json"]);
    assert_eq!(serde_json::from_str::<Value>(&stdout).unwrap()["is_valid"], false);
}

#[test]
fn an_error_about_arguments_in_json_has_its_message_alone() {
    let fixture = Fixture::new();
    for (args, message) in [
        (&["info", "--json"][..], "the following required arguments were not provided: <FILE>"),
        (&["info", "toy.perma", "--json", "--no"], "unexpected argument '--no' found"),
        (&["show", "toy.perma", "--json"], "the following required arguments were not provided: <NAME[:QUALNAME]>"),
    ] {
        assert_eq!(json_error(&mut fixture.command(args))["message"], message);
    }
    let error = json_error(&mut fixture.command(&["info", "toy.perma", "--json", "--jsn"]));
    assert_eq!(error["advice"], "a similar argument exists: '--json'");
}

#[test]
fn a_program_that_is_not_python_is_named_with_what_it_printed() {
    let fixture = Fixture::new();
    let (code, _, stderr) = run(&mut fixture.command(&["bundle", "src", "-o", "x.perma", "--python", "/bin/true"]));
    assert_eq!(code, Some(2));
    let message = "/bin/true is not CPython, or does not work: `/bin/true -E -B -c SCRIPT` was run: it printed nothing";
    assert!(stderr.contains(message), "{stderr}");
    assert!(stderr.ends_with("\n  Name an interpreter with --python: CPython 3.8 to 3.15.\n"), "{stderr}");
}

#[test]
fn each_error_that_has_a_kind_has_it_in_json() {
    let fixture = Fixture::new();
    assert_eq!(run(&mut fixture.bundle(&["-o", "x.perma"])).0, Some(0));
    let kind = |args: &[&str]| json_error(&mut fixture.command(args))["kind"].as_str().unwrap().to_owned();
    let too_much = json_error(&mut fixture.command(&["extract", "x.perma", "-o", "out", "--max-size", "10", "--json"]));
    assert_eq!((too_much["kind"].as_str(), too_much["advice"].is_string()), (Some("limit"), true), "{too_much}");
    for args in [
        &["list", "toy.perma", "--target", "9", "--json"][..],
        &["verify", "toy.perma", "--target", "3.11", "--json"],
        &["extract", "toy.perma", "-o", "out", "--json"],
        &["extract", "x.perma", "-o", "out", "--base", "nope=/x", "--json"],
        &["extract", "x.perma", "-o", "-", "--json"],
    ] {
        assert_eq!(kind(args), "usage", "{args:?}");
    }
    let error = json_error(&mut fixture.bundle(&["-o", "/dev/null", "--json"]));
    assert_eq!((error["kind"].as_str(), error["file"].as_str()), (Some("usage"), Some("/dev/null")));
}

#[test]
fn an_archive_without_targets_says_so() {
    let fixture = Fixture::new();
    fixture.write("none.perma", &Program::default().write());
    let (code, _, stderr) = run(&mut fixture.command(&["extract", "none.perma", "-o", "out"]));
    assert_eq!(code, Some(2));
    assert_eq!(stderr, "permacode: \"none.perma\" has no targets, so there is nothing to extract\n");
}
