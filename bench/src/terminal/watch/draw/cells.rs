//! The table of cells: those that have results, and the one that is being measured.

use ratatui::Frame;
use ratatui::layout::{Constraint, Rect};
use ratatui::style::{Color, Style};
use ratatui::widgets::{Row, Table};

use super::{BOLD, DIM, Look, draw_title};
use crate::metric::format_value;
use crate::record::{CellRecord, Outcome};
use crate::terminal::text::clean_short;
use crate::terminal::watch::board::{BLACKOUT, Board, TOTAL_TIME};
use crate::terminal::{cell, summary};

pub(super) fn draw(frame: &mut Frame<'_>, area: Rect, board: &Board, look: Look) {
    let shown: Vec<usize> = (0..board.cells.len())
        .filter(|index| board.current == Some(*index) || !board.cells[*index].repeats.is_empty())
        .collect();
    let room = usize::from(area.height.saturating_sub(2));
    let window = window(&shown, board.current, room);
    let mut title = format!("cells {} of {}", shown.len(), board.cells.len());
    if window.len() < shown.len() {
        title += &format!(", {} of them here", window.len());
    }
    let Some(below) = draw_title(frame, area, &title, look) else {
        return;
    };
    let outcomes = if below.width >= 100 { 32 } else { 22 };
    let widths = [
        Constraint::Fill(1),
        Constraint::Length(outcomes),
        Constraint::Length(TIME),
        Constraint::Length(TIME),
    ];
    let names = usize::from(below.width.saturating_sub(outcomes + 2 * TIME + 3));
    let varied = cell::varied(&board.cells);
    let rows = window.iter().map(|index| {
        let is_current = board.current == Some(*index);
        let cell = &board.cells[*index];
        let name = cell::lines(cell, &varied).join(" · ");
        row(cell, &name, names, is_current, look)
    });
    let header = ["cell", "outcomes", "total time", "blackout"];
    let header = Row::new(header).style(DIM);
    frame.render_widget(Table::new(rows, widths).header(header), below);
}

fn row(cell: &CellRecord, name: &str, width: usize, is_current: bool, look: Look) -> Row<'static> {
    let counts = cell.outcomes();
    let median = |id: &str| {
        let summary = cell.summary.get(id);
        summary.map_or("-".to_owned(), |it| format_value(id, it.median))
    };
    let colour = if counts.contains_key(&Outcome::Failed) {
        look.colour(Color::Red)
    } else if counts.contains_key(&Outcome::DidNotConverge) {
        look.colour(Color::Yellow)
    } else {
        Style::new()
    };
    let mark = if is_current { "▸ " } else { "  " };
    let row = Row::new([
        format!(
            "{mark}{}",
            clean_short(name, width.saturating_sub(2).max(1))
        ),
        summary::outcomes(&counts),
        median(TOTAL_TIME),
        median(BLACKOUT),
    ]);
    row.style(if is_current {
        colour.patch(BOLD)
    } else {
        colour
    })
}

/// As many of the cells as there is room for, around the current one; without one the last.
fn window(shown: &[usize], current: Option<usize>, room: usize) -> &[usize] {
    let last = shown.len().saturating_sub(1);
    let at = shown
        .iter()
        .position(|index| current == Some(*index))
        .unwrap_or(last);
    let end = (at + 1 + room / 2).max(room).min(shown.len());
    &shown[end.saturating_sub(room)..end]
}

/// Columns of a time.
const TIME: u16 = 10;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_current_cell_is_always_in_the_window() {
        let shown: Vec<usize> = (0..40).map(|index| index * 2).collect();
        for room in 1..50 {
            for current in &shown {
                let window = window(&shown, Some(*current), room);
                assert!(window.contains(current), "{current} with room for {room}");
                assert_eq!(window.len(), room.min(shown.len()));
            }
        }
        assert_eq!(window(&shown, None, 2), [76, 78]);
        assert!(window(&[], None, 5).is_empty());
        assert!(window(&shown, Some(4), 0).is_empty());
    }
}
