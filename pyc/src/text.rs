//! Conversions of strings and integers between marshal and the model.

#![deny(clippy::indexing_slicing, clippy::arithmetic_side_effects)]

use std::borrow::Cow;

/// The text of the bytes of a `TYPE_ASCII` value. CPython does not check that they are ASCII: it reads each byte as one
/// character of Latin-1.
pub(crate) fn from_latin1(bytes: &[u8]) -> Cow<'_, [u8]> {
    if bytes.is_ascii() {
        return Cow::Borrowed(bytes);
    }
    Cow::Owned(bytes.iter().map(|&byte| char::from(byte)).collect::<String>().into_bytes())
}

/// The shortest form of a little-endian two's complement: removes high bytes that only repeat the sign. Zero has no
/// bytes.
pub(crate) fn shortest(mut bytes: &[u8]) -> &[u8] {
    loop {
        bytes = match bytes {
            [0] => return &[],
            [rest @ .., 0x00] if rest.last().is_some_and(|&high| high < 0x80) => rest,
            [rest @ .., 0xFF] if rest.last().is_some_and(|&high| high >= 0x80) => rest,
            _ => return bytes,
        }
    }
}

const DIGIT_BITS: u32 = 15;

/// The shortest two's complement of a number that marshal stores as a sign and 15-bit digits, lowest first.
///
/// # Errors
/// If the highest digit is zero, or a digit has more than 15 bits.
pub(crate) fn int_from_digits(digits: &[[u8; 2]], negative: bool) -> Result<Vec<u8>, &'static str> {
    if digits.last() == Some(&[0, 0]) {
        return Err("its highest digit is zero");
    }
    let mut bytes = Vec::with_capacity(digits.len().saturating_mul(2).saturating_add(1));
    let (mut bits, mut filled) = (0u32, 0u32);
    // The negative of a number is its complement plus one. `carry` is that one.
    let mut carry = u32::from(negative);
    for &digit in digits {
        let digit = u32::from(u16::from_le_bytes(digit));
        if digit >> DIGIT_BITS != 0 {
            return Err("a digit exceeds 15 bits");
        }
        let sum = if negative { digit ^ 0x7FFF } else { digit }.wrapping_add(carry);
        carry = sum >> DIGIT_BITS;
        bits |= (sum & 0x7FFF).wrapping_shl(filled);
        filled = filled.wrapping_add(DIGIT_BITS);
        while filled >= 8 {
            bytes.push(bits as u8);
            bits >>= 8;
            filled = filled.wrapping_sub(8);
        }
    }
    // At most 7 bits are left, so the last byte has room for a sign bit.
    let sign = if negative { u32::MAX } else { 0 };
    bytes.push((bits | sign.wrapping_shl(filled)) as u8);
    bytes.truncate(shortest(&bytes).len());
    Ok(bytes)
}

/// A number in two's complement as 15-bit digits, lowest first, and whether it is negative.
pub(crate) fn int_to_digits(bytes: &[u8]) -> (Vec<[u8; 2]>, bool) {
    let negative = bytes.last().is_some_and(|&high| high >= 0x80);
    let mut digits = Vec::with_capacity(bytes.len().saturating_mul(8).div_ceil(15));
    let (mut bits, mut filled) = (0u32, 0u32);
    let mut carry = u32::from(negative);
    let push = |digits: &mut Vec<[u8; 2]>, bits: u32| digits.push(((bits & 0x7FFF) as u16).to_le_bytes());
    for &byte in bytes {
        let sum = if negative { u32::from(!byte) } else { u32::from(byte) }.wrapping_add(carry);
        carry = sum >> 8;
        bits |= (sum & 0xFF).wrapping_shl(filled);
        filled = filled.wrapping_add(8);
        if filled >= DIGIT_BITS {
            push(&mut digits, bits);
            bits >>= DIGIT_BITS;
            filled = filled.wrapping_sub(DIGIT_BITS);
        }
    }
    // The magnitude of -256^n has one bit more than its two's complement.
    bits |= carry.wrapping_shl(filled);
    while bits != 0 {
        push(&mut digits, bits);
        bits >>= DIGIT_BITS;
    }
    while digits.last() == Some(&[0, 0]) {
        digits.pop();
    }
    (digits, negative)
}

/// The value of a two's complement of at most four bytes; `None` if it is longer.
pub(crate) fn int_to_i32(bytes: &[u8]) -> Option<i32> {
    if bytes.len() > 4 {
        return None;
    }
    let sign = if bytes.last().is_some_and(|&high| high >= 0x80) { 0xFF } else { 0 };
    let mut all = [sign; 4];
    all.iter_mut().zip(bytes).for_each(|(low, &byte)| *low = byte);
    Some(i32::from_le_bytes(all))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn shortest_forms() {
        assert_eq!(shortest(&0i32.to_le_bytes()), b"");
        assert_eq!(shortest(&(-1i32).to_le_bytes()), b"\xFF");
        assert_eq!(shortest(&127i32.to_le_bytes()), b"\x7F");
        assert_eq!(shortest(&128i32.to_le_bytes()), b"\x80\x00");
        assert_eq!(shortest(&(-128i32).to_le_bytes()), b"\x80");
        assert_eq!(shortest(&(-129i32).to_le_bytes()), b"\x7F\xFF");
        assert_eq!(shortest(&i32::MIN.to_le_bytes()), b"\x00\x00\x00\x80");
    }

    #[test]
    fn latin1_becomes_utf8() {
        assert_eq!(&*from_latin1(b"a\xE9"), "aé".as_bytes());
        assert!(matches!(from_latin1(b"plain"), Cow::Borrowed(_)));
    }

    #[test]
    fn digits_must_be_normal() {
        assert!(int_from_digits(&[[1, 0], [0, 0]], false).is_err());
        assert!(int_from_digits(&[[0, 0x80]], false).is_err());
        assert_eq!(int_from_digits(&[], false), Ok(vec![]));
    }

    proptest! {
        #[test]
        fn digits_hold_every_number(bytes in proptest::collection::vec(any::<u8>(), 0..40)) {
            let bytes = shortest(&bytes);
            let (digits, negative) = int_to_digits(bytes);
            prop_assert_eq!(int_from_digits(&digits, negative).unwrap(), bytes);
        }

        #[test]
        fn digits_mean_the_number(number in any::<i128>()) {
            let bytes = number.to_le_bytes();
            let (digits, negative) = int_to_digits(shortest(&bytes));
            let mut magnitude = 0u128;
            for digit in digits.iter().rev() {
                magnitude = magnitude << 15 | u128::from(u16::from_le_bytes(*digit));
            }
            prop_assert_eq!((negative, magnitude), (number < 0, number.unsigned_abs()));
            let narrow = int_to_i32(shortest(&bytes));
            prop_assert_eq!(narrow, i32::try_from(number).ok());
        }
    }
}
