//! The command when its environment fails, and what shells and readers of manuals get from it.
#![cfg(unix)]
#![allow(missing_docs)]

mod completions;
mod errors;
mod fixture;
mod manuals;
mod names;
mod outputs;
mod processes;
mod streams;
mod summary;
