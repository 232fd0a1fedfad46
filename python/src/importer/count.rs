//! Counts of what became of imports, for the whole process.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use pyo3::{prelude::*, types::PyDict};

/// A number that only grows, until it is reset.
pub(super) struct Count(AtomicU64);

impl Count {
    pub(super) fn add_one(&self) {
        self.0.fetch_add(1, Relaxed);
    }
}

macro_rules! counts {
    ($($(#[$doc:meta])* $name:ident $text:literal;)*) => {
        $($(#[$doc])* pub(super) static $name: Count = Count(AtomicU64::new(0));)*

        /// All counts begin at zero again.
        pub(super) fn reset() {
            $($name.0.store(0, Relaxed);)*
        }

        /// All counts by name.
        pub(super) fn all(py: Python<'_>) -> PyResult<Bound<'_, PyDict>> {
            let counts = PyDict::new(py);
            $(counts.set_item($text, $name.0.load(Relaxed))?;)*
            Ok(counts)
        }
    };
}

counts! {
    /// Code objects that came from an archive.
    HITS "hits";
    /// Modules that no archive has, or whose folder is not searched.
    MISSES "misses";
    /// Modules that an earlier entry has or may have, or whose finder or loader is not CPython's own.
    SHADOWED "shadowed";
    /// Modules that were left to CPython because the program changed how CPython imports.
    BLOCKED "blocked";
    /// Modules whose file is not what an archive was made from, if no other archive has the file.
    STALE "stale";
    /// Damage of an archive that was passed over: another archive or the file was used instead.
    FALLBACKS "fallbacks";
}
