//! Progress of a run on standard error, made from the run's events and nothing else.
//!
//! On a terminal a line that moves; anywhere else (a file, a pipe, CI) plain lines, few enough to read afterwards.

mod bar;
mod lines;
mod tracker;

use std::io::{IsTerminal, Write, stderr};
use std::time::Duration;

use crate::event::RunEvent;

use bar::Bar;
use lines::Lines;

/// Shows a run while it goes on.
pub struct ProgressDisplay(Output);

enum Output {
    Bar(Bar),
    Lines(Lines<Box<dyn Write + Send>>),
}

impl ProgressDisplay {
    /// On standard error, in the way that fits it.
    pub fn stderr() -> Self {
        let set = |name: &str| std::env::var_os(name).is_some_and(|value| !value.is_empty());
        let dumb = std::env::var_os("TERM").is_some_and(|term| term == "dumb");
        ProgressDisplay(if stderr().is_terminal() && !set("CI") && !dumb {
            Output::Bar(Bar::new(!set("NO_COLOR")))
        } else {
            Output::Lines(Lines::new(Box::new(stderr())))
        })
    }

    /// As plain lines to `output`.
    pub fn lines(output: impl Write + Send + 'static) -> Self {
        ProgressDisplay(Output::Lines(Lines::new(Box::new(output))))
    }

    /// Shows what happened; `now` is any clock that goes on. It never fails: a run must not end because nobody watches it.
    pub fn observe(&mut self, event: &RunEvent, now: Duration) {
        match &mut self.0 {
            Output::Bar(bar) => bar.observe(event, now),
            Output::Lines(lines) => lines.observe(event, now),
        }
    }
}

#[cfg(test)]
mod tests;
