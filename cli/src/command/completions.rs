//! `permacode completions`: a script that completes arguments in a shell.

use crate::{Answer, errors::UsageError, output::Output};
use anyhow::Result;
use clap_complete::{Shell, env::Shells};

/// The variable with which the scripts ask the command for completions.
pub(crate) const VARIABLE: &str = "PERMACODE_COMPLETE";

/// Print a script that completes arguments in a shell
///
/// The script runs `permacode` for each completion. Make it again after an update of the command.
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
    let shells = Shells::builtins();
    let Some(shell) = shells.completer(&args.shell.to_string()) else {
        return Err(UsageError::new(format!("there are no completions for {}", args.shell)).into());
    };
    let mut script = Vec::new();
    let name = "permacode";
    shell.write_registration(VARIABLE, name, name, name, &mut script)?;
    out.bytes(&script)?;
    Ok(Answer::Yes)
}
