//! Errors on standard error: what failed, why, and what to do.

use crate::{
    command::bundle::not_module,
    escape::harmless,
    output::{harmless_json, is_of_stream, size},
};
use permacode_bundle::{ErrorKind as BundleKind, Unreadable, WriteErrorKind as WriteKind};
use permacode_reader::ErrorKind as ReaderKind;
use serde::Serialize;
use std::{
    fmt,
    io::{self, Write},
    path::{Path, PathBuf},
};

/// How errors are printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Format {
    Text,
    /// One object on a line.
    Json,
}

/// The arguments do not fit what the command found.
#[derive(Debug)]
pub(crate) struct UsageError {
    message: String,
    /// The file that the error is about, unless it is the archive.
    file: Option<PathBuf>,
}

impl UsageError {
    pub(crate) fn new(message: impl Into<String>) -> Self {
        UsageError { message: message.into(), file: None }
    }

    pub(crate) fn of_file(message: impl Into<String>, file: &Path) -> Self {
        UsageError { file: Some(file.to_owned()), ..UsageError::new(message) }
    }
}

impl fmt::Display for UsageError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for UsageError {}

/// Prints an error. `file` is the archive that the command reads.
pub(crate) fn print(error: &anyhow::Error, file: Option<&Path>, format: Format) {
    let text = match format {
        Format::Text => text(error),
        Format::Json => json(&ErrorReport::new(error, file)),
    };
    // If standard error cannot be written, the exit status still tells of the error.
    let _ = io::stderr().write_all(text.as_bytes());
}

/// Prints an error about the arguments as JSON.
pub(crate) fn print_usage_as_json(message: &str) {
    let report = ErrorReport { kind: "usage", message: message.trim().to_owned(), ..ErrorReport::default() };
    let _ = io::stderr().write_all(json(&report).as_bytes());
}

/// Prints a line on standard error that is not a result.
pub(crate) fn note(line: impl fmt::Display) {
    let _ = io::stderr().write_all(format!("{}\n", harmless(&line.to_string())).as_bytes());
}

/// An error as JSON.
#[derive(Debug, Default, PartialEq, Eq, Serialize)]
struct ErrorReport {
    /// One of the words that the help lists.
    kind: &'static str,
    /// The error and its causes.
    message: String,
    /// The file that the error is about.
    file: Option<String>,
    /// The place in the archive.
    offset: Option<u64>,
    /// The rule of the format that the archive breaks.
    rule: Option<&'static str>,
    /// What to do.
    #[serde(skip_serializing_if = "Option::is_none")]
    advice: Option<String>,
    /// The files that `bundle --strict` refuses, and the reasons.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    not_modules: Vec<serde_json::Value>,
    /// The files that cannot be read, and the reasons.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    unreadable: Vec<serde_json::Value>,
}

fn values(files: &[impl Serialize]) -> Vec<serde_json::Value> {
    files.iter().filter_map(|file| serde_json::to_value(file).ok()).collect()
}

impl ErrorReport {
    fn new(error: &anyhow::Error, file: Option<&Path>) -> Self {
        let mut report = ErrorReport { message: causes(error).join(": "), ..ErrorReport::default() };
        for cause in error.chain() {
            report.look_at(cause);
        }
        if report.kind.is_empty() {
            report.kind = "other";
        }
        if report.file.is_none() && !is_of_stream(error) {
            report.file = file.map(shown);
        }
        report
    }

    /// Takes from a cause what is not yet known.
    fn look_at(&mut self, cause: &(dyn std::error::Error + 'static)) {
        let mut kind = "";
        if let Some(error) = cause.downcast_ref::<permacode_reader::Error>() {
            kind = match error.kind() {
                ReaderKind::NotAnArchive { .. } => "not-an-archive",
                ReaderKind::UnsupportedVersion { .. }
                | ReaderKind::UnknownBits { .. }
                | ReaderKind::UnknownSection { .. } => "unsupported-format",
                _ if error.rule().is_some() => "damaged",
                _ => "",
            };
            if let Some(rule) = error.rule() {
                (self.offset, self.rule) = (error.offset(), Some(rule.id()));
                self.advice = Some(advice(error).to_owned());
            }
        } else if let Some(error) = cause.downcast_ref::<UsageError>() {
            self.file = error.file.as_deref().map(shown);
            kind = "usage";
        } else if let Some(error) = cause.downcast_ref::<permacode_bundle::Error>() {
            let path = match error.kind() {
                BundleKind::Start { program, .. }
                | BundleKind::Probe { program, .. }
                | BundleKind::Unsupported { program, .. }
                | BundleKind::NoLibrary { program, .. }
                | BundleKind::Compiler { program, .. } => Some(program),
                BundleKind::CompilerFailed { file, .. } => Some(file),
                BundleKind::Temporary { folder, .. } => Some(folder),
                BundleKind::Io { path, .. } | BundleKind::NotEmpty(path) | BundleKind::OutputIsInput(path) => {
                    Some(path)
                }
                BundleKind::Write(error) => match error.kind() {
                    WriteKind::Io { path, .. } => Some(path),
                    _ => None,
                },
                BundleKind::Conflict { second, .. } => Some(second),
                _ => None,
            };
            self.file = path.map(|path| shown(path));
            self.advice = bundle_advice(error.kind());
            kind = match error.kind() {
                BundleKind::Start { .. }
                | BundleKind::Probe { .. }
                | BundleKind::Unsupported { .. }
                | BundleKind::NoLibrary { .. } => "interpreter",
                BundleKind::Compiler { .. } | BundleKind::CompilerFailed { .. } => "compiler",
                BundleKind::Unreadable(_) => "unreadable",
                BundleKind::NotModules(_) => "not-modules",
                BundleKind::Conflict { .. } | BundleKind::SameFile { .. } => "conflict",
                BundleKind::Write(error) if !matches!(error.kind(), WriteKind::Io { .. }) => "limit",
                BundleKind::TooMuch { .. } => "limit",
                BundleKind::NotEmpty(_) => "not-empty",
                BundleKind::Pattern(_)
                | BundleKind::RootName(_)
                | BundleKind::DuplicateRoot(_)
                | BundleKind::Unmatched(_)
                | BundleKind::OutputIsInput(_)
                | BundleKind::NoSuchRoot { .. }
                | BundleKind::TargetChoice { .. }
                | BundleKind::Nothing => "usage",
                _ => "",
            };
            match error.kind() {
                BundleKind::NotModules(files) => self.not_modules = values(files),
                BundleKind::Unreadable(files) => self.unreadable = values(files),
                _ => {}
            }
        } else if let Some(error) = cause.downcast_ref::<io::Error>() {
            kind = match error.kind() {
                io::ErrorKind::NotFound => "not-found",
                io::ErrorKind::PermissionDenied => "permission-denied",
                io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::FileTooLarge => "no-space",
                _ => "io",
            };
        }
        if self.kind.is_empty() {
            self.kind = kind;
        }
    }
}

fn shown(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}

fn json(report: &ErrorReport) -> String {
    // Only a map whose keys are not text could fail, and a report has none.
    serde_json::to_string(report).map(|json| harmless_json(&json) + "\n").unwrap_or_default()
}

/// An error and its causes, without those that the text before already contains.
fn causes(error: &anyhow::Error) -> Vec<String> {
    let mut causes: Vec<String> = Vec::new();
    for cause in error.chain() {
        let mut cause_text = cause.to_string();
        if is_list(cause) {
            // The first line has the number. The files follow on lines of their own.
            cause_text.truncate(cause_text.find('\n').unwrap_or(cause_text.len()));
        }
        let cause = cause_text;
        if causes.last().is_none_or(|last| !last.contains(&cause)) {
            causes.push(cause);
        }
    }
    causes
}

fn unreadable(file: &Unreadable) -> String {
    format!("{}: {}", file.file.display(), file.error)
}

/// Whether an error names files that cannot be read, one on each line.
fn is_list(cause: &(dyn std::error::Error + 'static)) -> bool {
    let error = cause.downcast_ref::<permacode_bundle::Error>();
    error.is_some_and(|error| matches!(error.kind(), BundleKind::Unreadable(_)))
}

fn text(error: &anyhow::Error) -> String {
    let mut causes = causes(error).into_iter().map(|cause| harmless(&cause));
    let mut text = format!("permacode: {}", causes.next().unwrap_or_default());
    if let Some(cause) = causes.next() {
        text.push_str(": ");
        text.push_str(&cause);
    }
    for cause in causes {
        text.push_str("\n  caused by: ");
        text.push_str(&cause);
    }
    for cause in error.chain() {
        if let Some(fault) = cause.downcast_ref::<permacode_reader::Error>()
            && fault.rule().is_some()
        {
            text.push_str("\n  ");
            text.push_str(advice(fault));
        }
        let lines: Vec<String> =
            match cause.downcast_ref::<permacode_bundle::Error>().map(permacode_bundle::Error::kind) {
                Some(BundleKind::NotModules(files)) => files.iter().map(not_module).collect(),
                Some(BundleKind::Unreadable(files)) => files.iter().map(unreadable).collect(),
                _ => Vec::new(),
            };
        for line in lines {
            text.push_str("\n  ");
            text.push_str(&harmless(&line));
        }
        if let Some(error) = cause.downcast_ref::<permacode_bundle::Error>()
            && let Some(advice) = bundle_advice(error.kind())
        {
            text.push_str("\n  ");
            text.push_str(&advice);
        }
    }
    text.push('\n');
    text
}

/// The option that helps.
fn bundle_advice(kind: &BundleKind) -> Option<String> {
    match kind {
        BundleKind::Unreadable(_) => Some("To bundle the rest, use --keep-going.".to_owned()),
        BundleKind::NotModules(_) => Some("Mend or --exclude them, or leave out --strict.".to_owned()),
        BundleKind::TooMuch { bytes, .. } => {
            let mebibytes = bytes.div_ceil(1 << 20);
            Some(format!("Nothing was written. For these {}, use --max-size {mebibytes}MiB.", size(*bytes)))
        }
        _ => None,
    }
}

/// What to do about an archive that breaks a rule.
pub(crate) fn advice(fault: &permacode_reader::Error) -> &'static str {
    match fault.kind() {
        ReaderKind::NotAnArchive { .. } => "Check the name of the file. `permacode bundle` makes archives.",
        ReaderKind::UnsupportedVersion { .. } | ReaderKind::UnknownBits { .. } | ReaderKind::UnknownSection { .. } => {
            "Use a version of permacode that reads this format, or bundle again."
        }
        ReaderKind::WrongLength { .. } => "Copy the archive again from its origin, or bundle again.",
        ReaderKind::Checksum { .. } => {
            "The archive was damaged after it was written. Copy it again from its origin, or bundle again."
        }
        _ => "Do not use this archive. Bundle again. If permacode wrote it like this, please report it.",
    }
}

#[cfg(test)]
mod tests {
    use super::{ErrorReport, UsageError, text};
    use anyhow::{Context, anyhow};
    use std::{io, path::Path};

    #[test]
    fn the_first_cause_stands_on_the_line_and_the_others_below() {
        let error = anyhow!("disk full").context("cannot write").context("no archive was made").context("bundle");
        assert_eq!(
            text(&error),
            "permacode: bundle: no archive was made\n  caused by: cannot write\n  caused by: disk full\n"
        );
        assert_eq!(text(&anyhow!("alone")), "permacode: alone\n");
    }

    #[test]
    fn a_cause_that_repeats_its_effect_is_left_out() {
        let error = anyhow!("no such file").context("no such file").context("cannot open \"a\"");
        assert_eq!(text(&error), "permacode: cannot open \"a\": no such file\n");
    }

    #[test]
    fn everything_that_a_terminal_obeys_is_escaped() {
        assert_eq!(
            text(&anyhow!("cannot open a\x1b[31m\nb\u{202e}")),
            "permacode: cannot open a\\u{1b}[31m\\nb\\u{202e}\n"
        );
    }

    #[test]
    fn an_error_of_the_system_has_a_kind_and_the_file_of_the_command() {
        let error = Err::<(), _>(io::Error::from(io::ErrorKind::NotFound)).context("cannot open \"a\"").unwrap_err();
        let report = ErrorReport::new(&error, Some(Path::new("a")));
        assert_eq!((report.kind, report.file.as_deref(), report.offset), ("not-found", Some("a"), None));
        let report = ErrorReport::new(&anyhow!("no"), None);
        assert_eq!((report.kind, &report.message[..], report.file), ("other", "no", None));
        let error = anyhow::Error::new(UsageError::of_file("no", Path::new("b"))).context("cannot do it");
        let report = ErrorReport::new(&error, Some(Path::new("a")));
        assert_eq!((report.kind, report.file.as_deref()), ("usage", Some("b")));
    }
}
