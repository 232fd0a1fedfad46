//! The command `permacode`: arguments in, tables out. All the work is done by the libraries.
// No code here is unsafe: the lints of the workspace deny it. `forbid` would refuse the macro of `ctor`.

mod archive;
mod command;
mod escape;
mod near;
mod output;
mod progress;
mod report;
mod root;
mod signals;
mod table;
mod target;

use anyhow::Result;
use clap::{Parser, Subcommand};
use command::{bundle, cat, extract, info, list, verify};
use escape::{escape, harmless};
use output::Output;
use std::{ffi::OsString, path::Path, process::ExitCode};

/// One mapped file for the compiled modules of a whole Python standard library.
#[derive(Debug, Parser)]
#[command(
    name = "permacode",
    version,
    propagate_version = true,
    max_term_width = 100,
    after_long_help = AFTER_HELP,
    after_help = AFTER_HELP
)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

const AFTER_HELP: &str = "\
Examples:
  permacode bundle --python python3 -o stdlib.perma
  permacode info stdlib.perma
  permacode list stdlib.perma json
  permacode cat stdlib.perma json.decoder

Exit status:
  0  done, or the answer is yes
  1  the answer is no: not valid, not found
  2  wrong usage, or something could not be read or written

Errors:
  With --json, an error (exit status 2) is a line of JSON on standard error:
    kind     a word: usage, not-found, permission-denied, no-space, io, not-an-archive,
             unsupported-format, damaged, interpreter, compiler, unreadable, not-modules,
             conflict, not-empty, limit, other
    message  what would be printed otherwise
    file     the file in question, or null
    offset   where in the archive, or null
    rule     the rule of the format that the archive breaks, or null";

#[derive(Debug, Subcommand)]
enum Command {
    Bundle(bundle::Args),
    List(list::Args),
    Info(info::Args),
    Verify(verify::Args),
    Cat(cat::Args),
    Extract(extract::Args),
}

/// What a command answered; everything else is an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Answer {
    /// Done, or yes.
    Yes,
    /// No, not found, not valid.
    No,
}

impl Command {
    /// The file that an error is about, unless the error itself names another.
    fn file(&self) -> Option<&Path> {
        let archive = match self {
            Command::Bundle(_) => return None,
            Command::List(args) => &args.archive,
            Command::Info(args) => &args.archive,
            Command::Verify(args) => &args.archive,
            Command::Cat(args) => &args.archive,
            Command::Extract(args) => &args.archive,
        };
        Some(&archive.path)
    }
}

fn main() -> ExitCode {
    let args: Vec<OsString> = std::env::args_os().collect();
    let wants_json = args.iter().take_while(|arg| *arg != "--").any(|arg| arg == "--json");
    let format = if wants_json { report::Format::Json } else { report::Format::Text };
    let mut out = Output::stdout();
    let cli = match Cli::try_parse_from(&args) {
        Ok(cli) => cli,
        Err(error) if error.use_stderr() => {
            let error = harmless_usage(error, &args);
            match format {
                report::Format::Json => report::print_usage_as_json(&error.render().to_string()),
                // Nobody is left to tell if this fails.
                report::Format::Text => drop(error.print()),
            }
            return ExitCode::from(2);
        }
        Err(help) => return exit_code(print_help(&help, &mut out), None, format),
    };
    let result = match &cli.command {
        Command::Bundle(args) => bundle::run(args, &mut out),
        Command::List(args) => list::run(args, &mut out),
        Command::Info(args) => info::run(args, &mut out),
        Command::Verify(args) => verify::run(args, &mut out),
        Command::Cat(args) => cat::run(args, &mut out),
        Command::Extract(args) => extract::run(args, &mut out),
    };
    let finished = out.finish();
    // What was found before an error is worth having, but the error comes first.
    exit_code(result.and_then(|answer| finished.map(|()| answer)), cli.command.file(), format)
}

fn exit_code(result: Result<Answer>, file: Option<&Path>, format: report::Format) -> ExitCode {
    match result {
        Ok(Answer::Yes) => ExitCode::SUCCESS,
        Ok(Answer::No) => ExitCode::from(1),
        Err(error) if output::is_broken_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => {
            report::print(&error, file.filter(|_| !output::is_of_stdout(&error)), format);
            ExitCode::from(2)
        }
    }
}

/// Prints help or the version, in colours on a terminal.
fn print_help(help: &clap::Error, out: &mut Output) -> Result<Answer> {
    let text = help.render();
    let text = if out.is_styled() { text.ansi().to_string() } else { text.to_string() };
    out.bytes(text.as_bytes())?;
    out.finish().map(|()| Answer::Yes)
}

/// The same error about arguments in which nothing can do anything to a terminal.
fn harmless_usage(error: clap::Error, args: &[OsString]) -> clap::Error {
    let harmless = |arg: &OsString| match arg.to_str() {
        Some(text) => harmless(text),
        None => escape(arg.as_encoded_bytes()),
    };
    match Cli::try_parse_from(args.iter().map(harmless)) {
        Err(again) if again.kind() == error.kind() => again,
        _ => error,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_arguments_are_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn each_help_has_examples_and_exit_statuses() {
        let mut command = Cli::command();
        command.build();
        let names: Vec<String> = command.get_subcommands().map(|command| command.get_name().to_owned()).collect();
        for name in names.iter().filter(|name| *name != "help") {
            let command = command.find_subcommand_mut(name).unwrap();
            for help in [command.render_help().to_string(), command.render_long_help().to_string()] {
                assert!(help.contains("\nExamples:\n") && help.contains("\nExit status:\n"), "{name}: {help}");
                let is_readable = help.lines().all(|line| line.chars().count() <= 100);
                assert!(is_readable, "{name}: a line is longer than 100 characters: {help}");
            }
        }
    }
}
