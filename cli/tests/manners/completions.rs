//! What a shell offers after TAB.

use crate::fixture::{Fixture, run};
use std::process::{Command, Stdio};

/// The words that bash offers for the last word of a command line, with the script of `permacode completions`.
fn offered(fixture: &Fixture, words: &[&str]) -> Vec<String> {
    let (code, script, stderr) = run(&mut fixture.command(&["completions", "bash"]));
    assert_eq!((code, &stderr[..]), (Some(0), ""));
    fixture.write("script", script.as_bytes());
    let function = script.lines().find_map(|line| line.strip_suffix("() {")).unwrap().trim();
    let ask = [
        "source ./script; COMP_WORDS=(\"$@\"); COMP_CWORD=$((${#COMP_WORDS[@]} - 1)); COMP_TYPE=9",
        &format!("{function} permacode \"${{COMP_WORDS[COMP_CWORD]}}\""),
        "printf '%s\\n' \"${COMPREPLY[@]}\"",
    ]
    .join("; ");
    let path = std::path::Path::new(env!("CARGO_BIN_EXE_permacode")).parent().unwrap();
    let mut bash = Command::new("bash");
    bash.args(["--norc", "-c", &ask, "bash", "permacode"]).args(words).current_dir(fixture.path());
    bash.env("PATH", std::env::join_paths([path, "/usr/bin".as_ref(), "/bin".as_ref()]).unwrap());
    let (_, stdout, stderr) = run(bash.stdin(Stdio::null()));
    assert_eq!(stderr, "", "{words:?}");
    stdout.lines().map(|word| word.trim_end().to_owned()).collect()
}

#[test]
fn bash_offers_files_values_and_commands() {
    let fixture = Fixture::new();
    for command in ["show", "dump", "info", "cat", "list", "verify", "extract"] {
        let files = offered(&fixture, &[command, ""]);
        assert!(files.contains(&"toy.perma".to_owned()), "{command}: {files:?}");
        assert_eq!(offered(&fixture, &[command, "to"]), ["toy.perma"], "{command}");
    }
    assert_eq!(offered(&fixture, &["bundle", "--strip", "doc"]), ["docstrings"]);
    assert_eq!(offered(&fixture, &["bundle", "--strip", "docstrings,li"]), ["docstrings,lines"]);
    let second = offered(&fixture, &["bundle", "--strip", "docstrings,"]);
    assert!(second.contains(&"docstrings,signatures".to_owned()), "{second:?}");
    let commands = offered(&fixture, &["man", ""]);
    assert!(commands.contains(&"show".to_owned()) && !commands.contains(&"help".to_owned()), "{commands:?}");
    assert_eq!(offered(&fixture, &["completions", "zs"]), ["zsh"]);
    assert_eq!(offered(&fixture, &["li"]), ["list"]);
    assert_eq!(offered(&fixture, &["bundle", "--keep-c"]), ["--keep-compiled"]);
    let all = offered(&fixture, &[""]);
    assert!(commands.iter().filter(|word| !word.starts_with('-')).all(|command| all.contains(command)), "{all:?}");
}

#[test]
fn each_shell_has_a_script_and_an_unknown_one_is_told_of_them() {
    let fixture = Fixture::new();
    let shells = ["bash", "elvish", "fish", "powershell", "zsh"];
    for shell in shells {
        let (code, script, stderr) = run(&mut fixture.command(&["completions", shell]));
        assert_eq!((code, &stderr[..]), (Some(0), ""), "{shell}");
        assert!(script.contains("PERMACODE_COMPLETE") && script.contains("permacode"), "{shell}: {script}");
    }
    let (code, _, stderr) = run(&mut fixture.command(&["completions", "tcsh"]));
    assert_eq!(code, Some(2));
    assert!(stderr.contains(&shells.join(", ")), "{stderr}");
}
