//! Targets, modules and resources as a writer keeps them: with handles in place of values.
//!
//! A field of type `u32` that names bytes (`bytecode`, `tables`, `signature`, `text`, `data`) is the number of a blob
//! in the [`Blobs`](crate::intern::Blobs) of that kind.

use crate::intern::{Handle, Item};
use hashbrown::HashSet;
use permacode_model::Target;

/// A target with its modules and resources.
#[derive(Debug)]
pub(crate) struct TargetEntry {
    pub(crate) target: Target,
    pub(crate) modules: Vec<ModuleEntry>,
    pub(crate) resources: Vec<ResourceEntry>,
    pub(crate) module_names: HashSet<String>,
    pub(crate) resource_names: HashSet<Vec<u8>>,
}

/// A module whose values have been merged.
#[derive(Debug)]
pub(crate) struct ModuleEntry {
    pub(crate) name: String,
    pub(crate) flags: u16,
    pub(crate) objects: Vec<Handle>,
    /// The objects that are used for more than a docstring. Some may occur twice.
    pub(crate) hot: Vec<Handle>,
    /// Children first.
    pub(crate) codes: Vec<CodeEntry>,
    /// Indexes into `codes`, parents first.
    pub(crate) first_use: Vec<u32>,
    pub(crate) filename: Option<PathEntry>,
    pub(crate) source: Option<SourceEntry>,
}

/// A path and the root that it is relative to, if any.
#[derive(Debug, Clone, Copy)]
pub(crate) struct PathEntry {
    pub(crate) path: Handle,
    pub(crate) root: Option<Handle>,
}

/// The source of a module.
#[derive(Debug)]
pub(crate) struct SourceEntry {
    pub(crate) path: PathEntry,
    pub(crate) size: u64,
    pub(crate) digest: [u8; 16],
    pub(crate) mtime: Option<i64>,
    pub(crate) text: Option<u32>,
}

/// A code object whose values have been merged.
#[derive(Debug)]
pub(crate) struct CodeEntry {
    pub(crate) parent: Option<u32>,
    pub(crate) list: Vec<Item>,
    pub(crate) bytecode: u32,
    pub(crate) bytecode_len: u32,
    pub(crate) tables: u32,
    pub(crate) line_len: u32,
    pub(crate) exception_len: u32,
    pub(crate) signature: Option<u32>,
    /// Bits of [`code_form`](permacode_format::code_form), except those for wide lists and wide records.
    pub(crate) form: u8,
    pub(crate) constant_count: u32,
    pub(crate) name_count: u32,
    pub(crate) local_count: u32,
    pub(crate) stated_local_count: Option<u32>,
    pub(crate) stack_size: u32,
    pub(crate) arg_count: u32,
    pub(crate) posonly_count: u32,
    pub(crate) kwonly_count: u32,
    pub(crate) flags: u32,
    pub(crate) first_line: i32,
    pub(crate) docstring: Option<u32>,
}

/// A resource whose bytes have been merged.
#[derive(Debug)]
pub(crate) struct ResourceEntry {
    /// `ROOT/PATH`
    pub(crate) name: Vec<u8>,
    pub(crate) root_len: u16,
    pub(crate) flags: u32,
    pub(crate) data: u32,
    pub(crate) len: u64,
}
