//! Opening and looking up allocate nothing; a file of another version is refused by its number.
// The counting allocator is the one thing here that cannot be had in safe code.
#![allow(unsafe_code)]

mod common;

use common::{
    edit::{Edited, Repair},
    shapes,
};
use permacode_reader::{Archive, ErrorKind, Rule};
use std::{
    alloc::{GlobalAlloc, Layout, System},
    cell::Cell,
};

thread_local! {
    static CALLS: Cell<u64> = const { Cell::new(0) };
}

struct Counting;

// SAFETY: all is handed on to the allocator of the system; the counter neither allocates nor panics.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let _ = CALLS.try_with(|calls| calls.set(calls.get() + 1));
        // SAFETY: the caller promises what `System` asks for.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: as above.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

fn allocations(work: impl FnOnce()) -> u64 {
    let before = CALLS.get();
    work();
    CALLS.get() - before
}

#[test]
fn opening_and_finding_allocate_nothing_however_many_modules_there_are() {
    for count in [1, 3000] {
        let modules = (0..count).map(|number| shapes::plain(&format!("m{number}"))).collect();
        let bytes = shapes::write(3, &[(shapes::target(0), modules, vec![shapes::resource(b"r", b"data")])]);
        assert!(allocations(|| drop(std::hint::black_box(vec![1u8]))) > 0);
        let calls = allocations(|| {
            let archive = Archive::open(&bytes[..]).unwrap();
            let target = archive.targets().next().unwrap();
            let module = target.find("m0").unwrap().unwrap();
            assert!(target.find("absent").unwrap().is_none());
            let root = module.body().unwrap().unwrap();
            assert_eq!(root.bytecode().unwrap().as_slice(), b"run\0");
            assert_eq!(root.constants().unwrap().iter().count(), 1);
            assert!(root.has_qualname(b"<module>").unwrap());
            assert!(target.find_resource(b"stdlib/r").unwrap().unwrap().data().unwrap() == *b"data");
        });
        assert_eq!(calls, 0, "{count} modules");
    }
}

#[test]
fn an_archive_that_is_refused_costs_the_error_and_nothing_else() {
    let mut bytes = shapes::everything();
    bytes[8] = 99;
    let calls = allocations(|| assert!(Archive::open(&bytes[..]).is_err()));
    assert_eq!(calls, 1);
}

#[test]
fn version_99_is_refused_by_its_number_even_if_nothing_else_is_known_of_it() {
    let mut archive = Edited(shapes::everything());
    archive.set("header.version", 99);
    // A later version may have another header, and checksums of its own.
    archive.set("header.header_len", 1000);
    archive.set("header.incompat", 0xFFFF_FFFF);
    archive.repair(Repair::Nothing);
    let error = Archive::open(&archive.0).unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::UnsupportedVersion { found: 99 }), "{error:?}");
    assert_eq!((error.rule(), error.offset()), (Some(Rule::H2), Some(8)));
    assert_eq!(
        error.to_string().split(" (").next().unwrap(),
        "the archive has format version 99, but this reader knows version 1: use a reader of that version, or bundle again; rule H-2: The format version must be one that the reader knows."
    );
}
