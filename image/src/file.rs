//! The file of an image: a header with the fingerprint, pages of objects, and tables.
//!
//! ```text
//! header and fingerprint │ pages of objects │ modules │ ranges │ names │ sets │ slots of each page │ probe
//! ```
//!
//! The loader maps the whole file at [`base_of`] its fingerprint. Numbers have the byte order of the machine, because an
//! image belongs to one machine. Tables refer to pages by their number in the file.

use bytemuck::{Pod, Zeroable};

/// The first eight bytes of every image.
pub const MAGIC: [u8; 8] = *b"\x89PERMIMG";

/// The version of the layout of the file.
pub const FORMAT: u32 = 4;

/// Length in bytes of a page: the unit of relocation. The pages of the system may be larger.
pub const PAGE_LEN: u64 = 4096;

/// Length in bytes of a huge page of x86-64, and of aarch64 with pages of 4 KiB.
pub const HUGE_LEN: u64 = 2 << 20;

/// The page of a file that lies at the start of a huge page. Small programs need few of this page and the 511 after it,
/// and larger ones need most of them.
pub(crate) const HUGE_PAGE: u64 = 384;

/// The lowest address of images: 128 GiB, moved so that [`HUGE_PAGE`] lies at a multiple of [`HUGE_LEN`].
///
/// CPython, its heap, libraries and stacks never lie between here and 336 GiB on their own. Programs at a fixed address
/// and the memory of valgrind end below. What the system places at random lies above: on x86-64 from 42 TiB on, and
/// from 341 GiB on where an aarch64 system has only 512 GiB of addresses.
const FIRST_BASE: u64 = 0x20_0000_0000 + HUGE_LEN - HUGE_PAGE * PAGE_LEN;

/// Number of places for images (192 GiB). They are [`HUGE_LEN`] apart, and an image may cover many of them.
const PLACES: u64 = 96 << 10;

/// The address at which an image with this fingerprint is mapped.
///
/// A process may use several images, and an image cannot be moved. The fingerprint has a digest of the archive, so the
/// images of different archives probably lie apart. Two images of 20 MiB overlap in one of 5,000 cases.
#[must_use]
#[allow(clippy::arithmetic_side_effects, reason = "the divisor is not zero, and the sum is below 2^39")]
pub fn base_of(fingerprint: &[u8]) -> u64 {
    let place = u128::from_le_bytes(permacode_format::digest(fingerprint)) % u128::from(PLACES);
    FIRST_BASE + place as u64 * HUGE_LEN
}

/// Code objects are longer than this number of bytes.
pub(crate) const SHORTEST_CODE: u32 = 128;

/// The version of the code object at an address of an image. No two code objects of a process may have the same one.
///
/// An interpreter counts its own versions from 1 on, so it would have to make 2^31 functions before a version occurs
/// twice. The versions of images follow from addresses, so they differ between all images that a process can map.
pub(crate) fn version_of(address: u64) -> Option<u32> {
    const FIRST_VERSION: u32 = 0x8000_0000;
    let number = address.checked_sub(FIRST_BASE)?.checked_div(SHORTEST_CODE.into())?;
    FIRST_VERSION.checked_add(u32::try_from(number).ok()?)
}

/// The header. The fingerprint follows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Pod, Zeroable)]
#[repr(C)]
pub struct Header {
    /// [`MAGIC`]
    pub magic: [u8; 8],
    /// [`FORMAT`]
    pub format: u32,
    /// CRC-32 of the header and the fingerprint, computed with zero in place of this field.
    pub header_crc: u32,
    /// Length of the file in bytes.
    pub file_len: u64,
    /// The address at which the file must be mapped.
    pub base: u64,
    /// Length of the fingerprint in bytes.
    pub fingerprint_len: u32,
    /// Number of the first page of objects.
    pub first_page: u32,
    /// Number of pages of objects.
    pub page_count: u32,
    /// Number of entries of the table of modules.
    pub module_count: u32,
    /// Offset of the table of modules.
    pub modules: u64,
    /// Offset of the table of ranges.
    pub ranges: u64,
    /// Offset of the table of names: the address of the string of the image for each name.
    pub names: u64,
    /// Offset of the table of frozensets.
    pub sets: u64,
    /// Offset of a bitmap with one bit for each word of each page of objects. The bit is set if the word is a slot.
    pub slots: u64,
    /// Number of entries of the table of ranges.
    pub range_count: u32,
    /// Number of entries of the table of names.
    pub name_count: u32,
    /// Number of entries of the table of frozensets.
    pub set_count: u32,
    /// Length of the marshal form of the probe in bytes.
    pub probe_len: u32,
    /// Address of the probe: the code object with which the loader tests the image.
    pub probe_code: u64,
    /// Offset of the marshal form of the probe, which lies at the end of the file.
    pub probe: u64,
    /// CRC-32 of the marshal form of the probe.
    pub probe_crc: u32,
    /// The first page of the part that may lie in a huge page. 0: the image has no such part.
    pub huge_page: u32,
}

/// Length of [`Header`] in bytes.
pub const HEADER_LEN: usize = size_of::<Header>();

/// An entry of the table of modules. Entries have ascending keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Pod, Zeroable)]
#[repr(C)]
pub struct ModuleEntry {
    /// Offset of the record of the module in the archive.
    pub key: u64,
    /// Address of the code object of its body.
    pub code: u64,
    /// Index of its first range of pages.
    pub first_range: u32,
    /// Number of its ranges.
    pub range_count: u32,
}

/// Length of [`ModuleEntry`] in bytes.
pub const MODULE_LEN: usize = size_of::<ModuleEntry>();

/// Consecutive pages.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Pod, Zeroable)]
#[repr(C)]
pub struct Range {
    /// Number of the first page.
    pub page: u32,
    /// Number of pages.
    pub count: u32,
}

/// Length of [`Range`] in bytes.
pub const RANGE_LEN: usize = size_of::<Range>();

/// An entry of the table of frozensets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Pod, Zeroable)]
#[repr(C)]
pub struct SetEntry {
    /// Address of a tuple of its items, in the order in which they are added.
    pub items: u64,
    /// Index of the first range of pages that the items reach.
    pub first_range: u32,
    /// Number of these ranges.
    pub range_count: u32,
}

/// Length of [`SetEntry`] in bytes.
pub const SET_LEN: usize = size_of::<SetEntry>();

/// The CRC of a header and the fingerprint that follows it.
#[must_use]
pub fn header_crc(header: &Header, fingerprint: &[u8]) -> u32 {
    let mut crc = permacode_format::Crc32::new();
    crc.update(bytemuck::bytes_of(&Header { header_crc: 0, ..*header }));
    crc.update(fingerprint);
    crc.finish()
}
