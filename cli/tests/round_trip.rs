//! A folder of sources becomes an archive and files again, with an interpreter of this machine.
#![allow(missing_docs)]

use permacode_testkit::interpreters;
use serde_json::Value;
use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
};
use tempfile::TempDir;

fn run(folder: &Path, args: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_permacode"));
    command.args(args).current_dir(folder).stdin(Stdio::null());
    command.output().unwrap()
}

fn stdout(folder: &Path, args: &[&str]) -> String {
    let output = run(folder, args);
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{args:?}: {stderr}");
    assert_eq!(stderr, "", "{args:?}: standard error is not a terminal, so there is no progress bar");
    String::from_utf8(output.stdout).unwrap()
}

/// Names of all files below a folder.
fn files(folder: &Path) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(next) = folders.pop() {
        for entry in fs::read_dir(next).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                found.insert(path.strip_prefix(folder).unwrap().to_str().unwrap().to_owned());
            }
        }
    }
    found
}

struct Fixture {
    folder: TempDir,
    python: PathBuf,
    tag: String,
}

impl Fixture {
    fn new() -> Self {
        let interpreter = interpreters::newest();
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| {
            let path = folder.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        };
        write("src/shop/__init__.py", "\"\"\"A shop.\"\"\"\n");
        write("src/shop/till.py", "def total(prices):\n    return sum(prices)\n");
        write("src/shop/prices.csv", "apple,3\n");
        write("src/shop/broken.py", "def (:\n");
        write("src/alone.py", "print('alone')\n");
        Fixture { python: interpreter.executable, tag: interpreter.tag, folder }
    }

    fn path(&self) -> &Path {
        self.folder.path()
    }

    fn bundle(&self, args: &[&str]) -> String {
        let python = self.python.to_str().unwrap();
        stdout(self.path(), &[&["bundle", "src", "--python", python, "-o", "shop.perma"], args].concat())
    }
}

#[test]
fn a_folder_becomes_an_archive_and_files_again() {
    let fixture = Fixture::new();
    let folder = fixture.path();
    let summary = fixture.bundle(&[]);
    assert!(summary.contains("modules    3, of them 1 package\n"), "{summary}");
    assert!(
        summary.contains("1 source is not a module and is carried as a resource:\n  root/shop/broken.py: "),
        "{summary}"
    );

    let list: Value = serde_json::from_str(&stdout(folder, &["list", "shop.perma", "--json"])).unwrap();
    let names: Vec<&Value> =
        list["targets"][0]["entries"].as_array().unwrap().iter().map(|entry| &entry["name"]).collect();
    assert_eq!(names, ["alone", "shop", "shop.till"]);
    let resources = stdout(folder, &["list", "shop.perma", "--resources"]);
    assert!(resources.contains("shop/broken.py") && resources.contains("shop/prices.csv"), "{resources}");
    assert!(stdout(folder, &["verify", "shop.perma"]).starts_with("ok: shop.perma: "));
    assert_eq!(stdout(folder, &["cat", "shop.perma", "shop/prices.csv"]), "apple,3\n");
    assert_eq!(stdout(folder, &["cat", "shop.perma", "alone"]), "print('alone')\n");

    stdout(folder, &["extract", "shop.perma", "-o", "out"]);
    let tag = &fixture.tag;
    let mut expected: BTreeSet<String> = files(&folder.join("src"));
    expected.insert(format!("__pycache__/alone.{tag}.pyc"));
    expected.insert(format!("shop/__pycache__/__init__.{tag}.pyc"));
    expected.insert(format!("shop/__pycache__/till.{tag}.pyc"));
    assert_eq!(files(&folder.join("out")), expected);
    let output = Command::new(&fixture.python)
        .args(["-c", "import alone, shop.till; print(shop.till.total([1, 2]), shop.till.total.__code__.co_filename)"])
        .current_dir(folder.join("out"))
        .output()
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.starts_with("alone\n3 ") && text.trim_end().ends_with("out/shop/till.py"), "{text}");

    let again = run(folder, &["extract", "shop.perma", "-o", "out"]);
    assert_eq!(again.status.code(), Some(2), "a folder that has something in it is left alone");
}

#[test]
fn the_summary_is_json_and_options_count() {
    let fixture = Fixture::new();
    let summary: Value =
        serde_json::from_str(&fixture.bundle(&["--json", "--exclude", "alone.py", "-O", "2"])).unwrap();
    assert_eq!(summary["file"], "shop.perma");
    assert_eq!((&summary["modules"], &summary["packages"]), (&2.into(), &1.into()));
    assert_eq!(summary["not_modules"][0]["why"], "not-compiled");
    fixture.bundle(&["--strip=source", "--no-resources"]);
    let cat = run(fixture.path(), &["cat", "shop.perma", "alone"]);
    assert_eq!(cat.status.code(), Some(1));
    assert_eq!(stdout(fixture.path(), &["list", "shop.perma", "--resources"]).lines().count(), 0);
    for (options, is_sealed) in [(&[][..], false), (&["--sealed"], true)] {
        fixture.bundle(options);
        let info: Value = serde_json::from_str(&stdout(fixture.path(), &["info", "shop.perma", "--json"])).unwrap();
        assert_eq!(info["targets"][0]["sealed"], is_sealed);
    }
}

#[cfg(unix)]
#[test]
fn sources_with_long_names_or_for_execution_come_out_as_they_were() {
    use std::os::unix::fs::PermissionsExt;
    let fixture = Fixture::new();
    let folder = fixture.path();
    let name = "n".repeat(245);
    fs::write(folder.join(format!("src/{name}.py")), "x = 1\n").unwrap();
    fs::set_permissions(folder.join("src/alone.py"), fs::Permissions::from_mode(0o755)).unwrap();
    fixture.bundle(&[]);
    let list: Value = serde_json::from_str(&stdout(folder, &["list", "shop.perma", "alone", "--json"])).unwrap();
    assert_eq!(list["targets"][0]["entries"][0]["is_executable"], true);
    let summary = stdout(folder, &["extract", "shop.perma", "-o", "out"]);
    let line = summary.lines().find(|line| line.starts_with("  left out: __pycache__/nnn")).unwrap();
    assert!(line.ends_with(&format!("nnn.{}.pyc: its name is too long for the file system", fixture.tag)), "{line}");
    assert_eq!(fs::read(folder.join(format!("out/{name}.py"))).unwrap(), b"x = 1\n");
    let mode = |name: &str| fs::metadata(folder.join("out").join(name)).unwrap().permissions().mode() & 0o100;
    assert_eq!((mode("alone.py"), mode("shop/till.py")), (0o100, 0));
}

#[test]
fn equal_files_come_out_and_too_much_is_refused_with_the_option_that_helps() {
    let fixture = Fixture::new();
    let folder = fixture.path();
    for number in 0..200 {
        let language = folder.join(format!("src/shop/{number}"));
        fs::create_dir(&language).unwrap();
        fs::write(language.join("model.bin"), vec![b'x'; 1 << 20]).unwrap();
    }
    fixture.bundle(&[]);
    let refused = run(folder, &["extract", "shop.perma", "-o", "out", "--max-size", "10MiB"]);
    let stderr = String::from_utf8(refused.stderr).unwrap();
    assert_eq!(refused.status.code(), Some(2), "{stderr}");
    assert!(stderr.contains("more than the limit of 10485760 bytes\n  Nothing was written. "), "{stderr}");
    assert!(!folder.join("out").exists());
    let (_, size) = stderr.trim_end().trim_end_matches('.').rsplit_once("--max-size ").unwrap();
    assert_eq!(size, "201MiB", "{stderr}");
    for options in [&["--max-size", size][..], &[]] {
        stdout(folder, &[&["extract", "shop.perma", "-o", "out", "--overwrite"], options].concat());
        let models = files(&folder.join("out")).into_iter().filter(|file| file.ends_with("model.bin")).count();
        assert_eq!(models, 200);
    }
}

#[test]
fn an_impossible_request_is_an_error_before_anything_is_written() {
    let fixture = Fixture::new();
    for (args, text) in [
        (&["bundle", "-o", "absent/x.perma"][..], "cannot write to the folder absent"),
        (&["bundle", "src", "--python", "/no/such/python", "-o", "x.perma"], "cannot start /no/such/python"),
        (&["bundle", "src", "-o", "x.perma", "--optimize", "3"], "3 is not in 0..=2"),
        (&["extract", "absent.perma", "-o", "out"], "cannot open \"absent.perma\""),
    ] {
        let output = run(fixture.path(), args);
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{args:?}");
        assert!(stderr.contains(text), "{args:?}: {stderr}");
    }
    assert!(!fixture.path().join("x.perma").exists() && !fixture.path().join("out").exists());
}

#[test]
fn the_summary_names_entries_left_out_and_the_reasons() {
    let fixture = Fixture::new();
    let folder = fixture.path();
    let source = folder.join("src");
    for number in 0..7 {
        fs::write(source.join(format!(".dot{number}")), "").unwrap();
    }
    fs::create_dir_all(source.join(".git/objects")).unwrap();
    fs::create_dir_all(source.join("alone")).unwrap();
    fs::write(source.join("alone/__init__.pyc"), "").unwrap();
    fs::write(source.join("not.importable.py"), "").unwrap();
    fs::write(source.join("0-odd.py"), "").unwrap();
    let summary = fixture.bundle(&["--exclude", "./alone", "--exclude", "tpyo"]);
    for text in [
        "modules    3, of them 1 package\n",
        "root/alone.py: CPython imports root/alone/__init__.pyc instead\n",
        "root/not.importable.py: a module cannot have this name: \"not.importable\" has a dot\n",
        "left out: 7 entries: names that start with a dot, which --hidden includes\n  root/.dot0\n",
        "  root/.dot4\n  and 2 more; --verbose names them\n",
        "left out: 1 entry: version control, which --hidden includes\n  root/.git\n",
        "nothing matches --exclude './alone': patterns are compared with paths below a root, such as 'json/tests'\n",
        "nothing matches --exclude 'tpyo'",
    ] {
        assert!(summary.contains(text), "{text:?} is not in\n{summary}");
    }
    let summary = fixture.bundle(&["--hidden"]);
    assert!(!summary.contains("--hidden"), "{summary}");
    let resources = stdout(folder, &["list", "shop.perma", "--resources"]);
    assert!(resources.contains(".dot6"), "{resources}");
    let python = fixture.python.to_str().unwrap();
    let output = run(folder, &["bundle", "src", "--python", python, "-o", "x.perma", "--include", "tpyo"]);
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert_eq!((output.status.code(), folder.join("x.perma").exists()), (Some(2), false), "{stderr}");
    assert!(stderr.contains("nothing matches the pattern to include \"tpyo\""), "{stderr}");
}

#[cfg(target_os = "linux")]
#[test]
fn unreadable_files_are_named_and_can_be_left_out() {
    let fixture = Fixture::new();
    let folder = fixture.path();
    // There, and can be opened, but its beginning cannot be read.
    for name in ["bad.py", "bad.txt"] {
        std::os::unix::fs::symlink("/proc/self/mem", folder.join("src").join(name)).unwrap();
    }
    let python = fixture.python.to_str().unwrap();
    let args = ["bundle", "src", "--python", python, "-o", "shop.perma"];
    let output = run(folder, &args);
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert_eq!((output.status.code(), folder.join("shop.perma").exists()), (Some(2), false), "{stderr}");
    assert!(stderr.contains("2 files or folders cannot be read\n  "), "{stderr}");
    assert!(stderr.contains("src/bad.py: ") && stderr.contains("src/bad.txt: "), "{stderr}");
    assert!(stderr.ends_with("To bundle the rest, use --keep-going.\n"), "{stderr}");

    let output = run(folder, &[&args[..], &["--keep-going"]].concat());
    let summary = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(1), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(summary.contains("left out: 2 files or folders that cannot be read:\n  "), "{summary}");
    assert!(stdout(folder, &["list", "shop.perma"]).contains("shop.till"));
    let output = run(folder, &[&args[..], &["--keep-going", "--json"]].concat());
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert!(report["unreadable"][0]["file"].as_str().unwrap().ends_with("src/bad.py"), "{report}");
}

#[cfg(unix)]
#[test]
fn a_folder_whose_name_is_not_text_is_bundled_and_reported() {
    use std::os::unix::ffi::OsStrExt;
    let fixture = Fixture::new();
    let odd = fixture.folder.path().join(std::ffi::OsStr::from_bytes(b"odd\xFF"));
    fs::create_dir(&odd).unwrap();
    fs::write(odd.join("tool.py"), "x = 1\n").unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_permacode"));
    command.current_dir(fixture.folder.path()).stdin(Stdio::null());
    command.args(["bundle", "--json", "-o", "odd.perma", "--python"]).arg(&fixture.python).arg(&odd);
    let output = command.output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((report["modules"].as_u64(), report["archive"]["wide_lists"].as_u64()), (Some(1), Some(0)));
    assert!(report["roots"][0]["folder"].as_str().unwrap().ends_with(r"odd\xff"), "{report}");
}

#[test]
fn members_with_type_parameters_are_those_that_the_source_defines() {
    let python = permacode_testkit::interpreters::newest();
    if python.version.minor() < 12 {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let (source, archive) = (folder.path().join("generic.py"), folder.path().join("a.perma"));
    fs::write(&source, "def g[T](x: T) -> T: ...\nclass C[T]:\n    def m[S](self, y: S): ...\n").unwrap();
    let run = |arguments: &[&std::ffi::OsStr]| {
        let output = Command::new(env!("CARGO_BIN_EXE_permacode")).args(arguments).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    };
    run(&[
        "bundle".as_ref(),
        "--python".as_ref(),
        python.executable.as_ref(),
        source.as_ref(),
        "-o".as_ref(),
        archive.as_ref(),
    ]);
    let shown = run(&["show".as_ref(), archive.as_ref(), "generic".as_ref()]);
    assert!(shown.contains("function  g(x: T) -> T\n") && shown.contains("class     C\n"), "{shown}");
    let shown = run(&["show".as_ref(), archive.as_ref(), "generic:C".as_ref()]);
    assert!(shown.contains("function  C.m(self, y: S)\n"), "{shown}");
}
