//! Standard input and output that are closed, full, endless or read only in part.

use crate::fixture::{Fixture, run, texts};
use permacode_testkit::toy;
use serde_json::Value;
use std::{fs, os::unix::fs::symlink, path::Path};

#[test]
fn a_standard_output_that_cannot_be_written_is_an_error() {
    let fixture = Fixture::new();
    let queries: [&[&str]; 10] = [
        &["info", "toy.perma"],
        &["list", "toy.perma", "--json"],
        &["verify", "toy.perma"],
        &["cat", "toy.perma", "tools"],
        &["show", "toy.perma", "tools", "--json"],
        &["dump", "toy.perma"],
        &["completions", "zsh"],
        &["man", "list"],
        &["--help"],
        &["--version"],
    ];
    let bundle = fixture.bundle(&["-o", "x.perma"]);
    for command in queries.iter().map(|args| fixture.command(args)).chain([bundle]) {
        for redirection in [">&-", "1</dev/null"] {
            let (code, _, stderr) = texts(fixture.shell(&format!("exec \"$@\" {redirection}"), &command));
            assert_eq!(code, Some(2), "{command:?} {redirection}");
            assert!(stderr.contains("cannot write to standard output: "), "{command:?}: {stderr}");
        }
        assert_eq!(texts(fixture.shell("exec \"$@\" >/dev/null", &command)).0, Some(0), "{command:?}");
        // As Python's subprocess.DEVNULL and Node's "ignore" open it.
        assert_eq!(texts(fixture.shell("exec \"$@\" 1<>/dev/null", &command)).0, Some(0), "{command:?}");
    }
}

#[test]
fn an_input_that_never_ends_is_refused() {
    let fixture = Fixture::new();
    // With more memory than is needed, and less than a machine has.
    let limited = "ulimit -v 1000000; exec \"$@\" </dev/zero";
    for (args, code) in [
        (&["info", "-"][..], 2),
        (&["list", "-"], 2),
        (&["cat", "-", "tools"], 2),
        (&["show", "-", "tools"], 2),
        (&["dump", "-", "tools"], 2),
        (&["extract", "-", "-o", "out"], 2),
        (&["verify", "-"], 1),
    ] {
        let (found, stdout, stderr) = texts(fixture.shell(limited, &fixture.command(args)));
        assert_eq!(found, Some(code), "{args:?}: {stderr}");
        assert!((stdout + &stderr).contains("not a Permacode archive"), "{args:?}");
    }
    // An archive is read whole and no further.
    let endless = "(cat toy.perma; cat /dev/zero) | (ulimit -v 1000000; exec \"$@\")";
    let (code, stdout, _) = texts(fixture.shell(endless, &fixture.command(&["verify", "-"])));
    assert_eq!(code, Some(1));
    let len = toy::archive().len();
    assert!(stdout.contains(&format!("the archive states a length of {len} bytes, but more are there")), "{stdout}");
    let (code, ..) = texts(fixture.shell("exec \"$@\" < toy.perma", &fixture.command(&["verify", "-"])));
    assert_eq!(code, Some(0));
}

#[test]
fn a_dash_is_standard_output() {
    let fixture = Fixture::new();
    assert_eq!(run(&mut fixture.bundle(&["-o", "x.perma"])).0, Some(0));
    let before = fixture.names();
    let output = fixture.bundle(&["-o", "-"]).output().unwrap();
    assert_eq!(output.status.code(), Some(0));
    assert!(output.stdout == fs::read(fixture.path().join("x.perma")).unwrap());
    assert!(String::from_utf8(output.stderr).unwrap().starts_with("-: for CPython 3."));
    let output = fixture.bundle(&["-o", "-", "--json"]).output().unwrap();
    let report: Value = serde_json::from_slice(&output.stderr).unwrap();
    assert_eq!(
        (report["modules"].as_u64(), output.stdout.len() as u64),
        (Some(8), report["archive"]["bytes"].as_u64().unwrap())
    );
    assert_eq!(fixture.names(), before);
    let (code, _, stderr) = texts(fixture.shell("exec \"$@\" >&-", &fixture.bundle(&["-o", "-"])));
    assert!(code == Some(2) && stderr.contains("cannot write to standard output"), "{stderr}");
}

#[test]
fn the_exit_status_is_the_same_if_the_reader_of_standard_output_has_gone() {
    let fixture = Fixture::new();
    let mut damaged = toy::archive();
    *damaged.last_mut().unwrap() ^= 1;
    fixture.write("damaged.perma", &damaged);
    symlink("/proc/self/mem", fixture.path().join("src/unreadable.py")).unwrap();
    let queries: [(&[&str], i32); 13] = [
        (&["verify", "toy.perma"], 0),
        (&["verify", "damaged.perma"], 1),
        (&["verify", "damaged.perma", "--json"], 1),
        (&["verify", "toy.perma", "--module", "nope", "--json"], 1),
        (&["verify", "absent.perma", "--json"], 2),
        (&["list", "toy.perma"], 0),
        (&["list", "toy.perma", "nope"], 1),
        (&["list", "toy.perma", "nope", "--json"], 1),
        (&["info", "toy.perma", "--json"], 0),
        (&["cat", "toy.perma", "tools"], 0),
        (&["cat", "toy.perma", "nope"], 1),
        (&["--help"], 0),
        (&["--version"], 0),
    ];
    let queries = queries.iter().map(|(args, code)| (fixture.command(args), *code));
    let bundles: [(&[&str], i32); 4] = [
        (&["-o", "x.perma", "--keep-going"], 1),
        (&["-o", "x.perma", "--keep-going", "--json"], 1),
        (&["-o", "x.perma"], 2),
        (&["-o", "x.perma", "--exclude", "unreadable.py"], 0),
    ];
    let bundles = bundles.iter().map(|(args, code)| (fixture.bundle(args), *code));
    for (mut command, code) in queries.chain(bundles) {
        assert_eq!(command.output().unwrap().status.code(), Some(code), "{command:?}");
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let output = command.stdout(writer).output().unwrap();
        assert_eq!(output.status.code(), Some(code), "{command:?}, standard output is closed");
        assert!(!String::from_utf8(output.stderr).unwrap().contains("standard output"), "{command:?}");
    }
}

#[test]
fn an_archive_that_standard_output_does_not_take_whole_is_an_error() {
    let fixture = Fixture::new();
    fs::File::create(fixture.path().join("src/model.bin")).unwrap().set_len(1 << 20).unwrap();
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let output = fixture.bundle(&["-o", "-"]).stdout(writer).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert!(
        stderr.starts_with("permacode: cannot write to standard output: the reader has gone before the end"),
        "{stderr}"
    );
    // The reader takes the beginning and goes.
    let script = "{ \"$@\" 2>err; echo $? >status; } | head -c 1000 >/dev/null";
    fixture.shell(script, &fixture.bundle(&["-o", "-"]));
    let read = |name: &str| fs::read_to_string(fixture.path().join(name)).unwrap();
    assert_eq!(read("status").trim(), "2");
    assert!(
        read("err").starts_with("permacode: cannot write to standard output: the reader has gone before the end"),
        "{}",
        read("err")
    );
}

#[test]
fn a_standard_output_that_takes_nothing_is_found_before_an_archive_is_written() {
    let fixture = Fixture::new();
    for redirection in [">&-", "1</dev/null", ">/dev/full"] {
        if redirection.ends_with("full") && !Path::new("/dev/full").exists() {
            continue;
        }
        let bundle = fixture.bundle(&["-o", "x.perma"]);
        let (code, _, stderr) = texts(fixture.shell(&format!("exec \"$@\" {redirection}"), &bundle));
        assert_eq!(code, Some(2), "{redirection}: {stderr}");
        assert!(stderr.contains("cannot write to standard output"), "{redirection}: {stderr}");
        assert!(!fixture.path().join("x.perma").exists(), "{redirection}");
    }
}
