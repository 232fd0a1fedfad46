//! Varints: LEB128 numbers of at most 32 bits, in the shortest form (spec.md 3).

/// Most bytes of a varint.
pub const MAX_VARINT_LEN: usize = 5;

/// Reads the varint at the start of `bytes`. Returns its value and its length in bytes.
///
/// `None` if the bytes end too early, if the value exceeds 32 bits, or if a shorter form exists [O-2].
#[must_use]
#[inline]
pub fn read_varint(bytes: &[u8]) -> Option<(u32, usize)> {
    let first = *bytes.first()?;
    if first < 0x80 {
        return Some((u32::from(first), 1));
    }
    let mut value = u32::from(first & 0x7F);
    for index in 1..MAX_VARINT_LEN {
        let byte = *bytes.get(index)?;
        let part = u32::from(byte & 0x7F);
        let shift = 7 * index as u32;
        if index == MAX_VARINT_LEN - 1 && byte > 0x0F {
            return None;
        }
        value |= part << shift;
        if byte < 0x80 {
            return if byte == 0 { None } else { Some((value, index + 1)) };
        }
    }
    None
}

/// Encodes a varint in the shortest form. Returns a buffer and the number of bytes in use, from its start.
#[must_use]
pub fn write_varint(mut value: u32) -> ([u8; MAX_VARINT_LEN], usize) {
    let mut bytes = [0; MAX_VARINT_LEN];
    let mut len = 0;
    for byte in &mut bytes {
        len += 1;
        if value < 0x80 {
            *byte = value as u8;
            break;
        }
        *byte = value as u8 | 0x80;
        value >>= 7;
    }
    (bytes, len)
}

/// Length in bytes of the varint of a value.
#[must_use]
pub fn varint_len(value: u32) -> usize {
    write_varint(value).1
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_written_varint_is_read_again(value: u32, tail in proptest::collection::vec(any::<u8>(), 0..4)) {
            let (bytes, len) = write_varint(value);
            let mut all = bytes[..len].to_vec();
            all.extend(tail);
            prop_assert_eq!(read_varint(&all), Some((value, len)));
            prop_assert_eq!(read_varint(&all[..len - 1]), None);
        }

        #[test]
        fn only_the_shortest_form_is_read(bytes in proptest::collection::vec(any::<u8>(), 0..8)) {
            if let Some((value, len)) = read_varint(&bytes) {
                let (again, again_len) = write_varint(value);
                prop_assert_eq!(&again[..again_len], &bytes[..len]);
            }
        }
    }

    #[test]
    fn long_forms_and_numbers_beyond_32_bits_are_refused() {
        assert_eq!(read_varint(&[0x80, 0x00]), None);
        assert_eq!(read_varint(&[0xFF, 0xFF, 0xFF, 0xFF, 0x1F]), None);
        assert_eq!(read_varint(&[0xFF, 0xFF, 0xFF, 0xFF, 0x0F]), Some((u32::MAX, 5)));
    }
}
