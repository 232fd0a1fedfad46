//! The layout of the objects of one build of CPython.

use bytemuck::{Pod, Zeroable};

/// Sizes and offsets of structs, and values of constants, as the C headers of one build define them.
///
/// `python/src/build/image/layout.c` fills it in. It declares the same fields in the same order. Offsets and sizes are
/// in bytes. An offset of 0 means that this version has no such field: no field of an object begins at 0 except for
/// its reference count.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Pod, Zeroable)]
#[repr(C)]
pub struct Layout {
    /// The first eight bytes of an immortal object: the reference count, and flags from 3.14 on.
    pub head: u64,
    /// Where the static strings for literals of C code begin, in bytes relative to `PyUnicode_Type`.
    pub literals: i64,
    /// Length of these strings in bytes.
    pub literals_len: u64,
    /// Size of this struct.
    pub size: u32,
    /// `PY_VERSION_HEX` of the headers.
    pub version: u32,
    /// 1 if `Py_DEBUG` is defined.
    pub is_debug: u32,
    /// Offset of `active_code_watchers` in `PyInterpreterState`.
    pub watchers: u32,
    /// Offset of `ob_type`.
    pub object_type: u32,
    /// Offset of `ob_size`.
    pub object_size: u32,
    /// Size of the header of the garbage collector, which lies before a container.
    pub gc_head: u32,
    /// Offset of the number of characters of a string.
    pub str_length: u32,
    /// Offset of the hash of a string.
    pub str_hash: u32,
    /// Offset of the state of a string.
    pub str_state: u32,
    /// Size of the header of an ASCII string.
    pub str_ascii: u32,
    /// Size of the header of any other string.
    pub str_other: u32,
    /// States of a string that is not interned: ASCII, and with 1, 2 and 4 bytes for each character.
    pub str_states: [u32; 4],
    /// Offset of the hash of a bytes object.
    pub bytes_hash: u32,
    /// Offset of the first byte of a bytes object.
    pub bytes_data: u32,
    /// Offset of the first item of a tuple.
    pub tuple_items: u32,
    /// Offset of the hash of a tuple (3.14 and later).
    pub tuple_hash: u32,
    /// Offset of `lv_tag` of an integer.
    pub int_tag: u32,
    /// Offset of the first digit of an integer.
    pub int_digits: u32,
    /// Number of bits in a digit.
    pub int_shift: u32,
    /// Number of bits of `lv_tag` below the number of digits.
    pub int_tag_shift: u32,
    /// The bits of `lv_tag` for zero, and for negative numbers.
    pub int_signs: [u32; 2],
    /// Offset of the value of a float.
    pub float_value: u32,
    /// Size of a float.
    pub float_size: u32,
    /// Offset of the value of a complex number.
    pub complex_value: u32,
    /// Size of a complex number.
    pub complex_size: u32,
    /// Offsets of start, stop and step of a slice.
    pub slice_items: [u32; 3],
    /// Size of a slice.
    pub slice_size: u32,
    /// Offsets of the pointers of a code object: constants, names, exception table, names and kinds of locals, file
    /// name, name, qualified name, line table.
    pub code_pointers: [u32; 9],
    /// Offsets of the numbers of a code object, each of 32 bits: flags, numbers of arguments, of positional-only and of
    /// keyword-only ones, size of the stack, first line, number of locals, size of a frame, numbers of local variables,
    /// cells and free variables, version, first traceable instruction.
    pub code_numbers: [u32; 13],
    /// Offset of `co_code_adaptive`.
    pub code_units: u32,
    /// Number of words of a frame besides locals and stack.
    pub frame_words: u32,
    /// Bits of the kind of a local: local variable, cell, free variable.
    pub kinds: [u32; 3],
    /// The opcode of `RESUME`.
    pub resume: u32,
    /// A mask and a value. CPython does not trace a `RESUME` whose masked argument has this value (3.15: the start of a
    /// generator expression, before its generator exists). The mask is 0 in earlier versions.
    pub untraced_resume: [u32; 2],
    /// Number of small integers below zero that are static.
    pub small_negative: u32,
    /// Number of small integers from zero on that are static.
    pub small_positive: u32,
    /// Pairs of opcodes that become one: the first, the second, and the opcode that replaces the first (3.12). The list
    /// ends with a zero.
    pub joins: [[u8; 4]; 8],
    /// Number of cache units of each opcode.
    pub caches: [u8; 256],
    /// Initial value of the first cache unit of each opcode.
    pub counters: [u16; 256],
}

impl Layout {
    /// Whether this is a struct that `layout.c` filled in.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.size as usize == size_of::<Layout>()
    }

    /// The layout as bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        bytemuck::bytes_of(self)
    }

    /// Whether a string at an address, relative to `PyUnicode_Type`, is the static string for a literal of C code. The
    /// interpreter interns them when it first uses them. By then another string may have taken their place.
    #[must_use]
    pub fn is_literal(&self, offset: i64) -> bool {
        offset.checked_sub(self.literals).and_then(|at| u64::try_from(at).ok()).is_some_and(|at| at < self.literals_len)
    }

    /// The offset of `co_filename`.
    #[must_use]
    pub fn code_filename(&self) -> u32 {
        let [.., filename, _, _, _] = self.code_pointers;
        filename
    }

    /// The offset of `co_version`.
    #[must_use]
    pub fn code_version(&self) -> u32 {
        let [.., version, _] = self.code_numbers;
        version
    }
}
