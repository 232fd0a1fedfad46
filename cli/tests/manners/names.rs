//! Names that a terminal must not see as they are, and names that are not text.

use crate::fixture::{Fixture, is_quiet, run};
use permacode_testkit::toy;
use serde_json::Value;
use std::{ffi::OsStr, fs, os::unix::ffi::OsStrExt};

#[test]
fn names_of_the_command_line_do_nothing_to_a_terminal() {
    let fixture = Fixture::new();
    let name = "evil\x1b[31m\n\u{202e}x";
    fixture.write(name, &toy::archive());
    let escaped = r"evil\u{1b}[31m\n\u{202e}x";
    for args in [
        &["info", name][..],
        &["verify", name],
        &["list", name, "--target", name],
        &["list", name, name],
        &["cat", name, name],
        &["show", name, name],
        &["show", name, "tools:\x1b[31m"],
        &["dump", name, name],
        &["dump", name, "modules[\x1b"],
        &["man", name],
        &["man", "-o", "toy.perma/absent\x1b\n"],
        &["completions", name],
        &["info", "absent\x1b[31m\n\u{202e}x"],
        &["info", name, name],
        &["info", "--\x1b[31m"],
        &["\x1b[31m\n"],
        &["bundle", name, "-o", name, "--jobs", name],
        &["bundle", "absent\x1b", "-o", "absent\x1b\n/x"],
        &["bundle", "--python", name, "-o", "x.perma"],
        &["extract", name, "-o", name],
    ] {
        let (_, stdout, stderr) = run(&mut fixture.command(args));
        let all = stdout + &stderr;
        assert!(is_quiet(&all) && all.contains(r"\u{1b}"), "{args:?}: {all:?}");
        if args[0] == "info" && args.len() == 2 && args[1] == name {
            assert!(all.contains(escaped), "{all}");
        }
    }
    let (code, stdout, stderr) = run(&mut fixture.bundle(&["-o", name]));
    assert_eq!(code, Some(0), "{stderr}");
    assert!(is_quiet(&stdout) && stdout.starts_with(escaped), "{stdout:?}");
    let (_, json, _) = run(&mut fixture.command(&["info", name, "--json"]));
    assert!(is_quiet(&json), "{json:?}");
    assert_eq!(serde_json::from_str::<Value>(&json).unwrap()["archive"], name);
    // A name of an archive that has more than one word of it.
    let invalid = OsStr::from_bytes(b"--no\xFF\x1b");
    let (code, _, stderr) = run(fixture.command(&["info"]).arg(invalid));
    assert!(code == Some(2) && is_quiet(&stderr), "{stderr:?}");
}

#[test]
fn a_name_that_is_not_text_is_escaped_once() {
    let fixture = Fixture::new();
    fs::write(fixture.path().join("src").join(OsStr::from_bytes(b"odd\xFF.py")), "x =").unwrap();
    fixture.write("src/back\\slash\x1b.py", b"x =");
    let (code, stdout, stderr) = run(&mut fixture.bundle(&["-o", "x.perma", "-v"]));
    assert_eq!(code, Some(0), "{stderr}");
    assert!(stdout.contains(r"root/odd\xff.py: ") && stdout.contains(r"root/back\slash\u{1b}.py: "), "{stdout}");
}

#[test]
fn a_root_may_be_a_folder_whose_name_is_not_text() {
    let fixture = Fixture::new();
    let folder = OsStr::from_bytes(b"odd\xFF=x");
    fs::rename(fixture.path().join("src"), fixture.path().join(folder)).unwrap();
    let mut bundle = fixture.command(&["bundle", "-o", "x.perma", "--json", "--python"]);
    bundle.arg(&fixture.python).arg(OsStr::from_bytes(b"app=odd\xFF=x"));
    let (code, stdout, stderr) = run(&mut bundle);
    assert_eq!(code, Some(0), "{stderr}");
    let report: Value = serde_json::from_str(&stdout).unwrap();
    assert_eq!((&report["roots"][0]["name"], report["modules"].as_u64()), (&"app".into(), Some(8)));
    let mut extract = fixture.command(&["extract", "x.perma", "-o", "out", "--base"]);
    let (code, stdout, stderr) = run(extract.arg(OsStr::from_bytes(b"app=/srv/\xFF")));
    assert_eq!(code, Some(0), "{stderr}");
    assert!(stdout.contains(r"app: code objects name /srv/\xff"), "{stdout}");
}
