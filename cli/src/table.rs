//! Tables with aligned columns. On a terminal, a line follows the head.

use crate::output::Output;
use anyhow::Result;
use comfy_table::{Attribute, Cell, CellAlignment, ContentArrangement, Table, TableComponent, presets};

/// How a column is aligned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Align {
    Left,
    Right,
}

/// Rows of cells under a head.
#[derive(Debug)]
pub(crate) struct Rows {
    head: Vec<(&'static str, Align)>,
    rows: Vec<Vec<String>>,
}

impl Rows {
    pub(crate) fn new(head: &[(&'static str, Align)]) -> Self {
        Rows { head: head.to_vec(), rows: Vec::new() }
    }

    pub(crate) fn push<const N: usize>(&mut self, cells: [String; N]) {
        debug_assert_eq!(N, self.head.len());
        self.rows.push(cells.into());
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    pub(crate) fn print(self, out: &mut Output) -> Result<()> {
        let mut table = Table::new();
        // Names are never wrapped, so that they can be copied.
        table.load_preset(presets::NOTHING).set_content_arrangement(ContentArrangement::Disabled);
        if out.is_terminal() {
            table.set_style(TableComponent::HeaderLines, '─').set_style(TableComponent::MiddleHeaderIntersections, '─');
        } else {
            table.force_no_tty();
        }
        let head = self.head.iter().map(|(name, align)| {
            let cell = Cell::new(name).set_alignment(cell_alignment(*align));
            if out.is_styled() { cell.add_attribute(Attribute::Bold) } else { cell }
        });
        table.set_header(head);
        table.add_rows(self.rows);
        for (column, (_, align)) in table.column_iter_mut().zip(&self.head) {
            column.set_padding((0, 2));
            column.set_cell_alignment(cell_alignment(*align));
        }
        for line in table.lines() {
            out.styled(line.trim_end())?;
        }
        Ok(())
    }
}

fn cell_alignment(align: Align) -> CellAlignment {
    match align {
        Align::Left => CellAlignment::Left,
        Align::Right => CellAlignment::Right,
    }
}
