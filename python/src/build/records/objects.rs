//! The objects of an archive as objects of CPython. Each is made when it is first needed, and then cached.

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
    Load,
    raw::{self, Held},
};
use crate::{
    build::weights::{LIGHT, Weights},
    error::{Error, Result},
};

/// The cache of an archive: the object of CPython for each object id.
///
/// It holds only immutable objects that reach no code objects, and only those that several modules may use. The objects
/// of a single module are in its [`Window`].
///
/// The interpreter lock protects the cache. A call into CPython can run Python code, for example through the garbage
/// collector, and that code can use the cache again. So no borrow of a cell is held during such a call. If a slot was
/// filled during the call, [`Objects::keep`] uses the object in the slot.
pub(super) struct Objects {
    slots: Box<[Cell<Slot>]>,
    /// Whether a slot was written, for each run of [`PART`] slots. [`Objects::clear`] reads only the runs with a
    /// written slot: reading the others would make the system allocate a page for each.
    used: Box<[Cell<bool>]>,
    /// The number of bytes that strings, integers and bytes objects may still have together. In a valid archive they do
    /// not overlap, so they have at most the length of the archive.
    bytes_left: Cell<u64>,
    /// The weights of containers. They depend only on the archive, so all modules share them.
    pub(super) weights: RefCell<Weights>,
}

/// The objects that only one module uses, during a load of the module: those with ids from its object base on.
///
/// After the load, an object lives only as long as a code object refers to it. An object that only the body of the
/// module uses is freed after the body has run, as with `marshal`.
pub(super) struct Window<'py> {
    py: Python<'py>,
    base: u32,
    slots: Vec<Slot>,
    bytes_left: u64,
}

/// Null, or an owned reference to an object with its [`Marks`] in the lowest bits of the address. Objects are aligned
/// to at least eight bytes, so these bits of an address are zero.
type Slot = *mut ffi::PyObject;

/// Number of slots in a page of memory.
const PART: usize = 512;

/// Facts about an object that are stored in its slot. To read them from the object would often be a cache miss.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Marks(usize);

impl Marks {
    const TRACKED: usize = 1;
    const HEAVY: usize = 2;
    const ALL: usize = Marks::TRACKED | Marks::HEAVY;

    pub(super) fn new(is_tracked: bool, is_heavy: bool) -> Marks {
        Marks(if is_tracked { Marks::TRACKED } else { 0 } | if is_heavy { Marks::HEAVY } else { 0 })
    }

    /// Whether the garbage collector tracks the object.
    pub(super) fn is_tracked(self) -> bool {
        self.0 & Marks::TRACKED != 0
    }

    /// Whether the weight of the object exceeds [`LIGHT`].
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

/// The slot of an object. It owns the reference of `made`.
fn marked(made: Bound<'_, PyAny>, marks: Marks) -> Slot {
    made.into_ptr().map_addr(|address| address | marks.0)
}

/// Releases the reference of a slot. The caller must not use the slot again.
fn release(py: Python<'_>, slot: Slot) {
    if let Some((object, _)) = unmarked(slot) {
        // SAFETY: `from_owned_ptr` requires an owned reference, and to be attached. The slot owned the reference:
        // `marked` made it. Each caller has taken the slot out of its place or is being dropped, so it is released
        // once. `py` proves that this thread is attached.
        drop(unsafe { Bound::from_owned_ptr(py, object.as_ptr()) });
    }
}

impl<'py> Window<'py> {
    pub(super) fn new(py: Python<'py>, module: &Module<'_>, archive_len: u64) -> Self {
        Window { py, base: module.object_base(), slots: Vec::new(), bytes_left: archive_len }
    }

    /// The index in `slots` of an object that only this module uses. `None` for other objects.
    #[inline]
    fn index(&self, id: u32) -> Option<usize> {
        id.checked_sub(self.base).map(|index| index as usize)
    }

    fn keep(&mut self, index: usize, made: Bound<'py, PyAny>, marks: Marks) {
        if index >= self.slots.len() {
            self.slots.resize((index + 1).next_power_of_two().max(64), std::ptr::null_mut());
        }
        if let Some(slot) = self.slots.get_mut(index) {
            release(self.py, std::mem::replace(slot, marked(made, marks)));
        }
    }
}

impl Drop for Window<'_> {
    fn drop(&mut self) {
        for slot in &self.slots {
            release(self.py, *slot);
        }
    }
}

impl Objects {
    pub(super) fn new(count: u32, archive_len: u64) -> Objects {
        // `vec!` of zeros gets zeroed pages from the system, which take no memory until they are written.
        let zeros = vec![0usize; count as usize].into_boxed_slice();
        let slots = Box::into_raw(zeros) as *mut [Cell<Slot>];
        // SAFETY: `from_raw` requires a pointer from `into_raw` to a value of the same layout. `Cell<Slot>` has the
        // layout of `Slot`, a thin pointer has the size and alignment of `usize`, and a pointer whose bytes are all
        // zero is null, which is valid.
        let slots = unsafe { Box::from_raw(slots) };
        let used = vec![Cell::new(false); slots.len().div_ceil(PART)].into_boxed_slice();
        Objects { slots, used, bytes_left: Cell::new(archive_len), weights: RefCell::default() }
    }

    /// The object with this id and its marks, if it is cached.
    #[inline]
    pub(super) fn cached(&self, window: &Window<'_>, id: u32) -> Option<(Held, Marks)> {
        let slot = match window.index(id) {
            Some(index) => *window.slots.get(index)?,
            None => self.slots.get(id as usize)?.get(),
        };
        unmarked(slot)
    }

    /// Makes and keeps a leaf that is not cached.
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
            // `Records::first_use` handles those in lists of code objects. They must not occur elsewhere.
            Leaf::Qualname { .. } => return Err(Error::unsupported("derived qualified names in containers", 0)),
            Leaf::Complex(real, imaginary) => raw::complex(py, f64::from_bits(real), f64::from_bits(imaginary))?,
        };
        self.keep(window, id, made, Marks::default())
    }

    /// Puts an object into its slot. If the slot has been filled meanwhile, returns the object in the slot.
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
            return Err(Error::unsupported("objects with ids that the archive does not have", 0));
        }
        Ok(held)
    }

    /// Empties the cache.
    pub(super) fn clear(&self, py: Python<'_>) {
        let parts = self.slots.chunks(PART).zip(&self.used).filter(|(_, used)| used.get());
        for slot in parts.flat_map(|(part, _)| part) {
            release(py, slot.replace(std::ptr::null_mut()));
        }
    }

    fn take_bytes(&self, window: &mut Window<'_>, id: u32, bytes: PermaBytes<'_>) -> Result<()> {
        let of_window = window.index(id).is_some();
        let left = if of_window { window.bytes_left } else { self.bytes_left.get() };
        let Some(left) = left.checked_sub(bytes.len() as u64) else {
            let what = "constants that are together longer than the archive";
            return Err(Error::unsupported(what, bytes.offset()));
        };
        if of_window {
            window.bytes_left = left;
        } else {
            self.bytes_left.set(left);
        }
        Ok(())
    }

    /// Makes a container, after its items. An explicit stack replaces recursion, because containers may be 2,000 levels
    /// deep.
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
                // A leaf that `Leaves::get` does not return: a `Leaf::Qualname` is the only one that reaches this line.
                return Err(Error::unsupported("derived qualified names in containers", object.offset()?));
            };
            if was_seen {
                self.fill(load, object, &container)?;
                continue;
            }
            // Containers that overlap could have more items than the archive has bytes.
            load.budget.take_object(&object)?;
            stack.push((object, true));
            for item in container.iter() {
                match item? {
                    Item::Object(item) if self.present(load, item.id()).is_none() => stack.push((item, false)),
                    _ => {}
                }
            }
        }
        let missing =
            || Error::unsupported("containers that contain themselves", outermost.offset().unwrap_or_default());
        self.present(load, outermost.id()).ok_or_else(missing)
    }

    /// The object with this id, if it is cached or in [`Load::own`].
    fn present(&self, load: &Load<'_, '_>, id: u32) -> Option<Held> {
        self.cached(&load.window, id).map(|(found, _)| found).or_else(|| load.own.get(&id).map(raw::held))
    }

    /// Makes and keeps a container whose items have been made.
    fn fill<'py>(&self, load: &mut Load<'_, 'py>, object: Object<'_>, container: &Container<'_>) -> Result<()> {
        let mut is_own = container.has_code();
        let mut items = Vec::with_capacity(container.len());
        for item in container.iter() {
            items.push(match item? {
                Item::Code(code) => load.code(code.id())?,
                Item::Object(item) => {
                    is_own |= load.own.contains_key(&item.id());
                    let missing = || Error::unsupported("containers that contain themselves", 0);
                    self.present(load, item.id()).ok_or_else(missing)?
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
        (ContainerKind::Slice, _) => Err(Error::unsupported("slices without exactly three items", 0)),
    }
}
