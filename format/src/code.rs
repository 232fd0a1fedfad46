//! Code objects: the hot record, the cold record, the wide record for large values, and the lists (spec.md 5.8, 5.9).

use crate::{I32, U16, U32, record::record};

/// Flags of a code object in a target of CPython (spec.md B.2). Their values are the same in every version.
pub mod code_flag {
    /// `CO_OPTIMIZED`: the code object is not the body of a module or class.
    pub const OPTIMIZED: u32 = 0x1;
    /// `CO_VARARGS`: it has a parameter `*args`.
    pub const VARARGS: u32 = 0x4;
    /// `CO_VARKEYWORDS`: it has a parameter `**kwargs`.
    pub const VARKEYWORDS: u32 = 0x8;
}

/// Value of [`CodeRecord::docstring`] in a code object without a docstring.
pub const NO_DOCSTRING: u8 = u8::MAX;

record! {
    /// The hot record of a code object: what a machine needs to run it (spec.md 5.8).
    ///
    /// With [`code_form::WIDE_RECORD`] the four bytes of `bytecode_len` and `constant_count` are one number, the index
    /// of a [`WideCode`], and the other counts are zero [C-3].
    pub struct CodeRecord[28] in Code {
        /// Offset of its instructions in the bytecode section, a multiple of the alignment in the header [C-2].
        0 bytecode_offset: U32,
        /// Offset of its list in the lists section, in units of two bytes [C-4].
        4 list_offset: U32,
        /// Flags of the machine. This format gives them no meaning.
        8 flags: U32,
        /// Length of its instructions in bytes [C-2].
        12 bytecode_len: U16,
        /// Number of constants.
        14 constant_count: U16,
        /// Number of names.
        16 name_count: U16,
        /// Number of locals: local variables, cells and free variables.
        18 local_count: U16,
        /// Number of slots of the operand stack.
        20 stack_size: U16,
        /// Number of positional parameters, including positional-only ones.
        22 arg_count: u8,
        /// Number of positional-only parameters.
        23 posonly_count: u8,
        /// Number of keyword-only parameters.
        24 kwonly_count: u8,
        /// See [`code_form`] [C-3].
        25 form: u8,
        /// Index of the docstring among its constants, or [`NO_DOCSTRING`] [C-7].
        26 docstring: u8,
        /// Length of its exception table in bytes [C-5].
        27 exception_len: u8,
    }
}

record! {
    /// The cold record of a code object, at the same index as its [`CodeRecord`] (spec.md 5.8).
    ///
    /// With [`code_form::WIDE_RECORD`] all fields except `tables_offset` are zero [C-3].
    pub struct CodeDetail[10] in Details {
        /// Offset of its line table in the tables section. Its exception table follows directly [C-5].
        0 tables_offset: U32,
        /// Length of the line table in bytes [C-5].
        4 line_len: U16,
        /// First line in the source.
        6 first_line: U16,
        /// Id of its parent minus its own id, or zero if it has no parent [C-6].
        8 parent_delta: U16,
    }
}

record! {
    /// The values of a code object that do not fit [`CodeRecord`] and [`CodeDetail`] (spec.md 5.8).
    pub struct WideCode[56] in Wide {
        /// See [`CodeRecord::bytecode_len`] [C-2].
        0 bytecode_len: U32,
        /// See [`CodeRecord::constant_count`].
        4 constant_count: U32,
        /// See [`CodeRecord::name_count`].
        8 name_count: U32,
        /// See [`CodeRecord::local_count`].
        12 local_count: U32,
        /// See [`CodeRecord::stack_size`].
        16 stack_size: U32,
        /// See [`CodeRecord::arg_count`].
        20 arg_count: U32,
        /// See [`CodeRecord::posonly_count`].
        24 posonly_count: U32,
        /// See [`CodeRecord::kwonly_count`].
        28 kwonly_count: U32,
        /// Index of the docstring among its constants, or [`crate::NONE`] [C-7].
        32 docstring: U32,
        /// Number of local variables that the machine states, or [`crate::NONE`] if it is the number of locals of kind
        /// `LOCAL`.
        36 stated_local_count: U32,
        /// See [`CodeDetail::line_len`] [C-5].
        40 line_len: U32,
        /// See [`CodeRecord::exception_len`] [C-5].
        44 exception_len: U32,
        /// See [`CodeDetail::first_line`].
        48 first_line: I32,
        /// See [`CodeDetail::parent_delta`] [C-6].
        52 parent_delta: U32,
    }
}

record! {
    /// The signature of a code object (spec.md 5.12). Records are in the order of code ids [G-1].
    pub struct SignatureRecord[12] in Signatures {
        /// Id of the code object [G-1].
        0 code: U32,
        /// Offset in the signature-text section [G-2].
        4 offset: U32,
        /// Length in bytes [G-2].
        8 len: U32,
    }
}

/// How the qualified name of a code object is stored (spec.md 5.8): bits 2 and 3 of [`CodeRecord::form`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum QualnameForm {
    /// The qualified name and the name are the same string object.
    Name = 0,
    /// `PARENT.NAME`
    Member = 1,
    /// `PARENT.<locals>.NAME`
    Local = 2,
    /// A string object in the list.
    Explicit = 3,
}

impl QualnameForm {
    /// The text between the qualified name of the parent and the name. `None` if the qualified name is not derived.
    #[must_use]
    pub const fn separator(self) -> Option<&'static str> {
        match self {
            Self::Name | Self::Explicit => None,
            Self::Member => Some("."),
            Self::Local => Some(".<locals>."),
        }
    }
}

/// Bits of [`CodeRecord::form`] [C-3].
pub mod code_form {
    use super::QualnameForm;

    /// Items of the list take four bytes instead of two.
    pub const WIDE_LIST: u8 = 1;
    /// Lengths and counts are in a [`super::WideCode`].
    pub const WIDE_RECORD: u8 = 2;
    /// The derived qualified name is interned.
    pub const QUALNAME_INTERNED: u8 = 16;
    /// The list holds a file name.
    pub const FILENAME: u8 = 32;
    /// All bits that this version knows.
    pub const KNOWN: u8 = 63;

    /// The bits of a [`QualnameForm`].
    #[must_use]
    pub const fn of_qualname(form: QualnameForm) -> u8 {
        (form as u8) << 2
    }

    /// The [`QualnameForm`] in the bits.
    #[must_use]
    pub const fn qualname(form: u8) -> QualnameForm {
        match (form >> 2) & 3 {
            0 => QualnameForm::Name,
            1 => QualnameForm::Member,
            2 => QualnameForm::Local,
            _ => QualnameForm::Explicit,
        }
    }
}

/// Bits of a local kind, a byte that describes one local (spec.md 5.9). CPython 3.11 and later have the same bytes in
/// `co_localspluskinds` (`CO_FAST_*` in `Include/internal/pycore_code.h`).
pub mod local_kind {
    /// A positional parameter (CPython 3.14).
    pub const ARG_POS: u8 = 0x02;
    /// A parameter that can be given by keyword (CPython 3.14).
    pub const ARG_KW: u8 = 0x04;
    /// A parameter that takes all remaining arguments (CPython 3.14).
    pub const ARG_VAR: u8 = 0x08;
    /// Hidden from `locals()` outside its comprehension (CPython 3.12).
    pub const HIDDEN: u8 = 0x10;
    /// A local variable or parameter.
    pub const LOCAL: u8 = 0x20;
    /// A cell that inner code objects share.
    pub const CELL: u8 = 0x40;
    /// A free variable: a cell of an outer code object.
    pub const FREE: u8 = 0x80;
}

/// The id that an item refers to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum ItemRef {
    /// An object.
    Object(u32),
    /// A code object.
    Code(u32),
}

/// Items of the lists of code objects (spec.md 5.9).
///
/// A two-byte item reaches the 32,768 objects with the lowest ids, the 16,384 objects of the window of the module, and
/// the first 16,384 code objects of the module. A four-byte item reaches everything.
pub mod list_item {
    use super::ItemRef;

    /// Lowest narrow item that counts from the object base of the module.
    pub const WINDOW: u16 = 0x8000;
    /// Lowest narrow item that is a code object, counted from the first one of the module.
    pub const CODE: u16 = 0xC000;
    /// The bit of a wide item that is set for a code object.
    pub const WIDE_CODE: u32 = 0x8000_0000;

    /// The id that a narrow item refers to, or `None` if it would exceed 32 bits [C-4].
    #[must_use]
    #[inline]
    pub const fn decode_narrow(item: u16, object_base: u32, first_code: u32) -> Option<ItemRef> {
        if item < WINDOW {
            return Some(ItemRef::Object(item as u32));
        }
        if item < CODE {
            return match object_base.checked_add((item - WINDOW) as u32) {
                Some(id) => Some(ItemRef::Object(id)),
                None => None,
            };
        }
        match first_code.checked_add((item - CODE) as u32) {
            Some(id) => Some(ItemRef::Code(id)),
            None => None,
        }
    }

    /// The id that a wide item refers to.
    #[must_use]
    #[inline]
    pub const fn decode_wide(item: u32) -> ItemRef {
        if item & WIDE_CODE == 0 { ItemRef::Object(item) } else { ItemRef::Code(item & !WIDE_CODE) }
    }

    /// The narrow item for an id. `None` if narrow items of the module do not reach the id.
    #[must_use]
    pub fn encode_narrow(item: ItemRef, object_base: u32, first_code: u32) -> Option<u16> {
        let (from, room, id) = match item {
            ItemRef::Object(id) if id < u32::from(WINDOW) => return u16::try_from(id).ok(),
            ItemRef::Object(id) => (WINDOW, CODE - WINDOW, id.checked_sub(object_base)?),
            ItemRef::Code(id) => (CODE, CODE - WINDOW, id.checked_sub(first_code)?),
        };
        let offset = u16::try_from(id).ok().filter(|offset| *offset < room)?;
        from.checked_add(offset)
    }

    /// The wide item for an id, or `None` for an id of 2^31 or more, which no archive has [S-8].
    #[must_use]
    pub const fn encode_wide(item: ItemRef) -> Option<u32> {
        match item {
            ItemRef::Object(id) if id & WIDE_CODE == 0 => Some(id),
            ItemRef::Code(id) if id & WIDE_CODE == 0 => Some(id | WIDE_CODE),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn narrow_items_round_trip(id: u32, is_code: bool, object_base: u32, first_code: u32) {
            let item = if is_code { ItemRef::Code(id) } else { ItemRef::Object(id) };
            if let Some(narrow) = list_item::encode_narrow(item, object_base, first_code) {
                prop_assert_eq!(list_item::decode_narrow(narrow, object_base, first_code), Some(item));
            }
        }

        #[test]
        fn every_narrow_item_of_a_plausible_module_is_encoded(
            item: u16,
            object_base in 0u32..1 << 24,
            first_code in 0u32..1 << 24,
        ) {
            let decoded = list_item::decode_narrow(item, object_base, first_code).unwrap();
            let again = list_item::encode_narrow(decoded, object_base, first_code).unwrap();
            prop_assert_eq!(list_item::decode_narrow(again, object_base, first_code), Some(decoded));
        }

        #[test]
        fn wide_items_round_trip(id in 0u32..1 << 31, is_code: bool) {
            let item = if is_code { ItemRef::Code(id) } else { ItemRef::Object(id) };
            prop_assert_eq!(list_item::encode_wide(item).map(list_item::decode_wide), Some(item));
        }
    }
}
