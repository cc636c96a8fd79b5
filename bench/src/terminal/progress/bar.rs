//! Progress on a terminal: three lines that are drawn over and over, finished repeats above them.

use std::io::stderr;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::tracker::{self, Tracker};
use crate::event::RunEvent;
use crate::terminal::page::width_of;
use crate::terminal::text::clean_short;
use crate::terminal::time;

/// Draws on standard error, at most ten times a second.
pub(super) struct Bar {
    tracker: Tracker,
    shown: ProgressBar,
    /// For the run itself; before it there are no migrations to count.
    style: ProgressStyle,
}

impl Bar {
    pub(super) fn new(colour: bool) -> Self {
        Bar::on(ProgressDrawTarget::stderr_with_hz(10), colour)
    }

    pub(super) fn on(target: ProgressDrawTarget, colour: bool) -> Self {
        let template = if colour { COLOURED } else { PLAIN };
        let style = |template| {
            let style = ProgressStyle::with_template(template);
            style.expect("all templates are drawn by a test")
        };
        let bar = ProgressBar::with_draw_target(Some(0), target).with_style(style(BEFORE));
        bar.enable_steady_tick(TICK);
        Bar {
            tracker: Tracker::default(),
            shown: bar,
            style: style(template).progress_chars("━━─"),
        }
    }

    pub(super) fn observe(&mut self, event: &RunEvent, now: Duration) {
        self.tracker.observe(event, now);
        if let Some(line) = self.tracker.lasting(event) {
            self.shown.println(line);
        }
        match event {
            RunEvent::RunStarted { .. } => {
                self.shown.set_style(self.style.clone());
                self.shown.set_length(self.tracker.migrations as u64);
            }
            RunEvent::RepeatStarted { .. } => {
                let left = self.tracker.time_left(now);
                let left = left.map_or(String::new(), |left| {
                    format!(", {} left", time::about(left))
                });
                let room = usize::from(width_of(&stderr())).saturating_sub(SPINNER);
                let heading = self.tracker.heading(&left);
                self.shown.set_prefix(clean_short(&heading, room));
                self.shown.set_message("");
            }
            RunEvent::Phase { phase, limit } => {
                self.shown.set_message(tracker::phase(*phase, *limit));
            }
            RunEvent::Progress(progress) => self.shown.set_message(tracker::reading(progress)),
            RunEvent::RepeatFinished { .. } => {
                self.shown.set_position(self.tracker.finished as u64);
            }
            RunEvent::Decision(_) | RunEvent::Warning(_) => {}
        }
    }
}

impl Drop for Bar {
    fn drop(&mut self) {
        self.shown.finish_and_clear();
    }
}

const BEFORE: &str = "{spinner} looking at the hosts, {elapsed}";
const PLAIN: &str =
    "{spinner} {prefix}\n  {wide_msg}\n  {bar:30} {pos}/{len} migrations, {elapsed}";
const COLOURED: &str =
    "{spinner:.cyan} {prefix}\n  {wide_msg}\n  {bar:30.cyan/dim} {pos}/{len} migrations, {elapsed}";
/// Columns before the heading.
const SPINNER: usize = 2;
const TICK: Duration = Duration::from_millis(200);
