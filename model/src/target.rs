//! Targets.

use permacode_format::{ExceptionEncoding, LineEncoding, Strip};
use std::collections::BTreeSet;

/// The machine that modules are compiled for: a virtual machine, a bytecode version and an optimisation level
/// (spec.md 5.4).
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Target {
    /// Name of the virtual machine, for example `cpython`: 1 to 16 printable ASCII characters.
    pub vm: String,
    /// The number that identifies the bytecode version (CPython: the first four bytes of a `.pyc` file).
    pub bytecode_magic: u32,
    /// The exact version of the machine (CPython: `sys.hexversion`).
    pub vm_version: u32,
    /// Optimisation level that the modules were compiled with.
    pub optimization: u8,
    /// The tag in the names of compiled files, for example `cpython-311`. It may be empty.
    pub cache_tag: String,
    /// Size of one unit of bytecode in bytes.
    pub unit_size: u8,
    /// How line tables are encoded.
    pub line_encoding: LineEncoding,
    /// How exception tables are encoded.
    pub exception_encoding: ExceptionEncoding,
    /// Whether the target is sealed: its source files never change, so nothing needs to check whether they did.
    pub sealed: bool,
    /// The parts of modules that were left out on purpose.
    pub stripped: BTreeSet<Strip>,
}

impl Target {
    /// A target with optimisation level 0, an empty cache tag and private encodings of its tables. It is not sealed.
    ///
    /// ```
    /// use permacode_model::{LineEncoding, Target};
    ///
    /// let target = Target { line_encoding: LineEncoding::Lnotab, ..Target::new("toy", 1, 0x0100, 2) };
    /// assert_eq!((target.vm.as_str(), target.optimization, target.sealed), ("toy", 0, false));
    /// ```
    pub fn new(vm: impl Into<String>, bytecode_magic: u32, vm_version: u32, unit_size: u8) -> Self {
        Target {
            vm: vm.into(),
            bytecode_magic,
            vm_version,
            optimization: 0,
            cache_tag: String::new(),
            unit_size,
            line_encoding: LineEncoding::Private,
            exception_encoding: ExceptionEncoding::Private,
            sealed: false,
            stripped: BTreeSet::new(),
        }
    }
}
