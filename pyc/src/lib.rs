//! permacode-pyc
