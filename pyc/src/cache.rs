//! Names of compiled files (`importlib.util.cache_from_source`).

/// The part of the name of a compiled file that gives the optimisation level. It is empty for level 0.
///
/// ```
/// assert_eq!(permacode_pyc::optimization_suffix(0), "");
/// assert_eq!(permacode_pyc::optimization_suffix(2), ".opt-2");
/// ```
#[must_use]
pub fn optimization_suffix(level: u8) -> String {
    if level == 0 { String::new() } else { format!(".opt-{level}") }
}

/// The end of the names of compiled files in `__pycache__`: cache tag, optimisation level, `.pyc`.
///
/// ```
/// assert_eq!(permacode_pyc::cache_suffix("cpython-311", 0), ".cpython-311.pyc");
/// assert_eq!(permacode_pyc::cache_suffix("cpython-311", 1), ".cpython-311.opt-1.pyc");
/// ```
#[must_use]
pub fn cache_suffix(cache_tag: &str, level: u8) -> String {
    format!(".{cache_tag}{}.pyc", optimization_suffix(level))
}
