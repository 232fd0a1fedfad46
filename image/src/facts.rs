//! What an image depends on besides the archive.

use crate::layout::Layout;
use hashbrown::HashMap;

/// Facts about one build of CPython on one machine.
///
/// Addresses are relative to the *anchor*, the address of `PyUnicode_Type`. All static objects lie in the same loaded
/// file as the anchor, so their distances from it do not change.
#[derive(Debug, Clone)]
pub struct Facts {
    /// Sizes, offsets and constants.
    pub layout: Layout,
    /// The address of the anchor, if it is the same in each process. `None` if the system moves the file that contains
    /// it.
    pub fixed_anchor: Option<u64>,
    /// Static types.
    pub types: Types,
    /// Static objects.
    pub objects: Objects,
    /// The interned texts for which an image must use an object of the interpreter. All other texts become strings of
    /// the image.
    pub names: HashMap<Vec<u8>, Name>,
    /// Everything that must be equal when the image is loaded, as text with one fact in each line.
    pub fingerprint: String,
}

/// The object of the interpreter for an interned text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Name {
    /// A static object, relative to the anchor.
    Static(i64),
    /// The object that the interpreter has for this text when the image is loaded. If it has none, the string of the
    /// image becomes that object.
    Canonical,
}

/// Addresses of static types, relative to the anchor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs, reason = "each is the type of that name")]
pub struct Types {
    pub str: i64,
    pub bytes: i64,
    pub tuple: i64,
    pub int: i64,
    pub float: i64,
    pub complex: i64,
    pub slice: i64,
    pub code: i64,
}

/// Addresses of static objects, relative to the anchor.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Objects {
    /// `None`
    pub none: i64,
    /// `False`
    pub false_: i64,
    /// `True`
    pub true_: i64,
    /// `...`
    pub ellipsis: i64,
    /// `StopIteration`
    pub stop_iteration: i64,
    /// `()`
    pub empty_tuple: i64,
    /// `""`
    pub empty_str: i64,
    /// `b""`
    pub empty_bytes: i64,
    /// The bytes objects with one byte.
    pub bytes: Vec<i64>,
    /// The strings with one character below U+0100.
    pub characters: Vec<i64>,
    /// The small integers, from the lowest on.
    pub ints: Vec<i64>,
}
