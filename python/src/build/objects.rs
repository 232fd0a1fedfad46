//! The objects of an archive as objects of CPython: each made when it is first needed, and once.

#![allow(unsafe_code)]

use std::{
    cell::{Cell, RefCell},
    ops::BitOrAssign,
    ptr::NonNull,
};

use permacode_reader::{Constant, Container, ContainerKind, Item, Leaf, Module, Object, PermaBytes};
use pyo3::{
    exceptions::PyStopIteration,
    ffi,
    prelude::*,
    types::{PyBool, PyDict, PyEllipsis, PyFloat, PyList},
};

use super::{
    raw::{self, Held},
    tables::Load,
    weights::{LIGHT, Weights},
};
use crate::error::{Error, Result};

/// The cache of an archive: by the id of an object, the object of CPython.
///
/// It has immutable objects only that hold no code objects, and only those that several modules may use: what one module has
/// alone lives as long as what was made of it (see [`Window`]).
///
/// The interpreter lock guards it. Whatever runs Python code (the garbage collector may) can come back here: no slot is
/// borrowed meanwhile, and who finds a slot filled that was empty before takes what is there.
pub(super) struct Objects {
    slots: Box<[Cell<Slot>]>,
    /// Which parts of the slots, of [`PART`] each, have been written to: only those are looked at in the end. In the cache of a
    /// whole library most are not, and looking would make a page of each.
    used: Box<[Cell<bool>]>,
    /// Bytes that strings, integers and bytes objects may still have. In an archive that is not damaged they do not overlap,
    /// and together have no more than the archive.
    bytes_left: Cell<u64>,
    /// How many values each container stands for. That follows from the archive, so one module's findings serve the next.
    pub(super) weights: RefCell<Weights>,
}

/// The objects that one module has alone, while it is loaded: those from its base on.
///
/// What only the body of the module uses is free again when that has run, as it is after marshal.
pub(super) struct Window<'py> {
    py: Python<'py>,
    base: u32,
    slots: Vec<Slot>,
    bytes_left: u64,
}

/// Null, or a reference that is owned, with [`Marks`] in the bits that are zero in every address.
type Slot = *mut ffi::PyObject;

/// Slots of a part: a page of memory.
const PART: usize = 512;

/// Facts about an object that its slot states, so that nobody needs a look at the object itself, which would often be the
/// first one in a long while. They are bits of a pointer: objects are aligned to eight bytes at least.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Marks(usize);

impl Marks {
    const TRACKED: usize = 1;
    const HEAVY: usize = 2;
    const ALL: usize = Marks::TRACKED | Marks::HEAVY;

    pub(super) fn new(is_tracked: bool, is_heavy: bool) -> Marks {
        Marks(if is_tracked { Marks::TRACKED } else { 0 } | if is_heavy { Marks::HEAVY } else { 0 })
    }

    /// The garbage collector has to look at the object.
    pub(super) fn is_tracked(self) -> bool {
        self.0 & Marks::TRACKED != 0
    }

    /// The object stands for more than [`LIGHT`] values.
    pub(super) fn is_heavy(self) -> bool {
        self.0 & Marks::HEAVY != 0
    }
}

impl BitOrAssign for Marks {
    fn bitor_assign(&mut self, other: Marks) {
        self.0 |= other.0;
    }
}

/// The object in a slot, and its marks.
#[inline]
fn unmarked(pointer: Slot) -> Option<(Held, Marks)> {
    let marks = Marks(pointer.addr() & Marks::ALL);
    NonNull::new(pointer.map_addr(|address| address & !Marks::ALL)).map(|object| (object, marks))
}

/// The object, marked; the slot owns the reference.
fn marked(made: Bound<'_, PyAny>, marks: Marks) -> Slot {
    made.into_ptr().map_addr(|address| address | marks.0)
}

fn let_go(py: Python<'_>, slot: Slot) {
    if let Some((object, _)) = unmarked(slot) {
        // SAFETY: attached; the slot owned the reference, and its owner has emptied it or goes itself.
        drop(unsafe { Bound::from_owned_ptr(py, object.as_ptr()) });
    }
}

impl<'py> Window<'py> {
    pub(super) fn new(py: Python<'py>, module: &Module<'_>, archive_len: u64) -> Self {
        Window { py, base: module.object_base(), slots: Vec::new(), bytes_left: archive_len }
    }

    /// Index of an object that the module has alone.
    #[inline]
    fn index(&self, id: u32) -> Option<usize> {
        id.checked_sub(self.base).map(|index| index as usize)
    }

    fn keep(&mut self, index: usize, made: Bound<'py, PyAny>, marks: Marks) {
        if index >= self.slots.len() {
            self.slots.resize((index + 1).next_power_of_two().max(64), std::ptr::null_mut());
        }
        if let Some(slot) = self.slots.get_mut(index) {
            let_go(self.py, std::mem::replace(slot, marked(made, marks)));
        }
    }
}

impl Drop for Window<'_> {
    fn drop(&mut self) {
        for slot in &self.slots {
            let_go(self.py, *slot);
        }
    }
}

impl Objects {
    pub(super) fn new(count: u32, archive_len: u64) -> Objects {
        // Zeros that nobody has written to take no memory: an archive that is opened and not used costs nothing.
        let zeros = vec![0usize; count as usize].into_boxed_slice();
        let slots = Box::into_raw(zeros) as *mut [Cell<Slot>];
        // SAFETY: a cell is laid out as what is in it; a pointer is as large and aligned as usize, and zeros are a null pointer.
        let slots = unsafe { Box::from_raw(slots) };
        let used = vec![Cell::new(false); slots.len().div_ceil(PART)].into_boxed_slice();
        Objects { slots, used, bytes_left: Cell::new(archive_len), weights: RefCell::default() }
    }

    /// The object, if it has been made, and its marks.
    #[inline]
    pub(super) fn cached(&self, window: &Window<'_>, id: u32) -> Option<(Held, Marks)> {
        let slot = match window.index(id) {
            Some(index) => *window.slots.get(index)?,
            None => self.slots.get(id as usize)?.get(),
        };
        unmarked(slot)
    }

    /// A leaf that has not been made.
    pub(super) fn leaf<'py>(&self, window: &mut Window<'py>, id: u32, leaf: Leaf<'_>) -> Result<Held> {
        let py = window.py;
        let made = match leaf {
            Leaf::Str(text) => {
                self.take_bytes(window, id, text.bytes())?;
                raw::string(py, &text.bytes(), text.is_interned())?
            }
            Leaf::Int(bytes) => {
                self.take_bytes(window, id, bytes)?;
                raw::integer(py, &bytes)?
            }
            Leaf::Bytes(bytes) => {
                self.take_bytes(window, id, bytes)?;
                raw::bytes(py, &bytes)?
            }
            Leaf::None => py.None().into_bound(py),
            Leaf::False => PyBool::new(py, false).to_owned().into_any(),
            Leaf::True => PyBool::new(py, true).to_owned().into_any(),
            Leaf::Ellipsis => PyEllipsis::get(py).to_owned().into_any(),
            Leaf::StopIteration => py.get_type::<PyStopIteration>().into_any(),
            Leaf::Float(bits) => PyFloat::new(py, f64::from_bits(bits)).into_any(),
            // Only lists of code objects have them, and `Tables` sees to those.
            Leaf::Qualname { .. } => return Err(Error::unsupported("such members of containers", 0)),
            Leaf::Complex(real, imaginary) => raw::complex(py, f64::from_bits(real), f64::from_bits(imaginary))?,
        };
        self.keep(window, id, made, Marks::default())
    }

    /// Keeps an object, unless there is one by now.
    fn keep<'py>(&self, window: &mut Window<'py>, id: u32, made: Bound<'py, PyAny>, marks: Marks) -> Result<Held> {
        if let Some((found, _)) = self.cached(window, id) {
            return Ok(found);
        }
        let held = raw::held(&made);
        if let Some(index) = window.index(id) {
            window.keep(index, made, marks);
        } else if let (Some(slot), Some(used)) = (self.slots.get(id as usize), self.used.get(id as usize / PART)) {
            used.set(true);
            slot.set(marked(made, marks));
        } else {
            return Err(Error::unsupported("objects that the archive does not have", id.into()));
        }
        Ok(held)
    }

    /// Lets go of all of them.
    pub(super) fn clear(&self, py: Python<'_>) {
        let parts = self.slots.chunks(PART).zip(&self.used).filter(|(_, used)| used.get());
        for slot in parts.flat_map(|(part, _)| part) {
            let_go(py, slot.replace(std::ptr::null_mut()));
        }
    }

    fn take_bytes(&self, window: &mut Window<'_>, id: u32, bytes: PermaBytes<'_>) -> Result<()> {
        let of_window = window.index(id).is_some();
        let left = if of_window { window.bytes_left } else { self.bytes_left.get() };
        let Some(left) = left.checked_sub(bytes.len() as u64) else {
            let what = "constants that are longer, together, than the archive";
            return Err(Error::unsupported(what, bytes.offset()));
        };
        if of_window {
            window.bytes_left = left;
        } else {
            self.bytes_left.set(left);
        }
        Ok(())
    }

    /// A container, after all that it holds. It does not recurse: containers may be 2,000 deep.
    pub(super) fn container(&self, load: &mut Load<'_, '_>, outermost: Object<'_>) -> Result<Held> {
        let mut stack = vec![(outermost, false)];
        while let Some((object, was_seen)) = stack.pop() {
            if self.present(load, object.id()).is_some() {
                continue;
            }
            if let Some(leaf) = load.leaves.get(object.id()) {
                self.leaf(&mut load.window, object.id(), leaf)?;
                continue;
            }
            let Constant::Container(container) = object.constant()? else {
                // Only a code object has qualified names of others among its constants.
                return Err(Error::unsupported("such members of containers", object.offset()?));
            };
            if was_seen {
                self.fill(load, object, &container)?;
                continue;
            }
            // Containers that overlap could ask for more members than the archive has bytes.
            load.budget.take_object(&object)?;
            stack.push((object, true));
            for member in container.iter() {
                match member? {
                    Item::Object(member) if self.present(load, member.id()).is_none() => stack.push((member, false)),
                    _ => {}
                }
            }
        }
        let missing = || Error::unsupported("such containers", outermost.offset().unwrap_or_default());
        self.present(load, outermost.id()).ok_or_else(missing)
    }

    /// The object, if it is in the cache or was made for this load.
    fn present(&self, load: &Load<'_, '_>, id: u32) -> Option<Held> {
        self.cached(&load.window, id).map(|(found, _)| found).or_else(|| load.own.get(&id).map(raw::held))
    }

    /// Makes a container of what is there already.
    fn fill<'py>(&self, load: &mut Load<'_, 'py>, object: Object<'_>, container: &Container<'_>) -> Result<()> {
        let mut is_own = container.has_code();
        let mut items = Vec::with_capacity(container.len());
        for item in container.iter() {
            items.push(match item? {
                Item::Code(code) => load.code(code.id())?,
                Item::Object(member) => {
                    is_own |= load.own.contains_key(&member.id());
                    let missing = || Error::unsupported("such members", 0);
                    self.present(load, member.id()).ok_or_else(missing)?
                }
            });
        }
        let weight = self.weights.borrow_mut().add(object, container, &mut load.values_left)?;
        is_own |= matches!(container.kind(), ContainerKind::List | ContainerKind::Set | ContainerKind::Dict);
        let made = make_container(load.py, container.kind(), &items)?;
        if is_own {
            load.own.insert(object.id(), made);
        } else {
            let marks = Marks::new(raw::is_tracked(raw::held(&made)), weight > LIGHT);
            self.keep(&mut load.window, object.id(), made, marks)?;
        }
        Ok(())
    }
}

fn make_container<'py>(py: Python<'py>, kind: ContainerKind, items: &[Held]) -> Result<Bound<'py, PyAny>> {
    let dict = || {
        let dict = PyDict::new(py);
        let set = |pair: &[Held; 2]| dict.set_item(raw::owned(py, pair[0]), raw::owned(py, pair[1]));
        items.as_chunks().0.iter().try_for_each(set)?;
        Ok::<_, PyErr>(dict.into_any())
    };
    match (kind, items) {
        (ContainerKind::Tuple, _) => raw::tuple(py, items, items.iter().any(|item| raw::is_tracked(*item))),
        (ContainerKind::FrozenSet, _) => raw::set(py, items, true),
        (ContainerKind::Set, _) => raw::set(py, items, false),
        (ContainerKind::List, _) => {
            let list = PyList::empty(py);
            items.iter().try_for_each(|item| list.append(raw::owned(py, *item)))?;
            Ok(list.into_any())
        }
        (ContainerKind::Dict, _) => Ok(dict()?),
        (ContainerKind::FrozenDict, _) => Ok(py.import("builtins")?.getattr("frozendict")?.call1((dict()?,))?),
        (ContainerKind::Slice, &[start, stop, step]) => raw::slice(py, [start, stop, step]),
        (ContainerKind::Slice, _) => Err(Error::unsupported("slices of other than three members", 0)),
    }
}
