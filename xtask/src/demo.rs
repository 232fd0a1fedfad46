//! `cargo xtask demo`: a standard library as one file.

use crate::run::{cargo, root, run};
use anyhow::{Context, Result};
use std::path::PathBuf;

/// Bundle the standard library of an interpreter and show the contents of the archive
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The interpreter whose standard library is bundled: a command or a path
    #[arg(default_value = "python3")]
    python: PathBuf,
}

/// Bundles a standard library and shows the contents of the archive.
pub(crate) fn demo(args: &Args) -> Result<()> {
    let folder = root().join("target");
    std::fs::create_dir_all(&folder).with_context(|| format!("cannot create {}", folder.display()))?;
    let archive = "target/stdlib.perma";
    let permacode = ["run", "--quiet", "--release", "--package", "permacode", "--"];
    run(cargo(&permacode).args(["bundle", "--output", archive, "--python"]).arg(&args.python))?;
    println!();
    run(cargo(&permacode).args(["info", archive]))?;
    println!("\nNext: cargo run --release -p permacode -- list {archive} json");
    Ok(())
}
