//! The curves: one strip each, all over the same time, sending and dirtying at the same scale.

use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::Color;
use ratatui::text::{Line, Span};
use ratatui::widgets::{Paragraph, Sparkline};

use super::{BOLD, DIM, Look, draw_title};
use crate::control::MigrationStatus;
use crate::metric::Unit;
use crate::terminal::time;
use crate::terminal::watch::board::{Board, View};
use crate::terminal::watch::curves::{Curves, Point};

/// One strip.
pub(super) struct Strip {
    name: &'static str,
    colour: Color,
    value: fn(&Point) -> Option<f64>,
    /// The value as it was last read.
    last: fn(&MigrationStatus) -> Option<f64>,
    unit: Unit,
    /// What the strip's full height stands for.
    top: fn(&Curves) -> f64,
}

pub(super) const ALL: [Strip; 4] = [
    Strip {
        name: "sends",
        colour: Color::Cyan,
        value: SENDS,
        last: |migration| Some(migration.throughput_bits_per_s / 8.0),
        unit: Unit::BytePerSecond,
        top: top_speed,
    },
    Strip {
        name: "dirties",
        colour: Color::Yellow,
        value: DIRTIES,
        last: |migration| migration.dirty_bytes_per_s,
        unit: Unit::BytePerSecond,
        top: top_speed,
    },
    Strip {
        name: "remaining",
        colour: Color::Blue,
        value: REMAINING,
        last: |migration| Some(migration.remaining_bytes as f64),
        unit: Unit::Byte,
        top: |curves| curves.top(REMAINING),
    },
    Strip {
        name: "throttle",
        colour: Color::Red,
        value: |point| point.throttle,
        last: |migration| migration.throttle_percent.map(f64::from),
        unit: Unit::Percent,
        top: |_| 100.0,
    },
];

pub(super) fn draw(frame: &mut Frame<'_>, area: Rect, board: &Board, view: &View, look: Look) {
    let strips = ALL.len() as u16;
    let titled = (area.height - 1) % strips == 1;
    let title = if view.is_live || view.migration.is_none() {
        "migration"
    } else {
        "last migration"
    };
    let area = if titled {
        draw_title(frame, area, title, look).unwrap_or(area)
    } else {
        area
    };
    let each = (area.height - 1) / strips;
    let [rows, axis] =
        Layout::vertical([Constraint::Length(each * strips), Constraint::Length(1)]).areas(area);
    let rows: [Rect; ALL.len()] =
        Layout::vertical([Constraint::Length(each); ALL.len()]).areas(rows);
    for (strip, row) in ALL.iter().zip(rows) {
        draw_strip(frame, row, strip, board, view, look);
    }
    draw_axis(frame, axis, &board.curves);
}

fn draw_strip(
    frame: &mut Frame<'_>,
    area: Rect,
    strip: &Strip,
    board: &Board,
    view: &View,
    look: Look,
) {
    let [label, curve] = columns(area);
    let colour = look.colour(strip.colour);
    let last = view.migration.as_ref().and_then(strip.last);
    let value = last.map_or("-".to_owned(), |value| strip.unit.format(value));
    let top = (strip.top)(&board.curves);
    let mut lines = vec![Line::from(vec![
        Span::styled(format!("{:<9}", strip.name), colour),
        Span::styled(format!("{value:>11}"), BOLD),
    ])];
    if top > 0.0 {
        let top = format!("of {}", strip.unit.format(top));
        lines.push(Line::styled(format!("{top:>20}"), DIM));
    }
    frame.render_widget(Paragraph::new(lines), label);
    let heights = board
        .curves
        .columns(usize::from(curve.width), strip.value)
        .into_iter()
        .map(|value| value.map(|value| (value / top.max(f64::MIN_POSITIVE) * STEPS) as u64));
    // The topmost eighth of a line stays empty, or a full strip would run into the one above.
    let eighths = f64::from(curve.height.max(1)) * 8.0;
    let line = Sparkline::default()
        .data(heights.collect::<Vec<Option<u64>>>())
        .max((STEPS * eighths / (eighths - 1.0)).ceil() as u64)
        .style(colour);
    frame.render_widget(line, curve);
}

fn draw_axis(frame: &mut Frame<'_>, area: Rect, curves: &Curves) {
    let [_, axis] = columns(area);
    let span = time::duration(std::time::Duration::from_secs_f64(curves.span_s()));
    let room = usize::from(axis.width).saturating_sub("0 s".len() + span.len() + 2);
    let text = format!("0 s {} {span}", "─".repeat(room));
    frame.render_widget(Line::styled(text, DIM), axis);
}

/// Name and value to the left, the curve to the right.
fn columns(area: Rect) -> [Rect; 2] {
    Layout::horizontal([Constraint::Length(LABEL), Constraint::Fill(1)])
        .spacing(1)
        .areas(area)
}

fn top_speed(curves: &Curves) -> f64 {
    curves.top(SENDS).max(curves.top(DIRTIES))
}

const SENDS: fn(&Point) -> Option<f64> = |point| Some(point.sends);
const DIRTIES: fn(&Point) -> Option<f64> = |point| point.dirties;
const REMAINING: fn(&Point) -> Option<f64> = |point| Some(point.remaining);
const LABEL: u16 = 20;
/// Finer than eight per line of any terminal.
const STEPS: f64 = 10_000.0;
