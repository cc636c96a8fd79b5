//! The first lines: run, place, phase, and the reading that decides.

use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::{Color, Style};
use ratatui::text::{Line, Span};
use ratatui::widgets::{Paragraph, Wrap};

use super::{BOLD, DIM, Look, draw_ends};
use crate::metric::Unit;
use crate::terminal::status;
use crate::terminal::text::{clean, clean_short};
use crate::terminal::time;
use crate::terminal::watch::board::{Board, View};

pub(super) fn draw(frame: &mut Frame<'_>, area: Rect, board: &Board, view: &View, look: Look) {
    let [run, place, phase, reading] = Layout::vertical([Constraint::Length(1); 4]).areas(area);
    draw_run(frame, run, view);
    draw_place(frame, place, board, look);
    draw_phase(frame, phase, view);
    draw_reading(frame, reading, view, look);
}

fn draw_run(frame: &mut Frame<'_>, area: Rect, view: &View) {
    let mut left = vec![Span::styled(clean_short(&view.scenario, 60), BOLD)];
    left.push(Span::raw(format!("  {}", clean(&view.status.run))));
    let elapsed = time::duration(view.elapsed);
    let right = match view.left {
        Some(left) => format!("{elapsed}, {} left", time::about(left)),
        None => elapsed,
    };
    draw_ends(frame, area, Line::from(left), Line::raw(right));
}

fn draw_place(frame: &mut Frame<'_>, area: Rect, board: &Board, look: Look) {
    let (done, all) = (board.tracker.finished, board.tracker.migrations);
    if all == 0 {
        frame.render_widget(Line::raw("looking at the hosts"), area);
        return;
    }
    let left = match board.current {
        Some(_) => board.tracker.place(),
        None if done == 0 => "the run begins".to_owned(),
        None => "between two migrations".to_owned(),
    };
    let mut right = vec![Span::raw(format!("{done}/{all} done"))];
    if area.width >= BAR_WIDE {
        let full = (BAR * done.min(all)) / all;
        right.push(Span::styled(
            format!(" {}", "━".repeat(full)),
            look.colour(Color::Cyan),
        ));
        right.push(Span::styled("─".repeat(BAR - full), DIM));
    }
    draw_ends(frame, area, Line::raw(left), Line::from(right));
}

fn draw_phase(frame: &mut Frame<'_>, area: Rect, view: &View) {
    let Some(now) = &view.status.now else {
        return;
    };
    let mut left = format!("{} for {}", clean(&now.phase), status::seconds(now.phase_s));
    if let Some(limit) = now.phase_limit_s {
        left += &format!(" (at most {})", status::seconds(limit));
    }
    let policy = format!("policy {}", clean_short(&now.policy, 30));
    draw_ends(frame, area, Line::raw(left), Line::raw(policy));
}

/// What keeps it from converging, or has kept it.
pub(super) fn draw_convergence(frame: &mut Frame<'_>, area: Rect, view: &View) {
    let Some(migration) = &view.migration else {
        return;
    };
    let style = if view.is_live { Style::new() } else { DIM };
    let words = Paragraph::new(migration.convergence.words());
    frame.render_widget(words.style(style).wrap(Wrap { trim: true }), area);
}

fn draw_reading(frame: &mut Frame<'_>, area: Rect, view: &View, look: Look) {
    let Some(migration) = &view.migration else {
        return;
    };
    let mut left = format!(
        "pass {}, {}",
        migration.pass,
        clean_short(&migration.state, 30)
    );
    if !view.is_live {
        left = format!("last seen: {left}");
    }
    let limit = migration.convergence.limit_ms;
    let limit_text = limit.map(|limit| Unit::Millisecond.format(limit));
    let right = match (migration.expected_downtime_ms, limit_text) {
        (Some(expected), limit_text) => {
            let is_over = limit.is_some_and(|limit| expected > limit);
            let colour = match limit {
                None => Style::new(),
                Some(_) if is_over => look.colour(Color::Red),
                Some(_) => look.colour(Color::Green),
            };
            let expected = Unit::Millisecond.format(expected);
            let limit_text = limit_text.map_or(String::new(), |limit| format!(", limit {limit}"));
            let word = if area.width >= WIDE {
                "expected downtime"
            } else {
                "expects"
            };
            Line::styled(format!("{word} {expected}{limit_text}"), colour)
        }
        (None, Some(limit)) => Line::raw(format!("downtime limit {limit}")),
        (None, None) => Line::default(),
    };
    let style = if view.is_live { Style::new() } else { DIM };
    draw_ends(
        frame,
        area,
        Line::styled(left, style),
        right.patch_style(style),
    );
}

/// From here on there is room for whole words, and from there on for a bar beside the names of cells.
const WIDE: u16 = 70;
const BAR_WIDE: u16 = 100;
/// Characters of the bar.
const BAR: usize = 20;
