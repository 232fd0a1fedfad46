//! permacode-format
