//! permacode-writer
pub mod model;
