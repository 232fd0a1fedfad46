//! `.pyc` files of CPython 3.14 and 3.15 through an archive: what comes out is what went in.
//!
//! What `later.rs` says of the model holds of the archive too, since both files are encoded from equal models; so it is
//! enough that the bytes are equal.

use permacode_model::{Container, Module, Object, Ref};
use permacode_pyc::{decode_pyc, encode_pyc, target_for};
use permacode_reader::Archive;
use permacode_writer::{Options, Writer};
use std::{fs, path::Path};

#[test]
fn files_of_later_versions_come_out_of_an_archive_as_they_went_in() {
    let mut seen = 0;
    for minor in ["3.14", "3.15"] {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../testdata/pyc").join(minor);
        let mut paths: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
        paths.retain(|path| path.extension().is_some_and(|extension| extension == "pyc"));
        paths.sort();
        for path in paths {
            let bytes = fs::read(&path).unwrap();
            through_an_archive(&bytes, &path.display().to_string());
            seen += 1;
        }
    }
    assert_eq!(seen, 16, "eight files of each version");
}

fn through_an_archive(bytes: &[u8], name: &str) {
    let mut pyc = decode_pyc(bytes).unwrap();
    pyc.module.name = "features".into();
    let filename = pyc.module.filename.as_ref().unwrap().path.text.to_vec();
    let expected = encode_pyc(&pyc.module, &pyc.header, &filename).unwrap();

    let mut writer = Writer::new(Options::default());
    let target = writer.add_target(&target_for(pyc.header.version, 0x030E_00F0, 0)).unwrap();
    writer.add_module(target, &pyc.module).unwrap();
    let archive_bytes = writer.plan().unwrap().to_bytes();

    let archive = Archive::open(&archive_bytes).unwrap();
    archive.verify().unwrap();
    let module = archive.targets().next().unwrap().find("features").unwrap().unwrap();
    let module = Module::try_from(&module).unwrap();
    assert_eq!(encode_pyc(&module, &pyc.header, &filename).unwrap(), expected, "{name}");
}

#[test]
fn a_frozendict_of_3_15_is_one_constant() {
    // `{'a': 1, 'b': (2, 3)}` as a frozendict, twice among the constants, and slice(1, 2).
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../testdata/pyc/frozendict_315.pyc");
    let bytes = fs::read(path).unwrap();
    let module = decode_pyc(&bytes).unwrap().module;
    let constants = &module.codes[module.body.unwrap() as usize].constants;
    let [.., first, second, slice] = constants[..] else { panic!("three constants were added: {constants:?}") };
    assert_eq!(first, second, "one object");
    for (constant, kind, len) in [(first, Container::FrozenDict, 4), (slice, Container::Slice, 3)] {
        let Ref::Object(object) = constant else { panic!("{constant:?}") };
        match &module.objects[object as usize] {
            Object::Container(found, items) => assert_eq!((*found, items.len()), (kind, len)),
            other => panic!("{other:?}"),
        }
    }
    through_an_archive(&bytes, "frozendict_315.pyc");
}
