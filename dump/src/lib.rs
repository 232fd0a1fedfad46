//! Annotated hexdumps of Permacode archives: each line names the field that holds its bytes.
//!
//! ```text
//! bytes -> Map -> Lines: the field, record and section of each byte
//!           ^
//!        Address: header.file_len, modules[3].name_len, constants@0x20, @0x1068..0x1080
//! ```
//!
//! The names and places of fields come from the records of `permacode-format`. [`Map`] opens no archive and refuses
//! none, so it also shows an archive that a reader refuses. It says what it could not decode, and goes on behind it.
//! It compares all bytes that it shows with their CRCs, except those between sections.
//!
//! ```
//! use permacode_dump::{Address, Map};
//!
//! let bytes = permacode_testkit::toy::archive();
//! let map = Map::of(&bytes);
//! let place = map.find(&"header.version".parse::<Address>()?)?;
//! let mut text = String::new();
//! map.lines(place, &mut |line| {
//!     text += &format!("{line}\n");
//!     Ok::<(), std::convert::Infallible>(())
//! })?;
//! let hex = "01 00 00 00                                    ";
//! assert_eq!(text, format!("# header\n00000008  {hex}  header.version = 1\n"));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
#![forbid(unsafe_code)]
#![cfg_attr(
    not(test),
    deny(clippy::arithmetic_side_effects, clippy::indexing_slicing, clippy::unwrap_used, clippy::expect_used)
)]

mod address;
mod line;
mod map;
mod object;
mod piece;
mod walk;

pub use address::{Address, AddressError};
pub use line::{Line, Value};
pub use map::Map;
