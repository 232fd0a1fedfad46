//! Signals that end the process: the temporaries of an archive that is being written go first.

/// Removes temporaries when one of these signals arrives, and ends as the signal would have ended the process. Where no
/// thread can wait for signals, they end the process at once, and the next writer of the archive removes the temporary.
#[cfg(unix)]
pub(crate) fn clean_up_at_end() {
    use signal_hook::{
        consts::{SIGHUP, SIGINT, SIGTERM},
        iterator::Signals,
        low_level::emulate_default_handler,
    };
    let wait = || {
        let Ok(mut signals) = Signals::new([SIGINT, SIGTERM, SIGHUP].iter().filter(|signal| !is_ignored(**signal)))
        else {
            return;
        };
        for signal in signals.forever() {
            permacode_bundle::remove_temporaries();
            let _ = emulate_default_handler(signal);
        }
    };
    let _ = std::thread::Builder::new().name("signals".to_owned()).spawn(wait);
}

#[cfg(not(unix))]
pub(crate) fn clean_up_at_end() {}

/// With `ulimit -f`, a write beyond the limit fails and is an error like any other. Without a handler, the signal would
/// end the process and leave a temporary file behind.
#[cfg(unix)]
pub(crate) fn survive_file_size_limit() {
    let _ = signal_hook::flag::register(signal_hook::consts::SIGXFSZ, std::sync::Arc::default());
}

#[cfg(not(unix))]
pub(crate) fn survive_file_size_limit() {}

/// Whether whoever started the process wants it to ignore a signal, as `nohup` does. Only Linux tells.
#[cfg(unix)]
fn is_ignored(signal: i32) -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let mask = mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or_default();
    mask >> (signal - 1) & 1 == 1
}
