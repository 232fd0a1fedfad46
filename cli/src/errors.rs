//! Errors on standard error: what failed, why, and what to do.

use crate::{
    command::bundle::not_module,
    escape::harmless,
    output::{grouped, harmless_json, is_of_stream, size},
    package::PackageError,
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

/// The answer is no, because of a name in the question or of an interpreter. The exit status is 1.
#[derive(Debug)]
pub(crate) struct No {
    kind: &'static str,
    message: String,
    /// What to do.
    advice: Option<String>,
    /// The first things that have the name.
    choices: Vec<Choice>,
    /// The number of further ones.
    more: usize,
}

/// One of several code objects that have a name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Choice {
    /// A name that only this one has.
    pub(crate) name: String,
    pub(crate) first_line: i32,
}

impl No {
    /// Nothing has the name.
    pub(crate) fn unknown(message: impl Into<String>, advice: Option<String>) -> Self {
        No { kind: "unknown-name", message: message.into(), advice, choices: Vec::new(), more: 0 }
    }

    /// The package of an interpreter says that there is nothing, or that it differs.
    pub(crate) fn refused(message: impl Into<String>) -> Self {
        No { kind: "refused", ..No::unknown(message, None) }
    }

    /// More than one thing has the name.
    pub(crate) fn ambiguous(message: impl Into<String>, advice: impl Into<String>) -> Self {
        No { kind: "ambiguous-name", ..No::unknown(message, Some(advice.into())) }
    }

    /// The same answer with code objects that could be meant.
    pub(crate) fn choices(self, choices: Vec<Choice>, more: usize) -> Self {
        No { choices, more, ..self }
    }

    /// The same answer with other advice.
    pub(crate) fn advise(self, advice: impl Into<String>) -> Self {
        No { advice: Some(advice.into()), ..self }
    }
}

impl fmt::Display for No {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for No {}

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
pub(crate) fn print_usage_as_json(error: &clap::Error) {
    let _ = io::stderr().write_all(json(&ErrorReport::of_usage(&error.render().to_string())).as_bytes());
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
    /// The code objects that could be meant, or the first ones of many.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    choices: Vec<Choice>,
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
    /// The report of an error that clap found. Its text has the message, then tips, the usage and a hint at `--help`,
    /// each after an empty line.
    fn of_usage(text: &str) -> Self {
        let joined = |paragraph: &str| paragraph.split_whitespace().collect::<Vec<_>>().join(" ");
        let mut paragraphs = text.trim().split("\n\n").map(joined);
        let message = paragraphs.next().unwrap_or_default();
        let message = message.strip_prefix("error: ").unwrap_or(&message).to_owned();
        let advice = paragraphs.find_map(|paragraph| Some(paragraph.strip_prefix("tip: ")?.to_owned()));
        ErrorReport { kind: "usage", message, advice, ..ErrorReport::default() }
    }

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
                ReaderKind::MalformedEntry { .. } | ReaderKind::Signature { .. } => "malformed",
                _ if error.rule().is_some() => "damaged",
                _ => "",
            };
            self.offset = error.offset();
            self.rule = error.rule().map(|rule| rule.id());
            self.advice = advice(error).map(str::to_owned);
        } else if let Some(no) = cause.downcast_ref::<No>() {
            (self.advice, self.choices) = (no.advice.clone(), no.choices.clone());
            kind = no.kind;
        } else if let Some(error) = cause.downcast_ref::<UsageError>() {
            self.file = error.file.as_deref().map(shown);
            kind = "usage";
        } else if let Some(error) = cause.downcast_ref::<PackageError>() {
            (self.file, self.advice) = (Some(shown(&error.program)), error.advice());
            kind = "interpreter";
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
        // The message of an error that breaks no rule says what to do.
        if let Some(fault) = cause.downcast_ref::<permacode_reader::Error>()
            && let Some(advice) = advice(fault).filter(|_| fault.rule().is_some())
        {
            text.push_str("\n  ");
            text.push_str(advice);
        }
        if let Some(no) = cause.downcast_ref::<No>() {
            let choice = |choice: &Choice| format!("\"{}\" starts in line {}", choice.name, choice.first_line);
            let more = (no.more > 0).then(|| format!("and {} more", grouped(no.more as u64)));
            for line in no.advice.iter().cloned().chain(no.choices.iter().map(choice)).chain(more) {
                text.push_str("\n  ");
                text.push_str(&harmless(&line));
            }
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
        let of_bundle = cause.downcast_ref::<permacode_bundle::Error>().and_then(|error| bundle_advice(error.kind()));
        let of_package = cause.downcast_ref::<PackageError>().and_then(PackageError::advice);
        if let Some(advice) = of_bundle.or(of_package) {
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
        BundleKind::Start { .. } | BundleKind::Probe { .. } | BundleKind::Unsupported { .. } => {
            Some("Name an interpreter with --python: CPython 3.8 to 3.15.".to_owned())
        }
        _ => None,
    }
}

/// What to do about an archive that cannot be read.
pub(crate) fn advice(fault: &permacode_reader::Error) -> Option<&'static str> {
    Some(match fault.kind() {
        ReaderKind::NotAnArchive { .. } => "Check the name of the file. `permacode bundle` makes archives.",
        ReaderKind::UnsupportedVersion { .. } | ReaderKind::UnknownBits { .. } | ReaderKind::UnknownSection { .. } => {
            "Use a version of permacode that reads this format, or bundle again."
        }
        ReaderKind::WrongLength { .. } => "Copy the archive again from its origin, or bundle again.",
        ReaderKind::Checksum { .. } => {
            "The archive was damaged after it was written. Copy it again from its origin, or bundle again."
        }
        ReaderKind::MalformedEntry { .. } | ReaderKind::Signature { .. } => "Compile and bundle the module again.",
        _ if fault.rule().is_some() => {
            "Do not use this archive. Bundle again. If permacode wrote it like this, please report it."
        }
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::{Choice, ErrorReport, No, UsageError, text};
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
    fn an_error_about_arguments_has_its_message_and_its_tip() {
        let text = [
            "error: invalid value 'tcsh' for '<SHELL>'\n  [possible values: bash, zsh]",
            "  tip: a similar value exists: 'zsh'",
            "Usage: permacode completions <SHELL>",
            "For more information, try '--help'.\n",
        ]
        .join("\n\n");
        let report = ErrorReport::of_usage(&text);
        assert_eq!(report.message, "invalid value 'tcsh' for '<SHELL>' [possible values: bash, zsh]");
        assert_eq!((report.kind, report.advice.as_deref()), ("usage", Some("a similar value exists: 'zsh'")));
        let report = ErrorReport::of_usage("error: one line\n\nUsage: permacode [OPTIONS]\n");
        assert_eq!((&report.message[..], report.advice), ("one line", None));
    }

    #[test]
    fn a_malformed_table_has_a_kind_and_advice() {
        use permacode_model::{Code, Leaf, LineEncoding, Module, ModuleKind, Object, Path, Str, Target};
        use permacode_testkit::{Part, Program};
        let body = Code { bytecode: (&[9u8, 0][..]).into(), line_table: (&[0u8][..]).into(), ..Code::default() };
        let module = Module {
            kind: ModuleKind::Module,
            objects: vec![Object::Leaf(Leaf::Str(Str::interned("<module>")))],
            codes: vec![body],
            body: Some(0),
            filename: Some(Path { root: None, path: Str::plain("shapes.py") }),
            ..Module::namespace("shapes")
        };
        let target = Target {
            line_encoding: LineEncoding::LocationTable,
            ..Target::new("cpython", 0x0A0D_0DF3, 0x030D_00F0, 2)
        };
        let bytes = Program { targets: vec![Part { target, modules: vec![module], resources: vec![] }] }.write();
        let archive = permacode_reader::Archive::open(&bytes).unwrap();
        let module = archive.target(0).unwrap().find("shapes").unwrap().unwrap();
        let mut locations = module.body().unwrap().unwrap().locations().unwrap().unwrap();
        let fault = locations.find_map(Result::err).unwrap();
        let report = ErrorReport::new(&anyhow::Error::new(fault), None);
        assert_eq!((report.kind, report.rule), ("malformed", None));
        assert_eq!(report.advice.as_deref(), Some("Compile and bundle the module again."));
        assert!(report.offset.is_some());
    }

    #[test]
    fn an_answer_has_its_advice_and_its_choices() {
        let choice = |line: i32| Choice { name: format!("m:f#{line}"), first_line: line };
        let no = No::ambiguous("it is the name of 3 things", "choose one").choices(vec![choice(1), choice(2)], 1);
        let error = anyhow::Error::new(no);
        let lines = ["permacode: it is the name of 3 things", "choose one", "\"m:f#1\" starts in line 1"];
        let rest = ["\"m:f#2\" starts in line 2", "and 1 more\n"];
        assert_eq!(text(&error), [&lines[..], &rest[..]].concat().join("\n  "));
        let report = ErrorReport::new(&error, Some(Path::new("a")));
        assert_eq!((report.kind, report.file.as_deref()), ("ambiguous-name", Some("a")));
        assert_eq!(report.choices, [choice(1), choice(2)]);
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
