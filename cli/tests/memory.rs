//! Valid archives in which many records share one long text: what a command needs of memory is in proportion to the archive,
//! not to the text that it prints.
#![cfg(target_os = "linux")]
#![allow(missing_docs)]

#[path = "../../reader/tests/common/mod.rs"]
mod archives;

use archives::{
    assemble::Sections,
    shapes::{namespace, resource, target, write},
};
use permacode_format::{ModuleRecord, ResourceRecord, SectionKind, TargetRecord};
use permacode_model::{Code, Leaf, Module, ModuleKind, Object, Path, Ref, Resource, Source, Str, Target};
use permacode_reader::Archive;
use std::{
    io::Read,
    mem::offset_of,
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

/// The records of an archive with one target, as often as [`RECORDS`] says, each of another version of the machine. They share
/// the tag and, if they have one, the name of their module or resource.
fn many_targets(part: (Target, Vec<Module<'static>>, Vec<Resource<'static>>)) -> Vec<u8> {
    let (modules, resources) = (part.1.len(), part.2.len());
    let one = write(3, &[part]);
    let mut sections = Sections::of(&one);
    let index_len = sections.section(SectionKind::Index).len();
    assert_eq!(index_len % 8, 0);
    let record = sections.section(SectionKind::Targets).clone();
    let mut records = Vec::new();
    for number in 0..RECORDS {
        let mut record = record.clone();
        let mut add = |at: usize, value: usize| {
            let field = &mut record[at..at + 4];
            let before = u32::from_le_bytes((&*field).try_into().unwrap());
            field.copy_from_slice(&(before + value as u32).to_le_bytes());
        };
        add(offset_of!(TargetRecord, vm_version), number);
        add(offset_of!(TargetRecord, first_module), number * modules);
        add(offset_of!(TargetRecord, first_resource), number * resources);
        for index in [offset_of!(TargetRecord, module_index), offset_of!(TargetRecord, resource_index)] {
            add(index + 8, number * index_len);
            add(index + 16, number * index_len);
        }
        records.extend(record);
    }
    *sections.section(SectionKind::Targets) = records;
    for kind in [SectionKind::Modules, SectionKind::Resources, SectionKind::Index] {
        let section = sections.section(kind);
        *section = section.repeat(RECORDS);
    }
    sections.archive()
}

#[test]
fn targets_share_a_tag() {
    let part = (Target { cache_tag: "t".repeat(LEN), ..target(0) }, vec![], vec![]);
    let file = File::new(&many_targets(part));
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
    let part = (target(0), vec![namespace(&name)], vec![resource(name.as_bytes(), b"")]);
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
    let mut sections = Sections::of(&write(3, &[(target(0), modules, vec![])]));
    let records = sections.section(SectionKind::Modules);
    // Path and root of the source, which stand one behind the other. `m0` is the first in order.
    let fields = offset_of!(ModuleRecord, source_path)..offset_of!(ModuleRecord, source_offset);
    let long = records[fields.clone()].to_vec();
    for record in records.chunks_mut(size_of::<ModuleRecord>()) {
        record[fields.clone()].copy_from_slice(&long);
    }
    let file = File::new(&sections.archive());
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
    let mut sections = Sections::of(&write(3, &[(target, modules, vec![])]));
    let records = sections.section(SectionKind::Modules);
    let field = offset_of!(ModuleRecord, filename)..offset_of!(ModuleRecord, filename_root);
    let long = records[field.clone()].to_vec();
    for record in records.chunks_mut(size_of::<ModuleRecord>()) {
        record[field.clone()].copy_from_slice(&long);
    }
    sections.archive()
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
fn what_would_fill_a_disk_is_refused_before_anything_is_written() {
    let modules = modules_with_a_file_name(20_000, 1 << 20);
    let resources = {
        let mut all: Vec<_> = (1..20_000).map(|number| resource(format!("r{number}").as_bytes(), b"")).collect();
        all.push(resource(b"r0", &[b'x'; 1 << 20]));
        let target = Target { vm: "cpython".into(), bytecode_magic: 0x0A0D_0DA7, ..target(0) };
        let mut sections = Sections::of(&write(3, &[(target, vec![], all)]));
        let records = sections.section(SectionKind::Resources);
        let fields = offset_of!(ResourceRecord, data_offset)..size_of::<ResourceRecord>();
        let long = records[fields.clone()].to_vec();
        for record in records.chunks_mut(size_of::<ResourceRecord>()) {
            record[fields.clone()].copy_from_slice(&long);
        }
        sections.archive()
    };
    for archive in [modules, resources] {
        assert!(archive.len() < 8 << 20);
        let file = File::new(&archive);
        let out = file.0.path().join("out");
        let extract = run(&["extract", &file.path(), "-o", out.to_str().unwrap()]);
        assert_eq!(extract.status, Some(2), "{}", extract.stderr);
        assert!(extract.stderr.contains("(19.5 GiB), more than the limit of"), "{}", extract.stderr);
        assert!(extract.stderr.contains("; --max-size 2000"), "{}", extract.stderr);
        assert!(!out.exists());
    }
}
