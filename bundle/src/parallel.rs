//! Parallel loops.

use std::{
    num::NonZero,
    sync::{
        Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    thread,
};

use crate::error::Error;

/// The number of threads to use: the given one, or one for each processor.
pub(crate) fn threads(asked: Option<usize>) -> usize {
    asked.unwrap_or_else(|| thread::available_parallelism().map_or(1, NonZero::get)).max(1)
}

/// Calls `work` once for each number below `count`. Each thread has its own state.
///
/// # Errors
/// The error with the lowest number. After an error, no new calls start.
pub(crate) fn for_each<S>(
    threads: usize,
    count: usize,
    state: impl Fn() -> S + Sync,
    work: impl Fn(&mut S, usize) -> Result<(), Error> + Sync,
) -> Result<(), Error> {
    let next = AtomicUsize::new(0);
    let failed = AtomicBool::new(false);
    let errors = Mutex::new(Vec::new());
    let work = || {
        let mut state = state();
        while !failed.load(Ordering::Relaxed) {
            let number = next.fetch_add(1, Ordering::Relaxed);
            if number >= count {
                break;
            }
            if let Err(error) = work(&mut state, number) {
                failed.store(true, Ordering::Relaxed);
                errors.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).push((number, error));
            }
        }
    };
    thread::scope(|scope| {
        for _ in 1..threads.min(count) {
            // The system may allow fewer threads.
            if thread::Builder::new().spawn_scoped(scope, work).is_err() {
                break;
            }
        }
        // This thread works, too, and may be the only one.
        work();
    });
    let mut errors = errors.into_inner().unwrap_or_else(|poisoned| poisoned.into_inner());
    errors.sort_by_key(|(number, _)| *number);
    errors.into_iter().next().map_or(Ok(()), |(_, error)| Err(error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_number_once_and_the_first_error() {
        let sum = AtomicUsize::new(0);
        let add = |(): &mut (), number| {
            sum.fetch_add(number, Ordering::Relaxed);
            Ok(())
        };
        for_each(4, 100, || (), add).unwrap();
        assert_eq!(sum.into_inner(), 4950);
        let fail = |(): &mut (), number: usize| Err(Error::unsafe_name(number.to_string(), "test"));
        let error = for_each(1, 100, || (), fail).unwrap_err();
        assert!(error.to_string().contains("\"0\""), "{error}");
    }
}
