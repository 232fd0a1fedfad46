//! permacode-writer
