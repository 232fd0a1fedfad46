//! The two hashes of the format: XXH3-64 and XXH3-128.

/// Hash of a name with the seed of an index: XXH3-64 (spec.md 5.6).
#[must_use]
#[inline]
pub fn name_hash(name: &[u8], seed: u64) -> u64 {
    xxhash_rust::xxh3::xxh3_64_with_seed(name, seed)
}

/// Digest of a source: XXH3-128 without a seed, as 16 bytes little-endian [M-7].
///
/// It detects changes of a file. It gives no protection against an attacker, who could make two files with the same
/// digest.
#[must_use]
pub fn digest(bytes: &[u8]) -> [u8; 16] {
    xxhash_rust::xxh3::xxh3_128(bytes).to_le_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_empty_input_has_the_published_hashes() {
        assert_eq!(name_hash(b"", 0), 0x2d06_8005_38d3_94c2);
        assert_eq!(u128::from_le_bytes(digest(b"")), 0x99aa_06d3_0147_98d8_6001_c324_468d_497f);
    }
}
