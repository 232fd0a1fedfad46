//! `cargo xtask spec`: the generated blocks of spec.md.

mod example;
mod vectors;

use crate::run::root;
use anyhow::{Context, Result, bail};
use std::fs;

/// Compare the generated blocks of spec.md with newly generated ones
#[derive(Debug, Default, clap::Args)]
pub(crate) struct Args {
    /// Write the generated blocks into spec.md, and do not compare them
    #[arg(long)]
    bless: bool,
}

/// Writes or compares the generated blocks of spec.md.
pub(crate) fn spec(args: &Args) -> Result<()> {
    let path = root().join("spec.md");
    let text = fs::read_to_string(&path).context("cannot read spec.md")?;
    let mut new = text.clone();
    for (name, block) in [("worked-example", example::block()?), ("test-vectors", vectors::block()?)] {
        new = replaced(&new, name, &block)?;
    }
    if args.bless {
        fs::write(&path, new).context("cannot write spec.md")?;
    } else if new != text {
        bail!("the generated blocks of spec.md are out of date: run cargo xtask spec --bless");
    }
    println!("spec.md: the generated blocks are {}", if args.bless { "written" } else { "up to date" });
    Ok(())
}

/// Replaces the block between the markers of this name.
fn replaced(text: &str, name: &str, block: &str) -> Result<String> {
    let (start, end) = (format!("<!-- generated: {name} -->\n"), format!("<!-- end of generated: {name} -->"));
    let split = text.split_once(&start).and_then(|(before, rest)| Some((before, rest.split_once(&end)?.1)));
    let (before, after) = split.with_context(|| format!("spec.md has no block {name}"))?;
    Ok(format!("{before}{start}{block}{end}{after}"))
}
