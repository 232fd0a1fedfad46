//! Resources take memory once. This is the only test of its process: it looks at how much memory that took.
#![cfg(target_os = "linux")]
#![allow(missing_docs)]

use permacode_bundle::{BundleOptions, bundle};
use permacode_testkit::interpreters;
use std::fs;

const LEN: u64 = 96 << 20;

/// The most memory that the process ever had, in bytes.
fn peak() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() << 10
}

#[test]
fn a_resource_lies_in_memory_once() {
    let interpreter = interpreters::newest();
    let folder = tempfile::tempdir().unwrap();
    let tree = folder.path().join("tree");
    fs::create_dir(&tree).unwrap();
    fs::write(tree.join("a.py"), "x = 1\n").unwrap();
    fs::File::create(tree.join("model.bin")).unwrap().set_len(LEN).unwrap();
    let before = peak();
    let bundle = bundle(&BundleOptions::new(interpreter).library(false).path(&tree), &()).unwrap();
    assert_eq!((bundle.report().resources, bundle.report().resource_bytes), (1, LEN));
    bundle.publish(folder.path().join("all.perma")).unwrap();
    let taken = peak() - before;
    assert!((LEN..LEN * 3 / 2).contains(&taken), "{taken} bytes for resources of {LEN}");
}
