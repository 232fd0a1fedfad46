//! Valid archives in which many records share one long text. The memory that a command needs depends on the size of the
//! archive, and not on the length of its output.
#![cfg(target_os = "linux")]
#![allow(missing_docs)]

use permacode_format::SectionKind;
use permacode_model::{Code, Leaf, Module, ModuleKind, Object, Path, Ref, Source, Str, Target};
use permacode_reader::Archive;
use permacode_testkit::{
    Edited, Part, Program, Repair, Sections,
    shapes::{archive, namespace, part, resource, target},
};
use std::{
    io::Read,
    process::{Command, Stdio},
};

/// Records that share a text.
const RECORDS: usize = 4000;

/// Length of that text: 4,000 copies are 256 MiB.
const LEN: usize = 65_535;

/// Address space that a command may have, in KiB: of that, half is there before it does anything.
const LIMIT: usize = 96 << 10;

/// What a command did that had no more than [`LIMIT`].
struct Ran {
    status: Option<i32>,
    /// Bytes of its standard output, and the first and last of them.
    len: u64,
    head: String,
    tail: String,
    stderr: String,
}

fn run(args: &[&str]) -> Ran {
    let mut child = Command::new("sh")
        .args(["-c", &format!("ulimit -v {LIMIT} && exec \"$0\" \"$@\""), env!("CARGO_BIN_EXE_permacode")])
        .args(args)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdout = child.stdout.take().unwrap();
    let (mut len, mut head, mut tail) = (0u64, Vec::new(), Vec::new());
    let mut buffer = vec![0; 1 << 20];
    loop {
        let count = stdout.read(&mut buffer).unwrap();
        if count == 0 {
            break;
        }
        len += count as u64;
        let room = (1usize << 16).saturating_sub(head.len());
        head.extend_from_slice(&buffer[..count.min(room)]);
        tail.extend_from_slice(&buffer[count.saturating_sub(100)..count]);
        let excess = tail.len().saturating_sub(100);
        tail.drain(..excess);
    }
    let output = child.wait_with_output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
    Ran { status: output.status.code(), len, head: text(head), tail: text(tail), stderr: text(output.stderr) }
}

#[track_caller]
fn succeeds(args: &[&str]) -> Ran {
    let ran = run(args);
    assert_eq!((ran.status, ran.stderr.as_str()), (Some(0), ""), "{args:?}");
    ran
}

struct File(tempfile::TempDir);

impl File {
    fn new(archive: &[u8]) -> Self {
        Archive::open(archive).unwrap().verify().unwrap();
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("a.perma"), archive).unwrap();
        File(folder)
    }

    fn path(&self) -> String {
        self.0.path().join("a.perma").to_str().unwrap().to_owned()
    }
}

/// Copies of a target, each with another version of the machine. They share the tag and the names of their modules and
/// resources.
fn many_targets(part: Part<'static>) -> Vec<u8> {
    let (modules, resources) = (part.modules.len() as u64, part.resources.len() as u64);
    let mut sections = Sections::of(&Program { targets: vec![part] }.write());
    let index_len = sections.section(SectionKind::Index).len() as u64;
    assert_eq!(index_len % 8, 0);
    for kind in [SectionKind::Targets, SectionKind::Modules, SectionKind::Resources, SectionKind::Index] {
        sections.repeat(kind, RECORDS);
    }
    let mut archive = Edited(sections.archive());
    for number in 0..RECORDS {
        for (field, step) in [
            ("vm_version", 1),
            ("first_module", modules),
            ("first_resource", resources),
            ("module_index.pilots_offset", index_len),
            ("module_index.slots_offset", index_len),
            ("resource_index.pilots_offset", index_len),
            ("resource_index.slots_offset", index_len),
        ] {
            let path = format!("targets[{number}].{field}");
            archive.set(&path, archive.get(&path) + number as u64 * step);
        }
    }
    archive.repair(Repair::Chunks);
    archive.0
}

/// Copies fields of the first record to all records of a section.
fn share(archive: Vec<u8>, kind: SectionKind, fields: &[&str]) -> Vec<u8> {
    let mut archive = Edited(archive);
    for index in 1..archive.section(kind).len() / kind.record_len() as usize {
        for field in fields {
            archive.copy(&format!("{}[0].{field}", kind.name()), &format!("{}[{index}].{field}", kind.name()));
        }
    }
    archive.repair(Repair::Chunks);
    archive.0
}

#[test]
fn targets_share_a_tag() {
    let target = Target { cache_tag: "t".repeat(LEN), ..target(0) };
    let file = File::new(&many_targets(Part { target, modules: vec![], resources: vec![] }));
    let path = &file.path();
    assert_eq!(succeeds(&["verify", path]).head, format!("ok: {path}: everything of 0 modules and 0 resources\n"));
    succeeds(&["verify", path, "--quick"]);
    let info = succeeds(&["info", path]);
    assert!(info.head.contains("ttt… (65,535 bytes)"), "{}", info.head);
    assert!(info.len < (RECORDS * 1000) as u64, "{}", info.len);
    let info = succeeds(&["info", path, "--json"]);
    assert!(info.len > (RECORDS * LEN) as u64 && info.tail.ends_with("\n}\n"), "{} {}", info.len, info.tail);
    succeeds(&["list", path]);
    let list = succeeds(&["list", path, "--json"]);
    assert!(list.len > (RECORDS * LEN) as u64 && list.tail.ends_with("\n}\n"), "{} {}", list.len, list.tail);
    for args in [&["list", path, "--target", "toy-1"][..], &["list", path, "--target", "3.11"], &["cat", path, "x"]] {
        let ran = run(args);
        let expected = if args[0] == "cat" { 1 } else { 2 };
        assert_eq!(ran.status, Some(expected), "{args:?}: {}", ran.stderr);
        assert!(ran.stderr.len() < 10_000, "{args:?}: {} bytes of errors", ran.stderr.len());
    }
}

#[test]
fn modules_and_resources_of_targets_share_a_name() {
    let name = "n".repeat(LEN - 7);
    let part = part(0, vec![namespace(&name)], vec![resource(name.as_bytes(), b"")]);
    let file = File::new(&many_targets(part));
    let path = &file.path();
    succeeds(&["verify", path]);
    succeeds(&["info", path]);
    for resources in [&[][..], &["--resources"]] {
        let list = succeeds(&[&["list", path], resources].concat());
        assert!(list.head.contains("nnn… (65,5"), "{}", list.head);
        assert!(list.len < (RECORDS * 2000) as u64, "{}", list.len);
        let list = succeeds(&[&["list", path, "--json"], resources].concat());
        assert!(list.len > (RECORDS * LEN) as u64 && list.tail.ends_with("\n}\n"), "{} {}", list.len, list.tail);
        assert_eq!(run(&[&["list", path, "absent"], resources].concat()).status, Some(1));
    }
    assert_eq!(run(&["cat", path, "absent"]).status, Some(1));
    assert_eq!(run(&["verify", path, "--module", "absent"]).status, Some(1));
}

#[test]
fn modules_share_the_path_of_a_source_and_its_root() {
    let of = |name: String, path: Path<'static>| Module {
        source: Some(Source {
            path,
            size: 0,
            digest: permacode_format::digest(b""),
            mtime: None,
            executable: false,
            text: Some(b""[..].into()),
        }),
        ..namespace(&name)
    };
    let short = || Path { root: None, path: Str::plain("p") };
    let mut modules: Vec<_> = (1..RECORDS).map(|number| of(format!("m{number}"), short())).collect();
    let (root, text) = ("r".repeat(LEN), "s".repeat(LEN));
    modules.push(of("m0".into(), Path { root: Some(root.into()), path: Str::plain(text) }));
    // `m0` is the first in order.
    let bytes = share(archive(modules, vec![]), SectionKind::Modules, &["source_path", "source_root"]);
    let file = File::new(&bytes);
    let path = &file.path();
    succeeds(&["verify", path]);
    let list = succeeds(&["list", path]);
    assert!(list.head.contains("rrr… (65,535 bytes) …rrr"), "{}", list.head);
    assert!(list.len < (RECORDS * 2000) as u64, "{}", list.len);
    let list = succeeds(&["list", path, "--json"]);
    assert!(list.len > (RECORDS * LEN * 2) as u64 && list.tail.ends_with("\n}\n"), "{} {}", list.len, list.tail);
}

/// An archive of `count` modules that can be extracted and share a file name of this length.
fn modules_with_a_file_name(count: usize, len: usize) -> Vec<u8> {
    let target = Target { vm: "cpython".into(), bytecode_magic: 0x0A0D_0DA7, vm_version: 0x030B_09F0, ..target(0) };
    let code =
        Code { constants: vec![Ref::Object(1)], bytecode: (&[151u8, 0, 100, 0, 83, 0][..]).into(), ..Code::default() };
    let of = |name: String, filename: String| Module {
        kind: ModuleKind::Module,
        objects: vec![Object::Leaf(Leaf::Str(Str::interned("<module>"))), Object::Leaf(Leaf::None)],
        codes: vec![code.clone()],
        body: Some(0),
        filename: Some(Path { root: None, path: Str::plain(filename) }),
        ..namespace(&name)
    };
    let mut modules: Vec<_> = (1..count).map(|number| of(format!("m{number}"), "p".into())).collect();
    modules.push(of("m0".into(), "f".repeat(len)));
    let archive = Program { targets: vec![Part { target, modules, resources: vec![] }] }.write();
    share(archive, SectionKind::Modules, &["filename"])
}

#[test]
fn modules_that_are_extracted_share_a_file_name() {
    let file = File::new(&modules_with_a_file_name(200, 1 << 20));
    let out = file.0.path().join("out");
    let extract = succeeds(&["extract", &file.path(), "-o", out.to_str().unwrap(), "--jobs", "2"]);
    assert!(extract.head.contains("200 modules"), "{}", extract.head);
    assert_eq!(std::fs::read_dir(&out).unwrap().count(), 200);
    assert!(std::fs::metadata(out.join("m7.pyc")).unwrap().len() > 1 << 20);
    std::fs::remove_dir_all(&out).unwrap();
    let extract = succeeds(&["extract", &file.path(), "-o", out.to_str().unwrap(), "--jobs", "2", "--json"]);
    assert!(extract.len > 200 << 20 && extract.tail.ends_with("\n}\n"), "{} {}", extract.len, extract.tail);
}

#[test]
fn files_that_would_fill_a_disk_are_refused_before_anything_is_written() {
    let modules = modules_with_a_file_name(20_000, 1 << 20);
    let resources = {
        let mut resources: Vec<_> = (1..20_000).map(|number| resource(format!("r{number}").as_bytes(), b"")).collect();
        resources.push(resource(b"r0", &[b'x'; 1 << 20]));
        let target = Target { vm: "cpython".into(), bytecode_magic: 0x0A0D_0DA7, ..target(0) };
        let archive = Program { targets: vec![Part { target, modules: vec![], resources }] }.write();
        share(archive, SectionKind::Resources, &["data_offset", "data_len"])
    };
    for archive in [modules, resources] {
        assert!(archive.len() < 8 << 20);
        let file = File::new(&archive);
        let out = file.0.path().join("out");
        let extract = run(&["extract", &file.path(), "-o", out.to_str().unwrap()]);
        assert_eq!(extract.status, Some(2), "{}", extract.stderr);
        assert!(extract.stderr.contains(" bytes, more than the limit of"), "{}", extract.stderr);
        assert!(extract.stderr.contains("For these 19.5 GiB, use --max-size 2000"), "{}", extract.stderr);
        assert!(!out.exists());
    }
}
