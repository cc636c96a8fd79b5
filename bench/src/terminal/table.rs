//! The one look of all tables: no borders, a rule below the header, numbers to the right, [`WIDTH`] columns at most.

use comfy_table::{
    CellAlignment, ColumnConstraint, ContentArrangement, LineStyle, Table, TableStyle, Width,
};

/// A table whose columns stand to the right, except those in `left`. Cells may hold several lines.
///
/// Only the columns in `breakable` are wrapped when it would get too wide: names and numbers stay whole.
pub(crate) fn table(
    header: &[&str],
    left: &[usize],
    breakable: &[usize],
    rows: Vec<Vec<String>>,
) -> String {
    let mut table = Table::new();
    // Never styled and never as wide as the terminal: the text is the same in a terminal, a file and a test.
    table
        .force_no_tty()
        .load_style(STYLE)
        .set_header(header.to_vec());
    table.add_rows(rows);
    let widths = table.column_max_content_widths();
    let whole = (0..widths.len())
        .filter(|index| !breakable.contains(index))
        .map(|index| widths[index] + GAP)
        .sum::<u16>();
    let share = WIDTH.saturating_sub(whole) / u16::try_from(breakable.len().max(1)).unwrap_or(1);
    table
        .set_content_arrangement(ContentArrangement::Dynamic)
        .set_width(WIDTH.max(whole + NARROWEST * breakable.len() as u16));
    for (index, column) in table.column_iter_mut().enumerate() {
        column.set_padding((0, PADDING));
        let widest = widths[index] + PADDING;
        let width = if breakable.contains(&index) {
            widest.min(share.max(NARROWEST) - 1)
        } else {
            widest
        };
        column.set_constraint(ColumnConstraint::Absolute(Width::Fixed(width)));
        if !left.contains(&index) {
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
pub(crate) fn wrapped(text: &str, indent: usize) -> String {
    let mut lines = String::new();
    let mut column = 0;
    for (position, word) in text.split(' ').enumerate() {
        let length = word.chars().count();
        if position > 0 && column + 1 + length > usize::from(WIDTH) {
            lines += &format!("\n{}", " ".repeat(indent));
            column = indent;
        } else if position > 0 {
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
const WIDTH: u16 = 100;
/// Room behind each column, and with the place that a line between columns would have.
const PADDING: u16 = 1;
const GAP: u16 = PADDING + 1;
/// What a breakable column gets even when nothing is left.
const NARROWEST: u16 = 11;
const STYLE: TableStyle =
    TableStyle::new().header_separator(LineStyle::none().fill('─').junction('─'));
