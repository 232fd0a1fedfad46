//! `cargo xtask demo`: a standard library as one file.

use crate::run::{cargo, root, run};
use anyhow::{Context, Result};

/// Bundles the standard library of an interpreter and shows what is in it.
pub(crate) fn demo(python: &str) -> Result<()> {
    let folder = root().join("target");
    std::fs::create_dir_all(&folder).with_context(|| format!("cannot create {}", folder.display()))?;
    let archive = "target/stdlib.perma";
    let permacode = ["run", "--quiet", "--release", "--package", "permacode", "--"];
    run(&mut cargo(&[&permacode[..], &["bundle", "--python", python, "--output", archive]].concat()))?;
    println!();
    run(&mut cargo(&[&permacode[..], &["info", archive]].concat()))?;
    println!("\nNext: cargo run --release -p permacode -- list {archive} json");
    Ok(())
}
