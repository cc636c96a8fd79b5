//! The thread that draws: a few times a second, at once when the window changes, until it is told to stop.

use std::io::{BufWriter, Write as _};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use ratatui::backend::CrosstermBackend;
use ratatui::layout::Rect;
use ratatui::{Terminal, TerminalOptions, Viewport};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::oneshot;
use tokio::time::MissedTickBehavior;

use super::board::Board;
use super::draw::{self, Look};
use super::screen::{Gate, Screen};

/// A hold on the thread.
pub(super) struct Painter {
    stop: Option<oneshot::Sender<()>>,
    /// Closed when the thread ends, whatever ends it.
    ended: Receiver<()>,
    thread: Option<JoinHandle<()>>,
}

impl Painter {
    pub(super) fn start(
        screen: Arc<Screen>,
        board: Arc<Mutex<Board>>,
        look: Look,
    ) -> std::io::Result<Self> {
        let (stop, stopped) = oneshot::channel();
        let (ending, ended) = channel();
        // Of its own: signals must be heard, and the window followed, while the run's runtime is busy.
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        let thread = std::thread::Builder::new().name("dashboard".to_owned());
        let thread = thread.spawn(move || {
            let ending: Sender<()> = ending;
            // A bug here must not leave the terminal to itself.
            let guard = GiveBack(screen.clone());
            let painted = runtime.block_on(paint(&screen, &board, look, stopped));
            if painted.is_ok() {
                std::mem::forget(guard);
            }
            drop(ending);
        })?;
        Ok(Painter {
            stop: Some(stop),
            ended,
            thread: Some(thread),
        })
    }

    /// Whether it ended without being told to.
    pub(super) fn has_ended(&self) -> bool {
        self.thread.as_ref().is_some_and(JoinHandle::is_finished)
    }

    /// Ends it; `false` if it hangs in a terminal that takes nothing.
    pub(super) fn stop(&mut self) -> bool {
        drop(self.stop.take());
        let hangs = self.ended.recv_timeout(STOPS_WITHIN) == Err(RecvTimeoutError::Timeout);
        if !hangs {
            // Its panic, if there was one, stands on standard error already.
            let _ = self.thread.take().map(JoinHandle::join);
        }
        !hangs
    }
}

async fn paint(
    screen: &Arc<Screen>,
    board: &Mutex<Board>,
    look: Look,
    mut stopped: oneshot::Receiver<()>,
) -> std::io::Result<()> {
    let mut resized = signal(SignalKind::window_change())?;
    let mut quit = signal(SignalKind::quit())?;
    let mut tick = tokio::time::interval(TICK);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut terminal = terminal(screen)?;
    // The board's clock goes on from here.
    let began = Instant::now();
    let opened = board.lock().unwrap_or_else(PoisonError::into_inner).opened;
    let mut area = screen.area();
    loop {
        tokio::select! {
            biased;
            _ = &mut stopped => return Ok(()),
            _ = quit.recv() => {
                let written = screen.give_back();
                let _ = std::io::stderr().write_all(written.as_bytes());
                // What the signal would have done, were it not caught: an end without order, and a core.
                std::process::abort();
            }
            _ = resized.recv() => {}
            _ = tick.tick() => {}
        }
        screen.trim();
        if screen.area() != area {
            area = screen.area();
            terminal = self::terminal(screen)?;
        }
        let drawn = terminal.draw(|frame| {
            let board = board.lock().unwrap_or_else(PoisonError::into_inner);
            draw::draw(frame, &board, opened + began.elapsed(), look);
        });
        // The terminal has gone; the run goes on, and the signal that comes with it decides.
        if drawn.is_err() {
            let _ = (&mut stopped).await;
            return Ok(());
        }
    }
}

/// One that believes its window empty, after making it so. Its size is fixed: ratatui would ask standard output for it.
fn terminal(screen: &Arc<Screen>) -> std::io::Result<Terminal<CrosstermBackend<BufWriter<Gate>>>> {
    let mut gate = Gate(screen.clone());
    gate.write_all(ERASE)?;
    let Rect { width, height, .. } = screen.area();
    // A whole picture in one write: nobody sees half of it.
    let room = usize::from(width) * usize::from(height) * 8 + 4096;
    let backend = CrosstermBackend::new(BufWriter::with_capacity(room, gate));
    let viewport = Viewport::Fixed(screen.area());
    Terminal::with_options(backend, TerminalOptions { viewport })
}

/// Gives the screen back when it is dropped.
struct GiveBack(Arc<Screen>);

impl Drop for GiveBack {
    fn drop(&mut self) {
        let written = self.0.give_back();
        let _ = std::io::stderr().write_all(written.as_bytes());
    }
}

/// Plain letters on nothing.
const ERASE: &[u8] = b"\x1b[0m\x1b[2J";
/// Often enough to follow, seldom enough to leave the processor to what is measured.
const TICK: Duration = Duration::from_millis(250);
/// A picture takes a few milliseconds.
const STOPS_WITHIN: Duration = Duration::from_secs(2);
