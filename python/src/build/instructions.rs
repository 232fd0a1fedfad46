//! Refuses bytecode that makes CPython access memory outside it while CPython makes or shows a code object.
//!
//! From 3.11 on, an instruction can have *caches*: units after it that CPython writes to. Two functions of CPython walk
//! through the instructions: `_PyCode_Quicken`, which the constructor of 3.12 and 3.13 calls, and `deopt_code`, which
//! `co_code` calls. Both assume that the caches of the last instruction lie within the bytecode. They also assume that
//! only CPython itself writes instrumented instructions (for tracing and for compiled code), and read tables that exist
//! only in that case.
//!
//! This module does not check what instructions do when they run. CPython does not check that for `.pyc` files, either.

use permacode_reader::PermaBytes;

use crate::error::{Error, Result};

/// For each number of caches, the opcodes that have this number, in ascending order of the number. Specialised opcodes
/// are included: they have the caches of the opcode that they specialise.
///
/// `python/tests/test_instructions.py` compares the tables with the interpreter.
type Opcodes = &'static [(u8, &'static [u8])];

#[cfg(not(Py_3_11))]
const OPCODES: Opcodes = &[];

#[cfg(all(Py_3_11, not(Py_3_12)))]
const OPCODES: Opcodes = &[
    (
        1,
        &[
            3, 4, 5, 6, 7, 8, 13, 14, 16, 60, 64, 65, 66, 67, 72, 73, 76, 77, 78, 79, 80, 81, 92, 113, 121, 122, 127,
            141, 143, 166, 168, 169, 170, 177, 178, 179, 180,
        ],
    ),
    (2, &[26, 27, 28, 29, 107]),
    (4, &[17, 18, 19, 20, 21, 22, 23, 24, 25, 39, 40, 41, 42, 43, 95, 106, 153, 154, 158, 159, 171]),
    (5, &[47, 48, 55, 116]),
    (10, &[56, 57, 58, 59, 62, 63, 160]),
];

#[cfg(all(Py_3_12, not(Py_3_13)))]
const OPCODES: Opcodes = &[
    (
        1,
        &[
            6, 7, 8, 10, 13, 14, 16, 18, 19, 20, 21, 22, 25, 57, 58, 59, 60, 62, 63, 64, 65, 66, 67, 92, 93, 107, 122,
            123, 141, 159, 160, 161, 166, 167, 168, 237, 248,
        ],
    ),
    (3, &[23, 24, 28, 29, 34, 38, 39, 40, 41, 42, 43, 44, 45, 46, 47, 48, 56, 171, 241]),
    (4, &[95, 111, 112, 113, 116, 148, 153]),
    (9, &[70, 72, 73, 76, 77, 78, 79, 80, 81, 82, 106]),
];

#[cfg(all(Py_3_13, not(Py_3_14)))]
const OPCODES: Opcodes = &[
    (
        1,
        &[
            3, 5, 39, 45, 58, 59, 72, 77, 93, 97, 98, 99, 100, 104, 117, 150, 151, 152, 153, 154, 155, 156, 157, 158,
            159, 160, 161, 182, 183, 184, 185, 186, 187, 188, 189, 190, 205, 206, 208, 212, 213, 220, 221, 222, 242,
            243, 249, 250, 251, 252, 253,
        ],
    ),
    (
        3,
        &[
            40, 53, 162, 163, 164, 165, 166, 167, 168, 169, 170, 171, 172, 173, 174, 175, 176, 177, 178, 179, 180, 181,
            214, 215, 216, 217, 218, 219, 244,
        ],
    ),
    (4, &[91, 108, 203, 204, 209, 210, 211]),
    (9, &[82, 191, 192, 193, 194, 195, 196, 197, 198, 199, 200, 201, 202]),
];

#[cfg(all(Py_3_14, not(Py_3_15)))]
const OPCODES: Opcodes = &[
    (
        1,
        &[
            38, 56, 57, 70, 75, 96, 100, 101, 102, 103, 106, 119, 166, 167, 168, 169, 170, 171, 172, 173, 174, 175,
            176, 194, 195, 197, 201, 202, 209, 210, 211, 237, 241, 242, 243, 244, 249, 253,
        ],
    ),
    (
        3,
        &[
            39, 52, 55, 143, 144, 145, 146, 147, 148, 149, 150, 151, 152, 153, 154, 155, 156, 157, 158, 159, 160, 161,
            162, 163, 164, 165, 203, 204, 205, 206, 207, 208, 250, 251,
        ],
    ),
    (4, &[92, 110, 192, 193, 198, 199, 200]),
    (5, &[3, 44, 129, 130, 131, 132, 133, 134, 135, 136, 137, 138, 139, 140, 141, 142]),
    (9, &[80, 177, 178, 179, 180, 181, 182, 183, 184, 185, 186, 187, 188, 189]),
];

#[cfg(Py_3_15)]
const OPCODES: Opcodes = &[
    (
        1,
        &[
            4, 36, 54, 55, 68, 70, 74, 95, 99, 100, 101, 102, 105, 118, 128, 151, 152, 169, 170, 171, 172, 173, 174,
            175, 176, 177, 178, 179, 180, 181, 182, 198, 199, 200, 201, 202, 203, 204, 208, 209, 216, 217, 218, 236,
            240, 241, 242, 243, 244, 248, 251, 252,
        ],
    ),
    (
        3,
        &[
            37, 50, 53, 144, 145, 146, 147, 148, 149, 150, 153, 154, 155, 156, 157, 158, 159, 160, 161, 162, 163, 164,
            165, 166, 167, 168, 210, 211, 212, 213, 214, 215, 249, 250,
        ],
    ),
    (4, &[91, 109, 196, 197, 205, 206, 207]),
    (5, &[3, 42, 129, 130, 131, 132, 133, 134, 135, 136, 137, 138, 139, 140, 141, 142, 143]),
    (9, &[79, 183, 184, 185, 186, 187, 188, 189, 190, 191, 192, 193, 194, 195]),
];

/// The opcodes that only a running CPython writes: all from the first number on (`MIN_INSTRUMENTED_OPCODE`), and the
/// second number (`ENTER_EXECUTOR`), which is lower. CPython never writes them to a file. For some of them, it looks up
/// the original instruction in a table of the code object.
#[cfg(not(Py_3_12))]
const INTERNAL: (i16, Option<i16>) = (i16::MAX, None);

#[cfg(all(Py_3_12, not(Py_3_13)))]
const INTERNAL: (i16, Option<i16>) = (237, None);

#[cfg(all(Py_3_13, not(Py_3_14)))]
const INTERNAL: (i16, Option<i16>) = (236, Some(70));

#[cfg(all(Py_3_14, not(Py_3_15)))]
const INTERNAL: (i16, Option<i16>) = (234, None);

#[cfg(Py_3_15)]
const INTERNAL: (i16, Option<i16>) = (233, None);

/// Number of caches of each opcode.
const CACHES: [u8; 256] = {
    let mut caches = [0; 256];
    let mut numbers = OPCODES;
    while let [(number, opcodes), other_numbers @ ..] = numbers {
        let mut opcodes = *opcodes;
        while let [opcode, other_opcodes @ ..] = opcodes {
            caches[*opcode as usize] = *number;
            opcodes = other_opcodes;
        }
        numbers = other_numbers;
    }
    caches
};

/// The largest number of caches. It is the last in `OPCODES`.
const MOST: u8 = match OPCODES {
    [.., (number, _)] => *number,
    [] => 0,
};

/// Refuses bytecode with an instruction whose caches do not fit, or with an instruction that only a running CPython
/// writes.
///
/// Only a walk from the first unit could distinguish instructions from caches, and that would take too long. So this
/// treats each of the last units as an instruction. That refuses no bytecode that CPython wrote: in a file, caches are
/// zero, and zero is the opcode of an instruction without caches.
#[inline]
pub(super) fn check(bytecode: &PermaBytes<'_>) -> Result<()> {
    let (units, _) = bytecode.as_slice().as_chunks::<2>();
    let is_cut_off = |(after, [opcode, _]): (usize, &[u8; 2])| usize::from(CACHES[usize::from(*opcode)]) > after;
    if units.iter().rev().take(MOST.into()).enumerate().any(is_cut_off) {
        return Err(Error::unsupported("instructions that end before their last cache", bytecode.offset()));
    }
    if cfg!(Py_3_12) && has_internal(units) {
        let what = "instructions for its own use in files";
        return Err(Error::unsupported(what, bytecode.offset()));
    }
    Ok(())
}

/// Whether there are [`INTERNAL`] opcodes. The loop has no early exit, so the compiler can vectorise it.
fn has_internal(units: &[[u8; 2]]) -> bool {
    let (first, other) = INTERNAL;
    let (highest, has_other) = units.iter().fold((0, false), |(highest, has_other): (i16, bool), unit| {
        let opcode = i16::from_le_bytes(*unit) & 0xff;
        (highest.max(opcode), has_other | (Some(opcode) == other))
    });
    highest >= first || has_other
}
