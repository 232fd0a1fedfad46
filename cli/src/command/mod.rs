//! One file for each command: its arguments, its calls of the libraries, and its output.

pub(crate) mod bundle;
pub(crate) mod cat;
pub(crate) mod completions;
pub(crate) mod dump;
pub(crate) mod extract;
pub(crate) mod image;
pub(crate) mod info;
pub(crate) mod list;
pub(crate) mod man;
pub(crate) mod show;
pub(crate) mod stamp;
pub(crate) mod verify;
