//! Archives that break a rule. Each command that meets the rule names it and prints no partial result.
#![allow(missing_docs)]

use permacode_testkit::{Edited, Repair, toy};
use std::process::{Command, Output, Stdio};

struct Broken(tempfile::TempDir);

impl Broken {
    /// The toy with a field changed, and checksums that fit.
    fn new(field: &str, value: u64) -> Self {
        let mut archive = Edited(toy::archive());
        archive.set(field, value);
        archive.repair(Repair::Chunks);
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("a.perma"), archive.0).unwrap();
        Broken(folder)
    }

    fn run(&self, args: &[&str]) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_permacode"));
        command.args(args).current_dir(self.0.path()).stdin(Stdio::null()).output().unwrap()
    }

    /// The toy with one bit of the first occurrence of a text flipped, and checksums that notice it.
    fn rotten(text: &[u8]) -> Self {
        let mut archive = toy::archive();
        let at = archive.windows(text.len()).position(|window| window == text).unwrap();
        archive[at] ^= 4;
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("a.perma"), archive).unwrap();
        Broken(folder)
    }

    /// Each command names the rule, ends with 2 and prints nothing; `verify` says so.
    #[track_caller]
    fn fails(&self, rule: &str, commands: &[&[&str]]) {
        self.is_refused(rule, commands);
        for args in [&["verify", "a.perma"][..], &["verify", "a.perma", "--module", "tools.hammer"]] {
            self.is_invalid(rule, args);
        }
    }

    #[track_caller]
    fn is_invalid(&self, rule: &str, args: &[&str]) {
        let Output { status, stdout, .. } = self.run(args);
        let stdout = String::from_utf8(stdout).unwrap();
        assert_eq!(status.code(), Some(1), "{args:?}: {stdout}");
        assert!(stdout.starts_with("not valid: a.perma: ") && stdout.contains(&format!("; rule {rule}: ")), "{stdout}");
    }

    #[track_caller]
    fn is_refused(&self, rule: &str, commands: &[&[&str]]) {
        for args in commands {
            let Output { status, stdout, stderr } = self.run(args);
            let stderr = String::from_utf8(stderr).unwrap();
            assert_eq!((status.code(), stdout.as_slice()), (Some(2), &b""[..]), "{args:?}: {stderr}");
            assert!(stderr.contains(&format!("; rule {rule}: ")), "{args:?}: {stderr}");
        }
        assert!(!self.0.path().join("out").exists());
    }

    #[track_caller]
    fn succeeds(&self, commands: &[&[&str]]) {
        for args in commands {
            let Output { status, stderr, .. } = self.run(args);
            assert_eq!(status.code(), Some(0), "{args:?}: {}", String::from_utf8_lossy(&stderr));
        }
    }
}

const LIST: [&[&str]; 2] = [&["list", "a.perma"], &["list", "a.perma", "--json"]];
const RESOURCES: [&[&str]; 2] = [&["list", "a.perma", "--resources"], &["list", "a.perma", "--resources", "--json"]];
const INFO: [&[&str]; 2] = [&["info", "a.perma"], &["info", "a.perma", "--json"]];
const EXTRACT: &[&str] = &["extract", "a.perma", "-o", "out", "--target", "0"];

#[test]
fn the_path_of_a_source_is_not_an_object() {
    // LICENSE, space, tools, tools.hammer, tools.secret.
    let broken = Broken::new("modules[3].source_path", 0x7FFF_FFFF);
    broken.fails("M-6", &[LIST[0], LIST[1], EXTRACT, &["cat", "a.perma", "tools.hammer"]]);
    broken.succeeds(&[INFO[0], INFO[1], RESOURCES[0], &["cat", "a.perma", "tools"]]);
}

#[test]
fn a_file_name_is_not_an_object() {
    Broken::new("modules[3].filename", 0x7FFF_FFFF).fails("M-5", &[EXTRACT]);
}

#[test]
fn a_tag_lies_nowhere() {
    let broken = Broken::new("targets[1].cache_tag_offset", 0xFFFF);
    broken.fails("T-5", &[LIST[0], LIST[1], INFO[0], INFO[1], EXTRACT, &["cat", "a.perma", "tools"]]);
}

#[test]
fn a_module_name_lies_nowhere() {
    let broken = Broken::new("modules[3].name_offset", 0xFFFF);
    broken.fails("N-1", &[LIST[0], LIST[1], EXTRACT, &["cat", "a.perma", "absent"]]);
    // A lookup takes the place of the name from the slot, and not from the record.
    broken.succeeds(&[INFO[0], RESOURCES[0], &["cat", "a.perma", "tools"], &["cat", "a.perma", "tools.hammer"]]);
}

#[test]
fn the_root_of_a_resource_has_another_length() {
    let broken = Broken::new("resources[2].root_len", 2);
    broken.fails("R-2", &[RESOURCES[0], RESOURCES[1], EXTRACT, &["cat", "a.perma", "absent"]]);
    broken.succeeds(&[INFO[0], LIST[0], &["cat", "a.perma", "lib/LICENSE"]]);
}

#[test]
fn the_bytes_of_a_resource_lie_nowhere() {
    // The one called latin\xE9 in root lib, without the text of its name.
    let broken = Broken::new("resources[3].data_offset", 0xFFFF);
    broken.fails("R-4", &[EXTRACT, &["cat", "a.perma", "lib/tools/readme.txt"]]);
    broken.succeeds(&[INFO[0], LIST[0], &["cat", "a.perma", "LICENSE", "--resource"]]);
}

#[test]
fn code_lies_nowhere() {
    let broken = Broken::new("code[2].bytecode_offset", 0xFFF8);
    broken.fails("C-2", &[EXTRACT]);
    broken.succeeds(&[INFO[0], LIST[0]]);
}

#[test]
fn a_damaged_byte_is_never_used() {
    let source = Broken::rotten(b"x = 1\n");
    source.is_refused("K-1", &[EXTRACT, &["cat", "a.perma", "tools.hammer"]]);
    source.is_invalid("S-9", &["verify", "a.perma"]);
    source.succeeds(&[INFO[0], INFO[1], RESOURCES[0], &["cat", "a.perma", "LICENSE", "--resource"]]);
    let resource = Broken::rotten(b"read me\n");
    resource.is_refused("K-1", &[EXTRACT, &["cat", "a.perma", "tools/readme.txt"]]);
    resource.is_invalid("S-9", &["verify", "a.perma"]);
    resource.succeeds(&[INFO[0], LIST[0], &["cat", "a.perma", "tools"]]);
    let constant = Broken::rotten(b"tools/hammer.py");
    constant.is_refused("K-1", &[EXTRACT, LIST[0], LIST[1]]);
    let name = Broken::rotten(b"tools.hammer");
    name.is_refused("K-1", &[EXTRACT, LIST[0], LIST[1], RESOURCES[0], INFO[0], INFO[1], &["cat", "a.perma", "tools"]]);
}
