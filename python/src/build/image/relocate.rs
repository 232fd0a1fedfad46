//! Replaces the slots of pages by addresses: each page once, when a module first needs it.
//!
//! The interpreter lock protects the state. No function that is called here runs Python code: interning and building a
//! frozenset hash strings, numbers and tuples of those, and the garbage collector runs only between instructions.

#![allow(unsafe_code)]

use std::{
    cell::{Cell, RefCell},
    ptr::NonNull,
};

use permacode_image::{BASE, Layout, PAGE_LEN, Slot};
use pyo3::{ffi, prelude::*, types::PyFrozenSet};

use super::map::Mapped;

type Object = NonNull<ffi::PyObject>;

/// A mapped image and what has been relocated of it.
#[derive(Debug)]
pub(super) struct Pages {
    pub(super) mapped: Mapped,
    /// The address of `PyUnicode_Type`.
    anchor: u64,
    /// Offset of `ob_type`.
    type_offset: u64,
    /// Whether each page has been relocated.
    is_done: Box<[Cell<bool>]>,
    /// The object of the interpreter for each name.
    names: Box<[Cell<Option<Object>>]>,
    sets: Box<[Cell<Option<Object>>]>,
    /// Slots of frozensets in relocated pages, and the numbers of the frozensets.
    pending: RefCell<Vec<(*mut u64, u64)>>,
}

impl Pages {
    pub(super) fn new(mapped: Mapped, anchor: u64, layout: &Layout) -> Pages {
        let none = |count: usize| vec![Cell::new(None); count].into_boxed_slice();
        Pages {
            anchor,
            type_offset: layout.object_type.into(),
            is_done: vec![Cell::new(false); mapped.slots.len()].into_boxed_slice(),
            names: none(mapped.names.len()),
            sets: none(mapped.sets.len()),
            pending: RefCell::default(),
            mapped,
        }
    }

    /// Relocates the pages of ranges.
    ///
    /// # Errors
    /// `MemoryError`
    pub(super) fn relocate(&self, py: Python<'_>, first: u32, count: u32) -> PyResult<()> {
        self.ranges(py, first, count);
        loop {
            let Some((slot, number)) = self.pending.borrow().last().copied() else { return Ok(()) };
            let set = self.set(py, number)?;
            // SAFETY: `page` took the address of a slot from the pages of the image, which are mapped and writable. No
            // reference to this word exists.
            unsafe { slot.write(set) };
            // `set` may have added others.
            self.pending.borrow_mut().retain(|(other, _)| *other != slot);
        }
    }

    fn ranges(&self, py: Python<'_>, first: u32, count: u32) {
        let ranges = self.mapped.ranges.get(first as usize..).and_then(|rest| rest.get(..count as usize));
        let pages = ranges.unwrap_or_default().iter().flat_map(|range| {
            let first = range.page.saturating_sub(self.mapped.header.first_page) as usize;
            first..first.saturating_add(range.count as usize)
        });
        let is_done = |page: &usize| self.is_done.get(*page).is_none_or(Cell::get);
        let pages: Vec<usize> = pages.filter(|page| !is_done(page)).collect();
        self.populate(&pages);
        for page in pages {
            self.page(py, page);
        }
    }

    /// Makes pages writable with few calls of the system. A fault for each page takes two to three times as long, so
    /// small gaps between pages are filled.
    fn populate(&self, pages: &[usize]) {
        const WIDEST_GAP: usize = 2;
        for run in pages.chunk_by(|one, next| next.saturating_sub(*one) <= WIDEST_GAP + 1) {
            let &[first, .., last] = run else { continue };
            let address = self.address(first).cast();
            let len = (last + 1).saturating_sub(first) * PAGE_LEN as usize;
            // SAFETY: the pages belong to the mapping of the image. The advice does not change their content. It may
            // fail, and then the pages are made writable one by one.
            unsafe { libc::madvise(address, len, libc::MADV_POPULATE_WRITE) };
        }
    }

    /// The address of a page of objects.
    fn address(&self, page: usize) -> *mut u64 {
        let page = u64::from(self.mapped.header.first_page) + page as u64;
        std::ptr::with_exposed_provenance_mut((BASE + page * PAGE_LEN) as usize)
    }

    fn page(&self, py: Python<'_>, page: usize) {
        let (Some(is_done), Some(slots)) = (self.is_done.get(page), self.mapped.slots.get(page)) else { return };
        if is_done.replace(true) {
            return;
        }
        let start = self.address(page);
        for (index, slots) in slots.iter().enumerate() {
            let mut slots = *slots;
            while slots != 0 {
                let word = index * 64 + slots.trailing_zeros() as usize;
                slots &= slots - 1;
                // SAFETY: a page has 512 words, so the word lies in this page of the mapping.
                let slot = unsafe { start.add(word) };
                // SAFETY: the word is mapped and aligned, and no reference to it exists.
                let object = match Slot::decode(unsafe { slot.read() }) {
                    Some(Slot::Static(offset)) => self.anchor.wrapping_add_signed(offset),
                    Some(Slot::Name(number)) => match self.name(py, number) {
                        Some(name) => name.as_ptr().expose_provenance() as u64,
                        None => continue,
                    },
                    Some(Slot::Set(number)) => {
                        self.pending.borrow_mut().push((slot, number));
                        continue;
                    }
                    None => continue,
                };
                // SAFETY: as above, and the mapping is writable and private.
                unsafe { slot.write(object) };
            }
        }
    }

    /// The object of the interpreter for a name. If it has none, the string of the image becomes that object.
    fn name(&self, py: Python<'_>, number: u64) -> Option<Object> {
        let known = self.names.get(usize::try_from(number).ok()?)?;
        if let Some(known) = known.get() {
            return Some(known);
        }
        let address = *self.mapped.names.get(usize::try_from(number).ok()?)?;
        // A string has one slot: its type, which may lie in the page after that of its first word. The pages of names
        // hold only strings, so this does not come back here.
        self.page(py, self.mapped.page_of(address.wrapping_add(self.type_offset))?);
        let mut name = std::ptr::with_exposed_provenance_mut::<ffi::PyObject>(usize::try_from(address).ok()?);
        // SAFETY: the function requires an owned reference to a string, and to be attached, which `py` proves. The
        // table of names has the addresses of strings, and the page has been relocated. The string is immortal, so
        // references need not be counted. The result is an owned reference, which the image keeps for ever.
        unsafe { ffi::PyUnicode_InternInPlace(&raw mut name) };
        known.set(NonNull::new(name));
        known.get()
    }

    /// A frozenset. Its order depends on the hashes of this process, so the image has only its items.
    fn set(&self, py: Python<'_>, number: u64) -> PyResult<u64> {
        let (Some(known), Some(entry)) = (self.sets.get(number as usize), self.mapped.sets.get(number as usize)) else {
            return Err(pyo3::exceptions::PyImportError::new_err("the image refers to a frozenset that it lacks"));
        };
        let set = match known.get() {
            Some(known) => known,
            None => {
                self.ranges(py, entry.first_range, entry.range_count);
                let items = std::ptr::with_exposed_provenance_mut::<ffi::PyObject>(entry.items as usize);
                // SAFETY: the function requires a live object, and to be attached, which `py` proves. The table of sets
                // has the address of a tuple, whose pages and those of its items have just been relocated.
                let items = unsafe { Bound::from_borrowed_ptr(py, items) };
                let set = PyFrozenSet::empty(py)?;
                for item in items.try_iter()? {
                    // SAFETY: the function requires a frozenset that no other code uses yet, and a live object.
                    if unsafe { ffi::PySet_Add(set.as_ptr(), item?.as_ptr()) } != 0 {
                        return Err(PyErr::fetch(py));
                    }
                }
                // The image keeps the reference for ever.
                let set = NonNull::new(set.into_ptr());
                known.set(set);
                set.ok_or_else(|| pyo3::exceptions::PyMemoryError::new_err(()))?
            }
        };
        Ok(set.as_ptr().expose_provenance() as u64)
    }

    /// The code object at an address of a relocated page.
    pub(super) fn object<'py>(&self, py: Python<'py>, address: u64) -> Bound<'py, PyAny> {
        let object = std::ptr::with_exposed_provenance_mut::<ffi::PyObject>(address as usize);
        // SAFETY: the function requires a live object, and to be attached, which `py` proves. The tables of the image
        // have the addresses of objects. They are immortal, and the image is never unmapped.
        unsafe { Bound::from_borrowed_ptr(py, object) }
    }
}

// SAFETY: threads may share a value if they cannot access its cells at the same time. Every method that accesses cells
// takes a `Python`, so its thread is attached, and only one thread is attached at a time: images are not compiled for
// free-threaded builds. No method detaches. The pointers lead to objects that live as long as the process.
unsafe impl Sync for Pages {}
// SAFETY: as above; nothing depends on the thread that made the value.
unsafe impl Send for Pages {}
