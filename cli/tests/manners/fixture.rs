//! A folder to work in, and the results of commands.

use permacode_testkit::{interpreters, toy};
use serde_json::Value;
use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
};
use tempfile::TempDir;

/// A folder with the toy archive, sources, and an interpreter.
pub(crate) struct Fixture {
    folder: TempDir,
    pub(crate) python: PathBuf,
}

impl Fixture {
    pub(crate) fn new() -> Self {
        let fixture = Fixture { python: interpreters::newest().executable, folder: tempfile::tempdir().unwrap() };
        fixture.write("toy.perma", &toy::archive());
        for number in 0..8 {
            fixture.write(&format!("src/module{number}.py"), format!("x = {number}\n").as_bytes());
        }
        fixture
    }

    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) fn write(&self, name: &str, bytes: &[u8]) {
        let path = self.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    }

    /// Names of what lies in the folder.
    pub(crate) fn names(&self) -> Vec<String> {
        let entries = fs::read_dir(self.path()).unwrap();
        let mut names: Vec<String> =
            entries.map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned()).collect();
        names.sort();
        names
    }

    pub(crate) fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_permacode"));
        command.args(args).current_dir(self.path()).stdin(Stdio::null());
        command
    }

    pub(crate) fn bundle(&self, args: &[&str]) -> Command {
        let mut command = self.command(&["bundle", "src", "--python"]);
        command.arg(&self.python).args(args);
        command
    }

    /// Runs the command by way of a shell that redirects or limits something first; `"$@"` is the command.
    pub(crate) fn shell(&self, script: &str, command: &Command) -> Output {
        let mut shell = Command::new("sh");
        shell.args(["-c", script, "sh"]).arg(command.get_program()).args(command.get_args());
        shell.current_dir(self.path()).output().unwrap()
    }

    /// The interpreter, except that it runs `script` instead of compiling. In the script, `"$@"` compiles.
    pub(crate) fn slow_python(&self, script: &str) -> PathBuf {
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

pub(crate) fn run(command: &mut Command) -> (Option<i32>, String, String) {
    texts(command.output().unwrap())
}

pub(crate) fn texts(output: Output) -> (Option<i32>, String, String) {
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (output.status.code(), text(output.stdout), text(output.stderr))
}

/// A line of JSON on standard error.
pub(crate) fn json_error(command: &mut Command) -> Value {
    let (code, stdout, stderr) = run(command);
    assert_eq!((code, &stdout[..]), (Some(2), ""), "{stderr}");
    assert_eq!(stderr.lines().count(), 1, "{stderr}");
    serde_json::from_str(&stderr).unwrap()
}

pub(crate) fn is_quiet(text: &str) -> bool {
    text.chars().all(|character| character == '\n' || !character.is_control() && character != '\u{202e}')
}
