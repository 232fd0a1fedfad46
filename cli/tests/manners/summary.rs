//! The summary of a bundle.

use crate::fixture::{Fixture, run};
use serde_json::Value;
use std::{os::unix::fs::symlink, process::Command};

#[test]
fn the_summary_of_a_small_bundle_has_no_percentage() {
    let fixture = Fixture::new();
    let (code, stdout, stderr) = run(&mut fixture.bundle(&["-o", "x.perma"]));
    assert_eq!((code, &stderr[..]), (Some(0), ""));
    let line = stdout.lines().find(|line| line.starts_with("  compiled ")).unwrap();
    assert!(line.ends_with(" as .pyc files") && !line.contains('%'), "{line}");
}

#[test]
fn bundle_and_info_agree_on_modules_and_on_what_was_stripped() {
    let fixture = Fixture::new();
    fixture.write("src/pack/__init__.py", b"'Doc.'\n");
    fixture.write("src/space/a.py", b"def f(a=1): pass\n");
    let json = |command: &mut Command| {
        let (code, stdout, stderr) = run(command);
        assert_eq!((code, &stderr[..]), (Some(0), ""));
        serde_json::from_str::<Value>(&stdout).unwrap()
    };
    for (strip, expected) in [
        (&[][..], serde_json::json!([])),
        (&["--strip", "signatures,docstrings"], serde_json::json!(["docstrings", "signatures"])),
        (&["--strip", "source", "--strip", "lines"], serde_json::json!(["lines", "source"])),
    ] {
        let bundle = json(&mut fixture.bundle(&[&["-o", "x.perma", "--json"], strip].concat()));
        let info = json(&mut fixture.command(&["info", "x.perma", "--json"]));
        assert_eq!((&bundle["modules"], &info["modules"]), (&11.into(), &11.into()));
        assert_eq!(info["targets"][0]["stripped"], expected);
        let shown = json(&mut fixture.command(&["show", "x.perma", "space.a:f", "--json"]));
        assert_eq!(shown["target"]["stripped"], expected);
        let (code, text, _) = run(&mut fixture.command(&["show", "x.perma", "space.a:f"]));
        assert_eq!((code, text.contains("the archive was made without them")), (Some(0), !strip.is_empty()), "{text}");
    }
}

#[test]
fn the_summary_counts_one_thing_as_one() {
    let fixture = Fixture::new();
    fixture.write("src/broken.py", b"def (:\n");
    fixture.write("src/real/a.py", b"");
    symlink("real", fixture.path().join("src/alias")).unwrap();
    let (code, stdout, stderr) = run(&mut fixture.bundle(&["-o", "x.perma"]));
    assert_eq!((code, &stderr[..]), (Some(0), ""));
    assert!(stdout.contains("\n1 source is not a module and is carried as a resource:\n"), "{stdout}");
    assert!(
        stdout.contains("\nleft out: 1 other name of a folder, because each folder is bundled once:\n"),
        "{stdout}"
    );
}
