//! Files and folders that a command must not, or cannot, write or read.

use crate::fixture::{Fixture, json_error, run, texts};
use permacode_testkit::toy;
use serde_json::Value;
use std::{
    fs,
    os::unix::fs::{PermissionsExt, symlink},
    process::Command,
};

#[test]
fn strict_refuses_files_that_are_not_modules() {
    let fixture = Fixture::new();
    fixture.write("x.perma", &toy::archive());
    assert_eq!(run(&mut fixture.bundle(&["-o", "good.perma", "--strict"])).0, Some(0));
    fixture.write("src/broken.py", b"def (:\n");
    fixture.write("src/old.pyc", b"");
    assert_eq!(run(&mut fixture.bundle(&["-o", "lax.perma"])).0, Some(0));
    let (code, stdout, stderr) = run(&mut fixture.bundle(&["-o", "x.perma", "--strict"]));
    assert_eq!((code, &stdout[..]), (Some(2), ""));
    assert!(stderr.contains("2 files look like modules, but are not bundled as such\n"), "{stderr}");
    assert!(stderr.contains("\n  root/broken.py: does not compile: SyntaxError: "), "{stderr}");
    assert!(stderr.contains("\n  root/old.pyc: bytecode without a source\n"), "{stderr}");
    assert!(fs::read(fixture.path().join("x.perma")).unwrap() == toy::archive());
    let error = json_error(&mut fixture.bundle(&["-o", "x.perma", "--strict", "--json"]));
    assert_eq!(error["kind"], "not-modules");
    let files: Vec<&Value> = error["not_modules"].as_array().unwrap().iter().map(|file| &file["why"]).collect();
    assert_eq!(files, ["not-compiled", "only-bytecode"]);
    let left_out = ["-o", "x.perma", "--strict", "--exclude", "broken.py", "--exclude", "*.pyc"];
    assert_eq!(run(&mut fixture.bundle(&left_out)).0, Some(0));
}

#[test]
fn a_bad_output_is_refused_before_anything_is_compiled() {
    let fixture = Fixture::new();
    fixture.write("file", b"");
    let python = fixture.slow_python("touch compiled");
    fs::create_dir(fixture.path().join("locked")).unwrap();
    fs::set_permissions(fixture.path().join("locked"), fs::Permissions::from_mode(0o555)).unwrap();
    symlink("absent/x.perma", fixture.path().join("link")).unwrap();
    let is_root = fs::write(fixture.path().join("locked/probe"), "").is_ok();
    for (output, text) in [
        ("absent/x.perma", "cannot write to the folder absent"),
        ("src", "it is a folder"),
        ("file/x.perma", "Not a directory"),
        ("link", "cannot write to the folder absent"),
        ("/dev/null", "it is not a regular file"),
        ("new/", "it does not end in the name of a file"),
        ("locked/x.perma", "cannot create a temporary file in locked"),
    ] {
        if is_root && output.starts_with("locked") {
            continue;
        }
        let mut bundle = fixture.command(&["bundle", "src", "-o", output, "--python"]);
        let (code, _, stderr) = run(bundle.arg(&python));
        assert_eq!(code, Some(2), "{output}: {stderr}");
        assert!(stderr.contains(text), "{output}: {stderr}");
        assert!(!fixture.path().join("compiled").exists(), "{output}");
    }
    let mut bundle = fixture.command(&["bundle", "src", "-o", "x.perma", "--python"]);
    assert_eq!(run(bundle.arg(&python)).0, Some(0));
    assert!(fixture.path().join("compiled").exists(), "the program knows when it is to compile");
}

#[test]
fn an_archive_keeps_the_mode_of_the_file_that_it_replaces() {
    let fixture = Fixture::new();
    let path = fixture.path().join("real.perma");
    symlink("real.perma", fixture.path().join("link.perma")).unwrap();
    for round in 0..2 {
        assert_eq!(run(&mut fixture.bundle(&["-o", "link.perma"])).0, Some(0));
        assert!(fs::symlink_metadata(fixture.path().join("link.perma")).unwrap().is_symlink(), "{round}");
        let mode = fs::metadata(&path).unwrap().permissions().mode() & 0o777;
        assert!(round == 0 || mode == 0o600, "{mode:o}");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    }
}

#[test]
fn an_output_that_is_not_an_archive_is_refused_before_anything_is_compiled() {
    let fixture = Fixture::new();
    fixture.write("notes.txt", b"notes");
    fixture.write("short", b"\x89");
    fixture.write("src/empty.py", b"");
    fixture.write("src/py.typed", b"");
    let python = fixture.slow_python("touch compiled");
    let refused = |args: &[&str], output: &str, problem: &str, advice: &str| {
        let before = fs::read(fixture.path().join(output)).unwrap();
        let mut bundle = fixture.command(&["bundle", "--python"]);
        let (code, stdout, stderr) = run(bundle.arg(&python).args(args).args(["-o", output]));
        assert_eq!((code, &stdout[..]), (Some(2), ""), "{args:?} {output}: {stderr}");
        assert!(stderr.contains(problem) && stderr.contains(advice), "{args:?} {output}: {stderr}");
        assert!(fs::read(fixture.path().join(output)).unwrap() == before, "{args:?} {output}");
        assert!(!fixture.path().join("compiled").exists(), "{args:?} {output}");
    };
    let not_an_archive = "it is neither an archive nor an empty file";
    refused(&["src"], "notes.txt", not_an_archive, "remove it or choose another output");
    refused(&["src"], "short", not_an_archive, "remove it or choose another output");
    refused(&["src"], "src/module0.py", not_an_archive, "remove it or choose another output");
    refused(&["src/module1.py"], "src/module0.py", not_an_archive, "remove it or choose another output");
    let an_input = "is both the output and a file to bundle";
    refused(&["src"], "src/empty.py", an_input, "choose another output");
    refused(&["src"], "src/py.typed", an_input, "choose another output");
    refused(&["src/empty.py"], "src/empty.py", an_input, "choose another output");
    refused(&["toy.perma"], "toy.perma", an_input, "choose another output");
    symlink("empty.py", fixture.path().join("src/link.py")).unwrap();
    refused(&["src", "--exclude", "empty.py"], "src/empty.py", an_input, "choose another output");
    let mut bundle = fixture.command(&["bundle", "src", "--json", "-o", "src/empty.py", "--python"]);
    assert_eq!(json_error(bundle.arg(&python))["kind"], "usage");

    // An empty file, as `mktemp` makes it, and an archive are replaced, also inside the bundled folder.
    fixture.write("empty.perma", b"");
    assert_eq!(run(&mut fixture.bundle(&["-o", "empty.perma"])).0, Some(0));
    for _ in 0..2 {
        let (code, _, stderr) = run(&mut fixture.bundle(&["-o", "src/x.perma"]));
        assert_eq!((code, &stderr[..]), (Some(0), ""));
    }
    let same = fs::read(fixture.path().join("src/x.perma")).unwrap();
    assert!(same == fs::read(fixture.path().join("empty.perma")).unwrap(), "no archive in an archive");
    let left_out = ["--exclude", "empty.py", "--exclude", "link.py", "-o", "src/empty.py"];
    assert_eq!(run(&mut fixture.bundle(&left_out)).0, Some(0));
}

#[test]
fn a_limit_of_file_sizes_is_an_error_and_leaves_nothing_behind() {
    let fixture = Fixture::new();
    assert_eq!(run(&mut fixture.bundle(&["-o", "x.perma"])).0, Some(0));
    let old = fs::read(fixture.path().join("x.perma")).unwrap();
    let before = fixture.names();
    let limited = "ulimit -f 1; exec \"$@\"";
    let (code, _, stderr) = texts(fixture.shell(limited, &fixture.bundle(&["-o", "x.perma"])));
    assert_eq!(code, Some(2), "{stderr}");
    assert!(stderr.contains("cannot write") && stderr.contains("File too large"), "{stderr}");
    assert_eq!((fixture.names(), fs::read(fixture.path().join("x.perma")).unwrap()), (before, old));
    let (code, _, stderr) = texts(fixture.shell(limited, &fixture.bundle(&["-o", "x.perma", "--json"])));
    assert_eq!(code, Some(2), "{stderr}");
    assert_eq!(serde_json::from_str::<Value>(&stderr).unwrap()["kind"], "no-space");
    let (code, _, stderr) = texts(fixture.shell("exec \"$@\" >out; echo", &fixture.command(&["info", "toy.perma"])));
    assert_eq!(code, Some(0), "{stderr}");
    let info = "ulimit -f 1; \"$@\" >out";
    let (code, _, stderr) = texts(fixture.shell(info, &fixture.command(&["info", "toy.perma"])));
    assert_eq!(code, Some(2), "{stderr}");
    assert!(stderr.contains("cannot write to standard output: File too large"), "{stderr}");
}

#[test]
fn an_input_or_output_of_the_wrong_kind_is_refused_with_advice() {
    let fixture = Fixture::new();
    assert!(Command::new("mkfifo").arg(fixture.path().join("fifo.py")).status().unwrap().success());
    for input in ["fifo.py", "/dev/null"] {
        let mut bundle = fixture.command(&["bundle", input, "-o", "x.perma", "--python"]);
        let (code, _, stderr) = run(bundle.arg(&fixture.python));
        assert_eq!(code, Some(2), "{input}: {stderr}");
        assert!(stderr.contains("it is neither a file nor a folder"), "{input}: {stderr}");
    }
    for output in ["/dev/stdout", "/dev/null", "fifo.py", "/proc/self/fd/1"] {
        let (code, stdout, stderr) = run(&mut fixture.bundle(&["-o", output]));
        assert_eq!((code, &stdout[..]), (Some(2), ""), "{output}: {stderr}");
        assert!(stderr.contains("it is not a regular file"), "{output}: {stderr}");
        assert!(stderr.contains("use `-o -`"), "{output}: {stderr}");
    }
    let (code, stdout, stderr) = run(&mut fixture.command(&["extract", "toy.perma", "--target", "0", "-o", "-"]));
    assert_eq!((code, &stdout[..]), (Some(2), ""), "{stderr}");
    assert!(stderr.contains("standard output cannot take a folder") && stderr.contains("`./-`"), "{stderr}");
    let (code, _, stderr) = run(&mut fixture.bundle(&["-o", "x.perma", "--keep-compiled", "-"]));
    assert!(code == Some(2) && stderr.contains("standard output cannot take a folder"), "{stderr}");
    assert!(!fixture.path().join("-").exists());
}
