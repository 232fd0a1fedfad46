//! Moves a part of an image into a huge page of the system.
//!
//! Where types move, a process writes to every page of objects that it needs. To copy 2 MiB at once takes about as long
//! as to copy 300 of its 512 pages one by one, and the processor then needs one entry of its address cache for them.

#![allow(unsafe_code)]

use std::ptr;

use permacode_image::{HUGE_LEN, PAGE_LEN};

const LEN: usize = HUGE_LEN as usize;

/// Replaces [`HUGE_LEN`] bytes of a mapping by a huge page with the same content. False if the system has none, or
/// refuses to move it.
///
/// Threads may read the bytes during the call: the system replaces the memory in one step, and a thread that comes in
/// between waits for its end.
///
/// # Safety
/// `target` must be a multiple of [`HUGE_LEN`], and the start of so many bytes of a private mapping that is writable.
/// Nothing may write to them during the call.
pub(super) unsafe fn fill(target: *mut u8) -> bool {
    let Some(mut spare) = Spare::new() else { return false };
    if !is_huge(spare.huge) {
        return false;
    }
    // One call is faster than a fault for each 64 KiB of the file. If it fails, there are faults.
    // SAFETY: the advice does not change the content of the mapping.
    unsafe { libc::madvise(target.cast(), LEN, libc::MADV_POPULATE_READ) };
    // SAFETY: the caller promises that the source is mapped and that nothing writes to it. The other range is new.
    unsafe { ptr::copy_nonoverlapping(target, spare.huge, LEN) };
    let flags = libc::MREMAP_MAYMOVE | libc::MREMAP_FIXED;
    // SAFETY: the target gets the content that it has, and nothing writes to it, as the caller promises. The source is
    // new memory.
    let moved = unsafe { libc::mremap(spare.huge.cast(), LEN, LEN, flags, target.cast::<libc::c_void>()) };
    spare.is_moved = moved != libc::MAP_FAILED;
    if !spare.is_moved && !is_mapped(target) {
        // The system checks its limits before it removes the target, so this does not happen. If it does, objects of
        // the program are gone.
        std::process::abort();
    }
    spare.is_moved
}

/// Whether [`HUGE_LEN`] bytes are mapped.
fn is_mapped(start: *mut u8) -> bool {
    let mut present = [0u8; LEN / PAGE_LEN as usize];
    // SAFETY: the address is that of a page, and the result has one byte for each page.
    unsafe { libc::mincore(start.cast(), LEN, present.as_mut_ptr()) == 0 }
}

/// New memory with room for a huge page.
struct Spare {
    start: *mut u8,
    huge: *mut u8,
    /// Whether the huge page lies elsewhere now. Other memory of the process may have taken its place.
    is_moved: bool,
}

impl Spare {
    fn new() -> Option<Spare> {
        let (protection, flags) = (libc::PROT_READ | libc::PROT_WRITE, libc::MAP_PRIVATE | libc::MAP_ANONYMOUS);
        // SAFETY: a new mapping at a place that the system chooses replaces nothing.
        let start = unsafe { libc::mmap(ptr::null_mut(), 2 * LEN, protection, flags, -1, 0) };
        if start == libc::MAP_FAILED {
            return None;
        }
        let start = start.cast::<u8>();
        let huge = start.map_addr(|address| address.next_multiple_of(LEN));
        Some(Spare { start, huge, is_moved: false })
    }
}

impl Drop for Spare {
    fn drop(&mut self) {
        let before = self.huge.addr() - self.start.addr();
        let middle = if self.is_moved { 0 } else { LEN };
        let after = self.huge.wrapping_add(LEN);
        for (start, len) in [(self.start, before), (self.huge, middle), (after, LEN - before)] {
            if len != 0 {
                // SAFETY: this part of the mapping was not moved, and nothing uses it.
                unsafe { libc::munmap(start.cast(), len) };
            }
        }
    }
}

/// Asks for a huge page at the start of new memory. Without one, the system would make each small page when it is
/// written to, which takes longer than to use the file.
fn is_huge(start: *mut u8) -> bool {
    let mut is_last_present = 0u8;
    // SAFETY: the range is a mapping that nothing else uses.
    if unsafe { libc::madvise(start.cast(), LEN, libc::MADV_HUGEPAGE) } != 0 {
        return false;
    }
    // SAFETY: as above; the mapping is writable.
    unsafe { start.write_volatile(0) };
    // SAFETY: the last page lies in the mapping.
    let last = unsafe { start.byte_add(LEN - PAGE_LEN as usize) };
    // SAFETY: the address is that of a page, and the result has one byte for it.
    let asked = unsafe { libc::mincore(last.cast(), PAGE_LEN as usize, &raw mut is_last_present) };
    asked == 0 && is_last_present & 1 != 0
}
