//! The one look of all tables: no borders, a rule below the header, numbers to the right, as wide as the page at most.

use std::ops::Range;

use comfy_table::{
    Attribute, Cell, CellAlignment, Color, ColumnConstraint, ContentArrangement, LineStyle, Table,
    TableStyle, Width,
};

use super::page::{self, Page, Tone};

/// A table whose columns stand to the right, except those in `left`. Cells may hold several lines.
///
/// Only the columns in `breakable` are wrapped when it would get too wide: names and numbers stay whole. What does not fit then goes into
/// further tables below, each of which begins with the first column. Columns that judge, such as `outcome`, have colours if the page has.
pub fn table(
    header: &[&str],
    left: &[usize],
    breakable: &[usize],
    rows: Vec<Vec<String>>,
) -> String {
    let page = Page::now();
    // The last column has room behind it, too.
    let room = page.width - PADDING;
    let mut rows = rows;
    let mut widths = widths(header, &rows);
    if breakable.contains(&0) {
        let others = widths[1..].iter().map(|width| GAP + width).sum::<u16>();
        let first = room.saturating_sub(others).max(SHORTEST_NAME);
        if first < widths[0] {
            for name in rows.iter_mut().filter_map(|row| row.first_mut()) {
                *name = folded(name, first.into());
            }
            widths = self::widths(header, &rows);
        }
    }
    let least: Vec<u16> = (0..widths.len())
        .map(|index| {
            if !breakable.contains(&index) {
                widths[index]
            } else if index == 0 {
                // Names stay in one line as long as they are no longer than the longest words.
                widths[index].min(LONGEST_WORD)
            } else {
                widths[index].min(longest_word(header, &rows, index))
            }
        })
        .collect();
    let parts = parts(&least, room);
    let parts = parts.into_iter().map(|part| {
        let columns: Vec<usize> = std::iter::once(0).chain(part).collect();
        let shown = Shown {
            header,
            left,
            widths: widened(&least, &widths, &columns, room),
            columns,
        };
        shown.laid_out(&rows, page)
    });
    parts.collect::<Vec<_>>().join("\n")
}

/// A name in lines of that length, if its parts are short enough.
fn folded(name: &str, length: usize) -> String {
    let mut lines = String::new();
    let mut column = 0;
    for part in name.split_inclusive(['_', ',', ' ', '\n']) {
        let own = page::columns(part.trim_end());
        if column > 0 && column + own > length {
            lines.push('\n');
            column = 0;
        }
        lines += part;
        column = if part.ends_with('\n') {
            0
        } else {
            column + page::columns(part)
        };
    }
    lines
}

/// What a column needs so that no word is broken, unless it is a very long one.
fn longest_word(header: &[&str], rows: &[Vec<String>], column: usize) -> u16 {
    let cells = rows.iter().filter_map(|row| row.get(column));
    let cells = cells.map(String::as_str).chain([header[column]]);
    let words = cells.flat_map(str::split_whitespace);
    let longest = words.map(|word| word.chars().count()).max().unwrap_or(0);
    u16::try_from(longest).unwrap_or(u16::MAX).min(LONGEST_WORD)
}

/// The columns of each table beside the first, as many as fit, one at least.
fn parts(widths: &[u16], page: u16) -> Vec<Range<usize>> {
    let first = widths.first().copied().unwrap_or(0);
    let mut parts = Vec::new();
    let (mut start, mut width) = (1, first);
    for (index, own) in widths.iter().enumerate().skip(1) {
        let wider = width.saturating_add(GAP).saturating_add(*own);
        if wider > page && index > start {
            parts.push(start..index);
            (start, width) = (index, first.saturating_add(GAP).saturating_add(*own));
        } else {
            width = wider;
        }
    }
    parts.push(start..widths.len().max(1));
    parts
}

/// What each column takes when nothing is wrapped.
fn widths(header: &[&str], rows: &[Vec<String>]) -> Vec<u16> {
    let mut table = Table::new();
    table.set_header(header.to_vec());
    table.add_rows(rows.iter().cloned());
    table.column_max_content_widths()
}

/// Widths for some columns: what all of them need at least, and what then is left shared by those that could use more.
fn widened(least: &[u16], most: &[u16], columns: &[usize], page: u16) -> Vec<u16> {
    let mut widths: Vec<u16> = columns.iter().map(|column| least[*column]).collect();
    let gaps = GAP * u16::try_from(columns.len().saturating_sub(1)).unwrap_or(0);
    let taken = widths
        .iter()
        .fold(gaps, |sum, width| sum.saturating_add(*width));
    let mut room = page.saturating_sub(taken);
    let wish = |index: usize| most[columns[index]] - least[columns[index]];
    let mut wishing: Vec<usize> = (0..columns.len())
        .filter(|index| wish(*index) > 0)
        .collect();
    // Who needs little leaves its share to the others.
    wishing.sort_by_key(|index| wish(*index));
    for (place, index) in wishing.iter().enumerate() {
        let others = u16::try_from(wishing.len() - place).unwrap_or(u16::MAX);
        let more = wish(*index).min(room / others);
        widths[*index] += more;
        room -= more;
    }
    widths
}

/// Some columns of a table, with their widths.
struct Shown<'a> {
    header: &'a [&'a str],
    left: &'a [usize],
    columns: Vec<usize>,
    widths: Vec<u16>,
}

impl Shown<'_> {
    fn laid_out(&self, rows: &[Vec<String>], page: Page) -> String {
        let mut table = Table::new();
        // Never asked about the terminal: the page says what there is room for, and whether colours are seen.
        table.force_no_tty().load_style(STYLE);
        if page.colour {
            table.enforce_styling();
        }
        let heading = self.columns.iter().map(|column| {
            let cell = Cell::new(self.header[*column]);
            if page.colour {
                cell.add_attribute(Attribute::Bold)
            } else {
                cell
            }
        });
        table.set_header(heading);
        table.add_rows(rows.iter().map(|row| {
            let cells = self.columns.iter().map(|column| self.cell(row, *column));
            cells.collect::<Vec<Cell>>()
        }));
        self.fit(&mut table);
        let mut text = String::new();
        for line in table.lines() {
            text += line.trim_end();
            text.push('\n');
        }
        text
    }

    fn cell(&self, row: &[String], column: usize) -> Cell {
        let text = row.get(column).map_or("", String::as_str);
        let cell = Cell::new(text);
        let judges = JUDGING.contains(&self.header[column]);
        match Tone::of(text).filter(|_| judges) {
            None => cell,
            Some(Tone::Bad) => cell.fg(Color::DarkRed),
            Some(Tone::Doubtful) => cell.fg(Color::DarkYellow),
            Some(Tone::Good) => cell.fg(Color::DarkGreen),
        }
    }

    fn fit(&self, table: &mut Table) {
        table
            .set_content_arrangement(ContentArrangement::Dynamic)
            // Beyond what any page has: the widths below are meant.
            .set_width(u16::MAX);
        for (index, column) in table.column_iter_mut().enumerate() {
            let width = self.widths[index] + PADDING;
            column.set_padding((0, PADDING));
            column.set_constraint(ColumnConstraint::Absolute(Width::Fixed(width)));
            if !self.left.contains(&self.columns[index]) {
                column.set_cell_alignment(CellAlignment::Right);
            }
        }
    }
}

/// Lines that do not fit are wrapped at words; the following ones are indented by `indent`.
pub fn wrapped(text: &str, indent: usize) -> String {
    let width = usize::from(Page::now().width).min(LONGEST_LINE);
    let mut lines = String::new();
    let mut column = 0;
    for (position, word) in text.split(' ').enumerate() {
        let length = page::columns(word);
        if position > 0 && column + 1 + length > width {
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

/// Room behind each column, and with the place that a line between columns would have.
const PADDING: u16 = 1;
const GAP: u16 = PADDING + 1;
/// A longer word, such as a path, may be broken.
const LONGEST_WORD: u16 = 31;
/// Names are not folded into shorter lines.
const SHORTEST_NAME: u16 = 24;
/// Longer lines of words nobody follows, however wide the page is.
const LONGEST_LINE: usize = 120;
/// Headings of the columns that say how something went, in our words.
const JUDGING: [&str; 6] = [
    "outcome",
    "outcomes",
    "verdict",
    "status\ndone",
    "memory",
    "change",
];
const STYLE: TableStyle =
    TableStyle::new().header_separator(LineStyle::none().fill('─').junction('─'));

#[cfg(test)]
mod tests {
    use super::*;

    fn page(width: u16, colour: bool) -> Page {
        Page { width, colour }
    }

    fn rows() -> Vec<Vec<String>> {
        let row = |name: &str, outcome: &str, figures: &str| {
            let mut row = vec![name.to_owned(), outcome.to_owned()];
            row.extend((0..6).map(|_| figures.to_owned()));
            row
        };
        vec![
            row("tcp", "3 completed", "913 Mbit/s"),
            row("native-tcp", "2 completed\n1 failed", "1.18 GiB"),
        ]
    }

    const HEADER: [&str; 8] = ["cell", "outcome", "a", "b", "c", "d", "e", "f"];

    #[test]
    fn what_does_not_fit_stands_below_and_whole() {
        let made = |width| page(width, false).hold(|| table(&HEADER, &[0, 1], &[1], rows()));
        for width in [40, 60, 80, 100, 200] {
            let text = made(width);
            let widest = text.lines().map(|line| line.chars().count()).max();
            assert!(widest <= Some(width.into()), "{width}:\n{text}");
            assert_eq!(text.matches("913 Mbit/s").count(), 6, "{width}:\n{text}");
        }
        let tables = |width| made(width).matches("cell").count();
        assert_eq!((tables(200), tables(80)), (1, 2), "{}", made(80));
    }

    #[test]
    fn a_column_that_judges_has_colours_where_there_are_colours() {
        let made = |colour| page(100, colour).hold(|| table(&HEADER, &[0, 1], &[], rows()));
        assert!(!made(false).contains('\x1b'));
        let (plain, coloured) = (made(false), made(true));
        assert!(coloured.contains("\x1b[38;5;1m"), "{coloured:?}");
        let widths = |text: &str| text.lines().map(page::columns).collect::<Vec<_>>();
        let trimmed = |text: &str| widths(text).into_iter().max();
        assert_eq!(trimmed(&plain), trimmed(&coloured));
    }

    #[test]
    fn what_is_left_is_shared_by_those_who_can_use_it() {
        let shared = |most: [u16; 3], page| widened(&[10, 10, 10], &most, &[0, 1, 2], page);
        assert_eq!(shared([10, 15, 90], 64), [10, 15, 35]);
        assert_eq!(shared([10, 90, 90], 64), [10, 25, 25]);
        assert_eq!(shared([10, 15, 20], 100), [10, 15, 20]);
        assert_eq!(shared([90, 90, 90], 20), [10, 10, 10]);
    }

    #[test]
    fn no_word_is_broken() {
        let rows = vec![vec![
            "auto-converge".to_owned(),
            "1 did not converge".to_owned(),
            "a reason of many words that goes on and on".to_owned(),
        ]];
        let header = ["cell", "outcome", "why"];
        let text = page(44, false).hold(|| table(&header, &[0, 1, 2], &[0, 1, 2], rows));
        let words = text.split_whitespace();
        for word in ["auto-converge", "converge", "reason"] {
            assert!(words.clone().any(|known| known == word), "{word}: {text}");
        }
    }

    #[test]
    fn names_are_folded_between_their_parts() {
        let name = "cpu_qemu_without_vcpus_source_s_per_gib";
        assert_eq!(
            folded(name, 24),
            "cpu_qemu_without_vcpus_\nsource_s_per_gib"
        );
        let rows = || vec![vec![name.to_owned(), "9".repeat(40)]];
        let made = |width| page(width, false).hold(|| table(&["metric", "a"], &[0], &[0], rows()));
        assert!(made(100).contains(name));
        let text = made(70);
        assert!(text.contains("cpu_qemu_without_vcpus_") && text.contains("\nsource_s_per_gib"));
    }

    #[test]
    fn lines_end_between_words_at_the_width_of_the_page() {
        let text = "word ".repeat(60);
        for (width, expected) in [(40, 40), (80, 80), (200, LONGEST_LINE)] {
            let lines = page(width, false).hold(|| wrapped(text.trim(), 4));
            let widest = lines.lines().map(str::len).max().unwrap();
            assert!(
                (expected - 5..=expected).contains(&widest),
                "{width}: {widest}"
            );
        }
    }
}
