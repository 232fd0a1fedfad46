//! Targets.

use permacode_format::{ExceptionEncoding, LineEncoding};

/// Who runs the modules: one virtual machine, one bytecode version, one optimisation level (spec.md 5.4).
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Target {
    /// Name of the virtual machine, for example `cpython`: 1 to 16 bytes of ASCII.
    pub vm: String,
    /// The number that the machine itself uses to tell one bytecode version from another.
    pub bytecode_magic: u32,
    /// The exact version of the machine (CPython: `sys.hexversion`).
    pub vm_version: u32,
    /// Optimisation level the modules were compiled at.
    pub optimization: u8,
    /// The tag in the names of compiled files, for example `cpython-311`; may be empty.
    pub cache_tag: String,
    /// Size of one unit of bytecode in bytes.
    pub unit_size: u8,
    /// How line tables are encoded.
    pub line_encoding: LineEncoding,
    /// How exception tables are encoded.
    pub exception_encoding: ExceptionEncoding,
    /// Whether the files that the modules were made from do not change, so that nobody need look at them.
    pub sealed: bool,
}

impl Target {
    /// A target at optimisation level 0, without a cache tag, whose tables only the machine can decode.
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
        }
    }
}
