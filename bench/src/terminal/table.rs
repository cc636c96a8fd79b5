//! The one look of all tables: no borders, a rule below the header, numbers to the right, [`WIDTH`] columns at most.

use comfy_table::{CellAlignment, ContentArrangement, LineStyle, Table, TableStyle};

/// A table whose columns stand to the right, except the first `left`. Cells may hold several lines.
pub(super) fn table(header: Vec<String>, left: usize, rows: Vec<Vec<String>>) -> String {
    let mut table = Table::new();
    // Never styled and never as wide as the terminal: the text is the same in a terminal, a file and a test.
    table
        .force_no_tty()
        .load_style(STYLE)
        .set_content_arrangement(ContentArrangement::Dynamic)
        .set_width(WIDTH);
    table.set_header(header);
    table.add_rows(rows);
    for (index, column) in table.column_iter_mut().enumerate() {
        column.set_padding((0, 2));
        if index >= left {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    let mut text = String::new();
    for line in table.lines() {
        text += line.trim_end();
        text.push('\n');
    }
    text
}

/// Lines that do not fit are wrapped at words; the following ones are indented by `indent`.
pub(super) fn wrapped(text: &str, indent: usize) -> String {
    let mut lines = String::new();
    let mut column = 0;
    for word in text.split(' ') {
        let length = word.chars().count();
        if column > 0 && column + 1 + length > usize::from(WIDTH) {
            lines += &format!("\n{}", " ".repeat(indent));
            column = indent;
        } else if column > 0 {
            lines.push(' ');
            column += 1;
        }
        lines += word;
        column += length;
    }
    lines.push('\n');
    lines
}

/// Columns of a terminal that every table fits into.
pub(super) const WIDTH: u16 = 100;
const STYLE: TableStyle =
    TableStyle::new().header_separator(LineStyle::none().fill('─').junction('─'));
