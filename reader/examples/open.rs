//! Opens an archive and prints how many modules its targets have: `open FILE`.
//!
//! The file must not be written into or truncated meanwhile.
//!
//! `cargo xtask bench open` counts the instructions of `open_mapped` under callgrind, for few and for many modules.

#![allow(unsafe_code)]

use permacode_reader::{Archive, Mapping, Result};

#[inline(never)]
fn open_mapped(mapping: &Mapping) -> Result<Archive<&Mapping>> {
    Archive::open(mapping)
}

fn main() -> std::result::Result<(), Box<dyn std::error::Error>> {
    let path = std::env::args_os().nth(1).ok_or("usage: open FILE")?;
    // SAFETY: the file must not be written into or truncated while this runs; the user is asked not to.
    let mapping = unsafe { Mapping::open(path) }?;
    let archive = open_mapped(&mapping)?;
    let modules: u32 = archive.targets().map(|target| target.module_count()).sum();
    println!("{modules} modules");
    Ok(())
}
