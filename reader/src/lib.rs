//! permacode-reader
