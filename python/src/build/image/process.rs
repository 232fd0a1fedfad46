//! The executable and the libraries of this process: where they lie, and their build ids.

#![allow(unsafe_code)]

use std::{
    ffi::{CStr, OsStr, c_int, c_void},
    ops::Range,
    os::unix::ffi::OsStrExt,
    path::PathBuf,
};

/// A file that the system has loaded into this process.
#[derive(Debug)]
pub(super) struct LoadedFile {
    pub(super) path: PathBuf,
    /// The addresses of its segments.
    segments: Vec<Range<u64>>,
    /// The distance between its addresses in the file and in this process. Zero for a program at fixed addresses.
    bias: u64,
    /// The id that the linker gave to this build. Empty if it has none.
    pub(super) build_id: Vec<u8>,
}

impl LoadedFile {
    /// Whether an address belongs to it.
    pub(super) fn contains(&self, address: u64) -> bool {
        self.segments.iter().any(|segment| segment.contains(&address))
    }

    /// Whether it lies at the same addresses in each process.
    pub(super) fn is_fixed(&self) -> bool {
        self.bias == 0
    }
}

/// What [`add`] collects.
struct Search<'a> {
    is_wanted: &'a dyn Fn(&LoadedFile) -> bool,
    found: Vec<LoadedFile>,
}

/// The executable and, if another file is wanted, that file.
pub(super) fn loaded_files(is_wanted: impl Fn(&LoadedFile) -> bool) -> Vec<LoadedFile> {
    let mut search = Search { is_wanted: &is_wanted, found: Vec::new() };
    // SAFETY: `dl_iterate_phdr` calls `add` with the pointer that it got, which is that of `search`. Nothing else uses
    // `search` meanwhile.
    unsafe { libc::dl_iterate_phdr(Some(add), (&raw mut search).cast()) };
    search.found
}

unsafe extern "C" fn add(info: *mut libc::dl_phdr_info, _size: usize, search: *mut c_void) -> c_int {
    // SAFETY: `dl_iterate_phdr` passes a valid description, which lives during this call.
    let info = unsafe { &*info };
    // SAFETY: `loaded_files` passed a pointer to such a value and does not use it during this call.
    let search = unsafe { &mut *search.cast::<Search<'_>>() };
    // SAFETY: a description has this number of program headers, which live as long as the file is loaded.
    let headers = unsafe { std::slice::from_raw_parts(info.dlpi_phdr, info.dlpi_phnum.into()) };
    let is_executable = search.found.is_empty();
    let mut file = LoadedFile {
        path: PathBuf::from("/proc/self/exe"),
        segments: Vec::new(),
        bias: info.dlpi_addr,
        build_id: Vec::new(),
    };
    for header in headers.iter().filter(|header| header.p_type == libc::PT_LOAD) {
        let start = info.dlpi_addr.wrapping_add(header.p_vaddr);
        file.segments.push(start..start.saturating_add(header.p_memsz));
    }
    let is_wanted = (search.is_wanted)(&file);
    if !is_executable && !is_wanted {
        return 0;
    }
    if !is_executable {
        // SAFETY: a description has a path that ends in a zero byte.
        let path = unsafe { CStr::from_ptr(info.dlpi_name) };
        file.path = PathBuf::from(OsStr::from_bytes(path.to_bytes()));
    }
    for header in headers.iter().filter(|header| header.p_type == libc::PT_NOTE) {
        let start = info.dlpi_addr.wrapping_add(header.p_vaddr);
        let address = std::ptr::with_exposed_provenance::<u8>(start as usize);
        // SAFETY: the system has mapped the notes, which lie in a loaded segment, for as long as the file is loaded.
        // Nothing writes to them.
        let notes = unsafe { std::slice::from_raw_parts(address, header.p_filesz as usize) };
        if let Some(id) = build_id(notes, header.p_align.max(4) as usize) {
            file.build_id = id.to_vec();
        }
    }
    search.found.push(file);
    // A number other than zero ends the search. The executable comes first.
    c_int::from(is_wanted)
}

/// The build id among the notes of a program header (`Elf64_Nhdr`: three words, a name and a description).
fn build_id(mut notes: &[u8], align: usize) -> Option<&[u8]> {
    const NT_GNU_BUILD_ID: u32 = 3;
    loop {
        let (head, rest) = notes.split_at_checked(12)?;
        let [name_len, len, kind] =
            [0, 4, 8].map(|at| head.get(at..)?.first_chunk().map(|word| u32::from_ne_bytes(*word)));
        let (name_len, len) = (name_len? as usize, len? as usize);
        let name = rest.get(..name_len)?;
        let description = rest.get(name_len.next_multiple_of(align)..)?;
        if kind? == NT_GNU_BUILD_ID && name == b"GNU\0" {
            return description.get(..len);
        }
        notes = description.get(len.next_multiple_of(align)..)?;
    }
}
