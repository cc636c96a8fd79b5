//! Local ends without a QEMU: a capture in the place of the source's, and a drain or a comparison in the place of the destination's.
//!
//! Each stands where QEMU stands: it connects to, or listens on, a unix socket of the half, in a private folder, with blocking threads of
//! its own. So whatever carries the stream runs exactly as it does between two QEMUs, relays and `ssh` included.
//!
//! # What is played when
//! The capture is in memory before the session is dialled, and time runs from the first channel's opening to the last channel's end, which
//! is when both directions have ended. Within a direction the order is that of the capture. A channel opens once every channel that
//! opened before it has sent what it had sent by then in the capture; for the rest channels are independent. With
//! [`Pace::Original`] nothing opens and nothing is sent before its time, and everything later if the carrier is slower.
//! The source never waits for the return direction, since a destination that discards says nothing. A destination that verifies plays it,
//! each piece after the bytes that it followed in the capture; the source compares what comes back and tells the first difference, which is
//! no error: a QEMU in the destination's place answers in its own way.
//!
//! # Which channel is which
//! Carriers do not promise that channels arrive in the order of their opening, so the destination finds out by content: a connection is
//! the one channel of the capture, not taken yet, that begins with the same bytes.

pub(super) mod error;
mod player;
mod receiver;
mod search;
pub(super) mod spec;
mod stage;

pub use error::ReplayError;
pub use spec::{Pace, Place, Replay, Replayed};

use std::io;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::net::UnixListener;
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use self::receiver::{Goal, Receiver};
use self::stage::Stage;
use super::error::CarryError;
use super::event::Event;
use super::options::{Listener, Local};
use crate::folder::Folder;

/// Runs a source half with whatever its local end is.
pub(crate) async fn at_source<F>(
    local: Local,
    events: Listener,
    stop: CancellationToken,
    half: impl FnOnce(Local, Listener, CancellationToken) -> F,
) -> Result<(), CarryError>
where
    F: Future<Output = Result<(), CarryError>>,
{
    let replay = match local {
        Local::Unix(_) | Local::Fd(_) => return half(local, events, stop).await,
        Local::Replay(replay) => replay,
        Local::Discard | Local::Verify(_) => return Err(CarryError::WrongHalf),
    };
    let (folder, path) = private_path("source")?;
    let ready = CancellationToken::new();
    let held = Held::new(Arc::clone(&events), ready.clone());
    let stage = Arc::new(Stage::default());
    let _cut = CutOnDrop(Arc::clone(&stage));
    let half_stop = stop.child_token();
    let half_over = CancellationToken::new();
    let half = async {
        let result = half(
            Local::Unix(path.clone()),
            held.listener(),
            half_stop.clone(),
        )
        .await;
        half_over.cancel();
        // Whatever still plays has nobody to play to.
        stage.cut();
        result
    };
    let playing = async {
        tokio::select! {
            () = ready.cancelled() => {}
            () = half_over.cancelled() => return None,
        }
        let (replay, path, stage) = (replay.clone(), path.clone(), Arc::clone(&stage));
        let begin = Instant::now();
        let played = tokio::task::spawn_blocking(move || player::play(&replay, &path, &stage));
        let played = played.await.unwrap_or(Err(ReplayError::Stopped));
        half_stop.cancel();
        Some((played, begin.elapsed()))
    };
    let (result, played) = tokio::join!(half, playing);
    drop(folder);
    let result = match (result, played) {
        (_, Some((Err(_), _))) if stop.is_cancelled() => Err(ReplayError::Stopped.into()),
        // What the half says comes first: it knows why a channel broke, and whether what was played has arrived.
        (Err(error), _) => Err(error),
        (Ok(()), Some((Err(error), _))) => Err(error.into()),
        (Ok(()), None) => Ok(()),
        (Ok(()), Some((Ok(sums), took))) => {
            held.count(sums.channels, sums.sent_bytes, sums.received_bytes);
            events(Event::Replayed {
                what: Replayed::Played,
                channels: sums.channels,
                sent_bytes: sums.sent_bytes,
                received_bytes: sums.received_bytes,
                seconds: took.as_secs_f64(),
                differs: sums.differs,
            });
            Ok(())
        }
    };
    held.release();
    result
}

/// Runs a sink half with whatever its local end is.
pub(crate) async fn at_sink<F>(
    local: Local,
    events: Listener,
    stop: CancellationToken,
    half: impl FnOnce(Local, Listener, CancellationToken) -> F,
) -> Result<(), CarryError>
where
    F: Future<Output = Result<(), CarryError>>,
{
    let goal = match local {
        Local::Unix(_) | Local::Fd(_) => return half(local, events, stop).await,
        Local::Replay(_) => return Err(CarryError::WrongHalf),
        Local::Discard => Goal::Discard,
        Local::Verify(recording) => Goal::Verify(recording),
    };
    let (folder, path) = private_path("destination")?;
    let listener = UnixListener::bind(&path).map_err(ReplayError::Socket)?;
    let held = Held::new(Arc::clone(&events), CancellationToken::new());
    let stage = Arc::new(Stage::default());
    let _cut = CutOnDrop(Arc::clone(&stage));
    let receiver = Arc::new(Receiver::new(goal, Arc::clone(&stage)));
    let mut running = JoinSet::new();
    let begin = |stream: std::os::unix::net::UnixStream, running: &mut JoinSet<()>| {
        let receiver = Arc::clone(&receiver);
        running.spawn_blocking(move || receiver.receive(stream));
    };
    let mut half = std::pin::pin!(half(Local::Unix(path), held.listener(), stop));
    let result = loop {
        tokio::select! {
            result = &mut half => break result,
            accepted = listener.accept() => match accepted.and_then(|(stream, _)| stream.into_std()) {
                Ok(stream) => begin(stream, &mut running),
                Err(error) => break Err(ReplayError::Socket(error).into()),
            },
            Some(_) = running.join_next() => {}
        }
    };
    // Channels may have come and gone before anybody looked.
    let listener = listener.into_std().map_err(ReplayError::Socket)?;
    while let Ok((stream, _)) = listener.accept() {
        begin(stream, &mut running);
    }
    drop((listener, folder));
    // The half has closed its ends, so everything comes to an end by itself.
    let all = async { while running.join_next().await.is_some() {} };
    if timeout(END_DEADLINE, all).await.is_err() {
        stage.cut();
        while running.join_next().await.is_some() {}
    }
    let (channels, sent_bytes, received_bytes) = receiver.counted();
    held.count(channels, sent_bytes, received_bytes);
    let result = match (result, receiver.outcome()) {
        // What differs is let go of, and that breaks its channel.
        (Err(CarryError::Broke { .. }), Err(error)) if error.is_of_content() => Err(error.into()),
        (Err(error), _) => Err(error),
        (Ok(()), Err(error)) => Err(error.into()),
        (Ok(()), Ok(event)) => {
            events(event);
            Ok(())
        }
    };
    held.release();
    result
}

/// Passes events on, but for the last one, which must stay the last one.
struct Held {
    events: Listener,
    ready: CancellationToken,
    finished: Arc<Mutex<Option<Event>>>,
}

impl Held {
    fn new(events: Listener, ready: CancellationToken) -> Self {
        Self {
            events,
            ready,
            finished: Arc::default(),
        }
    }

    fn listener(&self) -> Listener {
        let (events, ready) = (Arc::clone(&self.events), self.ready.clone());
        let finished = Arc::clone(&self.finished);
        Arc::new(move |event| match event {
            Event::Finished { .. } => {
                *finished.lock().unwrap_or_else(PoisonError::into_inner) = Some(event);
            }
            Event::Ready { .. } => {
                events(event);
                ready.cancel();
            }
            event => events(event),
        })
    }

    /// Where the half itself saw no bytes, those are told that came to its local end.
    fn count(&self, channels: u32, sent_bytes: u64, received_bytes: u64) {
        let mut finished = self.finished.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(Event::Finished {
            channels: known @ None,
            sent_bytes: sent,
            received_bytes: received,
            ..
        }) = finished.as_mut()
        {
            *known = Some(channels);
            *sent = Some(sent_bytes);
            *received = Some(received_bytes);
        }
    }

    fn release(self) {
        let mut finished = self.finished.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(event) = finished.take() {
            (self.events)(event);
        }
    }
}

/// Threads end when what they wait for has gone.
struct CutOnDrop(Arc<Stage>);

impl Drop for CutOnDrop {
    fn drop(&mut self) {
        self.0.cut();
    }
}

/// The folder lives as long as the socket is needed.
fn private_path(name: &str) -> Result<(Folder, PathBuf), CarryError> {
    let folder = Folder::new().map_err(|error| ReplayError::Socket(io::Error::other(error)))?;
    let path = folder.path(name);
    Ok((folder, path))
}

/// For what is on this host already when the half has ended.
const END_DEADLINE: Duration = Duration::from_secs(5);
