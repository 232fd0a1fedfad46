//! Signals: none of them leaves a temporary file behind.

/// On SIGINT, SIGTERM or SIGHUP, removes temporary files and then ends the process as the signal would. If no thread
/// can be started to wait for signals, they end the process at once, and the next writer of the archive removes the
/// file.
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

/// Whether the process was started with this signal ignored, as by `nohup`. Only Linux reports it.
#[cfg(unix)]
fn is_ignored(signal: i32) -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let mask = mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or_default();
    mask >> (signal - 1) & 1 == 1
}
