//! `permacode man`: manual pages.

use crate::{Answer, Cli, errors::UsageError, output::Output, root::folder};
use anyhow::{Context, Result};
use clap::{Command, CommandFactory};
use clap_complete::{ArgValueCandidates, CompletionCandidate};
use clap_mangen::{
    Man,
    roff::{Roff, roman},
};
use std::{fs, path::PathBuf};

/// Print the manual page of a command, or write the pages of all commands
#[derive(Debug, clap::Args)]
#[command(after_long_help = AFTER_HELP, after_help = AFTER_HELP, override_usage = USAGE)]
pub(crate) struct Args {
    /// The command [default: the page of permacode itself]
    #[arg(conflicts_with = "output", add = ArgValueCandidates::new(candidates))]
    command: Option<String>,

    /// Write the pages of all commands to this folder, as permacode.1, permacode-list.1 and so on
    ///
    /// Files of these names are replaced.
    #[arg(short, long, value_name = "DIR", value_parser = folder())]
    output: Option<PathBuf>,
}

const USAGE: &str = "\
permacode man [COMMAND]
       permacode man --output <DIR>";

const AFTER_HELP: &str = "\
Examples:
  permacode man list | man -l -
  permacode man -o ~/.local/share/man/man1

Exit status:
  0  printed or written
  2  wrong usage, or something could not be written";

pub(crate) fn run(args: &Args, out: &mut Output) -> Result<Answer> {
    let permacode = permacode();
    if let Some(folder) = &args.output {
        fs::create_dir_all(folder).with_context(|| format!("cannot make {folder:?}"))?;
        for command in commands(&permacode) {
            let path = folder.join(format!("{}.1", page_name(command)));
            fs::write(&path, page(command)?).with_context(|| format!("cannot write {path:?}"))?;
            out.line(path.display())?;
        }
        return Ok(Answer::Yes);
    }
    let wanted = args.command.as_deref();
    let found = commands(&permacode).find(|command| wanted.is_none_or(|name| command.get_name() == name));
    let Some(command) = found else {
        let names: Vec<&str> = commands(&permacode).skip(1).map(Command::get_name).collect();
        let problem = format!("there is no command {:?}; there are {}", wanted.unwrap_or_default(), names.join(", "));
        return Err(UsageError::new(problem).into());
    };
    out.bytes(&page(command)?)?;
    Ok(Answer::Yes)
}

/// The definition of the command. `help` is left out: it has no page.
fn permacode() -> Command {
    let mut permacode = Cli::command().disable_help_subcommand(true);
    permacode.build();
    permacode
}

/// The command itself, then its subcommands.
fn commands(permacode: &Command) -> impl Iterator<Item = &Command> {
    std::iter::once(permacode).chain(permacode.get_subcommands())
}

fn candidates() -> Vec<CompletionCandidate> {
    let candidate = |command: &Command| CompletionCandidate::new(command.get_name()).help(command.get_about().cloned());
    permacode().get_subcommands().map(candidate).collect()
}

/// `permacode-list` for `list`.
fn page_name(command: &Command) -> &str {
    command.get_display_name().unwrap_or_else(|| command.get_name())
}

/// The page of a command. The sections after its options are those of its help.
fn page(command: &Command) -> Result<Vec<u8>> {
    let mut page = Vec::new();
    let mut command = command.clone();
    let usage = command.render_usage().to_string();
    let usage = usage.strip_prefix("Usage: ").unwrap_or(&usage).to_owned();
    let command = command.override_usage(usage);
    let source = format!("Permacode {}", command.get_version().unwrap_or_default());
    // Pages have no date, so that the same version gives the same bytes. An empty argument would move the others.
    let man = Man::new(command.clone()).date("\"\"").source(source).manual("Permacode");
    man.render_title(&mut page)?;
    man.render_name_section(&mut page)?;
    man.render_synopsis_section(&mut page)?;
    man.render_description_section(&mut page)?;
    if command.get_arguments().next().is_some() {
        man.render_options_section(&mut page)?;
    }
    if command.has_subcommands() {
        man.render_subcommands_section(&mut page)?;
    }
    let help = command.get_after_long_help().map(ToString::to_string).unwrap_or_default();
    let mut roff = Roff::new();
    for line in help.lines() {
        match line.strip_suffix(':').filter(|line| !line.starts_with(' ')) {
            // Lines keep their breaks: sections are lists of examples and tables.
            Some(title) => roff.control("fi", []).control("SH", [title.to_uppercase().as_str()]).control("nf", []),
            None => roff.text([roman(line)]),
        };
    }
    roff.control("fi", []).to_writer(&mut page)?;
    man.render_version_section(&mut page)?;
    Ok(page)
}
