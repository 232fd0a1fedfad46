//! A walk over names, constants and instructions touches no page of the parts that are needed only for tracebacks,
//! introspection, sources and resources. A child process makes these pages unreadable, so that a touch ends it.
#![cfg(target_os = "linux")]

use permacode_bundle::{BundleOptions, bundle};
use permacode_reader::{
    Archive, Code, Constant, Item, Items, Mapping, Module, Object, SectionKind,
    SectionKind::{Details, Docstrings, Files, SignatureText, Signatures, Sources, Tables},
};
use permacode_testkit::interpreters::newest;
use rustix::mm::{MprotectFlags, mprotect};
use std::{
    env,
    os::unix::process::ExitStatusExt,
    path::Path,
    process::{Command, ExitStatus, Stdio},
};

/// The environment variables of the child: the archive, what to do with it, and whether chunks are checked.
const ARCHIVE: &str = "PERMACODE_UNTOUCHED_ARCHIVE";
const STEP: &str = "PERMACODE_UNTOUCHED_STEP";
const CHECKED: &str = "PERMACODE_UNTOUCHED_CHECKED";

const UNREADABLE: [SectionKind; 7] = [Details, Docstrings, Tables, Signatures, SignatureText, Sources, Files];
const PAGE: usize = 4096;
/// The signal of an access to a page that is not readable.
const SIGSEGV: i32 = 11;

/// Each section in `UNREADABLE` with a step that reads it, and the step that reads none of them.
const STEPS: [(&str, Option<SectionKind>); 8] = [
    ("walk", None),
    ("first lines", Some(Details)),
    ("docstrings", Some(Docstrings)),
    ("line tables", Some(Tables)),
    ("signatures", Some(Signatures)),
    ("signature texts", Some(SignatureText)),
    ("sources", Some(Sources)),
    ("resources", Some(Files)),
];

#[test]
fn a_walk_touches_no_page_of_cold_sections() {
    if let Some(path) = env::var_os(ARCHIVE) {
        return child(path.as_ref());
    }
    let mut options = BundleOptions::new(newest());
    for tests in ["test", "**/test", "**/tests", "**/idle_test"] {
        options = options.exclude(tests);
    }
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("library.perma");
    bundle(&options, &()).unwrap().publish(&path).unwrap();
    for is_checked in [false, true] {
        for (step, reads) in STEPS {
            let status = run(&path, step, is_checked);
            let expected = (reads.is_none().then_some(0), reads.is_some().then_some(SIGSEGV));
            assert_eq!((status.code(), status.signal()), expected, "{step}, checked: {is_checked}");
        }
    }
}

/// Starts this test again as a child with a step.
fn run(path: &Path, step: &str, is_checked: bool) -> ExitStatus {
    let mut command = Command::new(env::current_exe().unwrap());
    command.args(["--exact", "a_walk_touches_no_page_of_cold_sections"]).stdin(Stdio::null()).stdout(Stdio::null());
    command.env(ARCHIVE, path).env(STEP, step).env(CHECKED, is_checked.to_string()).status().unwrap()
}

fn child(path: &Path) {
    let step = env::var(STEP).unwrap();
    // SAFETY: the parent published the archive into a temporary folder and keeps it unchanged until this child ends.
    #[allow(unsafe_code)]
    let archive = unsafe { Archive::map(path) }.unwrap();
    let archive = if env::var(CHECKED).unwrap() == "true" { archive.checked().unwrap() } else { archive };
    let (_, reads) = STEPS.into_iter().find(|(name, _)| *name == step).unwrap();
    // A step that reads a section finds only that section unreadable: nothing else can end it.
    let unreadable = reads.as_ref().map_or(&UNREADABLE[..], std::slice::from_ref);
    for kind in unreadable {
        make_unreadable(&archive, *kind);
    }
    let target = archive.target(0).unwrap();
    if step == "resources" {
        target.resources().for_each(|resource| touch(&resource.unwrap().data().unwrap()));
    }
    let mut walked = Walked::default();
    for module in target.modules() {
        let module = module.unwrap();
        match step.as_str() {
            "walk" => walked.module(&module),
            "sources" => module.source_text().unwrap().iter().for_each(|text| touch(text)),
            "resources" => {}
            _ => module.codes().for_each(|code| read(&code.unwrap(), &step)),
        }
    }
    if step == "walk" {
        assert_eq!(walked.codes, archive.code_count());
        assert!(walked.docstrings > 1000 && walked.objects > 100_000 && walked.bytes > 1_000_000, "{walked:?}");
    }
}

/// Makes the pages that lie wholly in the section unreadable. The first and the last page may have bytes of others.
fn make_unreadable(archive: &Archive<Mapping>, kind: SectionKind) {
    let section = archive.sections().find(|section| section.kind == kind).unwrap();
    let (offset, end) = (section.offset as usize, (section.offset + section.len) as usize);
    let (start, end) = (offset.next_multiple_of(PAGE), end / PAGE * PAGE);
    assert!(end >= start + 4 * PAGE, "{kind:?} spans too few pages: {start:#x} to {end:#x}");
    let pages = archive.storage().as_ref()[start..end].as_ptr().cast_mut().cast();
    // SAFETY: the pages belong to the mapping of the archive, which lives as long as `archive`. A later access to them
    // ends the process by a signal, which is what this test wants.
    #[allow(unsafe_code)]
    unsafe { mprotect(pages, end - start, MprotectFlags::empty()) }.unwrap();
}

/// Reads a cold part of a code object.
fn read(code: &Code<'_>, step: &str) {
    match step {
        "first lines" => touch(&code.first_line().unwrap().to_le_bytes()),
        "docstrings" => code.docstring().unwrap().iter().for_each(|text| touch(&text.bytes())),
        "line tables" => touch(&code.line_table().unwrap()),
        "signatures" | "signature texts" => code.signature_text().unwrap().iter().for_each(|text| touch(text)),
        _ => panic!("{step:?} is not a step"),
    }
}

/// Reads each byte.
fn touch(bytes: &[u8]) {
    std::hint::black_box(bytes.iter().map(|byte| u64::from(*byte)).sum::<u64>());
}

/// What the walk read.
#[derive(Debug, Default)]
struct Walked {
    codes: u32,
    objects: u64,
    bytes: u64,
    /// Constants in the docstrings section. The walk does not read them.
    docstrings: u64,
}

impl Walked {
    fn module(&mut self, module: &Module<'_>) {
        module.name().unwrap();
        for code in module.codes() {
            let code = code.unwrap();
            self.codes += 1;
            code.name().unwrap();
            self.items(code.locals().unwrap());
            self.items(code.constants().unwrap());
            self.items(code.names().unwrap());
            self.bytes += code.bytecode().unwrap().len() as u64;
            touch(&code.bytecode().unwrap());
        }
    }

    fn items(&mut self, items: Items<'_>) {
        for item in items {
            if let Item::Object(object) = item.unwrap() {
                self.object(&object);
            }
        }
    }

    fn object(&mut self, object: &Object<'_>) {
        if object.is_cold().unwrap() {
            self.docstrings += 1;
            return;
        }
        self.objects += 1;
        match object.constant().unwrap() {
            Constant::Leaf(leaf) => drop(std::hint::black_box(format!("{leaf:?}"))),
            Constant::Container(container) => {
                for item in container.iter() {
                    if let Item::Object(object) = item.unwrap() {
                        self.object(&object);
                    }
                }
            }
        }
    }
}
