//! Maps an image, after it has checked that it is safe to use here.

#![allow(unsafe_code)]

use std::{
    fs::{File, Metadata, OpenOptions},
    io, ops,
    os::unix::fs::{FileExt, OpenOptionsExt},
    path::{Path, PathBuf},
};

use permacode_image::{
    FORMAT, HEADER_LEN, HUGE_LEN, Header, MAGIC, MODULE_LEN, ModuleEntry, PAGE_LEN, RANGE_LEN, Range, SET_LEN,
    SLOTS_LEN, SetEntry, base_of, header_crc,
};

use crate::local_file::{self, Refused, because, folder_of};

/// A mapped image. It is never unmapped, because objects of the program may refer to it until the process ends.
#[derive(Debug)]
pub(super) struct Mapped {
    pub(super) path: PathBuf,
    pub(super) header: Header,
    pub(super) modules: &'static [ModuleEntry],
    pub(super) ranges: &'static [Range],
    /// The address of the string of the image for each name.
    pub(super) names: &'static [u64],
    pub(super) sets: &'static [SetEntry],
    /// One bit for each word of the pages of objects.
    pub(super) slots: &'static [[u64; SLOTS_LEN / 8]],
    /// The marshal form of the code object with which the loader tests the image.
    pub(super) probe: &'static [u8],
}

impl Mapped {
    /// Maps the image of this process.
    pub(super) fn open(path: &Path, fingerprint: &str) -> Result<Mapped, Refused> {
        let (file, metadata) = local_file::open(path, "the image")?;
        let header = read_header(&file, &metadata, fingerprint)?;
        map(&file, &header)?;
        let part = |offset: u64, count: u64, len: usize| {
            let address = std::ptr::with_exposed_provenance::<u8>((header.base + offset) as usize);
            // SAFETY: the slice must lie in memory that lives and that nothing writes to. `read_header` has checked
            // that the tables lie within the file, `map` has mapped the whole file at its base and nothing unmaps it.
            // CPython and the loader write only to the pages of objects, which end before the tables. The file does not
            // change: only its owner can write to it, and the documentation asks that images are replaced as a whole.
            unsafe { std::slice::from_raw_parts(address, count as usize * len) }
        };
        Ok(Mapped {
            path: path.to_owned(),
            header,
            modules: bytemuck::cast_slice(part(header.modules, header.module_count.into(), MODULE_LEN)),
            ranges: bytemuck::cast_slice(part(header.ranges, header.range_count.into(), RANGE_LEN)),
            names: bytemuck::cast_slice(part(header.names, header.name_count.into(), 8)),
            sets: bytemuck::cast_slice(part(header.sets, header.set_count.into(), SET_LEN)),
            slots: bytemuck::cast_slice(part(header.slots, header.page_count.into(), SLOTS_LEN)),
            probe: part(header.probe, header.probe_len.into(), 1),
        })
    }

    /// The file. The caller must not relocate pages while it uses the result.
    pub(super) fn bytes(&self) -> &[u8] {
        let address = std::ptr::with_exposed_provenance::<u8>(self.header.base as usize);
        // SAFETY: the slice must lie in memory that lives and that nothing writes to. The whole file is mapped and
        // never unmapped. Only CPython and the loader write to it, after the first relocation.
        unsafe { std::slice::from_raw_parts(address, self.header.file_len as usize) }
    }

    /// A field of an object.
    pub(super) fn word(&self, object: u64, offset: u32) -> u64 {
        let place = object.wrapping_add(offset.into());
        if self.page_of(place).is_none() || !place.is_multiple_of(8) {
            return 0;
        }
        let address = std::ptr::with_exposed_provenance::<u64>(place as usize);
        // SAFETY: the word is aligned and lies in the pages of objects, which are mapped. No reference to it exists.
        unsafe { address.read() }
    }

    /// The number of the page of objects, counted from the first one, with this address.
    pub(super) fn page_of(&self, address: u64) -> Option<usize> {
        let page = address.checked_sub(self.header.base)? / PAGE_LEN;
        let index = usize::try_from(page.checked_sub(self.header.first_page.into())?).ok()?;
        (index < self.slots.len()).then_some(index)
    }

    /// The numbers of the pages that may lie in a huge page, counted from the first page of objects.
    pub(super) fn huge_pages(&self) -> ops::Range<usize> {
        match self.header.huge_page.checked_sub(self.header.first_page) {
            Some(first) => first as usize..first as usize + HUGE_PAGES as usize,
            None => 0..0,
        }
    }
}

/// Number of pages in a huge page.
const HUGE_PAGES: u64 = HUGE_LEN / PAGE_LEN;

/// Reads the header and checks that the file has the parts that the header states.
fn read_header(file: &File, metadata: &Metadata, fingerprint: &str) -> Result<Header, Refused> {
    let mut head = vec![0; HEADER_LEN + fingerprint.len()];
    if metadata.len() < head.len() as u64 {
        return because(format!("the image has {} bytes, which is too short for its header", metadata.len()));
    }
    file.read_exact_at(&mut head, 0)?;
    let (bytes, found) = head.split_at(HEADER_LEN);
    let header: Header = bytemuck::pod_read_unaligned(bytes);
    if header.magic != MAGIC || header.format != FORMAT {
        return because("the file is not an image of this version of permacode");
    }
    if header.fingerprint_len as usize != fingerprint.len() || found != fingerprint.as_bytes() {
        return because(difference(file, &header, fingerprint));
    }
    if header.header_crc != header_crc(&header, found) {
        return because("the header of the image is damaged: its checksum is wrong");
    }
    if header.file_len != metadata.len() {
        return because(format!("the image has {} bytes, and its header states {}", metadata.len(), header.file_len));
    }
    let page_end = (u64::from(header.first_page) + u64::from(header.page_count)) * PAGE_LEN;
    let tables = [
        (header.modules, header.module_count, MODULE_LEN),
        (header.ranges, header.range_count, RANGE_LEN),
        (header.names, header.name_count, 8),
        (header.sets, header.set_count, SET_LEN),
        (header.slots, header.page_count, SLOTS_LEN),
        (header.probe, header.probe_len, 1),
    ];
    let is_inside = tables.iter().all(|&(offset, count, len)| {
        let end = offset.checked_add(u64::from(count) * len as u64);
        offset >= page_end && offset.is_multiple_of(8) && end.is_some_and(|end| end <= header.file_len)
    });
    if header.base != base_of(found) {
        return because("the header of the image states another address than that of its fingerprint");
    }
    if !is_inside {
        return because("the header of the image states tables that lie outside the file");
    }
    let huge = u64::from(header.huge_page) * PAGE_LEN;
    if huge != 0 && (huge + HUGE_LEN > page_end || !(header.base + huge).is_multiple_of(HUGE_LEN)) {
        return because("the header of the image states a huge page that the image cannot have");
    }
    Ok(header)
}

/// Says for each other image of an archive why it is not for this process.
pub(super) fn other_images(path: &Path, expected: &str) -> Vec<String> {
    let name = |path: &Path| path.file_name().map(|name| name.as_encoded_bytes().to_vec()).unwrap_or_default();
    // The digest at the end of the name differs.
    let own = name(path);
    let prefix = own.get(..own.len().saturating_sub(super::DIGEST_LEN)).unwrap_or_default();
    let files = folder_of(path).read_dir().into_iter().flatten().flatten().map(|entry| entry.path());
    let mut others: Vec<PathBuf> = files
        .filter(|other| name(other).starts_with(prefix) && name(other).len() == own.len() && other != path)
        .collect();
    others.sort();
    let describe = |other: &PathBuf| {
        let mut head = [0; HEADER_LEN];
        let file = OpenOptions::new().read(true).custom_flags(local_file::FLAGS).open(other).ok()?;
        file.read_exact_at(&mut head, 0).ok()?;
        let header: Header = bytemuck::pod_read_unaligned(&head);
        let is_image = header.magic == MAGIC && header.format == FORMAT;
        is_image.then(|| format!("{}: {}", other.display(), difference(&file, &header, expected)))
    };
    others.iter().filter_map(describe).collect()
}

/// The first line in which the fingerprint of a file differs from that of this process.
fn difference(file: &File, header: &Header, expected: &str) -> String {
    const LONGEST: u32 = 1 << 16;
    let mut found = vec![0; header.fingerprint_len.min(LONGEST) as usize];
    if file.read_exact_at(&mut found, HEADER_LEN as u64).is_err() {
        return "the image is too short for its fingerprint".to_owned();
    }
    let found = String::from_utf8_lossy(&found);
    for (found, expected) in found.lines().zip(expected.lines()) {
        if found != expected {
            return format!("the image was made for \"{found}\", and this process has \"{expected}\"");
        }
    }
    "the fingerprint of the image has more or fewer lines than that of this process".to_owned()
}

/// Maps a file at the address that its header states.
fn map(file: &File, header: &Header) -> Result<(), Refused> {
    use std::os::fd::AsRawFd;
    let len = usize::try_from(header.file_len).unwrap_or(usize::MAX);
    let address = header.base;
    let base = std::ptr::with_exposed_provenance_mut::<libc::c_void>(address as usize);
    let flags = libc::MAP_PRIVATE | libc::MAP_FIXED_NOREPLACE;
    let (protection, descriptor) = (libc::PROT_READ | libc::PROT_WRITE, file.as_raw_fd());
    // SAFETY: a mapping at a fixed address must not replace memory that is in use, and with this flag it does not. The
    // descriptor is open.
    let found = unsafe { libc::mmap(base, len, protection, flags, descriptor, 0) };
    if found == libc::MAP_FAILED {
        let error = io::Error::last_os_error();
        return because(format!("the image cannot be mapped at {address:#x}: {error}"));
    }
    if found != base {
        // A kernel before 4.17 does not know the flag.
        // SAFETY: nothing uses this mapping, which the call above has just made.
        unsafe { libc::munmap(found, len) };
        return because(format!("the system does not map the image at {address:#x}"));
    }
    Ok(())
}
