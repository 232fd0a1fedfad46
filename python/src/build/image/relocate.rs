//! Replaces the slots of pages by addresses: each page once, when a module first needs it.
//!
//! The interpreter lock protects the state. No function that is called here runs Python code: interning and building a
//! frozenset hash strings, numbers and tuples of those, and the garbage collector runs only between instructions.

#![allow(unsafe_code)]

use std::{cell::RefCell, io, ops::Range, process};

use memmap2::MmapMut;
use permacode_image::{PAGE_LEN, Slot};
use pyo3::{exceptions::PyImportError, ffi, prelude::*, types::PyFrozenSet};

use super::{facts::Interpreter, huge, map::Mapped};

/// A mapped image and what has been relocated of it.
#[derive(Debug)]
pub(super) struct Pages {
    pub(super) mapped: Mapped,
    /// The address of `PyUnicode_Type`.
    anchor: u64,
    /// Offset of `ob_type`.
    type_offset: u64,
    /// The largest number of pages that are made writable only because they lie between two others.
    widest_gap: usize,
    /// The process that mapped the image.
    process: u32,
    state: RefCell<State>,
}

/// What has been relocated.
#[derive(Debug)]
struct State {
    is_done: Vec<bool>,
    huge: Huge,
    /// The address of the object of the interpreter for each name, or 0. The image owns a reference to it.
    names: Names,
    /// The address of each frozenset, or 0. The image owns a reference to it.
    sets: Vec<u64>,
    /// Slots of frozensets in relocated pages, and the numbers of the frozensets.
    pending: Vec<(*mut u64, u64)>,
}

/// Where the pages lie that may lie in a huge page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Huge {
    /// In the file. Few of them were needed.
    Undecided,
    /// In a huge page, which is writable.
    Filled,
    /// In the file, and they stay there.
    Small,
}

/// So many of these pages must be needed before they move to a huge page. Small programs need fewer.
const FEWEST_IN_HUGE: usize = 96;

/// A list of addresses, zero at first. A program uses only some names, and the memory of a mapping costs nothing until
/// it is used.
#[derive(Debug)]
struct Names(MmapMut);

impl Names {
    fn new(count: usize) -> io::Result<Names> {
        MmapMut::map_anon(count.saturating_mul(size_of::<u64>()).max(1)).map(Names)
    }

    fn get_mut(&mut self, number: usize) -> Option<&mut u64> {
        let start = number.checked_mul(size_of::<u64>())?;
        bytemuck::try_from_bytes_mut(self.0.get_mut(start..)?.get_mut(..size_of::<u64>())?).ok()
    }
}

impl Pages {
    /// # Errors
    /// If there is no memory.
    pub(super) fn new(mapped: Mapped, interpreter: &Interpreter) -> io::Result<Pages> {
        let state = State {
            is_done: vec![false; mapped.slots.len()],
            huge: Huge::Undecided,
            names: Names::new(mapped.names.len())?,
            sets: vec![0; mapped.sets.len()],
            pending: Vec::new(),
        };
        Ok(Pages {
            mapped,
            anchor: interpreter.anchor,
            type_offset: interpreter.layout.object_type.into(),
            // Where types move, all pages will become private sooner or later. Elsewhere most of them stay shared.
            widest_gap: if interpreter.is_fixed() { 0 } else { 2 },
            process: process::id(),
            state: RefCell::new(state),
        })
    }

    /// Relocates the pages of ranges.
    ///
    /// # Errors
    /// `MemoryError`, and `ImportError` if the image is damaged.
    pub(super) fn relocate(&self, py: Python<'_>, first: u32, count: u32) -> PyResult<()> {
        // Nothing here runs Python code, so nothing comes back here.
        let mut state = self.state.try_borrow_mut().map_err(|error| PyImportError::new_err(error.to_string()))?;
        self.ranges(py, &mut state, first, count);
        while let Some((slot, number)) = state.pending.last().copied() {
            let set = self.set(py, &mut state, number)?;
            // SAFETY: `page` took the address of a slot from the pages of the image, which are mapped and writable. No
            // reference to this word exists.
            unsafe { slot.write(set) };
            // `set` may have added others.
            state.pending.retain(|(other, _)| *other != slot);
        }
        Ok(())
    }

    fn ranges(&self, py: Python<'_>, state: &mut State, first: u32, count: u32) {
        let ranges = self.mapped.ranges.get(first as usize..).and_then(|rest| rest.get(..count as usize));
        let pages = ranges.unwrap_or_default().iter().flat_map(|range| {
            let first = range.page.saturating_sub(self.mapped.header.first_page) as usize;
            first..first.saturating_add(range.count as usize)
        });
        let is_done = |page: &usize| state.is_done.get(*page).copied().unwrap_or(true);
        let pages: Vec<usize> = pages.filter(|page| !is_done(page)).collect();
        let of_huge = self.mapped.huge_pages();
        let (inside, outside): (Vec<usize>, Vec<usize>) = pages.iter().partition(|page| of_huge.contains(page));
        let is_filled = !inside.is_empty() && self.is_huge(state, of_huge, inside.len());
        self.populate(if is_filled { &outside } else { &pages });
        for page in pages {
            self.page(py, state, page);
        }
    }

    /// Whether these pages lie in a huge page. Moves them there when enough of them are needed, `more` included.
    fn is_huge(&self, state: &mut State, pages: Range<usize>, more: usize) -> bool {
        if state.huge == Huge::Undecided {
            let done = state.is_done.get(pages.clone()).unwrap_or_default();
            if done.iter().filter(|is_done| **is_done).count() + more < FEWEST_IN_HUGE {
                return false;
            }
            // A forked process would have a huge page of its own, and its parent and siblings another one each.
            // SAFETY: the header states a multiple of the length, and pages of the image, which is mapped and writable.
            // CPython writes to objects only in attached threads, and this one is attached.
            let is_filled = process::id() == self.process && unsafe { huge::fill(self.address(pages.start).cast()) };
            state.huge = if is_filled { Huge::Filled } else { Huge::Small };
        }
        state.huge == Huge::Filled
    }

    /// Makes pages writable with few calls of the system, because a fault for each page takes longer.
    fn populate(&self, pages: &[usize]) {
        for run in pages.chunk_by(|one, next| next.saturating_sub(*one) <= self.widest_gap + 1) {
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
        std::ptr::with_exposed_provenance_mut((self.mapped.header.base + page * PAGE_LEN) as usize)
    }

    fn page(&self, py: Python<'_>, state: &mut State, page: usize) {
        let (Some(is_done), Some(slots)) = (state.is_done.get_mut(page), self.mapped.slots.get(page)) else { return };
        if std::mem::replace(is_done, true) {
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
                    Some(Slot::Name(number)) => match self.name(py, state, number) {
                        Some(name) => name,
                        None => continue,
                    },
                    Some(Slot::Set(number)) => {
                        state.pending.push((slot, number));
                        continue;
                    }
                    None => continue,
                };
                // SAFETY: as above, and the mapping is writable and private.
                unsafe { slot.write(object) };
            }
        }
    }

    /// The address of the object of the interpreter for a name. If it has none, the string of the image becomes that
    /// object.
    fn name(&self, py: Python<'_>, state: &mut State, number: u64) -> Option<u64> {
        let number = usize::try_from(number).ok()?;
        match *state.names.get_mut(number)? {
            0 => {}
            known => return Some(known),
        }
        let address = *self.mapped.names.get(number)?;
        // A string has one slot: its type, which may lie in the page after that of its first word. The pages of names
        // hold only strings, so this does not come back here.
        self.page(py, state, self.mapped.page_of(address.wrapping_add(self.type_offset))?);
        let mut name = std::ptr::with_exposed_provenance_mut::<ffi::PyObject>(usize::try_from(address).ok()?);
        // SAFETY: the function requires an owned reference to a string, and to be attached, which `py` proves. The
        // table of names has the addresses of strings, and the page has been relocated. The string is immortal, so
        // references need not be counted. The result is an owned reference, which the image keeps for ever.
        unsafe { ffi::PyUnicode_InternInPlace(&raw mut name) };
        let name = name.expose_provenance() as u64;
        *state.names.get_mut(number)? = name;
        Some(name)
    }

    /// The address of a frozenset. Its order depends on the hashes of this process, so the image has only its items.
    fn set(&self, py: Python<'_>, state: &mut State, number: u64) -> PyResult<u64> {
        let index = number as usize;
        let (Some(known), Some(entry)) = (state.sets.get(index).copied(), self.mapped.sets.get(index)) else {
            return Err(PyImportError::new_err("the image refers to a frozenset that it lacks"));
        };
        if known != 0 {
            return Ok(known);
        }
        self.ranges(py, state, entry.first_range, entry.range_count);
        let set = PyFrozenSet::empty(py)?;
        for item in self.object(py, entry.items).try_iter()? {
            // SAFETY: the function requires a frozenset that no other code uses yet, and a live object.
            if unsafe { ffi::PySet_Add(set.as_ptr(), item?.as_ptr()) } != 0 {
                return Err(PyErr::fetch(py));
            }
        }
        // The image keeps the reference for ever.
        let set = set.into_ptr().expose_provenance() as u64;
        if let Some(known) = state.sets.get_mut(index) {
            *known = set;
        }
        Ok(set)
    }

    /// The object at an address of a relocated page.
    pub(super) fn object<'py>(&self, py: Python<'py>, address: u64) -> Bound<'py, PyAny> {
        let object = std::ptr::with_exposed_provenance_mut::<ffi::PyObject>(address as usize);
        // SAFETY: the function requires a live object, and to be attached, which `py` proves. The tables of the image
        // have the addresses of objects. They are immortal, and the image is never unmapped.
        unsafe { Bound::from_borrowed_ptr(py, object) }
    }
}

// SAFETY: threads may share a value if they cannot access its cell at the same time. Every method that accesses the
// cell takes a `Python`, so its thread is attached, and only one thread is attached at a time: images are not compiled
// for free-threaded builds. No method detaches. The pointers lead to objects that live as long as the process.
unsafe impl Sync for Pages {}
// SAFETY: as above; nothing depends on the thread that made the value.
unsafe impl Send for Pages {}
