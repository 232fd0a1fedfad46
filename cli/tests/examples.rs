//! Each example of each help does what it says. Programs that take the output, such as `less`, only read it.
#![cfg(unix)]
#![allow(missing_docs)]

use permacode_testkit::interpreters;
use std::{
    fs,
    os::unix::fs::{PermissionsExt, symlink},
    path::Path,
    process::{Command, Output, Stdio},
};

/// Files of the standard library that examples name.
const LIBRARY: [&str; 7] = [
    "json/__init__.py",
    "json/decoder.py",
    "json/encoder.py",
    "json/scanner.py",
    "pydoc_data/__init__.py",
    "pydoc_data/_pydoc.css",
    "turtledemo/turtle.cfg",
];

struct Sandbox(tempfile::TempDir);

impl Sandbox {
    fn new() -> Self {
        let sandbox = Sandbox(tempfile::tempdir().unwrap());
        let python = interpreters::newest();
        for file in LIBRARY {
            let text = fs::read(python.stdlib.join(file)).unwrap_or_default();
            sandbox.write(&format!("python/lib/python3/{file}"), &text);
        }
        sandbox.write("python/lib/python3/site-packages/installed.py", b"x = 0\n");
        sandbox.write("src/app.py", b"x = 1\n");
        sandbox.write("scripts/tool.py", b"x = 2\n");
        for folder in [".local/share/bash-completion/completions", ".zfunc", ".config/fish/completions"] {
            fs::create_dir_all(sandbox.path().join("home").join(folder)).unwrap();
        }
        // An interpreter with a small library, because a whole one takes long.
        let library = sandbox.path().join("python/lib/python3");
        let (python, library, prefix) = (python.executable.display(), library.display(), sandbox.path().join("python"));
        let prefix = prefix.display();
        let small = format!(
            "#!/bin/sh\n'{python}' \"$@\" | sed \
             -e 's|\"\\([a-z]*stdlib\\)\": \"[^\"]*\"|\"\\1\": \"{library}\"|g' \
             -e 's|\"\\([a-z_]*prefix\\)\": \"[^\"]*\"|\"\\1\": \"{prefix}\"|g' \
             -e 's|\"extensions\": \"[^\"]*\"|\"extensions\": null|' \
             -e 's|\"user_site\": \"[^\"]*\"|\"user_site\": null|' \
             -e 's|\"site_packages\": \\[[^]]*\\]|\"site_packages\": [\"{library}/site-packages\"]|'\n"
        );
        for name in ["bin/python3", "bin/python3.13", ".venv/bin/python"] {
            sandbox.program(name, &small);
        }
        // The package makes images and stamps. Here it only answers.
        let answer = r#"{"path": "a", "bytes": 1, "modules": 1, "folders": 1, "left_out": [], "stamps": null}"#;
        sandbox.write("packages/permacode/__init__.py", b"");
        for name in ["image", "stamp"] {
            let module = format!("def main():\n    print({answer:?})\n");
            sandbox.write(&format!("packages/permacode/{name}.py"), module.as_bytes());
        }
        for reader in ["less", "jq", "man"] {
            sandbox.program(&format!("bin/{reader}"), "#!/bin/sh\nexec cat >/dev/null\n");
        }
        sandbox.program("bin/ssh", "#!/bin/sh\nshift\nexec sh -c \"$*\"\n");
        symlink(env!("CARGO_BIN_EXE_permacode"), sandbox.path().join("bin/permacode")).unwrap();
        let output = sandbox.run("permacode bundle src/ -o fonts.perma");
        assert!(output.status.success(), "{output:?}");
        sandbox
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    fn write(&self, name: &str, bytes: &[u8]) {
        let path = self.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    }

    fn program(&self, name: &str, text: &str) {
        self.write(name, text.as_bytes());
        fs::set_permissions(self.path().join(name), fs::Permissions::from_mode(0o755)).unwrap();
    }

    fn run(&self, line: &str) -> Output {
        // Some examples write to a folder that must be new.
        for folder in ["lib", "staging", "fonts"] {
            let _ = fs::remove_dir_all(self.path().join(folder));
        }
        let path = format!("{}/bin:{}", self.path().display(), std::env::var("PATH").unwrap());
        let mut shell = Command::new("sh");
        shell.args(["-c", line]).current_dir(self.path()).stdin(Stdio::null());
        shell.env("PATH", path).env("HOME", self.path().join("home"));
        shell.env("PYTHONPATH", self.path().join("packages")).output().unwrap()
    }
}

/// The lines of a section of the help, without the two spaces before them.
fn section(help: &str, title: &str) -> Vec<String> {
    let lines = help.lines().skip_while(|line| *line != title).skip(1);
    lines.map_while(|line| line.strip_prefix("  ")).map(str::to_owned).collect()
}

fn help(args: &[&str]) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_permacode")).args(args).arg("--help").output().unwrap();
    String::from_utf8(output.stdout).unwrap()
}

/// `bundle` comes first: its examples make the archives of the others.
fn commands() -> Vec<String> {
    let name = |line: String| line.split_whitespace().next().map(str::to_owned);
    let names = section(&help(&[]), "Commands:").into_iter().filter_map(name);
    names.filter(|name| name != "help").collect()
}

/// Commands that need the compiled package. Its own tests run them with a virtual environment.
const OF_ENVIRONMENTS: [&str; 4] = ["enable", "refresh", "status", "disable"];

#[test]
fn each_example_runs() {
    let sandbox = Sandbox::new();
    let names = commands();
    assert_eq!(names.first().map(String::as_str), Some("bundle"));
    let names = names.iter().filter(|name| !OF_ENVIRONMENTS.contains(&name.as_str()));
    let helps = names.map(|name| help(&[name])).chain([help(&[])]);
    for help in helps {
        let examples = section(&help, "Examples:");
        assert!(!examples.is_empty(), "{help}");
        for example in examples {
            let output = sandbox.run(&example);
            let stderr = String::from_utf8_lossy(&output.stderr);
            // The status is that of the last program of a pipe, so look for errors of the first.
            let has_error =
                stderr.lines().any(|line| ["permacode: ", "error: "].iter().any(|start| line.starts_with(start)));
            assert!(output.status.success() && !has_error, "{example}: {} {stderr}", output.status);
        }
    }
    for page in fs::read_dir(sandbox.path().join("home/.local/share/man/man1")).unwrap() {
        let text = fs::read_to_string(page.unwrap().path()).unwrap();
        assert!(text.contains("\n.SH EXAMPLES\n") && text.contains("\n.SH \"EXIT STATUS\"\n"), "{text}");
    }
    let shown = String::from_utf8(sandbox.run("permacode list app.perma").stdout).unwrap();
    assert!(shown.contains("app") && !shown.contains("tool"), "the archive of `ssh`: {shown}");
}

#[test]
fn there_is_a_page_for_each_command_and_it_has_the_text_of_the_help() {
    let folder = tempfile::tempdir().unwrap();
    let target = folder.path().join("new/man1");
    let run = |args: &[&str]| Command::new(env!("CARGO_BIN_EXE_permacode")).args(args).output().unwrap();
    let written = run(&["man", "-o", target.to_str().unwrap()]);
    let mut expected = vec![target.join("permacode.1")];
    expected.extend(commands().iter().map(|name| target.join(format!("permacode-{name}.1"))));
    let written = String::from_utf8(written.stdout).unwrap();
    assert_eq!(written.lines().map(Path::new).collect::<Vec<_>>(), expected);
    for (name, path) in commands().iter().zip(&expected[1..]) {
        let page = fs::read_to_string(path).unwrap();
        assert_eq!(page.as_bytes(), run(&["man", name]).stdout);
        assert!(page.contains(&format!(".TH permacode-{name} 1")), "{page}");
        let plain = page.replace("\\-", "-").replace("\\*(Aq", "'").replace("\\&", "").replace("\\(aq", "'");
        for example in section(&help(&[name]), "Examples:") {
            assert!(plain.contains(&example), "{name} has no {example:?}: {plain}");
        }
    }
}
