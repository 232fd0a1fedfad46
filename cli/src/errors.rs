//! Errors on standard error: what could not be done, what caused it, and what to do.

use crate::{command::bundle::not_module, escape::harmless, output::harmless_json};
use permacode_bundle::{ErrorKind as BundleKind, Unreadable, WriteErrorKind as WriteKind};
use permacode_reader::ErrorKind as ReaderKind;
use serde::Serialize;
use std::{
    fmt,
    io::{self, Write},
    path::Path,
};

/// How errors are printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Format {
    Text,
    /// One object on a line.
    Json,
}

/// Prints an error. `file` is the one that the command is about.
pub(crate) fn print(error: &anyhow::Error, file: Option<&Path>, format: Format) {
    let text = match format {
        Format::Text => text(error),
        Format::Json => json(&Report::new(error, file)),
    };
    // Nobody is left to tell if this fails.
    let _ = io::stderr().write_all(text.as_bytes());
}

/// Prints that the arguments are not as the command wants them, as JSON.
pub(crate) fn print_usage_as_json(message: &str) {
    let report = Report { kind: "usage", message: message.trim().to_owned(), ..Report::default() };
    let _ = io::stderr().write_all(json(&report).as_bytes());
}

/// A remark for the person at the terminal; results go to standard output.
pub(crate) fn note(line: impl fmt::Display) {
    let _ = io::stderr().write_all(format!("{}\n", harmless(&line.to_string())).as_bytes());
}

/// What an error is for a program.
#[derive(Debug, Default, PartialEq, Eq, Serialize)]
struct Report {
    /// A word that does not change.
    kind: &'static str,
    /// What a person would read.
    message: String,
    /// The file in question.
    file: Option<String>,
    /// Where in an archive.
    offset: Option<u64>,
    /// The rule of the format that an archive breaks.
    rule: Option<&'static str>,
    /// What to do about a damaged archive.
    #[serde(skip_serializing_if = "Option::is_none")]
    advice: Option<&'static str>,
    /// Files that `bundle --strict` refuses, and why.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    not_modules: Vec<serde_json::Value>,
    /// Files that cannot be read, and why.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    unreadable: Vec<serde_json::Value>,
}

fn values(files: &[impl Serialize]) -> Vec<serde_json::Value> {
    files.iter().filter_map(|file| serde_json::to_value(file).ok()).collect()
}

impl Report {
    fn new(error: &anyhow::Error, file: Option<&Path>) -> Self {
        let mut report = Report { message: causes(error).join(": "), ..Report::default() };
        for cause in error.chain() {
            report.look_at(cause);
        }
        if report.kind.is_empty() {
            report.kind = "other";
        }
        if report.file.is_none() {
            report.file = file.map(shown);
        }
        report
    }

    /// Takes from a cause what no earlier one has said.
    fn look_at(&mut self, cause: &(dyn std::error::Error + 'static)) {
        let mut kind = "";
        if let Some(error) = cause.downcast_ref::<permacode_reader::Error>() {
            kind = match error.kind() {
                ReaderKind::NotAnArchive => "not-an-archive",
                ReaderKind::UnsupportedVersion { .. }
                | ReaderKind::UnknownBits { .. }
                | ReaderKind::UnknownSection { .. } => "unsupported-format",
                _ if error.rule().is_some() => "damaged",
                _ => "",
            };
            if let Some(rule) = error.rule() {
                (self.offset, self.rule, self.advice) = (error.offset(), Some(rule.id()), Some(advice(error)));
            }
        } else if let Some(error) = cause.downcast_ref::<permacode_bundle::Error>() {
            let path = match error.kind() {
                BundleKind::Start { program, .. }
                | BundleKind::Probe { program, .. }
                | BundleKind::Unsupported { program, .. }
                | BundleKind::NoLibrary { program, .. }
                | BundleKind::Compiler { program, .. } => Some(program),
                BundleKind::CompilerFailed { file, .. } => Some(file),
                BundleKind::Temporary { folder, .. } => Some(folder),
                BundleKind::Io { path, .. } | BundleKind::NotEmpty(path) => Some(path),
                BundleKind::Write(error) => match error.kind() {
                    WriteKind::Io { path, .. } => Some(path),
                    _ => None,
                },
                BundleKind::Conflict { second, .. } => Some(second),
                _ => None,
            };
            self.file = path.map(|path| shown(path));
            kind = match error.kind() {
                BundleKind::Start { .. }
                | BundleKind::Probe { .. }
                | BundleKind::Unsupported { .. }
                | BundleKind::NoLibrary { .. } => "interpreter",
                BundleKind::Compiler { .. } | BundleKind::CompilerFailed { .. } => "compiler",
                BundleKind::Unreadable(_) => "unreadable",
                BundleKind::NotModules(_) => "not-modules",
                BundleKind::Conflict { .. } => "conflict",
                BundleKind::Write(error) if !matches!(error.kind(), WriteKind::Io { .. }) => "limit",
                BundleKind::NotEmpty(_) => "not-empty",
                BundleKind::Pattern(_)
                | BundleKind::RootName(_)
                | BundleKind::DuplicateRoot(_)
                | BundleKind::Unmatched(_)
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
                io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => "no-space",
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

fn json(report: &Report) -> String {
    // Maps with keys that are no text would fail; there are none.
    serde_json::to_string(report).map(|json| harmless_json(&json) + "\n").unwrap_or_default()
}

/// An error and its causes. A cause that only repeats what was said before is left out.
fn causes(error: &anyhow::Error) -> Vec<String> {
    let mut causes: Vec<String> = Vec::new();
    for cause in error.chain() {
        let mut cause_text = cause.to_string();
        if is_list(cause) {
            // The first line says how many there are; the names are told apart from the lines below.
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

/// Whether an error names files that cannot be read, one a line.
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
        if is_list(cause) {
            text.push_str("\nTo bundle the rest, use --keep-going");
        }
    }
    text.push('\n');
    text
}

/// What to do about an archive that breaks a rule.
pub(crate) fn advice(fault: &permacode_reader::Error) -> &'static str {
    match fault.kind() {
        ReaderKind::NotAnArchive => "Is it the file that was meant? Archives are made by `permacode bundle`.",
        ReaderKind::UnsupportedVersion { .. } | ReaderKind::UnknownBits { .. } | ReaderKind::UnknownSection { .. } => {
            "Use a version of permacode that knows this format, or bundle again."
        }
        ReaderKind::WrongLength { .. } => "Copy it again from where it came from, or bundle again.",
        ReaderKind::Checksum { .. } => {
            "It was damaged after it was written: copy it again from where it came from, or bundle again."
        }
        _ => {
            "Do not use this archive; bundle again. If permacode itself wrote it like this, that is a mistake worth reporting."
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Report, text};
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
    fn nothing_that_a_terminal_obeys_gets_through() {
        assert_eq!(
            text(&anyhow!("cannot open a\x1b[31m\nb\u{202e}")),
            "permacode: cannot open a\\u{1b}[31m\\nb\\u{202e}\n"
        );
    }

    #[test]
    fn an_error_of_the_system_has_a_kind_and_the_file_of_the_command() {
        let error = Err::<(), _>(io::Error::from(io::ErrorKind::NotFound)).context("cannot open \"a\"").unwrap_err();
        let report = Report::new(&error, Some(Path::new("a")));
        assert_eq!((report.kind, report.file.as_deref(), report.offset), ("not-found", Some("a"), None));
        let report = Report::new(&anyhow!("no"), None);
        assert_eq!((report.kind, &report.message[..], report.file), ("other", "no", None));
    }
}
