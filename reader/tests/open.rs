//! Opening and lookups allocate nothing. An archive of another version is refused, and the error names the version.

mod counting;

use counting::allocations;
use permacode_reader::{Archive, ErrorKind, Rule};
use permacode_testkit::{Edited, shapes};

#[test]
fn open_and_find_allocate_nothing_for_any_number_of_modules() {
    for count in [1, 3000] {
        let modules = (0..count).map(|number| shapes::plain(&format!("m{number}"))).collect();
        let bytes = shapes::archive(modules, vec![shapes::resource(b"r", b"data")]);
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
fn refusing_an_archive_allocates_only_the_error() {
    let mut archive = Edited(shapes::everything());
    archive.set("header.version", 99);
    let calls = allocations(|| assert!(Archive::open(&archive.0).is_err()));
    assert_eq!(calls, 1);
}

#[test]
fn an_unknown_version_is_named_even_if_its_header_is_unknown() {
    let mut archive = Edited(shapes::everything());
    archive.set("header.version", 99);
    // A later version may have another header, and checksums of its own.
    archive.set("header.header_len", 1000);
    archive.set("header.incompat", 0xFFFF_FFFF);
    let error = Archive::open(&archive.0).unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::UnsupportedVersion { found: 99 }), "{error:?}");
    assert_eq!((error.rule(), error.offset()), (Some(Rule::H2), Some(8)));
    assert_eq!(
        error.to_string().split(" (").next().unwrap(),
        "the archive has format version 99, but this reader knows version 1: use a reader of that version, or bundle \
         again; rule H-2: The format version must be one that the reader knows."
    );
}
