//! `cargo xtask bench open`: opening takes the same number of instructions for ten modules as for ten thousand.

use super::{callgrind, synthetic};
use crate::run::{cargo, release_folder, run};
use anyhow::{Result, ensure};
use std::process::Command;

/// Counts under callgrind and compares, within one percent.
pub(crate) fn open() -> Result<()> {
    run(&mut cargo(&["build", "--quiet", "--release", "--package", "permacode-reader", "--example", "open"]))?;
    let folder = tempfile::tempdir()?;
    let mut counts = Vec::new();
    for modules in [10, 10_000] {
        let path = folder.path().join(format!("{modules}.perma"));
        synthetic::archive_of(modules)?.publish(&path)?;
        let count = callgrind::count("open_mapped", Command::new(release_folder().join("examples/open")).arg(&path))?;
        println!("open of {modules:>6} modules: {} instructions", count.instructions);
        counts.push(count.instructions);
    }
    let (few, many) = (counts[0], counts[1]);
    ensure!(few.abs_diff(many) * 100 <= few, "opening depends on the number of modules: {few} and {many} instructions");
    Ok(())
}
