//! Progress of a run on standard error, made from the run's events and nothing else.
//!
//! On a terminal a line that moves, or the dashboard of `watch` if it is asked for; anywhere else (a file, a pipe, CI) plain lines, few
//! enough to read afterwards.

mod bar;
mod lines;
pub(super) mod tracker;

use std::io::{IsTerminal, Write, stderr};
use std::time::Duration;

use super::watch::{Board, NoDashboard, Watch};
use crate::event::RunEvent;

use bar::Bar;
use lines::Lines;

/// Shows a run while it goes on.
pub struct ProgressDisplay(Output);

enum Output {
    Bar(Bar),
    Lines(Lines<Box<dyn Write + Send>>),
    Watch(Watch),
}

impl ProgressDisplay {
    /// On standard error, in the way that fits it.
    pub fn stderr() -> Self {
        match plain_because() {
            None => ProgressDisplay(Output::Bar(Bar::new(is_coloured()))),
            Some(_) => ProgressDisplay::lines(stderr()),
        }
    }

    /// As a dashboard on standard error.
    pub fn dashboard(board: Board) -> Result<Self, NoDashboard> {
        match plain_because() {
            None => {
                Watch::open(board, is_coloured()).map(|watch| ProgressDisplay(Output::Watch(watch)))
            }
            Some(reason) => Err(NoDashboard::Plain(reason)),
        }
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
            Output::Watch(watch) => {
                watch.observe(event, now);
                if let Some(tracker) = watch.broken() {
                    // The dashboard is dropped by this, and gives the terminal back before the first line comes.
                    self.0 = Output::Lines(Lines::after(tracker, Box::new(stderr())));
                }
            }
        }
    }
}

/// Why nothing can move on standard error, in words that follow "because"; `None` if it can.
fn plain_because() -> Option<&'static str> {
    if !stderr().is_terminal() {
        Some("standard error is no terminal")
    } else if is_set("CI") {
        Some("CI is set in the environment")
    } else if std::env::var_os("TERM").is_some_and(|term| term == "dumb") {
        Some("TERM is `dumb`")
    } else {
        None
    }
}

fn is_coloured() -> bool {
    anstream::AutoStream::choice(&stderr()) != anstream::ColorChoice::Never
}

fn is_set(name: &str) -> bool {
    std::env::var_os(name).is_some_and(|value| !value.is_empty())
}

#[cfg(test)]
mod tests;
