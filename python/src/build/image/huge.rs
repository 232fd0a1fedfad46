//! Puts the start of an image into a huge page of the system.
//!
//! Where types move, a process writes to every page of objects that it needs. The start of an image has what most
//! programs need. To copy it as a whole takes about as long as to copy 300 of its 512 pages, and the processor then
//! needs one entry of its address cache for all of them.

#![allow(unsafe_code)]

use std::{fs::File, io, os::fd::AsRawFd, os::unix::fs::FileExt};

use permacode_image::{Header, PAGE_LEN};

/// Length in bytes of a huge page of x86-64, and of aarch64 with pages of 4 KiB.
const HUGE_LEN: usize = 2 << 20;

/// Replaces the start of a mapped image by a huge page with the same content. Does nothing if the system has none.
/// Returns the length of the replaced part in bytes.
///
/// # Safety
/// The image must be mapped at its base, and nothing may use its start yet.
///
/// # Errors
/// If the mapping of the image is no longer whole.
pub(super) unsafe fn fill(file: &File, header: &Header) -> io::Result<usize> {
    let pages_end = (u64::from(header.first_page) + u64::from(header.page_count)) * PAGE_LEN;
    if pages_end < HUGE_LEN as u64 || !header.base.is_multiple_of(HUGE_LEN as u64) {
        return Ok(0);
    }
    let start = std::ptr::with_exposed_provenance_mut::<libc::c_void>(header.base as usize);
    let map = |flags, descriptor| {
        let (protection, flags) = (libc::PROT_READ | libc::PROT_WRITE, libc::MAP_PRIVATE | libc::MAP_FIXED | flags);
        // SAFETY: this range belongs to the image, and nothing uses it: the caller promises both.
        let found = unsafe { libc::mmap(start, HUGE_LEN, protection, flags, descriptor, 0) };
        if found == start { Ok(()) } else { Err(io::Error::last_os_error()) }
    };
    if map(libc::MAP_ANONYMOUS, -1).is_ok() && is_huge(start) {
        // SAFETY: the slice must lie in memory that lives and that nothing else uses. It is the mapping made above.
        let bytes = unsafe { std::slice::from_raw_parts_mut(start.cast::<u8>(), HUGE_LEN) };
        if file.read_exact_at(bytes, 0).is_ok() {
            return Ok(HUGE_LEN);
        }
    }
    map(0, file.as_raw_fd()).map(|()| 0)
}

/// Asks for a huge page at the start of a new mapping. Without one, the system would make each small page when it is
/// written to, which takes longer than to use the file.
fn is_huge(start: *mut libc::c_void) -> bool {
    let mut is_last_present = 0u8;
    // SAFETY: the range is a mapping that nothing else uses.
    if unsafe { libc::madvise(start, HUGE_LEN, libc::MADV_HUGEPAGE) } != 0 {
        return false;
    }
    // SAFETY: as above; the mapping is writable.
    unsafe { start.cast::<u8>().write_volatile(0) };
    // SAFETY: the last page lies in the mapping.
    let last = unsafe { start.byte_add(HUGE_LEN - PAGE_LEN as usize) };
    // SAFETY: the address is that of a page, and the result has one byte for it.
    let asked = unsafe { libc::mincore(last, PAGE_LEN as usize, &raw mut is_last_present) };
    asked == 0 && is_last_present & 1 != 0
}
