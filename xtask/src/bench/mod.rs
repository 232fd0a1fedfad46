//! `cargo xtask bench`: measurements.

mod bundle;
mod callgrind;
mod lookup;
mod open;
mod placement;
mod programs;
mod python;
mod synthetic;

use anyhow::Result;
pub(crate) use open::open;

/// Measure bundling, importing, opening or finding modules
#[derive(Debug, clap::Subcommand)]
pub(crate) enum Bench {
    Bundle(bundle::Args),
    Programs(programs::Args),
    Python(python::Args),
    /// Count the instructions of opening an archive; ten thousand modules must take as many as ten
    Open,
    Lookup(lookup::Args),
}

impl Bench {
    /// Runs the measurement.
    pub(crate) fn run(&self) -> Result<()> {
        match self {
            Bench::Bundle(args) => bundle::time(args),
            Bench::Programs(args) => programs::programs(args),
            Bench::Python(args) => python::python(args),
            Bench::Open => open(),
            Bench::Lookup(args) => lookup::lookup(args),
        }
    }
}
