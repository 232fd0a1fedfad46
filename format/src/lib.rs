//! On-disk records of the Permacode archive (`.perma`): the part of `spec.md` that types can express.
//!
//! This crate defines the meaning of the bytes: records, section kinds, object kinds, flags, limits, checksums and the
//! name hash. It reads no file and allocates nothing. [`permacode-reader`] turns the records into views, and
//! [`permacode-writer`] lays them out. Both use the same structs, and a test compares the structs with the tables of
//! `spec.md`.
//!
//! ```text
//! Header -> SectionEntry[] -> | lookup: targets, modules, resources, index, names |
//!                             | hot:    code, lists, objects, constants, bytecode |
//!                             | cold:   details, docstrings, tables, sources, ... |
//! ```
//!
//! Every record is a sequence of little-endian fields with alignment 1 and no padding. So it can be viewed in place at
//! any address:
//!
//! ```
//! use permacode_format::{Header, HEADER_LEN, MAGIC};
//! use zerocopy::FromBytes;
//!
//! let mut bytes = [0u8; HEADER_LEN as usize];
//! bytes[..8].copy_from_slice(&MAGIC);
//! let (header, rest) = Header::ref_from_prefix(&bytes).unwrap();
//! assert_eq!(header.magic, MAGIC);
//! assert!(rest.is_empty());
//! ```
//!
//! [`permacode-reader`]: https://docs.rs/permacode-reader
//! [`permacode-writer`]: https://docs.rs/permacode-writer
#![no_std]
#![forbid(unsafe_code)]
// The derives of zerocopy and bytemuck make hidden types without Debug. Every type in this source implements it.
#![allow(missing_debug_implementations)]

mod checksum;
mod code;
mod encoding;
mod hash;
mod header;
mod index;
mod le;
mod limits;
mod module;
mod named;
mod object;
mod record;
mod resource;
mod rule;
mod section;
mod target;
mod text;
mod varint;

pub use checksum::{CHUNK_LEN, CHUNK_LOG2, ChunkCrc, Crc32, crc32, header_crc};
pub use code::{
    CodeDetail, CodeRecord, ItemRef, NO_DOCSTRING, QualnameForm, SignatureRecord, WideCode, code_flag, code_form,
    list_item, local_kind,
};
pub use encoding::{ExceptionEncoding, LineEncoding};
pub use hash::{digest, name_hash};
pub use header::{
    FORMAT_VERSION, GENERIC_HEADER_LEN, GenericHeader, HEADER_LEN, Header, MAGIC, PAGE_LEN, PAGE_LOG2, compat, incompat,
};
pub use index::{IndexHeader, Slot, bucket_of, fingerprint_of, slot_of};
pub use le::{I32, I64, U16, U32, U64};
pub use limits::*;
pub use module::{ModuleRecord, NONE, module_flag};
pub use named::Unknown;
pub use object::{Container, Leaf, ObjectEntry, ObjectKind, container_item, object_flag};
pub use record::{Field, Layout, RECORDS, Record, SectionRecord};
pub use resource::{ResourceRecord, resource_flag};
pub use rule::{RULES, Rule};
pub use section::{Group, PRIVATE_SECTIONS, SectionEntry, SectionKind, section_flag};
pub use target::{Strip, TargetRecord, target_flag};
pub use text::{is_module_name, is_resource_name, is_shortest_int, string_kind};
pub use varint::{MAX_VARINT_LEN, read_varint, varint_len, write_varint};
