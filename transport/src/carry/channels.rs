//! The channels of one half while they run: starts them, reports their ends, adds up their bytes.

use std::sync::Arc;
use std::time::Duration;

use tokio::net::UnixStream;
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use super::error::CarryError;
use super::event::Event;
use super::options::Listener;
use crate::carrier::channel::CUT;
use crate::carrier::channel::Channel;
use crate::carrier::{Session, SessionEnd, chain};
use crate::relay::{Counters, Path, relay};

/// The running channels and the sums over all.
pub(crate) struct Channels {
    events: Listener,
    running: JoinSet<End>,
    stopping: CancellationToken,
    cut: CancellationToken,
    count: u32,
    sent_bytes: u64,
    received_bytes: u64,
    refused: u64,
    /// What the first channel that broke said.
    broke: Option<String>,
}

/// What came of opening a channel.
pub(crate) enum Opening {
    Open(Opened),
    /// The peer closed it without a byte, so nobody here has to hear of it.
    Unused,
    Failed {
        error: String,
    },
}

/// Both ends of a relay.
pub(crate) struct Opened {
    pub(crate) local: UnixStream,
    pub(crate) channel: Channel,
    pub(crate) open_ms: Option<f64>,
}

/// How one channel went.
enum End {
    Closed {
        number: Option<u32>,
        sent_bytes: u64,
        received_bytes: u64,
        last_taken_ns: Option<u64>,
        last_given_ns: Option<u64>,
        error: Option<String>,
    },
    HandedOver {
        number: u32,
    },
}

/// How long channels may go on after the session or the half was ended.
#[derive(Clone, Copy)]
pub(crate) enum Patience {
    Endless,
    For(Duration),
    Over,
}

impl Channels {
    pub(crate) fn new(events: Listener) -> Self {
        let running = JoinSet::new();
        let (stopping, cut) = (CancellationToken::new(), CancellationToken::new());
        Self {
            events,
            running,
            stopping,
            cut,
            count: 0,
            sent_bytes: 0,
            received_bytes: 0,
            refused: 0,
            broke: None,
        }
    }

    /// Cancelled when this end is stopped, before the channels that are in use get their time to end.
    pub(crate) fn stopping(&self) -> &CancellationToken {
        &self.stopping
    }

    pub(crate) fn tell(&self, event: Event) {
        (self.events)(event);
    }

    /// Relays a channel once it is open, until it ends or everything is cut.
    pub(crate) fn relay(
        &mut self,
        number: Option<u32>,
        path: Path,
        opening: impl Future<Output = Opening> + Send + 'static,
    ) {
        let (cut, events) = (self.cut.clone(), Arc::clone(&self.events));
        self.running.spawn(async move {
            let (counters, mut number) = (Counters::default(), number);
            let work = async {
                let Opened {
                    local,
                    channel,
                    open_ms,
                } = match opening.await {
                    Opening::Open(opened) => opened,
                    Opening::Unused => return None,
                    Opening::Failed { error } => return Some(error),
                };
                number = Some(channel.number());
                events(Event::ChannelOpen {
                    number: channel.number(),
                    open_ms,
                });
                relay(local, channel, path, &counters)
                    .await
                    .err()
                    .map(|error| chain(&error))
            };
            let error = tokio::select! {
                biased;
                error = work => error,
                // Dropping the work cuts its channel.
                () = cut.cancelled() => Some(CUT.to_owned()),
            };
            let (sent_bytes, received_bytes) = (counters.sent_bytes(), counters.received_bytes());
            End::Closed {
                number,
                sent_bytes,
                received_bytes,
                last_taken_ns: counters.last_taken_ns(),
                last_given_ns: counters.last_given_ns(),
                error,
            }
        });
    }

    /// Gives a channel away.
    pub(crate) fn hand_over(
        &mut self,
        number: u32,
        handover: impl Future<Output = Result<(), CarryError>> + Send + 'static,
    ) {
        let cut = self.cut.clone();
        self.running.spawn(async move {
            let result = tokio::select! {
                result = handover => result.map_err(|error| chain(&error)),
                () = cut.cancelled() => Err(CUT.to_owned()),
            };
            match result {
                Ok(()) => End::HandedOver { number },
                Err(error) => End::Closed {
                    number: Some(number),
                    sent_bytes: 0,
                    received_bytes: 0,
                    last_taken_ns: None,
                    last_given_ns: None,
                    error: Some(error),
                },
            }
        });
    }

    /// Waits for the next channel to end and reports it. Pending while none runs.
    pub(crate) async fn next_end(&mut self) {
        match self.running.join_next().await {
            None => std::future::pending().await,
            Some(joined) => self.report(joined.unwrap_or_else(|error| End::Closed {
                number: None,
                sent_bytes: 0,
                received_bytes: 0,
                last_taken_ns: None,
                last_given_ns: None,
                error: Some(chain(&error)),
            })),
        }
    }

    pub(crate) fn refuse(&mut self, peer: String, reason: String) {
        self.refused += 1;
        if self.refused <= REFUSALS_REPORTED_MAX {
            self.tell(Event::Refused { peer, reason });
        }
    }

    /// Waits for all channels, as long as that may take, then cuts the rest.
    pub(crate) async fn drain(
        &mut self,
        patience: Patience,
        stop: &CancellationToken,
        drain_deadline: Duration,
    ) {
        match patience {
            Patience::Over => {}
            Patience::For(deadline) => {
                self.stopping.cancel();
                let _ = timeout(deadline, self.all_ended()).await;
            }
            Patience::Endless => {
                let stopped = tokio::select! {
                    () = self.all_ended() => false,
                    () = stop.cancelled() => true,
                };
                if stopped {
                    self.stopping.cancel();
                    let _ = timeout(drain_deadline, self.all_ended()).await;
                }
            }
        }
        self.stopping.cancel();
        self.cut.cancel();
        self.all_ended().await;
    }

    /// Ends the session after [`Self::drain`]: waits for what it carries by itself, says goodbye, and takes note of what it has lost.
    pub(crate) async fn close(
        &mut self,
        session: &dyn Session,
        patience: Patience,
        stop: &CancellationToken,
        drain_deadline: Duration,
    ) {
        let is_drained = patience.drain(session, stop, drain_deadline).await;
        session.close().await;
        if let Some(said) = session.loss() {
            self.broke(said);
        }
        if !is_drained {
            self.broke(CUT.to_owned());
        }
    }

    /// Something of the stream was lost, so the half does not end well.
    pub(crate) fn broke(&mut self, said: String) {
        self.broke.get_or_insert(said);
    }

    /// Tells the sums, and how the half has ended: a channel that broke here or at the peer is an error, however orderly the session's end.
    /// `counts` says whether the channels and their bytes went through this process.
    pub(crate) fn finish(
        self,
        result: Result<(), CarryError>,
        (session, counts): (Option<&dyn Session>, bool),
    ) -> Result<(), CarryError> {
        let Self {
            events,
            count,
            sent_bytes,
            received_bytes,
            refused,
            broke,
            ..
        } = self;
        events(Event::Finished {
            channels: counts.then_some(count),
            sent_bytes: counts.then_some(sent_bytes),
            received_bytes: counts.then_some(received_bytes),
            refused,
            statistics: session.and_then(Session::statistics),
        });
        result?;
        let told = session.and_then(Session::broken_channel);
        let at_peer = |number| format!("channel {number} broke at the peer, which says why");
        match broke.or(told.map(at_peer)) {
            Some(said) => Err(CarryError::Broke { said }),
            None => Ok(()),
        }
    }

    async fn all_ended(&mut self) {
        while !self.running.is_empty() {
            self.next_end().await;
        }
    }

    fn report(&mut self, end: End) {
        self.count += 1;
        match end {
            End::HandedOver { number } => self.tell(Event::HandedOver { number }),
            End::Closed {
                number,
                sent_bytes,
                received_bytes,
                last_taken_ns,
                last_given_ns,
                error,
            } => {
                if let Some(error) = &error {
                    self.broke(error.clone());
                }
                self.sent_bytes += sent_bytes;
                self.received_bytes += received_bytes;
                self.tell(Event::ChannelClosed {
                    number,
                    sent_bytes,
                    received_bytes,
                    last_taken_ns,
                    last_given_ns,
                    error,
                });
            }
        }
    }
}

impl Patience {
    /// Waits for what the session carries by itself, as long as that may take. Whether all of it came to its end.
    pub(crate) async fn drain(
        self,
        session: &dyn Session,
        stop: &CancellationToken,
        drain_deadline: Duration,
    ) -> bool {
        let mut drained = std::pin::pin!(session.drained());
        let drain_deadline = drain_deadline.max(DRAIN_MIN);
        match self {
            Self::Over => tokio::select! {
                biased;
                () = drained => true,
                () = std::future::ready(()) => false,
            },
            Self::For(deadline) => timeout(deadline.max(DRAIN_MIN), drained).await.is_ok(),
            Self::Endless => tokio::select! {
                biased;
                () = &mut drained => true,
                () = async {
                    stop.cancelled().await;
                    tokio::time::sleep(drain_deadline).await;
                } => false,
            },
        }
    }
}

impl From<SessionEnd> for Patience {
    fn from(end: SessionEnd) -> Self {
        match end {
            SessionEnd::Goodbye | SessionEnd::Gone => Self::Endless,
            SessionEnd::Unreachable => Self::Over,
        }
    }
}

const REFUSALS_REPORTED_MAX: u64 = 100;
/// Even with no time to drain, what the session carries by itself gets a moment to end by itself.
const DRAIN_MIN: Duration = Duration::from_millis(100);
