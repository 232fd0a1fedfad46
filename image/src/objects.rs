//! Leaves: strings, bytes objects and numbers, as CPython stores them.

use crate::{
    emit::Writer,
    error::{Error, Result},
    facts::{Facts, Objects},
    layout::Layout,
};
use std::borrow::Cow;

/// The text of a string, and the facts about it that decide how CPython stores it.
#[derive(Debug)]
pub(crate) struct Text<'a> {
    /// Generalised UTF-8.
    bytes: Cow<'a, [u8]>,
    /// Number of characters.
    len: usize,
    /// The highest character.
    highest: u32,
}

impl<'a> Text<'a> {
    pub(crate) fn new(bytes: Cow<'a, [u8]>) -> Result<Self> {
        if bytes.is_ascii() {
            return Ok(Text { len: bytes.len(), highest: 0x7f, bytes });
        }
        let (mut len, mut highest) = (0usize, 0);
        for character in Characters(&bytes) {
            highest = highest.max(character?);
            len = len.saturating_add(1);
        }
        Ok(Text { bytes, len, highest })
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Its only character, if it has exactly one.
    pub(crate) fn single(&self) -> Option<u32> {
        if self.len == 1 { Characters(&self.bytes).next().and_then(Result::ok) } else { None }
    }

    /// Index in [`Layout::str_states`], and the number of bytes of a character.
    fn form(&self) -> (usize, usize) {
        match self.highest {
            0..=0x7f => (0, 1),
            0x80..=0xff => (1, 1),
            0x100..=0xffff => (2, 2),
            _ => (3, 4),
        }
    }

    fn head_len(&self, layout: &Layout) -> usize {
        (if self.highest < 0x80 { layout.str_ascii } else { layout.str_other }) as usize
    }

    /// Size of the string in memory. A character with the value zero follows the others.
    pub(crate) fn size(&self, layout: &Layout) -> usize {
        let characters = self.len.saturating_add(1).saturating_mul(self.form().1);
        self.head_len(layout).saturating_add(characters)
    }

    pub(crate) fn write(&self, out: &mut Writer<'_>, at: usize, facts: &Facts) -> Result<()> {
        let layout = &facts.layout;
        out.head(at, facts.types.str);
        out.word(at, layout.str_length, self.len as u64);
        out.word(at, layout.str_hash, u64::MAX);
        let (form, width) = self.form();
        out.number(at, layout.str_state, layout.str_states.get(form).copied().unwrap_or_default());
        let mut place = at.saturating_add(self.head_len(layout));
        if self.highest < 0x80 {
            out.bytes(place, &self.bytes);
            return Ok(());
        }
        for character in Characters(&self.bytes) {
            let bytes = character?.to_ne_bytes();
            // The bytes of a character that its width keeps: on a big-endian machine the last ones.
            let kept = if cfg!(target_endian = "big") {
                bytes.get(4usize.saturating_sub(width)..)
            } else {
                bytes.get(..width)
            };
            out.bytes(place, kept.unwrap_or_default());
            place = place.saturating_add(width);
        }
        Ok(())
    }
}

/// The characters of generalised UTF-8, which may include surrogates.
struct Characters<'a>(&'a [u8]);

impl Iterator for Characters<'_> {
    type Item = Result<u32>;

    fn next(&mut self) -> Option<Result<u32>> {
        let (&first, mut rest) = self.0.split_first()?;
        let (mut character, more) = match first {
            0..=0x7f => (u32::from(first), 0),
            0xc2..=0xdf => (u32::from(first & 0x1f), 1),
            0xe0..=0xef => (u32::from(first & 0x0f), 2),
            0xf0..=0xf4 => (u32::from(first & 0x07), 3),
            _ => return Some(Err(Error::Unsupported("text that is not generalised UTF-8"))),
        };
        for _ in 0..more {
            match rest.split_first() {
                Some((&byte @ 0x80..=0xbf, after)) => {
                    character = character << 6 | u32::from(byte & 0x3f);
                    rest = after;
                }
                _ => return Some(Err(Error::Unsupported("text that is not generalised UTF-8"))),
            }
        }
        self.0 = rest;
        let is_shortest = match more {
            0 | 1 => true,
            2 => character >= 0x800,
            _ => (0x1_0000..=0x10_ffff).contains(&character),
        };
        Some(if is_shortest { Ok(character) } else { Err(Error::Unsupported("text that is not generalised UTF-8")) })
    }
}

/// Size of a bytes object. A zero byte follows the others.
pub(crate) fn bytes_size(bytes: &[u8], layout: &Layout) -> usize {
    (layout.bytes_data as usize).saturating_add(bytes.len()).saturating_add(1)
}

pub(crate) fn write_bytes(out: &mut Writer<'_>, at: usize, bytes: &[u8], facts: &Facts) {
    out.head(at, facts.types.bytes);
    out.word(at, facts.layout.object_size, bytes.len() as u64);
    out.word(at, facts.layout.bytes_hash, u64::MAX);
    out.bytes(at.saturating_add(facts.layout.bytes_data as usize), bytes);
}

/// The static object for an integer, from its shortest two's complement.
pub(crate) fn small_int(bytes: &[u8], objects: &Objects, layout: &Layout) -> Option<i64> {
    let fill = if bytes.last().is_some_and(|last| last & 0x80 != 0) { 0xff } else { 0 };
    let mut word = [fill; 8];
    word.get_mut(..bytes.len())?.copy_from_slice(bytes);
    let index = i64::from_le_bytes(word).checked_add(layout.small_negative.into())?;
    objects.ints.get(usize::try_from(index).ok()?).copied()
}

/// The magnitude of an integer as digits, the lowest first, and whether it is negative.
fn digits(bytes: &[u8], shift: u32) -> (Vec<u32>, bool) {
    let is_negative = bytes.last().is_some_and(|last| last & 0x80 != 0);
    let (mut digits, mut held, mut bits) = (Vec::new(), 0u64, 0u32);
    let mask = 1u64.wrapping_shl(shift).wrapping_sub(1);
    let mut carry = is_negative;
    for byte in bytes {
        // The magnitude of a negative number is its complement plus one.
        let (byte, overflow) = if is_negative { (!byte).overflowing_add(carry.into()) } else { (*byte, false) };
        carry = overflow;
        held |= u64::from(byte).wrapping_shl(bits);
        bits = bits.saturating_add(8);
        while bits >= shift {
            digits.push((held & mask) as u32);
            held = held.wrapping_shr(shift);
            bits = bits.saturating_sub(shift);
        }
    }
    if carry {
        held |= 1u64.wrapping_shl(bits);
    }
    digits.push((held & mask) as u32);
    while digits.last() == Some(&0) {
        digits.pop();
    }
    (digits, is_negative)
}

/// Size of an integer. Zero has one digit, too.
pub(crate) fn int_size(bytes: &[u8], layout: &Layout) -> usize {
    let len = digits(bytes, layout.int_shift).0.len().max(1);
    (layout.int_digits as usize).saturating_add(len.saturating_mul(4))
}

pub(crate) fn write_int(out: &mut Writer<'_>, at: usize, bytes: &[u8], facts: &Facts) {
    let layout = &facts.layout;
    let (digits, is_negative) = digits(bytes, layout.int_shift);
    let [zero, negative] = layout.int_signs.map(u64::from);
    let sign = if digits.is_empty() {
        zero
    } else if is_negative {
        negative
    } else {
        0
    };
    out.head(at, facts.types.int);
    out.word(at, layout.int_tag, (digits.len() as u64).wrapping_shl(layout.int_tag_shift) | sign);
    let mut offset = layout.int_digits;
    for digit in digits {
        out.number(at, offset, digit);
        offset = offset.saturating_add(4);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_of_integers() {
        for number in [1i64, -1, 127, -128, 255, 1 << 29, -(1 << 30), (1 << 30) - 1, 1 << 60, i64::MIN, i64::MAX] {
            let bytes = number.to_le_bytes();
            let (digits, is_negative) = digits(&bytes, 30);
            let value = digits.iter().rev().fold(0u128, |value, digit| value << 30 | u128::from(*digit));
            assert_eq!((value, is_negative), (number.unsigned_abs().into(), number < 0), "{number}");
        }
        assert_eq!(digits(&[], 30), (vec![], false));
        assert_eq!(digits(&[0x80], 30), (vec![0x80], true));
        assert_eq!(digits(&[0, 0xff], 30), (vec![0x100], true));
    }

    #[test]
    fn characters_of_text() {
        let characters = |text: &[u8]| Characters(text).collect::<Result<Vec<u32>>>().ok();
        assert_eq!(characters("aß日😀".as_bytes()), Some("aß日😀".chars().map(u32::from).collect()));
        assert_eq!(characters(b"\xed\xa0\x80"), Some(vec![0xd800]));
        for text in [&b"\x80"[..], b"\xc0\x80", b"\xe0\x80\x80", b"\xf0\x80\x80\x80", b"\xf4\x90\x80\x80", b"\xe6\x97"]
        {
            assert_eq!(characters(text), None, "{text:x?}");
        }
    }
}
