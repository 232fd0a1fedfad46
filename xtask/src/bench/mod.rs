//! `cargo xtask bench`: measurements.

mod open;
mod placement;
mod python;

use anyhow::Result;
pub(crate) use open::open;

/// Measure
#[derive(Debug, clap::Subcommand)]
pub(crate) enum Bench {
    Python(python::Args),
    /// Count the instructions that opening takes: as many for ten thousand modules as for ten
    Open,
}

impl Bench {
    /// Runs the measurement.
    pub(crate) fn run(&self) -> Result<()> {
        match self {
            Bench::Python(args) => python::python(args),
            Bench::Open => open(),
        }
    }
}
