//! The constructor of CPython 3.9 and 3.10. `PyCode_NewWithPosOnlyArgs` takes all fields.

#![allow(unsafe_code)]

use permacode_reader::{Code, local_kind};
use pyo3::{ffi, prelude::*};

use super::{Fields, local_kinds};
use crate::{
    build::records::{
        raw::{self, Held},
        tuples::Tuples,
    },
    error::{Error, Result},
};

/// The three tuples of names that these versions have.
pub(in crate::build::records) struct Locals {
    variables: Held,
    cells: Held,
    free: Held,
    count: i32,
}

impl Locals {
    /// Splits names by their kinds.
    pub(in crate::build::records) fn new<'py>(
        py: Python<'py>,
        tuples: &mut Tuples<'py>,
        names: &[Held],
        kinds: Held,
        code: &Code<'_>,
    ) -> Result<Locals> {
        let kinds = local_kinds(&kinds, names, code)?;
        let count_of = |wanted: u8| kinds.iter().filter(|kind| **kind == wanted).count();
        let (variables, cells) = (count_of(local_kind::LOCAL), count_of(local_kind::CELL));
        let count = code.stated_local_count().map_or(variables as i32, u32::cast_signed);
        // In an archive that was made from `.pyc` files, locals are in the order of their kinds.
        let sorted = |index: usize| match index {
            _ if index < variables => local_kind::LOCAL,
            _ if index < variables + cells => local_kind::CELL,
            _ => local_kind::FREE,
        };
        if kinds.iter().enumerate().any(|(index, kind)| *kind != sorted(index)) {
            return Err(Error::unsupported("locals in this order in versions up to 3.10", code.offset()));
        }
        let (variables, rest) = names.split_at(variables);
        let (cells, free) = rest.split_at(cells);
        Ok(Locals {
            variables: tuples.get(py, variables, false)?,
            cells: tuples.get(py, cells, false)?,
            free: tuples.get(py, free, false)?,
            count,
        })
    }
}

/// The constructor.
pub(in crate::build::records) struct Constructor;

impl Constructor {
    /// The constructor, which is always usable because it is public.
    #[allow(clippy::unnecessary_wraps, reason = "the constructors of later versions may not be usable")]
    pub(in crate::build::records) fn new(_py: Python<'_>) -> std::result::Result<(Self, String), String> {
        Ok((Constructor, "up to CPython 3.10 the public constructor takes all fields".to_owned()))
    }

    pub(in crate::build::records) fn name(&self) -> &'static str {
        "PyCode_NewWithPosOnlyArgs"
    }

    pub(in crate::build::records) fn clear(&self, _py: Python<'_>) {}

    /// A code object.
    pub(in crate::build::records) fn new_code<'py>(
        &self,
        py: Python<'py>,
        fields: &Fields<'_>,
    ) -> Result<Bound<'py, PyAny>> {
        let bytecode = raw::bytes(py, fields.bytecode)?;
        let line_table = raw::bytes(py, fields.line_table)?;
        let locals = &fields.locals;
        // SAFETY: `PyCode_NewWithPosOnlyArgs` requires an attached thread, which `py` proves, and live objects. The
        // caller keeps the objects of `Fields` alive, and this function those that it made. The function checks the
        // types of all of them.
        let code = unsafe {
            ffi::PyCode_NewWithPosOnlyArgs(
                fields.arg_count,
                fields.posonly_count,
                fields.kwonly_count,
                locals.count,
                fields.stack_size,
                fields.flags,
                bytecode.as_ptr(),
                fields.constants.as_ptr(),
                fields.names.as_ptr(),
                locals.variables.as_ptr(),
                locals.free.as_ptr(),
                locals.cells.as_ptr(),
                fields.filename.as_ptr(),
                fields.name.as_ptr(),
                fields.first_line,
                line_table.as_ptr(),
            )
        };
        raw::new(py, code.cast())
    }
}
