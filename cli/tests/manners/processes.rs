//! Threads, processes and signals, and the environment that processes inherit.

use crate::fixture::{Fixture, run};
use permacode_testkit::toy;
use std::{
    fs,
    io::Read,
    os::unix::process::ExitStatusExt,
    path::Path,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

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
fn modules_of_the_current_folder_are_not_those_of_the_interpreter() {
    let fixture = Fixture::new();
    for name in ["json", "os", "marshal", "ctypes", "site", "sysconfig", "encodings"] {
        fixture.write(&format!("{name}.py"), b"raise SystemExit('imported from the current folder')\n");
    }
    let (code, _, stderr) = run(&mut fixture.bundle(&["-o", "x.perma"]));
    assert_eq!((code, &stderr[..]), (Some(0), ""));
}
