//! Standard output: buffered, as text or JSON. Results that are not read are not an error.

use crate::escape::{harmless, is_harmless};
use anyhow::Result;
use serde::Serialize;
use std::{
    fmt,
    io::{self, BufWriter, IsTerminal, Write},
};

/// The standard output of a command.
pub(crate) struct Output {
    inner: BufWriter<Pipe>,
    name: &'static str,
    is_terminal: bool,
}

/// Standard output could not be written. A type of its own, because this error is about no file.
#[derive(Debug)]
struct StreamError {
    stream: &'static str,
    error: io::Error,
}

impl fmt::Display for StreamError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "cannot write to {}", self.stream)
    }
}

impl std::error::Error for StreamError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.error)
    }
}

/// A stream whose reader may go. What is written after that is dropped: the exit status still has the answer.
struct Pipe {
    stream: Box<dyn Write>,
    /// Whether the reader has gone.
    is_broken: bool,
}

impl Write for Pipe {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.is_broken {
            return Ok(bytes.len());
        }
        match self.stream.write(bytes) {
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => {
                self.is_broken = true;
                Ok(bytes.len())
            }
            result => result,
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        if self.is_broken { Ok(()) } else { self.stream.flush() }
    }
}

/// Standard output that is closed.
#[derive(Debug)]
struct Closed;

impl Write for Closed {
    fn write(&mut self, _: &[u8]) -> io::Result<usize> {
        Err(io::Error::other("it is closed"))
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(unix)]
mod stdout {
    use std::{
        fs::File,
        io::{self, Write},
        os::fd::AsFd,
        sync::atomic::{AtomicBool, Ordering},
    };

    static IS_CLOSED: AtomicBool = AtomicBool::new(false);

    // Before `main`, Rust opens /dev/null in place of a closed standard stream, so results would be lost silently.
    #[ctor::ctor(unsafe)]
    fn look_at_standard_output() {
        // Before `main`, the library of Rust may not be ready. This is one system call and does not use it.
        IS_CLOSED.store(rustix::io::fcntl_getfd(rustix::stdio::stdout()).is_err(), Ordering::Relaxed);
    }

    pub(super) fn open() -> io::Result<Box<dyn Write>> {
        if IS_CLOSED.load(Ordering::Relaxed) {
            return Ok(Box::new(super::Closed));
        }
        // The standard output of Rust takes an error for success if the stream is open for reading only.
        Ok(Box::new(File::from(io::stdout().as_fd().try_clone_to_owned()?)))
    }
}

#[cfg(not(unix))]
mod stdout {
    use std::io::{self, Write};

    pub(super) fn open() -> io::Result<Box<dyn Write>> {
        Ok(Box::new(io::stdout()))
    }
}

impl Output {
    pub(crate) fn stdout() -> Self {
        let stream = stdout::open().unwrap_or_else(|_| Box::new(io::stdout()));
        Output::new("standard output", stream, io::stdout().is_terminal())
    }

    /// Standard error, for the summary of an archive that goes to standard output.
    pub(crate) fn stderr() -> Self {
        let stderr = io::stderr();
        let is_terminal = stderr.is_terminal();
        Output::new("standard error", Box::new(stderr), is_terminal)
    }

    fn new(name: &'static str, stream: Box<dyn Write>, is_terminal: bool) -> Self {
        Output { inner: BufWriter::with_capacity(1 << 16, Pipe { stream, is_broken: false }), name, is_terminal }
    }

    fn failed(&self, error: io::Error) -> anyhow::Error {
        StreamError { stream: self.name, error }.into()
    }

    /// Finds a stream that is closed, open for reading only, or full like `/dev/full`, before work whose result is
    /// printed.
    pub(crate) fn check(&mut self) -> Result<()> {
        self.inner.get_mut().stream.write(&[]).map(drop).map_err(|error| self.failed(error))
    }

    /// Whether the stream is a terminal.
    pub(crate) fn is_terminal(&self) -> bool {
        self.is_terminal
    }

    /// Whether text may be bold.
    pub(crate) fn is_styled(&self) -> bool {
        let is_set = |name| std::env::var_os(name).is_some_and(|value| !value.is_empty());
        self.is_terminal && !is_set("NO_COLOR") && std::env::var_os("TERM").is_none_or(|term| term != "dumb")
    }

    pub(crate) fn bytes(&mut self, bytes: &[u8]) -> Result<()> {
        self.inner.write_all(bytes).map_err(|error| self.failed(error))
    }

    /// Writes a line of text. Everything that a terminal might obey is escaped.
    pub(crate) fn line(&mut self, line: impl fmt::Display) -> Result<()> {
        self.styled(harmless(&line.to_string()))
    }

    /// Writes a line with escape sequences of this program. Names in it must be escaped already.
    pub(crate) fn styled(&mut self, line: impl fmt::Display) -> Result<()> {
        writeln!(self.inner, "{line}").map_err(|error| self.failed(error))
    }

    /// Writes a value as indented JSON and a line break, piece by piece, because the text may be far larger than the
    /// value.
    pub(crate) fn json(&mut self, value: &impl Serialize) -> Result<()> {
        let result = serde_json::to_writer_pretty(HarmlessJson(&mut self.inner), value);
        match result {
            Err(error) if error.is_io() => Err(self.failed(error.into())),
            Err(error) => Err(error.into()),
            Ok(()) => self.styled(""),
        }
    }

    /// Writes a whole file. Here it is an error if the reader goes: it has only a part.
    pub(crate) fn whole(&mut self, write: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> Result<()> {
        let result = write(&mut self.inner).and_then(|()| self.inner.flush());
        let is_broken = self.inner.get_ref().is_broken;
        let gone = || io::Error::new(io::ErrorKind::BrokenPipe, "the reader has gone before the end of the file");
        let result = result.and_then(|()| if is_broken { Err(gone()) } else { Ok(()) });
        result.map_err(|error| self.failed(error))
    }

    pub(crate) fn finish(&mut self) -> Result<()> {
        self.inner.flush().map_err(|error| self.failed(error))
    }
}

/// Escapes in JSON everything that a terminal might obey: DEL, control characters beyond ASCII, and characters that
/// change the direction of text. JSON escapes the other control characters itself, and has none of these outside
/// strings.
pub(crate) fn harmless_json(json: &str) -> String {
    let mut text = String::with_capacity(json.len());
    for character in json.chars() {
        if character == '\n' || is_harmless(character) {
            text.push(character);
        } else {
            for unit in character.encode_utf16(&mut [0; 2]) {
                text.push_str(&format!("\\u{unit:04x}"));
            }
        }
    }
    text
}

/// Escapes the output of serde_json as [`harmless_json`] does. Each write has whole characters.
struct HarmlessJson<W>(W);

impl<W: Write> Write for HarmlessJson<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match std::str::from_utf8(bytes) {
            Ok(text) if !text.chars().all(is_harmless) => self.0.write_all(harmless_json(text).as_bytes())?,
            _ => self.0.write_all(bytes)?,
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

/// Whether the error is about standard output and not about a file.
pub(crate) fn is_of_stream(error: &anyhow::Error) -> bool {
    error.is::<StreamError>()
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

/// A number of bytes with a unit, `12.3 MiB`.
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

/// The items of a list that a message names, and the number of the others.
pub(crate) fn named<T>(items: &[T]) -> (&[T], u64) {
    const MOST: usize = 10;
    items.split_at_checked(MOST).map_or((items, 0), |(named, others)| (named, others.len() as u64))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escaped_json_has_the_same_value() {
        let value = "a\x1b[31m\n\x7f\u{9b}1m \u{202e}\u{e0001} caf\u{e9} \\ \"";
        let mut json = Vec::new();
        serde_json::to_writer_pretty(HarmlessJson(&mut json), &[value]).unwrap();
        let json = String::from_utf8(json).unwrap();
        assert_eq!(serde_json::from_str::<[String; 1]>(&json).unwrap()[0], value);
        assert!(json.contains("caf\u{e9}") && json.chars().all(|c| c == '\n' || is_harmless(c)), "{json}");
    }

    #[test]
    fn numbers_are_grouped_from_the_right() {
        assert_eq!([0, 12, 123, 1234, 123_456, 1_234_567].map(grouped).join(" "), "0 12 123 1,234 123,456 1,234,567");
    }

    #[test]
    fn sizes_have_the_largest_unit_that_gives_at_least_one() {
        assert_eq!([0, 1023, 1024, 1 << 20, 5 << 29].map(size).join(" "), "0 B 1023 B 1.0 KiB 1.0 MiB 2.5 GiB");
    }
}
