//! What the fuzz targets share.

use std::sync::atomic::{AtomicU64, Ordering};

/// How many runs reached each step. A target that never passes its first check finds nothing.
#[derive(Debug)]
pub struct Shares<const STEPS: usize> {
    names: [&'static str; STEPS],
    runs: AtomicU64,
    reached: [AtomicU64; STEPS],
}

impl<const STEPS: usize> Shares<STEPS> {
    pub const fn new(names: [&'static str; STEPS]) -> Self {
        Shares { names, runs: AtomicU64::new(0), reached: [const { AtomicU64::new(0) }; STEPS] }
    }

    /// Counts a run. Prints the shares from time to time.
    pub fn run(&self) {
        let runs = self.runs.fetch_add(1, Ordering::Relaxed) + 1;
        if runs.is_power_of_two() && runs >= 1 << 12 {
            let share = |count: &AtomicU64| 100.0 * count.load(Ordering::Relaxed) as f64 / runs as f64;
            let shares =
                self.names.iter().zip(&self.reached).map(|(name, count)| format!("{name} {:.1} %", share(count)));
            eprintln!("of {runs} runs: {}", shares.collect::<Vec<_>>().join(", "));
        }
    }

    /// Counts a run that reached this step.
    pub fn reach(&self, step: usize) {
        self.reached[step].fetch_add(1, Ordering::Relaxed);
    }
}
