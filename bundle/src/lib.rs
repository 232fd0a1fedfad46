//! permacode-bundle
