//! The arguments that commands about one archive share.

use crate::{archive::ArchiveArg, target::TargetArg};

/// The archive, the choice of a target, and the form of the output.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Query {
    #[command(flatten)]
    pub(crate) archive: ArchiveArg,

    #[command(flatten)]
    pub(crate) target: TargetArg,

    /// Print the result as JSON, and errors as JSON, too
    #[arg(long)]
    pub(crate) json: bool,
}
