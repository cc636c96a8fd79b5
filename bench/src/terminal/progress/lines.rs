//! Progress as plain lines: one per phase and per finished repeat, and in between at most one every [`INTERVAL`].

use std::io::Write;
use std::time::Duration;

use super::tracker::{self, Tracker};
use crate::event::RunEvent;
use crate::terminal::text::clean;
use crate::terminal::time;

/// Writes lines without any control code.
pub(super) struct Lines<W> {
    tracker: Tracker,
    output: W,
    last_reading: Option<Duration>,
}

impl<W: Write> Lines<W> {
    pub(super) fn new(output: W) -> Self {
        Lines::after(Tracker::default(), output)
    }

    pub(super) fn observe(&mut self, event: &RunEvent, now: Duration) {
        self.tracker.observe(event, now);
        if let Some(line) = self.line(event, now) {
            // Whole lines in one call; who closed standard error does not want them.
            let _ = self.output.write_all(format!("{line}\n").as_bytes());
        }
    }

    /// Goes on where another display left off.
    pub(super) fn after(tracker: Tracker, output: W) -> Self {
        Lines {
            tracker,
            output,
            last_reading: None,
        }
    }

    #[cfg(test)]
    pub(super) fn into_output(self) -> W {
        self.output
    }

    fn line(&mut self, event: &RunEvent, now: Duration) -> Option<String> {
        let place = self.tracker.place();
        match event {
            RunEvent::RunStarted { .. } => tracker::opening(event),
            RunEvent::RepeatStarted { .. } | RunEvent::Decision(_) => None,
            RunEvent::Phase { phase, limit } => {
                // The interval counts from the phase's own line.
                self.last_reading = Some(now);
                Some(format!("{place}: {}", tracker::phase(*phase, *limit)))
            }
            RunEvent::Progress(progress) => {
                if self
                    .last_reading
                    .is_some_and(|last| now.saturating_sub(last) < INTERVAL)
                {
                    return None;
                }
                self.last_reading = Some(now);
                Some(format!("{place}: {}", tracker::reading(progress)))
            }
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

const INTERVAL: Duration = Duration::from_secs(5);
