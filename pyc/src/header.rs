//! The header of a `.pyc` file: 16 bytes (PEP 552; `_code_to_timestamp_pyc` and `_code_to_hash_pyc` in
//! `Lib/importlib/_bootstrap_external.py`).

#![deny(clippy::indexing_slicing, clippy::arithmetic_side_effects)]

use std::hash::Hasher as _;

use siphasher::sip::{SipHasher13, SipHasher24};

use crate::{
    error::{Error, ErrorKind},
    version::{Foreign, Version},
};

/// Length of a header in bytes.
pub const HEADER_LEN: usize = 16;

/// Bit of the flags: the header has a hash of the source instead of its modification time and size.
const FLAG_HASH: u32 = 1;
/// Bit of the flags: CPython compares the hash with the source when it imports the module.
const FLAG_CHECK_SOURCE: u32 = 2;

/// How CPython decides whether a `.pyc` file is up to date (`py_compile.PycInvalidationMode`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Validation {
    /// By the modification time and the size of the source, both modulo 2³².
    Timestamp {
        /// Modification time in seconds since 1970.
        mtime: u32,
        /// Size in bytes.
        size: u32,
    },
    /// By the [`source_hash`] of the source.
    CheckedHash([u8; 8]),
    /// Not at all: CPython takes the file as up to date. The hash is for other tools.
    UncheckedHash([u8; 8]),
}

/// The header of a `.pyc` file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Header {
    /// The version of CPython that compiled the file.
    pub version: Version,
    /// How CPython decides whether the file is up to date.
    pub validation: Validation,
}

impl Header {
    /// Reads the header at the start of a `.pyc` file.
    ///
    /// # Errors
    /// If the magic number is not one of CPython 3.8 to 3.15, if CPython does not accept the flags, or if the file has
    /// less than 16 bytes.
    pub fn decode(pyc: &[u8]) -> Result<Self, Error> {
        let available = pyc.len() as u64;
        let truncated = |wanted| Error::new(ErrorKind::Truncated { wanted, available }, 0);
        let (&magic, _) = pyc.split_first_chunk::<4>().ok_or_else(|| truncated(4))?;
        let [low, high, b'\r', b'\n'] = magic else {
            let kind = Foreign::of_old(magic).map_or(ErrorKind::NotPyc { found: magic }, ErrorKind::Foreign);
            return Err(Error::new(kind, 0));
        };
        let version = Version::of_magic(u16::from_le_bytes([low, high]))
            .map_err(|foreign| Error::new(ErrorKind::Foreign(foreign), 0))?;
        let &[_, _, _, _, f0, f1, f2, f3, d0, d1, d2, d3, d4, d5, d6, d7] =
            pyc.first_chunk::<HEADER_LEN>().ok_or_else(|| truncated(HEADER_LEN as u64))?;
        let hash = [d0, d1, d2, d3, d4, d5, d6, d7];
        let validation = match u32::from_le_bytes([f0, f1, f2, f3]) {
            0 => Validation::Timestamp {
                mtime: u32::from_le_bytes([d0, d1, d2, d3]),
                size: u32::from_le_bytes([d4, d5, d6, d7]),
            },
            FLAG_HASH => Validation::UncheckedHash(hash),
            flags if flags == FLAG_HASH | FLAG_CHECK_SOURCE => Validation::CheckedHash(hash),
            flags => return Err(Error::new(ErrorKind::HeaderFlags { flags }, 4)),
        };
        Ok(Header { version, validation })
    }

    /// The 16 bytes of the header.
    #[must_use]
    pub fn encode(&self) -> [u8; HEADER_LEN] {
        let (flags, data) = match self.validation {
            Validation::Timestamp { mtime, size } => (0, (u64::from(size) << 32 | u64::from(mtime)).to_le_bytes()),
            Validation::CheckedHash(hash) => (FLAG_HASH | FLAG_CHECK_SOURCE, hash),
            Validation::UncheckedHash(hash) => (FLAG_HASH, hash),
        };
        let head = (u64::from(flags) << 32 | u64::from(self.version.magic_token())).to_le_bytes();
        (u128::from(u64::from_le_bytes(data)) << 64 | u128::from(u64::from_le_bytes(head))).to_le_bytes()
    }
}

/// The hash of a source text that `_imp.source_hash` returns. It is SipHash-2-4 up to CPython 3.10 and SipHash-1-3 from
/// 3.11 on, with the magic number as the key (`_Py_KeyedHash` in `Python/pyhash.c`).
#[must_use]
pub fn source_hash(version: Version, source: &[u8]) -> [u8; 8] {
    let key = u64::from(version.magic_token());
    let hash = if version.minor() >= 11 {
        let mut hasher = SipHasher13::new_with_keys(key, 0);
        hasher.write(source);
        hasher.finish()
    } else {
        let mut hasher = SipHasher24::new_with_keys(key, 0);
        hasher.write(source);
        hasher.finish()
    };
    hash.to_le_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn version(minor: u8) -> Version {
        Version::of_minor(minor).unwrap()
    }

    #[test]
    fn every_kind_survives() {
        for minor in 8..=15 {
            for validation in [
                Validation::Timestamp { mtime: 0x0102_0304, size: 0xA0B0_C0D0 },
                Validation::CheckedHash([1, 2, 3, 4, 5, 6, 7, 8]),
                Validation::UncheckedHash([8, 7, 6, 5, 4, 3, 2, 1]),
            ] {
                let header = Header { version: version(minor), validation };
                assert_eq!(Header::decode(&header.encode()), Ok(header));
            }
        }
    }

    #[test]
    fn bytes_are_where_cpython_puts_them() {
        let header = Header {
            version: version(11),
            validation: Validation::Timestamp { mtime: 0x0102_0304, size: 0xA0B0_C0D0 },
        };
        assert_eq!(header.encode(), *b"\xA7\x0D\r\n\0\0\0\0\x04\x03\x02\x01\xD0\xC0\xB0\xA0");
        let header = Header { version: version(11), validation: Validation::CheckedHash(*b"12345678") };
        assert_eq!(header.encode(), *b"\xA7\x0D\r\n\x03\0\0\0\x31\x32\x33\x34\x35\x36\x37\x38");
    }

    #[test]
    fn errors_say_what_and_where() {
        let text = |pyc: &[u8]| Header::decode(pyc).unwrap_err().to_string();
        assert_eq!(text(b"\xA7"), "4 bytes needed, but only 1 left: the file is cut off (at offset 0x0)");
        assert_eq!(text(b"\xA7\x0D\r\n\0"), "16 bytes needed, but only 5 left: the file is cut off (at offset 0x0)");
        assert_eq!(text(b"#!/bin/sh"), "not a .pyc file: it starts with the bytes #!/b (at offset 0x0)");
        for (old, magic) in
            [(b"\x01\x99\x99\0", "0x999901"), (b"\x02\x99\x99\0", "0x999902"), (b"\x03\x99\x99\0", "0x999903")]
        {
            assert_eq!(
                text(old),
                format!(
                    "compiled by CPython 0.9 to 1.1 (magic number {magic}); \
                     expected CPython 3.8 to 3.15 (at offset 0x0)"
                )
            );
        }
        assert_eq!(
            text(b"\xA7\x0D\r\n\x02\0\0\0\0\0\0\0\0\0\0\0"),
            "the flags of the header are 0x2, expected 0 (timestamp), 1 or 3 (hash of the source) (at offset 0x4)"
        );
        assert_eq!(
            text(b"\x50\x01\r\n\0\0\0\0\0\0\0\0\0\0\0\0"),
            "compiled by PyPy (Python 3.9) (magic number 336); expected CPython 3.8 to 3.15 (at offset 0x0)"
        );
    }
}
