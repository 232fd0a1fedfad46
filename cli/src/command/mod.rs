//! One file for each command: its arguments, what it asks the libraries, what it prints.

pub(crate) mod bundle;
pub(crate) mod cat;
pub(crate) mod extract;
pub(crate) mod info;
pub(crate) mod list;
pub(crate) mod verify;
