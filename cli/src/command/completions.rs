//! `permacode completions`: a script that completes arguments in a shell.

use crate::{Answer, Cli, output::Output};
use anyhow::Result;
use clap::CommandFactory;
use clap_complete::{Shell, generate};

/// Print a script that completes commands and options in a shell
#[derive(Debug, clap::Args)]
#[command(after_long_help = AFTER_HELP, after_help = AFTER_HELP)]
pub(crate) struct Args {
    /// The shell
    shell: Shell,
}

const AFTER_HELP: &str = "\
Examples:
  permacode completions bash > ~/.local/share/bash-completion/completions/permacode
  permacode completions zsh > ~/.zfunc/_permacode
  permacode completions fish > ~/.config/fish/completions/permacode.fish

Exit status:
  0  printed
  2  wrong usage, or something could not be written";

pub(crate) fn run(args: &Args, out: &mut Output) -> Result<Answer> {
    let mut script = Vec::new();
    generate(args.shell, &mut Cli::command(), "permacode", &mut script);
    out.bytes(&script)?;
    Ok(Answer::Yes)
}
