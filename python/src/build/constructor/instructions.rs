//! Which instructions CPython can look at without leaving them.
//!
//! From 3.11 on an instruction is followed by cache entries, as many as `_PyOpcode_Caches` says. CPython writes into them when
//! a code object is made (3.12), when it first runs (3.11), and when `co_code` is asked for, and it does not look where the code
//! ends: of damaged instructions it would write behind it. And those that only CPython itself puts into code (instrumented
//! ones, `ENTER_EXECUTOR`) lead it to tables that a new code object does not have.

/// Opcodes that are in code when it is made, one bit each; and numbers of cache entries, with the opcodes that have so many:
/// `opmap` without what is internal, and `_inline_cache_entries`, both in `Lib/opcode.py`.
type Opcodes = ([u64; 4], &'static [(usize, &'static [usize])]);

#[cfg(not(Py_3_12))]
const OPCODES: Opcodes = (
    [0x307e_003b_c200_9e07, 0x7dfd_ffff_fffc_0cf0, 0x0001_f87d_39bf_5fff, 0],
    &[(1, &[60, 92, 122, 166]), (2, &[107]), (4, &[25, 95, 106, 171]), (5, &[116]), (10, &[160])],
);
#[cfg(all(Py_3_12, not(Py_3_13)))]
const OPCODES: Opcodes = (
    [0x30fe_003b_ce02_9a3f, 0xfffc_7fff_fea8_0cb0, 0x0001_f83c_39ef_ffff, 0],
    &[(1, &[25, 60, 92, 93, 107, 122, 123, 141]), (3, &[171]), (4, &[95, 116]), (9, &[106])],
);
#[cfg(all(Py_3_13, not(Py_3_14)))]
const OPCODES: Opcodes = (
    [0xffff_ffff_ffff_fff7, 0x007f_ffff_ffff_ffbf, 0x0020_0000, 0],
    &[(1, &[5, 39, 45, 58, 59, 72, 77, 93, 97, 98, 99, 100, 104, 117]), (3, &[40, 53]), (4, &[91, 108]), (9, &[82])],
);
#[cfg(all(Py_3_14, not(Py_3_15)))]
const OPCODES: Opcodes = (
    [0xffff_ffff_ffff_fff7, 0x01ff_ffff_ffff_ffff, 1, 0],
    &[
        (1, &[38, 56, 57, 70, 75, 96, 100, 101, 102, 103, 106, 119]),
        (3, &[39, 52, 55]),
        (4, &[92, 110]),
        (5, &[44]),
        (9, &[80]),
    ],
);
#[cfg(Py_3_15)]
const OPCODES: Opcodes = (
    [0xffff_ffff_ffff_fff7, 0x00ff_ffff_ffff_ffff, 1, 0],
    &[
        (1, &[4, 36, 54, 55, 68, 70, 74, 95, 99, 100, 101, 102, 105, 118, 128]),
        (3, &[37, 50, 53]),
        (4, &[91, 109]),
        (5, &[42]),
        (9, &[79]),
    ],
);

/// How far an instruction reaches behind its first unit, by opcode; no code is long enough for one that cannot be in it.
static REACH: [usize; 256] = {
    let (opcodes, caches) = OPCODES;
    let mut reach = [usize::MAX / 2; 256];
    let mut opcode = 0;
    while opcode < 256 {
        if opcodes[opcode / 64] >> (opcode % 64) & 1 == 1 {
            reach[opcode] = 0;
        }
        opcode += 1;
    }
    let mut index = 0;
    while index < caches.len() {
        let (entries, opcodes) = caches[index];
        let mut place = 0;
        while place < opcodes.len() {
            reach[opcodes[place]] = entries;
            place += 1;
        }
        index += 1;
    }
    reach
};

/// Whether every unit, taken as an instruction, ends where the code ends or before.
///
/// Cache entries are zero in an archive, and zero is an instruction without any: so this holds for all code of a compiler,
/// without telling which units are cache entries.
pub(super) fn can_be_looked_at(bytecode: &[u8]) -> bool {
    let (units, rest) = bytecode.as_chunks::<2>();
    rest.is_empty() && units.iter().enumerate().all(|(at, [opcode, _])| at + REACH[usize::from(*opcode)] < units.len())
}
