//! Progress as plain lines for logs: two per migration, when its stream begins and when it has ended, each with the time since the run began.

use std::io::Write;
use std::time::Duration;

use super::tracker::{self, Tracker};
use crate::event::{Phase, RunEvent};
use crate::terminal::text::clean;
use crate::terminal::time;

/// Writes lines without any control code.
pub(super) struct Lines<W> {
    tracker: Tracker,
    output: W,
    /// The reader's clock when the run began.
    began: Option<Duration>,
}

impl<W: Write> Lines<W> {
    pub(super) fn new(output: W) -> Self {
        Lines::after(Tracker::default(), output)
    }

    pub(super) fn observe(&mut self, event: &RunEvent, now: Duration) {
        self.tracker.observe(event, now);
        let began = *self.began.get_or_insert(now);
        if let Some(line) = self.line(event, now) {
            let at = time::clock(now.saturating_sub(began));
            // Whole lines in one call; who closed standard error does not want them.
            let _ = self
                .output
                .write_all(format!("{at:>5}  {line}\n").as_bytes());
        }
    }

    /// Goes on where another display left off.
    pub(super) fn after(tracker: Tracker, output: W) -> Self {
        Lines {
            began: tracker.began,
            tracker,
            output,
        }
    }

    #[cfg(test)]
    pub(super) fn into_output(self) -> W {
        self.output
    }

    fn line(&self, event: &RunEvent, now: Duration) -> Option<String> {
        let place = self.tracker.place();
        match event {
            RunEvent::RunStarted { .. } => tracker::opening(event),
            RunEvent::Phase {
                phase: phase @ Phase::Migrating,
                limit,
            } => Some(format!("{place}: {}", tracker::phase(*phase, *limit))),
            RunEvent::RepeatStarted { .. }
            | RunEvent::Phase { .. }
            | RunEvent::Progress(_)
            | RunEvent::Decision(_) => None,
            RunEvent::RepeatFinished { repeat, .. } => {
                let left = self.tracker.time_left(now).map_or(String::new(), |left| {
                    format!(" ({} left)", time::about(left))
                });
                Some(format!("{place}: {}{left}", tracker::ending(repeat)))
            }
            RunEvent::Warning(text) => Some(format!("warning: {}", clean(text))),
        }
    }
}
