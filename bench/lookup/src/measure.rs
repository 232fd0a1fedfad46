//! Measuring both contenders in turn.

use crate::{
    Names,
    contenders::{Archived, MapFile},
    queries::Queries,
};
use anyhow::Result;
use fastrand::Rng;
use rustix::time::{ClockId, clock_gettime};
use serde::Serialize;
use std::hint::black_box;

/// Lookups that are timed at once while the caches are warm, or more if there are more names.
const WARM: usize = 50_000;

/// Lookups that are timed at once after the caches were emptied. More of them would warm the caches.
const COLD: usize = 500;

/// How often the contenders take turns in a round.
const TURNS: usize = 4;

/// More bytes than the caches of a processor hold.
const LARGER_THAN_CACHES: usize = 128 << 20;

/// Bytes of a cache line.
const LINE: usize = 64;

/// Nanoseconds a lookup, and their ratio.
#[derive(Debug, Serialize)]
pub(crate) struct Measurement {
    modules: usize,
    names: Names,
    caches: Caches,
    permacode: Quartiles,
    rkyv: Quartiles,
    /// The time in the archive divided by the time in the hash map, round by round.
    ratio: Quartiles,
}

/// What the caches of the processor hold when the lookups begin.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
enum Caches {
    /// As much of both structures as fits
    Warm,
    /// Nothing of them
    Cold,
}

#[derive(Debug, Serialize)]
struct Quartiles {
    lower: f64,
    median: f64,
    upper: f64,
}

impl Quartiles {
    fn of(mut values: Vec<f64>) -> Self {
        values.sort_by(f64::total_cmp);
        let at = |part: f64| values[((values.len() - 1) as f64 * part).round() as usize];
        Quartiles { lower: at(0.25), median: at(0.5), upper: at(0.75) }
    }
}

/// Both contenders, with the number of rounds.
#[derive(Debug)]
pub(crate) struct Rounds<'a> {
    archived: &'a Archived<'a>,
    map: &'a MapFile,
    rounds: u32,
}

impl<'a> Rounds<'a> {
    pub(crate) fn new(archived: &'a Archived<'a>, map: &'a MapFile, rounds: u32) -> Self {
        Rounds { archived, map, rounds }
    }

    /// Measures lookups of these names with warm and with cold caches.
    pub(crate) fn measure(&self, names: Names) -> Result<[Measurement; 2]> {
        Ok([self.measure_with(names, Caches::Warm)?, self.measure_with(names, Caches::Cold)?])
    }

    fn measure_with(&self, names: Names, caches: Caches) -> Result<Measurement> {
        let all = self.archived.names()?;
        let modules = all.len();
        let mut queries = Queries::new(all, names);
        let mut rng = Rng::with_seed(1);
        let mut evictor = Evictor::new(caches);
        let (mut permacode, mut rkyv, mut ratio) = (Vec::new(), Vec::new(), Vec::new());
        let contenders: [Count<'_>; 2] = [&|names| self.archived.count(names), &|names| self.map.count(names)];
        for round in 0..self.rounds as usize {
            let mut totals = [0.0; 2];
            for turn in 0..TURNS {
                queries.shuffle(&mut rng, if caches == Caches::Warm { usize::MAX } else { COLD });
                let names = queries.names();
                // Each contender goes first every other time.
                for contender in if (round + turn) % 2 == 0 { [0, 1] } else { [1, 0] } {
                    let count = contenders[contender];
                    totals[contender] += match caches {
                        Caches::Warm => warm(&queries, &names, count)?,
                        Caches::Cold => {
                            evictor.evict();
                            timed(&queries, &names, 1, count)?
                        }
                    };
                }
            }
            let [ours, theirs] = totals.map(|total| total / TURNS as f64);
            permacode.push(ours);
            rkyv.push(theirs);
            ratio.push(ours / theirs);
        }
        Ok(Measurement {
            modules,
            names,
            caches,
            permacode: Quartiles::of(permacode),
            rkyv: Quartiles::of(rkyv),
            ratio: Quartiles::of(ratio),
        })
    }
}

/// Looks up names. The result is the number of those that were found.
type Count<'c> = &'c dyn Fn(&[&str]) -> usize;

/// Looks up everything once without the clock, then several times with it.
fn warm(queries: &Queries, names: &[&str], count: Count<'_>) -> Result<f64> {
    queries.check(count(names))?;
    timed(queries, names, WARM.div_ceil(names.len()), count)
}

/// Nanoseconds of processor time a lookup. Other processes interrupt a measurement on the wall clock.
fn timed(queries: &Queries, names: &[&str], times: usize, count: Count<'_>) -> Result<f64> {
    let start = processor_time();
    let mut found = 0;
    for _ in 0..times {
        found += count(black_box(names));
    }
    let elapsed = processor_time() - start;
    queries.check(found / times)?;
    Ok(elapsed / (times * names.len()) as f64)
}

/// Nanoseconds that this thread has run.
fn processor_time() -> f64 {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    time.tv_sec as f64 * 1e9 + time.tv_nsec as f64
}

/// Fills the caches of the processor with other memory.
struct Evictor(Vec<u8>);

impl Evictor {
    fn new(caches: Caches) -> Self {
        Evictor(vec![0; if caches == Caches::Warm { 0 } else { LARGER_THAN_CACHES }])
    }

    fn evict(&mut self) {
        for byte in self.0.iter_mut().step_by(LINE) {
            *byte = byte.wrapping_add(1);
        }
        black_box(&self.0);
    }
}
