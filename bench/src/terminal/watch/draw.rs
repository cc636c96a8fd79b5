//! The dashboard's picture: a pure function of the board, the time and the window.
//!
//! From top to bottom: where the run stands, what keeps the migration from converging, its curves, the last decisions, the cells, a foot. What the window has no room
//! for is left out from below.

mod cells;
mod curves;
mod head;

use std::time::Duration;

use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::{Color, Modifier, Style};
use ratatui::text::{Line, Span};
use ratatui::widgets::{Paragraph, Wrap};

use super::board::{Board, View};
use crate::terminal::status;
use crate::terminal::text::{clean_short, counted};

/// Draws all of it.
pub(super) fn draw(frame: &mut Frame<'_>, board: &Board, now: Duration, look: Look) {
    let area = frame.area();
    if area.width < WIDTH_MIN || area.height < HEIGHT_MIN {
        let text = format!(
            "the window is too small: {}x{}; the dashboard needs {WIDTH_MIN}x{HEIGHT_MIN}",
            area.width, area.height
        );
        frame.render_widget(Paragraph::new(text).wrap(Wrap { trim: true }), area);
        return;
    }
    let view = board.view(now);
    let heights = Heights::of(area.height);
    let parts = Layout::vertical([
        Constraint::Length(HEAD),
        Constraint::Length(heights.convergence),
        Constraint::Length(heights.curves),
        Constraint::Length(heights.decisions),
        Constraint::Length(heights.cells),
        Constraint::Length(FOOT),
    ]);
    let [head, convergence, curves, decisions, cells, foot] = parts.areas(area);
    head::draw(frame, head, board, &view, look);
    head::draw_convergence(frame, convergence, &view);
    curves::draw(frame, curves, board, &view, look);
    draw_decisions(frame, decisions, &view, look);
    cells::draw(frame, cells, board, look);
    draw_foot(frame, foot, board, look);
}

/// How things look.
#[derive(Debug, Clone, Copy)]
pub(super) struct Look {
    /// Without it there is bold and dim, and no colour.
    pub(super) colour: bool,
}

impl Look {
    fn colour(self, colour: Color) -> Style {
        if self.colour {
            Style::new().fg(colour)
        } else {
            Style::new()
        }
    }
}

/// Lines of the parts between head and foot; together all there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Heights {
    convergence: u16,
    curves: u16,
    decisions: u16,
    cells: u16,
}

impl Heights {
    fn of(height: u16) -> Self {
        // A sentence of some 110 letters.
        let convergence = if height < 20 { 0 } else { 2 };
        let rest = height - HEAD - FOOT - convergence;
        let title = u16::from(rest >= 12);
        let each = match rest {
            ..17 => 1,
            17..30 => 2,
            30..45 => 3,
            _ => 4,
        };
        let curves = (title + curves::ALL.len() as u16 * each + 1).min(rest);
        let after = rest - curves;
        let decisions = if after < 6 {
            0
        } else {
            (after * 4 / 9).min(DECISIONS_MAX)
        };
        Heights {
            convergence,
            curves,
            decisions,
            cells: after - decisions,
        }
    }
}

fn draw_decisions(frame: &mut Frame<'_>, area: Rect, view: &View, look: Look) {
    let Some(below) = draw_title(frame, area, "decisions", look) else {
        return;
    };
    let decisions = view.migration.as_ref().map(|it| it.decisions.as_slice());
    let decisions = decisions.unwrap_or_default();
    let room = usize::from(below.height);
    let shown = &decisions[decisions.len().saturating_sub(room)..];
    let mut lines: Vec<Line<'_>> = shown
        .iter()
        .map(|decided| {
            let colour = match decided.by.as_str() {
                "refused" => look.colour(Color::Red),
                "operator" => look.colour(Color::Magenta),
                _ => Style::new(),
            };
            Line::styled(status::decision(decided), colour)
        })
        .collect();
    if lines.is_empty() {
        lines.push(Line::styled("none so far", DIM));
    }
    frame.render_widget(Paragraph::new(lines), below);
}

fn draw_foot(frame: &mut Frame<'_>, area: Rect, board: &Board, look: Look) {
    let Some(warning) = &board.last_warning else {
        let hint = "Ctrl-C ends the run in order, a second one at once";
        frame.render_widget(Line::styled(hint, DIM), area);
        return;
    };
    let count = match board.warnings {
        1 => "warning: ".to_owned(),
        several => format!("{}, the last: ", counted(several, "warning")),
    };
    let spans = vec![
        Span::styled(count, look.colour(Color::Yellow).patch(BOLD)),
        Span::raw(clean_short(warning, 400)),
    ];
    frame.render_widget(Line::from(spans), area);
}

/// A rule with a word in it; what is below it, if anything.
fn draw_title(frame: &mut Frame<'_>, area: Rect, title: &str, look: Look) -> Option<Rect> {
    if area.height < 2 {
        return None;
    }
    let [top, below] = Layout::vertical([Constraint::Length(1), Constraint::Fill(1)]).areas(area);
    let rule = "─".repeat(usize::from(area.width));
    let title = format!("{title} ");
    let spans = vec![
        Span::styled(title, look.colour(Color::Cyan).patch(BOLD)),
        Span::styled(rule, DIM),
    ];
    frame.render_widget(Line::from(spans), top);
    Some(below)
}

/// A line with something at both ends; if they don't fit, the left one is cut.
fn draw_ends(frame: &mut Frame<'_>, area: Rect, left: Line<'_>, right: Line<'_>) {
    let width = u16::try_from(right.width()).unwrap_or(u16::MAX);
    let [left_area, right_area] =
        Layout::horizontal([Constraint::Fill(1), Constraint::Length(width)])
            .spacing(1)
            .areas(area);
    frame.render_widget(left, left_area);
    frame.render_widget(right, right_area);
}

/// Below this, nothing can be read.
const WIDTH_MIN: u16 = 40;
const HEIGHT_MIN: u16 = 10;
const HEAD: u16 = 4;
const FOOT: u16 = 1;
/// The title and as many as are kept.
const DECISIONS_MAX: u16 = 6;
const BOLD: Style = Style::new().add_modifier(Modifier::BOLD);
const DIM: Style = Style::new().add_modifier(Modifier::DIM);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_parts_fill_every_window() {
        for height in HEIGHT_MIN..300 {
            let heights = Heights::of(height);
            let sum = HEAD
                + heights.convergence
                + heights.curves
                + heights.decisions
                + heights.cells
                + FOOT;
            assert_eq!(sum, height, "{heights:?}");
        }
    }
}
