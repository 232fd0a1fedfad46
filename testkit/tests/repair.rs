//! Repair of changed archives: it restores what it corrects, and accepts any bytes.

use permacode_format::SectionKind;
use permacode_reader::{Archive, Rule};
use permacode_testkit::{Edited, Repair, Sections, shapes};

/// Overwrites everything that [`Repair::Everything`] corrects.
fn scrambled(bytes: &[u8]) -> Edited {
    let mut archive = Edited(bytes.to_vec());
    let kinds: Vec<SectionKind> = archive.sections().filter_map(|(kind, _)| kind).collect();
    for kind in &kinds {
        archive.set(&format!("section:{}.crc", kind.name()), 7);
        if kind.is_chunked() {
            archive.set(&format!("section:{}.first_chunk", kind.name()), 7);
        }
    }
    if kinds.contains(&SectionKind::Checksums) {
        let checksums = archive.section(SectionKind::Checksums);
        archive.0[checksums].fill(7);
    }
    for field in ["magic", "reserved2"] {
        let place = archive.place(&format!("header.{field}"));
        archive.0[place].fill(7);
    }
    for field in [
        "version",
        "header_len",
        "file_len",
        "header_crc",
        "reserved",
        "incompat",
        "table_crc",
        "page_log2",
        "chunk_log2",
    ] {
        archive.set(&format!("header.{field}"), 7);
    }
    archive
}

#[test]
fn everything_that_was_scrambled_is_restored() {
    for (name, bytes) in shapes::all() {
        let mut archive = scrambled(&bytes);
        assert_eq!(Archive::open(&archive.0).unwrap_err().rule(), Some(Rule::H1), "{name}");
        archive.repair(Repair::Everything);
        assert!(archive.0 == bytes, "{name}");
    }
}

#[test]
fn sections_of_several_chunks_get_their_chunks_in_order() {
    let mut sections = Sections::of(&shapes::everything());
    sections.section(SectionKind::Files).resize(100_000, b'x');
    let bytes = sections.archive();
    Archive::open(&bytes).unwrap().verify().unwrap();
    let mut archive = scrambled(&bytes);
    archive.repair(Repair::Everything);
    assert!(archive.0 == bytes);
}

#[test]
fn any_bytes_can_be_repaired() {
    let bytes = shapes::everything();
    for len in (0..1000).chain((1000..bytes.len()).step_by(97)) {
        for byte in [0, 0xFF] {
            let mut archive = Edited([&bytes[..len], &[byte; 100]].concat());
            archive.repair(Repair::Everything);
            let opened = Archive::open(&archive.0).map(|archive| archive.file_len());
            assert_ne!(opened.err().and_then(|error| error.rule()), Some(Rule::H5), "{len}");
        }
        let mut archive = Edited(vec![0xFF; len]);
        archive.repair(Repair::Everything);
        assert!(archive.sections().count() <= 256);
    }
}
