//! Finding a module by its name in an archive, beside finding a record of the same size in a hash map of rkyv.
//!
//! `cargo xtask bench lookup` makes the archives and runs this program. It measures the way from a name to a
//! [`permacode_reader::Module`] in hand. On the side of rkyv that is the way to a record in an `ArchivedHashMap`, which
//! is accessed without validation. Both files lie in memory with the same alignment.

mod contenders;
mod measure;
mod queries;

use anyhow::{Context, Result};
use clap::{Parser, Subcommand, ValueEnum};
use contenders::{Archived, MapFile};
use measure::{Measurement, Rounds};
use permacode_reader::Archive;
use queries::Queries;
use rkyv::util::AlignedVec;
use std::{fs, path::PathBuf};

#[derive(Debug, Parser)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Measure both contenders in turn; the results go to standard output as JSON
    Time {
        archives: Vec<PathBuf>,
        #[arg(long, default_value_t = 41, value_parser = clap::value_parser!(u32).range(21..))]
        rounds: u32,
    },
    /// Look up each name once with one contender, to be counted by callgrind; print the number of lookups
    Once {
        archive: PathBuf,
        #[arg(long)]
        contender: Contender,
        #[arg(long)]
        names: Names,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Contender {
    Permacode,
    Rkyv,
}

/// The names that are looked up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Names {
    /// All that the archive has
    Present,
    /// The same, each with one other letter
    Absent,
}

fn main() -> Result<()> {
    match Cli::parse().command {
        Command::Time { archives, rounds } => {
            let mut measurements: Vec<Measurement> = Vec::new();
            for path in archives {
                let bytes = read(&path)?;
                let archive = Archive::open(&bytes[..])?;
                let archived = Archived::new(&archive)?;
                let map = MapFile::new(&archived.names()?)?;
                let contenders = Rounds::new(&archived, &map, rounds);
                for names in [Names::Present, Names::Absent] {
                    measurements.extend(contenders.measure(names)?);
                }
            }
            println!("{}", serde_json::to_string(&measurements)?);
        }
        Command::Once { archive, contender, names } => {
            let bytes = read(&archive)?;
            let archive = Archive::open(&bytes[..])?;
            let archived = Archived::new(&archive)?;
            let map = MapFile::new(&archived.names()?)?;
            let mut queries = Queries::new(archived.names()?, names);
            queries.shuffle(&mut fastrand::Rng::with_seed(1), usize::MAX);
            let found = match contender {
                Contender::Permacode => archived.count(&queries.names()),
                Contender::Rkyv => map.count(&queries.names()),
            };
            queries.check(found)?;
            println!("{}", queries.len());
        }
    }
    Ok(())
}

/// Reads a file into memory that is aligned for both contenders.
fn read(path: &PathBuf) -> Result<AlignedVec> {
    let file = fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
    let mut bytes = AlignedVec::new();
    bytes.extend_from_slice(&file);
    Ok(bytes)
}
