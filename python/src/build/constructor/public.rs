//! CPython 3.9 and 3.10: `PyCode_NewWithPosOnlyArgs` takes all there is.

#![allow(unsafe_code)]

use permacode_reader::{Code, local_kind};
use pyo3::{ffi, prelude::*};

use super::{Fields, local_kinds};
use crate::{
    build::{
        raw::{self, Held},
        tuples::Tuples,
    },
    error::{Error, Result},
};

/// The three tuples of names that these versions have.
pub(in crate::build) struct Locals {
    variables: Held,
    cells: Held,
    free: Held,
    count: i32,
}

impl Locals {
    /// Sorts names by their kinds.
    pub(in crate::build) fn new<'py>(
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
        // Names are sorted by kind in archives that were made from compiled files.
        let sorted = |index: usize| match index {
            _ if index < variables => local_kind::LOCAL,
            _ if index < variables + cells => local_kind::CELL,
            _ => local_kind::FREE,
        };
        if kinds.iter().enumerate().any(|(index, kind)| *kind != sorted(index)) {
            return Err(Error::unsupported("locals in this order up to 3.10", code.offset()));
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
pub(in crate::build) struct Constructor;

impl Constructor {
    /// There is nothing to find out: the constructor is public.
    #[allow(clippy::unnecessary_wraps, reason = "the constructors of later versions may not be usable")]
    pub(in crate::build) fn new(_py: Python<'_>) -> std::result::Result<(Self, String), String> {
        Ok((Constructor, "up to CPython 3.10 the public constructor takes all fields".to_owned()))
    }

    pub(in crate::build) fn name(&self) -> &'static str {
        "PyCode_NewWithPosOnlyArgs"
    }

    pub(in crate::build) fn clear(&self, _py: Python<'_>) {}

    /// A code object.
    pub(in crate::build) fn new_code<'py>(&self, py: Python<'py>, fields: &Fields<'_>) -> Result<Bound<'py, PyAny>> {
        let bytecode = raw::bytes(py, fields.bytecode)?;
        let line_table = raw::bytes(py, fields.line_table)?;
        let locals = &fields.locals;
        // SAFETY: attached; all objects are alive, and the constructor checks their types.
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
