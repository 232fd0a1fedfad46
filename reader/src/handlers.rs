//! Which handler covers an instruction: the exception table of a code object (spec.md A.4).

use crate::{
    code::Code,
    entries::{Entries, FIRST_BIT, byte, high_first, later_byte},
    error::Result,
};
use core::{iter::FusedIterator, ops::Range};
use permacode_format::ExceptionEncoding;

/// An exception handler, and the units that it covers.
///
/// A unit is [`crate::Target::unit_size`] bytes of bytecode. Unit *n* of CPython is at offset 2 × *n*.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Handler {
    /// The units that it covers, at least one.
    pub units: Range<u32>,
    /// The unit at which the code of the handler starts. A table may state a unit beyond the last one.
    pub target: u32,
    /// Number of values that stay on the operand stack.
    pub stack_depth: u32,
    /// Whether the machine pushes the offset of the instruction that raised the exception.
    pub pushes_offset: bool,
}

/// The exception handlers of a code object, in the order of its table; see [`Code::handlers`].
#[derive(Debug, Clone)]
pub struct Handlers<'a> {
    entries: Entries<'a>,
    unit_count: u32,
}

impl<'a> Code<'a> {
    /// Its exception handlers, in the order of its table, which is decoded while the iterator advances. Nothing is
    /// allocated.
    ///
    /// `None` if only the machine knows the encoding of exception tables. So it is for CPython up to 3.10, which has no
    /// such tables: its instructions push handlers on a stack of blocks.
    ///
    /// If several handlers cover a unit, the first of them counts. The contents of exception tables obey no rule of
    /// `spec.md`, so a valid archive may have a malformed table. Then the last item is an
    /// [`ErrorKind::MalformedEntry`].
    ///
    /// ```
    /// # use permacode_model::{Code, Leaf, Module, ModuleKind, Object, Path, Str, Target};
    /// # use permacode_reader::ExceptionEncoding;
    /// # use permacode_writer::{Options, Writer};
    /// # let mut writer = Writer::new(Options::default());
    /// # let target = Target { exception_encoding: ExceptionEncoding::Table311, ..Target::new("toy", 1, 1, 2) };
    /// # let target = writer.add_target(&target)?;
    /// # let body = Code { name: 0, bytecode: (&[0u8; 16][..]).into(),
    /// #     exception_table: (&[0x81, 3, 6, 1, 0x80, 6, 7, 4][..]).into(), ..Code::default() };
    /// # writer.add_module(target, &Module { name: "tool".into(), kind: ModuleKind::Module,
    /// #     objects: vec![Object::Leaf(Leaf::Str(Str::interned("<module>")))], codes: vec![body], body: Some(0),
    /// #     filename: Some(Path { root: None, path: Str::plain("tool.py") }), source: None })?;
    /// # let bytes = writer.plan()?.to_bytes();
    /// use permacode_reader::{Archive, Handler};
    ///
    /// let archive = Archive::open(&bytes)?;
    /// let code = archive.target(0).unwrap().find("tool")?.unwrap().body()?.unwrap();
    /// let handlers = code.handlers()?.unwrap().collect::<Result<Vec<_>, _>>()?;
    /// let inner = Handler { units: 1..4, target: 6, stack_depth: 0, pushes_offset: true };
    /// let outer = Handler { units: 0..6, target: 7, stack_depth: 2, pushes_offset: false };
    /// assert_eq!(handlers, [inner, outer]);
    /// assert_eq!(code.handler_at(3)?.unwrap().target, 6);
    /// assert_eq!(code.handler_at(4)?.unwrap().target, 7);
    /// assert!(code.handler_at(6)?.is_none());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// `[C-1]`, `[C-5]`, `[T-3]`, `[T-4]`, `[T-6]`
    ///
    /// [`ErrorKind::MalformedEntry`]: crate::ErrorKind::MalformedEntry
    pub fn handlers(&self) -> Result<Option<Handlers<'a>>> {
        match self.module().target()?.exception_encoding()? {
            ExceptionEncoding::Private => Ok(None),
            ExceptionEncoding::Table311 => {
                let entries = Entries::new(self.exception_table()?, "exception table");
                Ok(Some(Handlers { entries, unit_count: self.unit_count()? }))
            }
        }
    }

    /// The handler of exceptions that unit `unit` raises. `None` if no handler covers it, or if only the machine knows
    /// the encoding of exception tables.
    ///
    /// # Errors
    /// Those of [`Code::handlers`] and of its items up to the handler.
    pub fn handler_at(&self, unit: u32) -> Result<Option<Handler>> {
        let Some(handlers) = self.handlers()? else { return Ok(None) };
        for handler in handlers {
            let handler = handler?;
            if handler.units.contains(&unit) {
                return Ok(Some(handler));
            }
        }
        Ok(None)
    }
}

impl Iterator for Handlers<'_> {
    type Item = Result<Handler>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let entry = self.entries.next(|bytes| {
                let first = byte(bytes)?;
                if first & 0x80 == 0 {
                    return Err(FIRST_BIT);
                }
                let start = high_first(first, bytes)?;
                let mut number = || later_byte(bytes).and_then(|first| high_first(first, bytes));
                Ok((start, number()?, number()?, number()?))
            });
            let (start, len, target, keep) = match entry? {
                Ok(entry) => entry,
                Err(error) => return Some(Err(error)),
            };
            let units = start..start.saturating_add(len).min(self.unit_count);
            if !units.is_empty() {
                return Some(Ok(Handler { units, target, stack_depth: keep >> 1, pushes_offset: keep & 1 != 0 }));
            }
        }
    }
}

impl FusedIterator for Handlers<'_> {}
