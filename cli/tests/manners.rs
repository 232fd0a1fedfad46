//! The command when its environment fails: streams, signals, limits, names, places that cannot be written.
#![cfg(unix)]
#![allow(missing_docs)]

use permacode_testkit::{Edited, Program, interpreters, toy};
use serde_json::Value;
use std::{
    ffi::OsStr,
    fs,
    io::{Read, Write},
    os::unix::{
        ffi::OsStrExt,
        fs::{PermissionsExt, symlink},
        process::ExitStatusExt,
    },
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
    time::{Duration, Instant},
};
use tempfile::TempDir;

/// A folder with the toy archive, sources, and an interpreter.
struct Fixture {
    folder: TempDir,
    python: PathBuf,
}

impl Fixture {
    fn new() -> Self {
        let fixture = Fixture { python: interpreters::newest().executable, folder: tempfile::tempdir().unwrap() };
        fixture.write("toy.perma", &toy::archive());
        for number in 0..8 {
            fixture.write(&format!("src/module{number}.py"), format!("x = {number}\n").as_bytes());
        }
        fixture
    }

    fn path(&self) -> &Path {
        self.folder.path()
    }

    fn write(&self, name: &str, bytes: &[u8]) {
        let path = self.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    }

    /// Names of what lies in the folder.
    fn names(&self) -> Vec<String> {
        let entries = fs::read_dir(self.path()).unwrap();
        let mut names: Vec<String> =
            entries.map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned()).collect();
        names.sort();
        names
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_permacode"));
        command.args(args).current_dir(self.path()).stdin(Stdio::null());
        command
    }

    fn bundle(&self, args: &[&str]) -> Command {
        let mut command = self.command(&["bundle", "src", "--python"]);
        command.arg(&self.python).args(args);
        command
    }

    /// Runs the command by way of a shell that redirects or limits something first; `"$@"` is the command.
    fn shell(&self, script: &str, command: &Command) -> Output {
        let mut shell = Command::new("sh");
        shell.args(["-c", script, "sh"]).arg(command.get_program()).args(command.get_args());
        shell.current_dir(self.path()).output().unwrap()
    }

    /// The interpreter, except that it runs `script` instead of compiling. In the script, `"$@"` compiles.
    fn slow_python(&self, script: &str) -> PathBuf {
        let program = self.path().join("slow-python");
        let python = self.python.display();
        // Asked what it is, it gives its own name.
        let rename = format!("sed 's|{python}|{}|'", program.display());
        let text = format!(
            "#!/bin/sh\nfor last do :; done\nset -- '{python}' \"$@\"\n\
             if [ \"$last\" = first ]; then\n{script}\nexec \"$@\"\nfi\n\"$@\" | {rename}\n"
        );
        fs::write(&program, text).unwrap();
        fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
        program
    }
}

fn run(command: &mut Command) -> (Option<i32>, String, String) {
    texts(command.output().unwrap())
}

fn texts(output: Output) -> (Option<i32>, String, String) {
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (output.status.code(), text(output.stdout), text(output.stderr))
}

/// A line of JSON on standard error.
fn json_error(command: &mut Command) -> Value {
    let (code, stdout, stderr) = run(command);
    assert_eq!((code, &stdout[..]), (Some(2), ""), "{stderr}");
    assert_eq!(stderr.lines().count(), 1, "{stderr}");
    serde_json::from_str(&stderr).unwrap()
}

fn is_quiet(text: &str) -> bool {
    text.chars().all(|character| character == '\n' || !character.is_control() && character != '\u{202e}')
}

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
fn without_further_threads_one_does_the_work() {
    let fixture = Fixture::new();
    assert_eq!(run(&mut fixture.bundle(&["-o", "one.perma"])).0, Some(0));
    // No machine has stacks that large.
    let mut bundle = fixture.bundle(&["-o", "other.perma", "--jobs", "4"]);
    let (code, _, stderr) = run(bundle.env("RUST_MIN_STACK", (1u64 << 46).to_string()));
    assert_eq!((code, &stderr[..]), (Some(0), ""));
    let read = |name: &str| fs::read(fixture.path().join(name)).unwrap();
    assert!(read("one.perma") == read("other.perma"));
    let mut extract = fixture.command(&["extract", "other.perma", "-o", "out", "--jobs", "4"]);
    let (code, _, stderr) = run(extract.env("RUST_MIN_STACK", (1u64 << 46).to_string()));
    assert_eq!((code, &stderr[..]), (Some(0), ""));
    assert_eq!(read("out/module7.py"), read("src/module7.py"));
}

#[test]
fn fewer_processes_than_wanted_do_the_work() {
    let fixture = Fixture::new();
    assert_eq!(run(&mut fixture.bundle(&["-o", "one.perma"])).0, Some(0));
    // One is started, the others are not.
    let python = fixture.slow_python("mkdir started 2>/dev/null || { echo 'no more processes' >&2; exit 1; }");
    let bundle = || {
        let mut bundle = fixture.command(&["bundle", "src", "-o", "other.perma", "--jobs", "4", "--python"]);
        run(bundle.arg(&python))
    };
    let (code, _, stderr) = bundle();
    assert_eq!((code, &stderr[..]), (Some(0), ""));
    let read = |name: &str| fs::read(fixture.path().join(name)).unwrap();
    assert!(read("one.perma") == read("other.perma"));
    // Not one is started.
    let (code, _, stderr) = bundle();
    assert!(code == Some(2) && stderr.contains("cannot compile: exit status: 1: no more processes"), "{stderr}");
}

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

/// Waits for something to be true.
fn wait_until(what: &str, mut is_true: impl FnMut() -> bool) {
    let start = Instant::now();
    while !is_true() {
        assert!(start.elapsed() < Duration::from_secs(60), "{what} did not happen");
        std::thread::sleep(Duration::from_millis(1));
    }
}

fn send(signal: &str, child: &Child) {
    let status = Command::new("kill").args([&format!("-{signal}"), &child.id().to_string()]).status().unwrap();
    assert!(status.success());
}

/// The command with no signal ignored, as jobs in the background and under `nohup` inherit that.
fn with_default_signals(command: &Command) -> Command {
    let mut wrapped = Command::new("env");
    wrapped.arg("--default-signal=INT,TERM,HUP").arg(command.get_program()).args(command.get_args());
    wrapped.envs(command.get_envs().filter_map(|(name, value)| Some((name, value?))));
    command.get_current_dir().map(|folder| wrapped.current_dir(folder));
    wrapped
}

#[test]
fn a_signal_leaves_no_temporaries_behind() {
    let fixture = Fixture::new();
    let temporary = tempfile::tempdir().unwrap();
    let is_empty = || fs::read_dir(temporary.path()).unwrap().next().is_none();
    fs::File::create(fixture.path().join("src/model.bin")).unwrap().set_len(256 << 20).unwrap();
    fixture.write("x.perma", &toy::archive());
    let python = fixture.slow_python("touch compiling\n[ -e fast ] || sleep 60");
    let before = {
        fixture.write("compiling", b"");
        fixture.names()
    };
    for (signal, number) in [("INT", 2), ("TERM", 15), ("HUP", 1)] {
        // While it compiles.
        fs::remove_file(fixture.path().join("compiling")).unwrap();
        let mut bundle = fixture.command(&["bundle", "src", "-o", "x.perma", "--python"]);
        let mut bundle = with_default_signals(bundle.arg(&python));
        bundle.env("TMPDIR", temporary.path()).stderr(Stdio::piped());
        let mut child = bundle.spawn().unwrap();
        wait_until("compiling", || fixture.path().join("compiling").exists());
        send(signal, &child);
        assert_eq!(child.wait().unwrap().signal(), Some(number), "{signal}");
        assert!(is_empty(), "{signal}: {:?}", fs::read_dir(temporary.path()).unwrap().collect::<Vec<_>>());
        assert_eq!(fixture.names(), before, "{signal}");

        // While it writes.
        let mut bundle = with_default_signals(&fixture.bundle(&["-o", "x.perma"]));
        bundle.env("TMPDIR", temporary.path()).stdout(Stdio::null()).stderr(Stdio::piped());
        let mut child = bundle.spawn().unwrap();
        wait_until("writing", || {
            let mut entries = fs::read_dir(fixture.path()).unwrap().flatten();
            let is_written = |path: &Path| fs::metadata(path).is_ok_and(|metadata| metadata.len() > 1 << 20);
            entries.any(|entry| entry.path().extension() == Some("perma-tmp".as_ref()) && is_written(&entry.path()))
        });
        send(signal, &child);
        assert_eq!(child.wait().unwrap().signal(), Some(number), "{signal}");
        let mut stderr = String::new();
        child.stderr.take().unwrap().read_to_string(&mut stderr).unwrap();
        assert_eq!(stderr, "");
        assert!(is_empty(), "{signal}");
        assert_eq!(fixture.names(), before, "{signal}");
        assert!(fs::read(fixture.path().join("x.perma")).unwrap() == toy::archive());
    }
}

#[cfg(target_os = "linux")]
#[test]
fn a_signal_is_ignored_if_the_parent_ignored_it() {
    let fixture = Fixture::new();
    let python = fixture.slow_python("touch compiling\nwhile [ ! -e go ]; do sleep 0.01; done");
    let mut shell = Command::new("sh");
    shell.args(["-c", "trap '' HUP; exec \"$@\"", "sh", env!("CARGO_BIN_EXE_permacode")]);
    shell.args(["bundle", "src", "--jobs", "1", "-o", "x.perma", "--python"]).arg(&python).current_dir(fixture.path());
    let mut child = shell.stdout(Stdio::null()).spawn().unwrap();
    wait_until("compiling", || fixture.path().join("compiling").exists());
    send("HUP", &child);
    std::thread::sleep(Duration::from_millis(100));
    fixture.write("go", b"");
    assert_eq!(child.wait().unwrap().code(), Some(0));
}

#[test]
fn a_missing_folder_for_temporaries_is_named() {
    let fixture = Fixture::new();
    let (code, _, stderr) = run(fixture.bundle(&["-o", "x.perma"]).env("TMPDIR", "/no/such/folder"));
    assert_eq!(code, Some(2));
    assert!(stderr.contains("cannot create a temporary file in /no/such/folder"), "{stderr}");
    assert!(stderr.contains("TMPDIR") && !stderr.contains("cannot use"), "{stderr}");
    assert_eq!(stderr.matches("os error").count(), 1, "{stderr}");
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

#[test]
fn modules_of_the_current_folder_are_not_those_of_the_interpreter() {
    let fixture = Fixture::new();
    for name in ["json", "os", "marshal", "ctypes", "site", "sysconfig", "encodings"] {
        fixture.write(&format!("{name}.py"), b"raise SystemExit('imported from the current folder')\n");
    }
    let (code, _, stderr) = run(&mut fixture.bundle(&["-o", "x.perma"]));
    assert_eq!((code, &stderr[..]), (Some(0), ""));
}

#[test]
fn an_archive_without_targets_says_so() {
    let fixture = Fixture::new();
    fixture.write("none.perma", &Program::default().write());
    let (code, _, stderr) = run(&mut fixture.command(&["extract", "none.perma", "-o", "out"]));
    assert_eq!(code, Some(2));
    assert_eq!(stderr, "permacode: \"none.perma\" has no targets, so there is nothing to extract\n");
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
    let _ = std::io::stdout().flush();
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
fn the_summary_of_a_small_bundle_has_no_percentage() {
    let fixture = Fixture::new();
    let (code, stdout, stderr) = run(&mut fixture.bundle(&["-o", "x.perma"]));
    assert_eq!((code, &stderr[..]), (Some(0), ""));
    let line = stdout.lines().find(|line| line.starts_with("  compiled ")).unwrap();
    assert!(line.ends_with(" as .pyc files") && !line.contains('%'), "{line}");
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
