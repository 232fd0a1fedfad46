//! Where instructions come from: the line table of a code object (spec.md Annex A).
//!
//! Each encoding has a decoder that yields the entries of a table. An entry says how many bytes of instructions it
//! covers, so [`Locations`] adds up the addresses.

mod linetable310;
mod lnotab;
mod location_table;

use crate::{code::Code, entries::Entries, error::Result};
use core::{iter::FusedIterator, ops::Range};
use linetable310::LineTable310;
use lnotab::Lnotab;
use location_table::LocationTable;
use permacode_format::LineEncoding;

/// Where some units of a code object come from in the source.
///
/// A unit is [`crate::Target::unit_size`] bytes of bytecode. Unit *n* of CPython is at offset 2 × *n*.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Location {
    /// The units, at least one.
    pub units: Range<u32>,
    /// The line. `None` if the units do not come from any line.
    pub line: Option<i32>,
    /// The line in which the expression or statement ends. `None` if the encoding does not have it (CPython up to
    /// 3.10).
    pub end_line: Option<i32>,
    /// Where the expression or statement starts: an offset in bytes of the UTF-8 text of `line`.
    pub column: Option<u32>,
    /// Where it ends: an offset in bytes of the UTF-8 text of `end_line`.
    pub end_column: Option<u32>,
}

/// The locations of the units of a code object, in the order of the units; see [`Code::locations`].
#[derive(Debug, Clone)]
pub struct Locations<'a> {
    table: Table<'a>,
    /// Offset of the first byte of bytecode after the entries so far.
    address: u64,
    unit_size: u64,
    unit_count: u32,
}

#[derive(Debug, Clone)]
enum Table<'a> {
    Lnotab(Lnotab<'a>),
    LineTable310(LineTable310<'a>),
    LocationTable(LocationTable<'a>),
}

/// An entry of a line table.
struct Entry {
    /// Number of bytes of bytecode that it covers.
    len: u64,
    line: Option<i32>,
    end_line: Option<i32>,
    column: Option<u32>,
    end_column: Option<u32>,
}

impl Entry {
    /// An entry of an encoding that knows only lines.
    fn of_line(len: u64, line: Option<i32>) -> Self {
        Entry { len, line, end_line: None, column: None, end_column: None }
    }
}

impl<'a> Code<'a> {
    /// Where its units come from in the source: its line table, decoded while the iterator advances. Nothing is
    /// allocated. `None` if only the machine knows the encoding of line tables.
    ///
    /// The ranges of units follow each other without gaps, and neighbours may have the same location. Units at the end
    /// that no range covers come from no line. The contents of line tables obey no rule of `spec.md`, so a valid
    /// archive may have a malformed table. Then the last item is an [`ErrorKind::MalformedEntry`].
    ///
    /// ```
    /// # use permacode_model::{Code, Leaf, Module, ModuleKind, Object, Path, Str, Target};
    /// # use permacode_reader::LineEncoding;
    /// # use permacode_writer::{Options, Writer};
    /// # let mut writer = Writer::new(Options::default());
    /// # let target = Target { line_encoding: LineEncoding::LocationTable, ..Target::new("toy", 1, 1, 2) };
    /// # let target = writer.add_target(&target)?;
    /// # let body = Code { name: 0, bytecode: (&[0u8; 10][..]).into(), first_line: 3,
    /// #     line_table: (&[0xE9, 0, 0xD8, 4, 9, 0xF9][..]).into(), ..Code::default() };
    /// # writer.add_module(target, &Module { name: "tool".into(), kind: ModuleKind::Module,
    /// #     objects: vec![Object::Leaf(Leaf::Str(Str::interned("<module>")))], codes: vec![body], body: Some(0),
    /// #     filename: Some(Path { root: None, path: Str::plain("tool.py") }), source: None })?;
    /// # let bytes = writer.plan()?.to_bytes();
    /// let archive = permacode_reader::Archive::open(&bytes)?;
    /// let code = archive.target(0).unwrap().find("tool")?.unwrap().body()?.unwrap();
    /// let mut shown = Vec::new();
    /// for location in code.locations()?.unwrap() {
    ///     let location = location?;
    ///     shown.push((location.units, location.line, location.column, location.end_column));
    /// }
    /// assert_eq!(shown, [(0..2, Some(3), None, None), (2..3, Some(4), Some(4), Some(9)), (3..5, None, None, None)]);
    /// assert_eq!(code.location_at(2)?.unwrap().end_line, Some(4));
    /// assert!(code.location_at(5)?.is_none());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// `[C-1]`, `[C-5]`, `[T-3]`, `[T-4]`, `[T-6]`
    ///
    /// [`ErrorKind::MalformedEntry`]: crate::ErrorKind::MalformedEntry
    pub fn locations(&self) -> Result<Option<Locations<'a>>> {
        let target = self.module().target()?;
        let cold = self.cold()?;
        let entries = Entries::new(cold.line_table, "line table");
        let table = match target.line_encoding()? {
            LineEncoding::Private => return Ok(None),
            LineEncoding::Lnotab => Table::Lnotab(Lnotab::new(entries, cold.first_line)),
            LineEncoding::LineTable310 => Table::LineTable310(LineTable310::new(entries, cold.first_line)),
            LineEncoding::LocationTable => {
                Table::LocationTable(LocationTable::new(entries, cold.first_line, target.unit_size()))
            }
        };
        let unit_count = self.unit_count()?;
        Ok(Some(Locations { table, address: 0, unit_size: target.unit_size().into(), unit_count }))
    }

    /// Where unit `unit` comes from in the source. `None` if the line table does not say, or if only the machine knows
    /// its encoding.
    ///
    /// This decodes the table from its start. To ask for many units, iterate over [`Code::locations`].
    ///
    /// # Errors
    /// Those of [`Code::locations`] and of its items up to the unit.
    pub fn location_at(&self, unit: u32) -> Result<Option<Location>> {
        let Some(locations) = self.locations()? else { return Ok(None) };
        for location in locations {
            let location = location?;
            if location.units.contains(&unit) {
                return Ok(Some(location));
            }
        }
        Ok(None)
    }
}

impl Table<'_> {
    #[inline]
    fn next(&mut self) -> Option<Result<Entry>> {
        match self {
            Table::Lnotab(table) => table.next(),
            Table::LineTable310(table) => table.next(),
            Table::LocationTable(table) => table.next(),
        }
    }
}

impl Locations<'_> {
    /// The index of the first unit at or after the address. After the last unit, it is the number of units.
    fn unit(&self) -> u32 {
        // An entry covers the units whose first byte it covers.
        let unit =
            self.address.checked_add(self.unit_size.saturating_sub(1)).and_then(|end| end.checked_div(self.unit_size));
        unit.and_then(|unit| u32::try_from(unit).ok()).map_or(self.unit_count, |unit| unit.min(self.unit_count))
    }
}

impl Iterator for Locations<'_> {
    type Item = Result<Location>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let start = self.unit();
            if start >= self.unit_count {
                return None;
            }
            let entry = match self.table.next()? {
                Ok(entry) => entry,
                Err(error) => {
                    self.unit_count = 0;
                    return Some(Err(error));
                }
            };
            self.address = self.address.saturating_add(entry.len);
            let units = start..self.unit();
            if !units.is_empty() {
                let Entry { line, end_line, column, end_column, .. } = entry;
                return Some(Ok(Location { units, line, end_line, column, end_column }));
            }
        }
    }
}

impl FusedIterator for Locations<'_> {}
