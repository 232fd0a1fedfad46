//! The command `permacode`: arguments in, tables out. All the work is done by the libraries.
#![forbid(unsafe_code)]

mod archive;
mod command;
mod escape;
mod near;
mod output;
mod progress;
mod report;
mod table;
mod target;

use clap::{CommandFactory, FromArgMatches, Parser, Subcommand};
use command::{bundle, cat, extract, info, list, verify};
use output::Output;
use std::process::ExitCode;

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
  2  wrong usage, or something could not be read or written";

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

fn main() -> ExitCode {
    let cli = match Cli::command().try_get_matches().and_then(|matches| Cli::from_arg_matches(&matches)) {
        Ok(cli) => cli,
        Err(error) => {
            // Nobody is left to tell if this fails.
            let _ = error.print();
            return ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(2));
        }
    };
    let mut out = Output::stdout();
    let result = match &cli.command {
        Command::Bundle(args) => bundle::run(args, &mut out),
        Command::List(args) => list::run(args, &mut out),
        Command::Info(args) => info::run(args, &mut out),
        Command::Verify(args) => verify::run(args, &mut out),
        Command::Cat(args) => cat::run(args, &mut out),
        Command::Extract(args) => extract::run(args, &mut out),
    };
    match result.and_then(|answer| out.finish().map(|()| answer)) {
        Ok(Answer::Yes) => ExitCode::SUCCESS,
        Ok(Answer::No) => ExitCode::from(1),
        Err(error) if output::is_broken_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => {
            // What was found before the error is worth having.
            let _ = out.finish();
            report::print(&error);
            ExitCode::from(2)
        }
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
