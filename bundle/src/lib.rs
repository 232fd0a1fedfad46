//! From an interpreter, folders and files to a Permacode archive, and back to a tree of files.
#![forbid(unsafe_code)]

mod compile;
mod discover;
mod error;
mod filter;
pub mod interpreter;
mod name;
mod place;

pub use compile::{Compiler, Outcome, Worker};
pub use discover::{Rule, Why};
pub use error::{Error, ErrorKind};
pub use interpreter::Interpreter;
