//! Bytes in hexadecimal digits.

use std::fmt::{Display, Formatter, Result, Write};

/// Shows each byte as two digits. `{byte:02x}` takes 600 instructions a byte, which each start of a program would pay.
pub(crate) struct Hex<'a>(pub(crate) &'a [u8]);

impl Display for Hex<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        let digits = self.0.iter().flat_map(|byte| [byte >> 4, byte & 15]);
        digits.filter_map(|digit| char::from_digit(digit.into(), 16)).try_for_each(|digit| f.write_char(digit))
    }
}
