//! The versions of CPython, and the magic numbers of their `.pyc` files.
//!
//! The numbers come from the history in `Include/internal/pycore_magic_number.h` (before 3.14:
//! `Lib/importlib/_bootstrap_external.py`).

use std::fmt;

use permacode_model::{ExceptionEncoding, LineEncoding, Target};

/// A version of CPython whose `.pyc` files this crate can read and write: 3.8 to 3.15.
///
/// Versions are ordered by minor version, then by magic number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Version {
    minor: u8,
    magic: u16,
}

/// For each version: the minor version, the first magic number whose files have the layout of the final release, the
/// magic number of the final release, and the last magic number of the version.
///
/// Earlier pre-releases have other fields: 3.8.0a1 has no positional-only parameters, and 3.11.0a6 has no location
/// table. The numbers of 3.15 start at 3650 and those of 3.16 at 3700, so 3699 is the last one that 3.15 can use.
const VERSIONS: [(u8, u16, u16, u16); 8] = [
    (8, 3410, 3413, 3413),
    (9, 3420, 3425, 3425),
    (10, 3431, 3439, 3439),
    (11, 3494, 3495, 3499),
    (12, 3500, 3531, 3549),
    (13, 3550, 3571, 3599),
    (14, 3600, 3627, 3649),
    (15, 3650, 3666, 3699),
];

/// Magic numbers of PyPy for Python 3.8 and later (`pypy_incremental_magic` in `pypy/interpreter/pycode.py`).
const PYPY: [(u16, &str); 4] = [(256, "3.8"), (336, "3.9"), (384, "3.10"), (416, "3.11")];

/// Magic numbers of CPython 0.9.4 to 1.1, which do not end in a line break (`MAGIC` in `Python/import.c`).
const OLD: [u32; 6] = [0x0094_9494, 0x0099_BE2A, 0x0099_BE3A, 0x0099_9901, 0x0099_9902, 0x0099_9903];

const SUPPORTED: &str = "expected CPython 3.8 to 3.15";

impl Version {
    /// The final release of CPython 3.`minor`. `None` if that is not one of 3.8 to 3.15.
    #[must_use]
    pub fn of_minor(minor: u8) -> Option<Self> {
        VERSIONS.iter().find(|version| version.0 == minor).map(|&(minor, _, magic, _)| Version { minor, magic })
    }

    /// The version with this magic number.
    ///
    /// # Errors
    /// If the number does not belong to CPython 3.8 to 3.15. The error names the implementation, if it is known.
    pub fn of_magic(magic: u16) -> Result<Self, Foreign> {
        VERSIONS
            .iter()
            .find(|&&(_, first, _, last)| (first..=last).contains(&magic))
            .map(|&(minor, ..)| Version { minor, magic })
            .ok_or(Foreign { magic: token(magic) })
    }

    /// The version of a target. `None` if its machine is not CPython, or if its magic number is not one of
    /// [`Version::of_magic`].
    #[must_use]
    pub fn of_target(target: &Target) -> Option<Self> {
        if target.vm != VM {
            return None;
        }
        Self::of_magic(magic_number(target.bytecode_magic)?).ok()
    }

    /// The minor version: 11 for CPython 3.11.
    #[must_use]
    pub fn minor(self) -> u8 {
        self.minor
    }

    /// The 16-bit magic number, 3495 for CPython 3.11.
    #[must_use]
    pub fn magic(self) -> u16 {
        self.magic
    }

    /// The first four bytes of a `.pyc` file as a little-endian number: magic number and line break
    /// (`PYC_MAGIC_NUMBER_TOKEN`).
    #[must_use]
    pub fn magic_token(self) -> u32 {
        token(self.magic)
    }

    /// Whether this is the magic number of a final release. This crate knows instruction numbers only for final
    /// releases.
    #[must_use]
    pub fn is_final(self) -> bool {
        Self::of_minor(self.minor) == Some(self)
    }

    /// The cache tag in the names of compiled files, for example `cpython-311` (`sys.implementation.cache_tag`).
    #[must_use]
    pub fn cache_tag(self) -> String {
        format!("cpython-3{}", self.minor)
    }

    /// The encoding of its line tables.
    #[must_use]
    pub fn line_encoding(self) -> LineEncoding {
        match self.minor {
            ..=9 => LineEncoding::Lnotab,
            10 => LineEncoding::LineTable310,
            _ => LineEncoding::LocationTable,
        }
    }

    /// The encoding of its exception tables.
    #[must_use]
    pub fn exception_encoding(self) -> ExceptionEncoding {
        if self.has_exception_table() { ExceptionEncoding::Table311 } else { ExceptionEncoding::Private }
    }

    /// Whether code objects have the fields of 3.11: one list of all local variables and their kinds, a qualified name
    /// and an exception table.
    pub(crate) fn has_exception_table(self) -> bool {
        self.minor >= 11
    }
}

/// The 16-bit magic number in `token`, the first four bytes of a `.pyc` file as a little-endian number.
///
/// `None` if the bytes do not end in a line break. Every CPython since 1.2 writes one.
///
/// ```
/// assert_eq!(permacode_pyc::magic_number(0x0A0D_0DA7), Some(3495));
/// assert_eq!(permacode_pyc::magic_number(3495), None);
/// ```
#[must_use]
pub fn magic_number(token: u32) -> Option<u16> {
    let [low, high, b'\r', b'\n'] = token.to_le_bytes() else { return None };
    Some(u16::from_le_bytes([low, high]))
}

/// The first four bytes of a `.pyc` file as a little-endian number.
fn token(magic: u16) -> u32 {
    let [low, high] = magic.to_le_bytes();
    u32::from_le_bytes([low, high, b'\r', b'\n'])
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CPython 3.{}", self.minor)
    }
}

/// The name of CPython in [`Target::vm`].
pub const VM: &str = "cpython";

/// The target of modules that CPython `version` compiled at the level `optimization`.
///
/// `hexversion` is the `sys.hexversion` of the interpreter.
///
/// ```
/// let version = permacode_pyc::Version::of_minor(13).unwrap();
/// let target = permacode_pyc::target_for(version, 0x030D_00F0, 0);
/// assert_eq!((target.vm.as_str(), target.cache_tag.as_str()), ("cpython", "cpython-313"));
/// assert_eq!(target.bytecode_magic, 0x0A0D_0DF3);
/// ```
#[must_use]
pub fn target_for(version: Version, hexversion: u32, optimization: u8) -> Target {
    Target {
        optimization,
        cache_tag: version.cache_tag(),
        line_encoding: version.line_encoding(),
        exception_encoding: version.exception_encoding(),
        ..Target::new(VM, version.magic_token(), hexversion, 2)
    }
}

/// A magic number that is not one of CPython 3.8 to 3.15. `Display` names its implementation, if it is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Foreign {
    /// The first four bytes of the file, read as one little-endian number.
    pub magic: u32,
}

impl Foreign {
    /// The magic number of a file that starts with these bytes, if CPython 0.9 to 1.1 wrote it.
    pub(crate) fn of_old(magic: [u8; 4]) -> Option<Self> {
        let magic = u32::from_le_bytes(magic);
        OLD.contains(&magic).then_some(Foreign { magic })
    }
}

impl fmt::Display for Foreign {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(magic) = magic_number(self.magic) else {
            return write!(f, "compiled by CPython 0.9 to 1.1 (magic number {:#x}); {SUPPORTED}", self.magic);
        };
        let whose = match magic {
            // Counts down from 2997 (PYC_MAGIC_NUMBER in RustPython's crates/vm/src/version.rs).
            2990..=2999 => "RustPython",
            // `pypy_incremental_magic` is a multiple of 16 below 3000.
            16..=2999 if magic.is_multiple_of(16) => match PYPY.iter().find(|known| known.0 == magic) {
                Some((_, python)) => &format!("PyPy (Python {python})"),
                None => "PyPy",
            },
            3000..=3230 => "CPython 3.0 to 3.3",
            3250..=3310 => "CPython 3.4",
            3320..=3351 => "CPython 3.5",
            3360..=3379 => "CPython 3.6",
            3390..=3394 => "CPython 3.7",
            3400..=3499 => "a pre-release of CPython 3.8 to 3.11",
            3700..=3749 => "CPython 3.16",
            // 21000 + 10 * BYTECODE_VERSION in GraalPy's ImpModuleBuiltins.java.
            21000..=21999 => "GraalPy",
            1895 | 5892 | 11913 | 16679 | 20117 => "CPython 1.2 to 1.4",
            20121 | 50428 | 50823..=62218 => "CPython 1.5 to 2.7, or PyPy for Python 2",
            _ => "an unknown version of Python",
        };
        write!(f, "compiled by {whose} (magic number {magic}); {SUPPORTED}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn final_releases_have_their_exact_numbers() {
        let finals: Vec<_> = (8..=15).map(|minor| Version::of_minor(minor).unwrap().magic()).collect();
        assert_eq!(finals, [3413, 3425, 3439, 3495, 3531, 3571, 3627, 3666]);
        assert!(Version::of_minor(7).is_none() && Version::of_minor(16).is_none());
    }

    #[test]
    fn ranges_neither_overlap_nor_miss_their_final_release() {
        for window in VERSIONS.windows(2) {
            assert!(window[0].3 < window[1].1, "{window:?}");
        }
        for (minor, first, magic, last) in VERSIONS {
            assert!((first..=last).contains(&magic));
            let version = Version::of_magic(magic).unwrap();
            assert_eq!((version.minor(), version.is_final()), (minor, true));
            assert_eq!(Version::of_target(&target_for(version, 0, 0)), Some(version));
        }
        let release_candidate = Version::of_magic(3600).unwrap();
        assert_eq!((release_candidate.minor(), release_candidate.is_final()), (14, false));
    }

    #[test]
    fn foreign_numbers_are_refused_by_name() {
        for (magic, name) in [
            (256, "PyPy (Python 3.8)"),
            (336, "PyPy (Python 3.9)"),
            (384, "PyPy (Python 3.10)"),
            (416, "PyPy (Python 3.11)"),
            (448, "PyPy "),
            (21150, "GraalPy"),
            (3394, "CPython 3.7"),
            (3401, "pre-release of CPython 3.8"),
            (3700, "CPython 3.16"),
            (2997, "RustPython (magic number 2997)"),
            (2994, "RustPython"),
            (2992, "RustPython"),
            (62211, "CPython 1.5 to 2.7"),
            (20121, "CPython 1.5 to 2.7"),
            (20117, "CPython 1.2 to 1.4"),
            (5892, "CPython 1.2 to 1.4"),
            (11913, "CPython 1.2 to 1.4"),
            (16679, "CPython 1.2 to 1.4"),
            (12345, "unknown version of Python (magic number 12345)"),
        ] {
            let text = Version::of_magic(magic).unwrap_err().to_string();
            assert!(text.contains(name), "{text}");
        }
    }
}
