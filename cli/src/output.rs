//! Standard output: buffered, as text or JSON, and silent when its reader has gone.

use anyhow::Result;
use serde::Serialize;
use std::{
    fmt,
    io::{self, BufWriter, IsTerminal, Write},
};

/// Standard output of a command.
#[derive(Debug)]
pub(crate) struct Output {
    inner: BufWriter<io::Stdout>,
    is_terminal: bool,
}

/// Standard output refused. A type of its own, so that a broken pipe elsewhere is still an error.
#[derive(Debug)]
struct StdoutError(io::Error);

impl fmt::Display for StdoutError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("cannot write to standard output")
    }
}

impl std::error::Error for StdoutError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.0)
    }
}

impl Output {
    pub(crate) fn stdout() -> Self {
        let stdout = io::stdout();
        Output { is_terminal: stdout.is_terminal(), inner: BufWriter::with_capacity(1 << 16, stdout) }
    }

    /// Whether a person reads along.
    pub(crate) fn is_terminal(&self) -> bool {
        self.is_terminal
    }

    /// Whether text may be bold.
    pub(crate) fn is_styled(&self) -> bool {
        let is_set = |name| std::env::var_os(name).is_some_and(|value| !value.is_empty());
        self.is_terminal && !is_set("NO_COLOR") && std::env::var_os("TERM").is_none_or(|term| term != "dumb")
    }

    pub(crate) fn bytes(&mut self, bytes: &[u8]) -> Result<()> {
        self.inner.write_all(bytes).map_err(|error| StdoutError(error).into())
    }

    pub(crate) fn line(&mut self, line: impl fmt::Display) -> Result<()> {
        writeln!(self.inner, "{line}").map_err(|error| StdoutError(error).into())
    }

    /// Writes a value as indented JSON and a line break, piece by piece: as text it may be far larger than in memory.
    pub(crate) fn json(&mut self, value: &impl Serialize) -> Result<()> {
        match serde_json::to_writer_pretty(&mut self.inner, value) {
            Err(error) if error.is_io() => Err(StdoutError(error.into()).into()),
            Err(error) => Err(error.into()),
            Ok(()) => self.line(""),
        }
    }

    pub(crate) fn finish(&mut self) -> Result<()> {
        self.inner.flush().map_err(|error| StdoutError(error).into())
    }
}

/// Whether the error is that the reader of standard output has gone.
pub(crate) fn is_broken_pipe(error: &anyhow::Error) -> bool {
    error.downcast_ref::<StdoutError>().is_some_and(|error| error.0.kind() == io::ErrorKind::BrokenPipe)
}

/// Digits in groups of three, `1,234,567`.
pub(crate) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A number of bytes for a person, `12.3 MiB`.
pub(crate) fn size(bytes: u64) -> String {
    let mut unit = "B";
    #[allow(clippy::cast_precision_loss)]
    let mut value = bytes as f64;
    for larger in ["KiB", "MiB", "GiB", "TiB"] {
        if value < 1024.0 {
            break;
        }
        value /= 1024.0;
        unit = larger;
    }
    if unit == "B" { format!("{bytes} B") } else { format!("{value:.1} {unit}") }
}

/// `part` of `whole` in per cent.
pub(crate) fn percent(part: u64, whole: u64) -> f64 {
    #[allow(clippy::cast_precision_loss)]
    let share = if whole == 0 { 0.0 } else { part as f64 / whole as f64 };
    share * 100.0
}

/// `1 module`, `2 modules`.
pub(crate) fn counted(count: u64, one: &str, many: &str) -> String {
    format!("{} {}", grouped(count), if count == 1 { one } else { many })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_grouped_from_the_right() {
        assert_eq!([0, 12, 123, 1234, 123_456, 1_234_567].map(grouped).join(" "), "0 12 123 1,234 123,456 1,234,567");
    }

    #[test]
    fn sizes_have_the_largest_unit_that_leaves_at_least_one() {
        assert_eq!([0, 1023, 1024, 1 << 20, 5 << 29].map(size).join(" "), "0 B 1023 B 1.0 KiB 1.0 MiB 2.5 GiB");
    }
}
