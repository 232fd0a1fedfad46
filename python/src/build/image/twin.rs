//! Compares an object of an image with its twin: the object that CPython has made from the same part of the archive.
//!
//! An image is laid out by the headers that this package was compiled with. This test shows that the interpreter that
//! runs lays out its objects in the same way. It reads the image before relocation.

#![allow(unsafe_code)]

use std::fmt::Display;

use bytemuck::AnyBitPattern;
use hashbrown::HashSet;
use permacode_image::{Layout, SetEntry, Slot, Types};
use pyo3::ffi;

/// An image that has not been relocated.
pub(super) struct Image<'a> {
    pub(super) layout: &'a Layout,
    pub(super) types: &'a Types,
    /// The address of `PyUnicode_Type`.
    pub(super) anchor: u64,
    /// The file.
    pub(super) bytes: &'a [u8],
    /// The address of the file.
    pub(super) base: u64,
    pub(super) names: &'a [u64],
    pub(super) sets: &'a [SetEntry],
    /// Whether the twin was made with the file name that the image has.
    pub(super) has_same_filename: bool,
}

/// What a word of an image refers to.
enum Target {
    /// An object of the interpreter.
    Address(u64),
    /// An object at an offset of the image.
    Offset(usize),
    Set(u64),
}

/// A live object of the interpreter. The caller of [`Image::compare`] keeps the outermost one alive, and immutable
/// objects keep their parts alive.
#[derive(Clone, Copy)]
struct Live(*const ffi::PyObject);

impl Live {
    /// A field. The caller must pass an offset within the object.
    fn field<T: AnyBitPattern>(self, offset: u32) -> T {
        // SAFETY: the caller passes an offset of a field of an object of this type. All bytes are a valid value.
        let field = unsafe { self.0.byte_add(offset as usize) };
        // SAFETY: as above.
        unsafe { field.cast::<T>().read_unaligned() }
    }

    /// The object that a field refers to.
    fn object(self, offset: u32) -> Live {
        Live(std::ptr::with_exposed_provenance(self.field::<u64>(offset) as usize))
    }

    /// Bytes from an offset on. The caller must pass a part of the object.
    fn data<'t>(self, offset: u32, len: usize) -> &'t [u8] {
        // SAFETY: the caller passes a part of the object.
        let start = unsafe { self.0.byte_add(offset as usize) };
        // SAFETY: as above. The bytes of immutable objects do not change, and `Image::compare` keeps the result no
        // longer than the object lives. CPython changes instructions only when it runs them.
        unsafe { std::slice::from_raw_parts(start.cast(), len) }
    }

    fn address(self) -> u64 {
        self.0.expose_provenance() as u64
    }
}

type Comparison = Result<(), String>;

fn different<T>(what: impl Into<String>) -> Result<T, String> {
    Err(what.into())
}

impl Image<'_> {
    /// Compares the object at an address of the image with an object of the interpreter.
    ///
    /// # Errors
    /// The first part that differs.
    pub(super) fn compare(&self, address: u64, twin: *mut ffi::PyObject) -> Comparison {
        let mut seen = HashSet::new();
        let mut todo = vec![(address, Live(twin))];
        while let Some((word, twin)) = todo.pop() {
            if !seen.insert((word, twin.address())) {
                continue;
            }
            match self.target(word)? {
                Target::Address(address) if address == twin.address() => {}
                Target::Address(address) if self.is_equal_byte(address, twin) => {}
                Target::Address(_) => return different("an object that should be a static object of the interpreter"),
                Target::Set(number) => self.set(number, twin)?,
                Target::Offset(at) => self.object(at, twin, &mut todo)?,
            }
        }
        Ok(())
    }

    /// Whether an address is that of the static bytes object that equals `twin`. `marshal` makes others with one byte.
    fn is_equal_byte(&self, address: u64, twin: Live) -> bool {
        let Layout { object_type, object_size, bytes_data, .. } = *self.layout;
        let is_bytes = twin.field::<u64>(object_type) == self.anchor.wrapping_add_signed(self.types.bytes);
        if !is_bytes || twin.field::<u64>(object_size) != 1 {
            return false;
        }
        // SAFETY: the caller of `compare` is attached, and the pointer leads to one byte of a live object.
        let object = unsafe { ffi::PyBytes_FromStringAndSize(twin.data(bytes_data, 1).as_ptr().cast(), 1) };
        let is_equal = Live(object).address() == address;
        // SAFETY: the reference is owned or null.
        unsafe { ffi::Py_XDECREF(object) };
        is_equal
    }

    fn target(&self, word: u64) -> Result<Target, String> {
        let inside = |word: u64| {
            let offset = word.checked_sub(self.base).and_then(|offset| usize::try_from(offset).ok());
            offset.filter(|offset| *offset < self.bytes.len())
        };
        Ok(match Slot::decode(word) {
            Some(Slot::Static(offset)) => Target::Address(self.anchor.wrapping_add_signed(offset)),
            Some(Slot::Set(number)) => Target::Set(number),
            Some(Slot::Name(number)) => {
                let name = usize::try_from(number).ok().and_then(|number| self.names.get(number));
                match name.and_then(|name| inside(*name)) {
                    Some(at) => Target::Offset(at),
                    None => return different("a name without a string"),
                }
            }
            None => inside(word).map_or(Target::Address(word), Target::Offset),
        })
    }

    fn read<T: AnyBitPattern>(&self, at: usize, offset: u32) -> Result<T, String> {
        let bytes = self.bytes.get(at + offset as usize..).and_then(|rest| rest.get(..size_of::<T>()));
        bytes.map(bytemuck::pod_read_unaligned).ok_or_else(|| "an object at the end of the image".to_owned())
    }

    /// Compares a field of the object at `at` with that of its twin.
    fn field<T: AnyBitPattern + PartialEq>(
        &self,
        at: usize,
        twin: Live,
        offset: u32,
        what: impl Display,
    ) -> Comparison {
        if self.read::<T>(at, offset)? == twin.field::<T>(offset) { Ok(()) } else { different(what.to_string()) }
    }

    /// Compares `len` bytes from an offset on.
    fn data(&self, at: usize, twin: Live, offset: u32, len: usize, what: &str) -> Comparison {
        let own = self.bytes.get(at + offset as usize..).and_then(|rest| rest.get(..len));
        if own == Some(twin.data(offset, len)) { Ok(()) } else { different(what) }
    }

    fn object(&self, at: usize, twin: Live, todo: &mut Vec<(u64, Live)>) -> Comparison {
        let (layout, types) = (self.layout, self.types);
        let Target::Address(kind) = self.target(self.read(at, layout.object_type)?)? else {
            return different("an object whose type is not static");
        };
        if twin.field::<u64>(layout.object_type) != kind {
            return different("the type of an object");
        }
        let is = |of: i64| kind == self.anchor.wrapping_add_signed(of);
        if is(types.str) {
            return self.string(at, twin);
        }
        if is(types.bytes) {
            self.field::<u64>(at, twin, layout.object_size, "the length of bytes")?;
            let len = self.read::<u64>(at, layout.object_size)? as usize;
            return self.data(at, twin, layout.bytes_data, len + 1, "bytes");
        }
        if is(types.tuple) {
            self.field::<u64>(at, twin, layout.object_size, "the length of a tuple")?;
            for index in 0..self.read::<u64>(at, layout.object_size)? as u32 {
                let offset = layout.tuple_items + index * 8;
                todo.push((self.read(at, offset)?, twin.object(offset)));
            }
            return Ok(());
        }
        if is(types.int) {
            self.field::<u64>(at, twin, layout.int_tag, "the length of an integer")?;
            let len = self.read::<u64>(at, layout.int_tag)? >> layout.int_tag_shift;
            return self.data(at, twin, layout.int_digits, len as usize * 4, "the digits of an integer");
        }
        if is(types.float) {
            return self.field::<u64>(at, twin, layout.float_value, "a float");
        }
        if is(types.complex) {
            return self.data(at, twin, layout.complex_value, 16, "a complex number");
        }
        if is(types.slice) {
            for offset in layout.slice_items {
                todo.push((self.read(at, offset)?, twin.object(offset)));
            }
            return Ok(());
        }
        if is(types.code) {
            return self.code(at, twin, todo);
        }
        different("an object of an unknown type")
    }

    fn string(&self, at: usize, twin: Live) -> Comparison {
        let layout = self.layout;
        self.field::<u64>(at, twin, layout.str_length, "the length of a string")?;
        let len = self.read::<u64>(at, layout.str_length)? as usize;
        let state = self.read::<u32>(at, layout.str_state)?;
        let Some(form) = layout.str_states.iter().position(|known| *known == state) else {
            return different("the state of a string");
        };
        // The twin may be interned or static. Everything else is common to all strings of this form.
        let [ascii, one, two, four] = layout.str_states;
        let describing = ascii ^ one | one ^ two | one ^ four | two ^ four;
        if (state ^ twin.field::<u32>(layout.str_state)) & describing != 0 {
            return different("the form of a string");
        }
        let width = [1, 1, 2, 4].get(form).copied().unwrap_or(1);
        let data = if form == 0 { layout.str_ascii } else { layout.str_other };
        self.data(at, twin, data, (len + 1) * width, "the characters of a string")
    }

    fn code(&self, at: usize, twin: Live, todo: &mut Vec<(u64, Live)>) -> Comparison {
        let layout = self.layout;
        self.field::<u64>(at, twin, layout.object_size, "the length of bytecode")?;
        let compared = |offset: &u32| self.has_same_filename || *offset != layout.code_filename();
        for offset in layout.code_pointers.into_iter().filter(compared) {
            todo.push((self.read(at, offset)?, twin.object(offset)));
        }
        for offset in layout.code_numbers.into_iter().filter(|offset| *offset != layout.code_version()) {
            self.field::<u32>(at, twin, offset, format_args!("the field at offset {offset} of a code object"))?;
        }
        let len = self.read::<u64>(at, layout.object_size)? as usize * 2;
        self.data(at, twin, layout.code_units, len, "instructions")
    }

    /// Compares a frozenset with the tuple of its items. Both have few items, so each is compared with all others.
    fn set(&self, number: u64, twin: Live) -> Comparison {
        let layout = self.layout;
        let entry = usize::try_from(number).ok().and_then(|number| self.sets.get(number));
        let Some(Target::Offset(at)) = entry.map(|entry| self.target(entry.items)).transpose()? else {
            return different("a frozenset without items");
        };
        let twin = twin.0.cast_mut();
        // SAFETY: the function requires a live object, which `Live` is.
        if unsafe { ffi::PyFrozenSet_CheckExact(twin) } == 0 {
            return different("the type of a frozenset");
        }
        let count = self.read::<u64>(at, layout.object_size)? as usize;
        // SAFETY: the function requires a set. The caller of `compare` is attached.
        let twin_count = unsafe { ffi::PySet_Size(twin) };
        let twin_items = items_of(twin);
        if usize::try_from(twin_count) != Ok(count) || twin_items.len() != count {
            return different("the length of a frozenset");
        }
        for index in 0..count {
            let item = self.read(at, layout.tuple_items + index as u32 * 8)?;
            if !twin_items.iter().any(|twin| self.compare(item, *twin).is_ok()) {
                return different("the items of a frozenset");
            }
        }
        Ok(())
    }
}

/// The items of a frozenset, which keeps them alive.
fn items_of(set: *mut ffi::PyObject) -> Vec<*mut ffi::PyObject> {
    let mut items = Vec::new();
    // SAFETY: the function requires a live object. The caller of `Image::compare` is attached.
    let iterator = unsafe { ffi::PyObject_GetIter(set) };
    while !iterator.is_null() {
        // SAFETY: the function requires an iterator, which this is.
        let item = unsafe { ffi::PyIter_Next(iterator) };
        if item.is_null() {
            break;
        }
        items.push(item);
        // SAFETY: the reference is owned, and the set has another one.
        unsafe { ffi::Py_DECREF(item) };
    }
    // SAFETY: the reference is owned or null.
    unsafe { ffi::Py_XDECREF(iterator) };
    items
}
