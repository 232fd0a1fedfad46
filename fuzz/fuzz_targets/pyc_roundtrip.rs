//! Any bytes as a `.pyc` file: a decoded file can be encoded again, and decodes to the same value.
#![no_main]

use libfuzzer_sys::fuzz_target;
use permacode_fuzz::Shares;
use permacode_pyc::{decode_pyc, encode_pyc};
use permacode_reader::Archive;
use permacode_testkit::{Canonical, Program};

static SHARES: Shares<3> = Shares::new(["decoded", "encoded", "archived"]);

fuzz_target!(|bytes: &[u8]| {
    SHARES.run();
    let Ok(first) = decode_pyc(bytes) else { return };
    SHARES.reach(0);
    let filename = first.module.filename.as_ref().map(|filename| filename.path.text.to_vec()).unwrap_or_default();
    let encoded = encode_pyc(&first.module, &first.header, &filename).expect("a decoded file can be encoded");
    SHARES.reach(1);
    let second = decode_pyc(&encoded).expect("an encoded file can be decoded");
    assert_eq!(first.header, second.header);
    let (one, other) = (Canonical::of(&first.module), Canonical::of(&second.module));
    assert_eq!(one, other);
    let again = encode_pyc(&second.module, &second.header, &filename).unwrap();
    assert!(encoded == again, "encoding is a function of the module");

    // The same by way of an archive.
    let mut module = first.module.clone();
    module.name = "m".into();
    let archive = Program::of(vec![module]).write();
    let archive = Archive::open(&archive[..]).unwrap();
    archive.verify().unwrap();
    SHARES.reach(2);
    let program = Program::read(&archive).unwrap();
    let from_archive = encode_pyc(&program.targets[0].modules[0], &first.header, &filename).unwrap();
    let third = decode_pyc(&from_archive).unwrap();
    assert_eq!(one.nodes, Canonical::of(&third.module).nodes);
});
