//! CRC-32/ISO-HDLC (spec.md 6).

use crate::{U32, record::record};

/// Base-2 logarithm of [`CHUNK_LEN`] [H-8].
pub const CHUNK_LOG2: u8 = 12;

/// Length in bytes of a chunk. A section is divided into chunks, and each chunk has a CRC [K-1].
pub const CHUNK_LEN: u64 = 1 << CHUNK_LOG2;

record! {
    /// One entry of the checksums section: the CRC of one chunk [K-1].
    pub struct ChunkCrc[4] in Checksums {
        /// CRC-32 of the chunk.
        0 crc: U32,
    }
}

/// CRC-32/ISO-HDLC of `bytes`: polynomial 0x04C11DB7, reflected, initial and final value all ones.
///
/// ```
/// assert_eq!(permacode_format::crc32(b"123456789"), 0xCBF4_3926);
/// ```
#[must_use]
pub fn crc32(bytes: &[u8]) -> u32 {
    crc32fast::hash(bytes)
}

/// Computes the CRC of [`crc32`] over several pieces of bytes.
#[derive(Debug, Clone, Default)]
pub struct Crc32(crc32fast::Hasher);

impl Crc32 {
    /// Starts without any bytes.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds the next piece.
    pub fn update(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    /// The CRC of all pieces.
    #[must_use]
    pub fn finish(&self) -> u32 {
        self.0.clone().finalize()
    }
}

/// The CRC of a header, computed with zeros in place of the CRC itself, which is bytes 24 to 27 [H-5].
///
/// `header` is the whole header. If it has less than 28 bytes, nothing is replaced by zeros.
#[must_use]
pub fn header_crc(header: &[u8]) -> u32 {
    let mut crc = Crc32::new();
    match (header.get(..24), header.get(28..)) {
        (Some(before), Some(after)) => {
            crc.update(before);
            crc.update(&[0; 4]);
            crc.update(after);
        }
        _ => crc.update(header),
    }
    crc.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_agree_with_the_whole() {
        let mut pieces = Crc32::new();
        pieces.update(b"read-only ");
        pieces.update(b"data");
        assert_eq!(pieces.finish(), crc32(b"read-only data"));
    }

    #[test]
    fn header_crc_does_not_depend_on_its_own_field() {
        let mut header = [7u8; 64];
        let crc = header_crc(&header);
        header[24..28].copy_from_slice(&crc.to_le_bytes());
        assert_eq!(header_crc(&header), crc);
    }
}
