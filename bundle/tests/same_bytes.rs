//! The same files give the same bytes.

mod common;

use std::{
    fs,
    path::Path,
    time::{Duration, UNIX_EPOCH},
};

use common::tree;
use permacode_bundle::{BundleOptions, Interpreter, bundle};
use permacode_testkit::interpreters::{newest, one_per_minor};

/// Copies with names in another order of creation and other times.
fn copy(from: &Path, to: &Path, seconds: u64) {
    fs::create_dir_all(to).unwrap();
    let mut entries: Vec<_> = fs::read_dir(from).unwrap().map(|entry| entry.unwrap().path()).collect();
    entries.sort();
    entries.reverse();
    for entry in entries {
        let target = to.join(entry.file_name().unwrap());
        if entry.is_dir() {
            if entry.file_name().unwrap() != "__pycache__" {
                copy(&entry, &target, seconds);
            }
        } else {
            fs::copy(&entry, &target).unwrap();
            let file = fs::File::options().append(true).open(&target).unwrap();
            file.set_modified(UNIX_EPOCH + Duration::from_secs(seconds)).unwrap();
        }
    }
}

fn bytes(options: &BundleOptions) -> Vec<u8> {
    bundle(options, &()).unwrap().plan().to_bytes()
}

fn options(interpreter: &Interpreter) -> BundleOptions {
    BundleOptions::new(interpreter.clone()).library(false)
}

#[test]
fn neither_threads_nor_order_nor_place_nor_times_show() {
    let mut interpreters = one_per_minor();
    interpreters.dedup_by_key(|interpreter| interpreter.version.minor());
    let last = interpreters.len() - 1;
    for interpreter in [&interpreters[0], &interpreters[last]] {
        // Packages of the library that are large enough to be told from luck.
        let names = ["json", "asyncio", "email", "encodings"];
        let original: Vec<_> = names.iter().map(|name| interpreter.stdlib.join(name)).collect();
        let here = original.iter().fold(options(interpreter), BundleOptions::path);
        let once = bytes(&here.clone().threads(1));
        assert_eq!(once, bytes(&here.clone().threads(1)), "{}: twice", interpreter.version);
        assert_eq!(once, bytes(&here.clone().threads(7)), "{}: threads", interpreter.version);
        let shuffled = original.iter().rev().chain(&original).fold(options(interpreter), BundleOptions::path);
        assert_eq!(once, bytes(&shuffled), "{}: order", interpreter.version);
        let elsewhere = tree(&[]);
        for (path, name) in original.iter().zip(names) {
            copy(path, &elsewhere.path().join("a folder of another length").join(name), 1_000_000_007);
        }
        let copied = elsewhere.path().join("a folder of another length");
        assert_eq!(once, bytes(&options(interpreter).path(copied)), "{}: a copy", interpreter.version);
    }
}

#[test]
fn the_archive_is_not_part_of_itself() {
    let interpreter = newest();
    let tree = tree(&[("a.py", "x = 1\n"), ("in/b.txt", "")]);
    let (output, kept) = (tree.path().join("in/all.perma"), tree.path().join("kept"));
    let options = options(&interpreter).path(tree.path()).output(&output);
    let once = bytes(&options);
    bundle(&options, &()).unwrap().publish(&output).unwrap();
    fs::write(tree.path().join("in/.all.perma.x.perma-tmp"), "").unwrap();
    assert_eq!(once, bytes(&options));
    assert_eq!(once, bytes(&options.keep_compiled(kept)));
}
