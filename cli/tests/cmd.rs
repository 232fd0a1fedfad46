//! The output of the command, compared with `tests/cmd/*.trycmd`. `TRYCMD=overwrite` writes the current output.
#![allow(missing_docs)]

mod sample;

use permacode_model::Strip;

#[test]
fn the_output_is_that_of_the_transcripts() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, bytes: &[u8]| std::fs::write(folder.path().join(name), bytes).unwrap();
    let archive = permacode_testkit::toy::archive();
    write("toy.perma", &archive);
    write("shop.perma", &sample::archive());
    write("stripped.perma", &sample::without(&[Strip::Docstrings, Strip::Signatures]));
    write("cut.perma", &archive[..archive.len() - 1]);
    write("empty.perma", b"");
    write("text.perma", b"# no archive\n");
    let mut damaged = archive.clone();
    // The last byte lies in the last section, which --quick does not read.
    *damaged.last_mut().unwrap() ^= 1;
    write("damaged.perma", &damaged);
    let mut rotten = archive.clone();
    let name = rotten.windows(12).position(|window| window == b"tools.hammer").unwrap();
    rotten[name] ^= 1;
    write("rotten.perma", &rotten);
    // This is the only test of its process, so no other test depends on the current folder.
    std::env::set_current_dir(folder.path()).unwrap();
    trycmd::TestCases::new().case(format!("{}/tests/cmd/*.trycmd", env!("CARGO_MANIFEST_DIR"))).run();
}
