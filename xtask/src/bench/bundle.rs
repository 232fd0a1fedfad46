//! `cargo xtask bench bundle`: the time that signatures add to bundling.

use crate::pythons;
use anyhow::{Context, Result};
use permacode_bundle::{BundleOptions, Interpreter, Strip, bundle};
use std::{
    path::PathBuf,
    time::{Duration, Instant},
};

/// Bundle whole standard libraries with and without signatures, in turn (build this with --release)
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The interpreters; by default one of each minor version that is found
    pythons: Vec<PathBuf>,
    /// How often each is bundled
    #[arg(long, default_value_t = 5)]
    rounds: u32,
}

/// Prints the median times and their ratio.
pub(crate) fn time(args: &Args) -> Result<()> {
    let pythons =
        if args.pythons.is_empty() { pythons::taking_part().into_values().collect() } else { args.pythons.clone() };
    for python in pythons {
        let interpreter = Interpreter::probe(&python).with_context(|| format!("cannot use {}", python.display()))?;
        let with = BundleOptions::new(interpreter.clone()).resources(false);
        let without = with.clone().strip(Strip::Signatures);
        let mut times = [Vec::new(), Vec::new()];
        for _ in 0..args.rounds.max(1) {
            for (times, options) in times.iter_mut().zip([&without, &with]) {
                let start = Instant::now();
                bundle(options, &())?;
                times.push(start.elapsed());
            }
        }
        let [without, with] = times.map(median);
        println!(
            "CPython {}: {:.2} s without signatures, {:.2} s with: {:.3}",
            interpreter.version_text,
            without.as_secs_f64(),
            with.as_secs_f64(),
            with.as_secs_f64() / without.as_secs_f64(),
        );
    }
    Ok(())
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort();
    times[times.len() / 2]
}
