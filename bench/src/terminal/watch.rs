//! `lmbench run --watch`: the run on a whole screen of the terminal, drawn on standard error.
//!
//! `board` knows what is shown, `curves` keeps a migration's readings, `draw` makes the picture: all pure. `painter` draws it on a thread of
//! its own, so that a terminal that takes no more bytes never holds up a run; `screen` takes the terminal and gives it back. No key is
//! read: Ctrl-C reaches the run as a signal, as it does without a dashboard. What would have been lost with the screen (finished
//! migrations, warnings, whatever any process wrote to standard error) is printed when it is gone.

mod board;
mod curves;
mod draw;
mod painter;
mod screen;

use std::collections::VecDeque;
use std::io::Write as _;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use thiserror::Error;

pub use board::Board;

use super::progress::tracker::Tracker;
use super::text::counted;
use crate::event::RunEvent;
use draw::Look;
use painter::Painter;
use screen::Screen;

/// Why there is no dashboard; in words that follow "because".
#[derive(Debug, Error)]
pub enum NoDashboard {
    /// Nothing can move there.
    #[error("{0}")]
    Plain(&'static str),
    /// It would be drawn over what somebody else is doing.
    #[error("this job is in the background of its terminal")]
    Background,
    /// The system refused.
    #[error("the terminal can't be taken over: {0}")]
    System(#[from] std::io::Error),
}

/// The dashboard while it is up.
pub(super) struct Watch {
    board: Arc<Mutex<Board>>,
    painter: Painter,
    /// After the painter's, this is the last hold on it.
    screen: Arc<Screen>,
    lasting: Lasting,
}

impl Watch {
    /// Takes the terminal of standard error.
    pub(super) fn open(board: Board, colour: bool) -> Result<Self, NoDashboard> {
        let screen = Arc::new(Screen::take()?);
        let board = Arc::new(Mutex::new(board));
        let painter = Painter::start(screen.clone(), board.clone(), Look { colour })?;
        Ok(Watch {
            board,
            painter,
            screen,
            lasting: Lasting::default(),
        })
    }

    pub(super) fn observe(&mut self, event: &RunEvent, now: Duration) {
        let mut board = self.board.lock().unwrap_or_else(PoisonError::into_inner);
        board.observe(event, now);
        if let Some(line) = board.tracker.lasting(event) {
            self.lasting.push(line);
        }
    }

    /// If a bug ended the drawing: where the run stands, for who goes on.
    pub(super) fn broken(&self) -> Option<Tracker> {
        let board = || self.board.lock().unwrap_or_else(PoisonError::into_inner);
        self.painter.has_ended().then(|| board().tracker.clone())
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        if !self.painter.stop() {
            // The terminal takes nothing: whatever is written now would wait with it.
            return;
        }
        let written = self.screen.give_back();
        let mut text = self.lasting.text();
        text += &written;
        // Who closed standard error does not want it.
        let _ = std::io::stderr().write_all(text.as_bytes());
    }
}

/// The lines that stay when the screen has gone: the last [`LASTING_MAX`].
#[derive(Debug, Default)]
struct Lasting {
    lines: VecDeque<String>,
    dropped: usize,
}

impl Lasting {
    fn push(&mut self, line: String) {
        if self.lines.len() == LASTING_MAX {
            self.lines.pop_front();
            self.dropped += 1;
        }
        self.lines.push_back(line);
    }

    fn text(&mut self) -> String {
        let mut text = String::new();
        if self.dropped > 0 {
            let dropped = counted(self.dropped, "earlier line");
            text += &format!("({dropped} not kept)\n");
        }
        for line in self.lines.drain(..) {
            text += &line;
            text.push('\n');
        }
        text
    }
}

/// A run of a week has fewer migrations; a run with more warnings has said it often enough.
const LASTING_MAX: usize = 10_000;

#[cfg(test)]
mod tests;
