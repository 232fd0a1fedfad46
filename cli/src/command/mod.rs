//! One file for each command: its arguments, its calls of the libraries, and its output.

pub(crate) mod bundle;
pub(crate) mod cat;
pub(crate) mod completions;
#[cfg(unix)]
pub(crate) mod disable;
pub(crate) mod dump;
#[cfg(unix)]
pub(crate) mod enable;
pub(crate) mod extract;
pub(crate) mod image;
pub(crate) mod info;
pub(crate) mod list;
pub(crate) mod man;
pub(crate) mod show;
pub(crate) mod stamp;
#[cfg(unix)]
pub(crate) mod status;
pub(crate) mod verify;
