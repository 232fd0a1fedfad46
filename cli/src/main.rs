//! The command `permacode`: arguments in, tables out. The libraries do all the work.
// The lints of the workspace deny unsafe code. `forbid` would refuse the macro of `ctor`.

mod archive;
mod command;
#[cfg(unix)]
mod environment;
mod errors;
mod escape;
mod name;
mod near;
mod output;
mod package;
mod progress;
mod query;
mod root;
mod signals;
mod table;
mod target;
mod text;

use anyhow::Result;
use clap::{CommandFactory, Parser, Subcommand};
use clap_complete::CompleteEnv;
use command::{bundle, cat, completions, dump, extract, image, info, list, man, show, stamp, verify};
#[cfg(unix)]
use command::{disable, enable, status};
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
  permacode show stdlib.perma json.decoder:JSONDecoder.decode

Exit status:
  0  done, or the answer is yes
  1  the answer is no: not valid, not found
  2  wrong usage, or something could not be read or written

  The status is the same if the program that reads standard output ends early, as in `| head`.
  But it is an error if `bundle -o -` could not write the whole archive.

Errors:
  With --json, an error (exit status 2) is a line of JSON on standard error. So is the answer that a
  name is unknown or ambiguous, or that there is no image or that it differs (exit status 1):
    kind     a word: usage, not-found, permission-denied, no-space, io, not-an-archive,
             unsupported-format, damaged, malformed, interpreter, compiler, unreadable, not-modules,
             conflict, not-empty, limit, unknown-name, ambiguous-name, refused, other
    message  the message without --json
    file     the file that the error is about, or null
    offset   the offset in the archive, or null
    rule     the rule of the format that the archive breaks, or null
    advice   what to do; absent if there is no advice
    choices  code objects that could be meant, at most 20; absent if there are none";

#[derive(Debug, Subcommand)]
enum Command {
    Bundle(bundle::Args),
    List(list::Args),
    Info(info::Args),
    Verify(verify::Args),
    Cat(cat::Args),
    Show(show::Args),
    Extract(extract::Args),
    Dump(dump::Args),
    Image(image::Args),
    Stamp(stamp::Args),
    #[cfg(unix)]
    Enable(enable::Enable),
    #[cfg(unix)]
    Refresh(enable::Refresh),
    #[cfg(unix)]
    Status(status::Args),
    #[cfg(unix)]
    Disable(disable::Args),
    Completions(completions::Args),
    Man(man::Args),
}

/// The answer of a command that had no error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Answer {
    /// Done, or yes.
    Yes,
    /// No, not found, not valid.
    No,
}

impl Command {
    /// The file that an error is about, unless the error names another.
    fn file(&self) -> Option<&Path> {
        let archive = match self {
            Command::Bundle(_) | Command::Completions(_) | Command::Man(_) => return None,
            #[cfg(unix)]
            Command::Enable(_) | Command::Refresh(_) | Command::Status(_) | Command::Disable(_) => return None,
            Command::List(args) => &args.archive,
            Command::Info(args) => &args.archive,
            Command::Verify(args) => &args.archive,
            Command::Cat(args) => &args.archive,
            Command::Show(args) => &args.query.archive,
            Command::Extract(args) => &args.archive,
            Command::Dump(args) => &args.query.archive,
            Command::Image(image::Args { package, .. }) | Command::Stamp(stamp::Args { package }) => {
                return Some(&package.path);
            }
        };
        Some(&archive.path)
    }
}

fn main() -> ExitCode {
    CompleteEnv::with_factory(Cli::command).var(completions::VARIABLE).complete();
    let args: Vec<OsString> = std::env::args_os().collect();
    let wants_json = args.iter().take_while(|arg| *arg != "--").any(|arg| arg == "--json");
    let format = if wants_json { errors::Format::Json } else { errors::Format::Text };
    signals::survive_file_size_limit();
    let mut out = Output::stdout();
    let cli = match Cli::try_parse_from(&args) {
        Ok(cli) => cli,
        Err(error) if error.use_stderr() => {
            let error = harmless_usage(error, &args);
            match format {
                errors::Format::Json => errors::print_usage_as_json(&error),
                // If standard error cannot be written, the exit status still tells of the error.
                errors::Format::Text => drop(error.print()),
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
        Command::Show(args) => show::run(args, &mut out),
        Command::Extract(args) => extract::run(args, &mut out),
        Command::Dump(args) => dump::run(args, &mut out),
        Command::Image(args) => image::run(args, &mut out),
        Command::Stamp(args) => stamp::run(args, &mut out),
        #[cfg(unix)]
        Command::Enable(args) => enable::enable(args, &mut out),
        #[cfg(unix)]
        Command::Refresh(args) => enable::refresh(args, &mut out),
        #[cfg(unix)]
        Command::Status(args) => status::run(args, &mut out),
        #[cfg(unix)]
        Command::Disable(args) => disable::run(args, &mut out),
        Command::Completions(args) => completions::run(args, &mut out),
        Command::Man(args) => man::run(args, &mut out),
    };
    let finished = out.finish();
    // Results from before an error are printed. The error of the command comes before that of standard output.
    let status = exit_code(result, cli.command.file(), format);
    match finished {
        Err(error) if status != ExitCode::from(2) => exit_code(Err(error), cli.command.file(), format),
        _ => status,
    }
}

fn exit_code(result: Result<Answer>, file: Option<&Path>, format: errors::Format) -> ExitCode {
    match result {
        Ok(Answer::Yes) => ExitCode::SUCCESS,
        Ok(Answer::No) => ExitCode::from(1),
        Err(error) => {
            errors::print(&error, file, format);
            ExitCode::from(if error.is::<errors::No>() { 1 } else { 2 })
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

/// The same error about arguments, with everything escaped that a terminal would obey.
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
