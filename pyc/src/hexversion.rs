//! Exact versions of CPython (`Include/patchlevel.h`).

use std::fmt;

/// The exact version of an interpreter: the number in its `sys.hexversion`.
///
/// ```
/// use permacode_pyc::HexVersion;
///
/// assert_eq!(HexVersion(0x030B_09F0).to_string(), "3.11.9");
/// assert_eq!(HexVersion(0x030D_00C2).to_string(), "3.13.0rc2");
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct HexVersion(pub u32);

impl fmt::Display for HexVersion {
    /// The version as CPython writes it, or the number in hexadecimal if CPython does not define its release level.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [major, minor, micro, release] = self.0.to_be_bytes();
        let level = match release >> 4 {
            0xA => "a",
            0xB => "b",
            0xC => "rc",
            0xF => return write!(f, "{major}.{minor}.{micro}"),
            _ => return write!(f, "{:#x}", self.0),
        };
        write!(f, "{major}.{minor}.{micro}{level}{}", release & 0xF)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_release_level() {
        for (number, shown) in [
            (0x0308_14F0, "3.8.20"),
            (0x030E_00A7, "3.14.0a7"),
            (0x030E_00B1, "3.14.0b1"),
            (0x030D_00C2, "3.13.0rc2"),
            (0x030D_00D2, "0x30d00d2"),
            (0, "0x0"),
        ] {
            assert_eq!(HexVersion(number).to_string(), shown);
        }
    }
}
