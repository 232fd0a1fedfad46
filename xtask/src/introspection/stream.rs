//! The numbers and texts that a script writes.

use anyhow::{Context, Result, bail};
use std::io::Read;

/// The number that stands for a value that is not there.
const ABSENT: i32 = i32::MIN;

/// What a script writes, read from its start to its end.
#[derive(Debug)]
pub(super) struct Stream<R>(pub(super) R);

impl<R: Read> Stream<R> {
    fn bytes<const N: usize>(&mut self) -> Result<[u8; N]> {
        let mut bytes = [0; N];
        self.0.read_exact(&mut bytes).context("the script ended early")?;
        Ok(bytes)
    }

    /// A number.
    pub(super) fn number(&mut self) -> Result<i32> {
        self.bytes().map(i32::from_le_bytes)
    }

    /// A number that may be absent.
    pub(super) fn optional(&mut self) -> Result<Option<i32>> {
        self.number().map(|number| (number != ABSENT).then_some(number))
    }

    /// A number of 64 bits.
    pub(super) fn long(&mut self) -> Result<i64> {
        self.bytes().map(i64::from_le_bytes)
    }

    /// The length of a text or list, which may be absent.
    pub(super) fn len(&mut self) -> Result<Option<u32>> {
        match self.number()? {
            -1 => Ok(None),
            len => match u32::try_from(len) {
                Ok(len) => Ok(Some(len)),
                Err(_) => bail!("the script wrote the length {len}"),
            },
        }
    }

    /// A text, which may be absent.
    pub(super) fn text(&mut self) -> Result<Option<Vec<u8>>> {
        let Some(len) = self.len()? else { return Ok(None) };
        let mut text = Vec::new();
        let found = self.0.by_ref().take(len.into()).read_to_end(&mut text)?;
        if found as u64 != u64::from(len) {
            bail!("the script ended in a text of {len} bytes");
        }
        Ok(Some(text))
    }
}
