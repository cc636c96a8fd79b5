//! Credit for the channels that share a connection: how far each may send.
//!
//! QUIC bounds what nobody has read by a window for each stream and one for the connection, and in quinn all streams of a connection
//! have the same window. So either the streams' windows are small, or those that nobody reads fill the connection's and hold up the
//! others. Here each end shares out its [`Budget`] instead, and tells the other one on a stream of its own:
//!
//! ```text
//! credit = channel u32 | bytes since the channel's begin u64, big-endian
//! ```
//! A channel's credit only grows; before the first it is 0. The windows of QUIC are no smaller, so they stop only who does not keep
//! to it.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use quinn::Connection;
use tokio::io::AsyncReadExt as _;
use tokio::sync::mpsc;
use tokio::task::AbortHandle;

use super::budget::{self, Budget, Share};
use super::settings::Settings;
use super::statistics::Connected;

/// Both directions of a connection's credit. Its two tasks end when it is dropped, since their streams would keep the connection.
pub(super) struct Credits {
    budget: Arc<Budget>,
    limits: Arc<Limits>,
    given: mpsc::UnboundedSender<[u8; CREDIT_LEN]>,
    tasks: [AbortHandle; 2],
}

/// What the peer has given.
struct Limits {
    channels_max: u32,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    channels: HashMap<u32, Limit>,
    /// Nothing more comes, and whoever sends has to hear from the stream why.
    over: bool,
}

#[derive(Default)]
struct Limit {
    bytes: u64,
    waker: Option<Waker>,
}

/// What a channel may send.
pub(super) struct Room {
    credits: Arc<Credits>,
    channel: u32,
    sent: u64,
}

/// What a channel lets the peer send.
pub(super) struct Given {
    credits: Arc<Credits>,
    channel: u32,
    share: Share,
    read: u64,
    told: u64,
}

impl Credits {
    /// For a connection with a proven peer. Its receive window becomes what all its channels may hold.
    pub(super) fn new(connection: &Connected, settings: &Settings) -> Arc<Self> {
        let held = settings.connection_window.min(HELD_MAX);
        budget::set_window(connection, window(held));
        let limits = Arc::new(Limits {
            channels_max: settings.channels_max,
            state: Mutex::default(),
        });
        let (given, to_give) = mpsc::unbounded_channel();
        let giving = tokio::spawn(give((**connection).clone(), to_give));
        let taking = tokio::spawn(take((**connection).clone(), Arc::clone(&limits)));
        Arc::new(Self {
            budget: Budget::new(held, settings.channels_max, settings.stream_window),
            limits,
            given,
            tasks: [giving.abort_handle(), taking.abort_handle()],
        })
    }

    /// Both directions of a channel.
    pub(super) fn join(self: &Arc<Self>, channel: u32) -> (Room, Given) {
        let room = Room {
            credits: Arc::clone(self),
            channel,
            sent: 0,
        };
        let mut given = Given {
            credits: Arc::clone(self),
            channel,
            share: self.budget.join(),
            read: 0,
            told: 0,
        };
        given.tell();
        (room, given)
    }
}

impl Drop for Credits {
    fn drop(&mut self) {
        for task in &self.tasks {
            task.abort();
        }
    }
}

impl Room {
    /// Waits until there is some, and tells how much. It is not taken yet.
    pub(super) fn poll(&self, context: &Context<'_>) -> Poll<usize> {
        let mut state = self.credits.limits.lock();
        if state.over {
            return Poll::Ready(usize::MAX);
        }
        let limit = state.channels.entry(self.channel).or_default();
        match limit.bytes.saturating_sub(self.sent) {
            0 => {
                limit.waker = Some(context.waker().clone());
                Poll::Pending
            }
            room => Poll::Ready(usize::try_from(room).unwrap_or(usize::MAX)),
        }
    }

    pub(super) fn take(&mut self, len: usize) {
        self.sent += len as u64;
    }
}

impl Given {
    /// Takes note of bytes that were read.
    pub(super) fn read(&mut self, len: usize) {
        self.read += len as u64;
        self.share.read(len);
        if self.limit() - self.told >= self.share.window() / PARTS {
            self.tell();
        }
    }

    /// Where the share has shrunk, what was told before stands.
    fn limit(&self) -> u64 {
        self.told.max(self.read + self.share.window())
    }

    fn tell(&mut self) {
        self.told = self.limit();
        let mut credit = [0; CREDIT_LEN];
        let (channel, bytes) = credit.split_at_mut(CHANNEL_LEN);
        channel.copy_from_slice(&self.channel.to_be_bytes());
        bytes.copy_from_slice(&self.told.to_be_bytes());
        // The task has ended only with the connection.
        let _ = self.credits.given.send(credit);
    }
}

impl Limits {
    fn raise(&self, channel: u32, bytes: u64) {
        // There is no such channel, and no memory for it.
        if channel >= self.channels_max {
            return;
        }
        let mut state = self.lock();
        let limit = state.channels.entry(channel).or_default();
        if bytes > limit.bytes {
            limit.bytes = bytes;
            limit.wake();
        }
    }

    fn end(&self) {
        let mut state = self.lock();
        state.over = true;
        state.channels.values_mut().for_each(Limit::wake);
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Limit {
    fn wake(&mut self) {
        if let Some(waker) = self.waker.take() {
            waker.wake();
        }
    }
}

/// Passes on what this end gives, until the connection ends.
async fn give(connection: Connection, mut to_give: mpsc::UnboundedReceiver<[u8; CREDIT_LEN]>) {
    let Ok(mut stream) = connection.open_uni().await else {
        return;
    };
    while let Some(credit) = to_give.recv().await {
        if stream.write_all(&credit).await.is_err() {
            return;
        }
    }
}

/// Takes what the peer gives, until it or the connection ends.
async fn take(connection: Connection, limits: Arc<Limits>) {
    if let Ok(mut stream) = connection.accept_uni().await {
        while let (Ok(channel), Ok(bytes)) = (stream.read_u32().await, stream.read_u64().await) {
            limits.raise(channel, bytes);
        }
    }
    limits.end();
}

/// quinn tells of a window only once an eighth of it was read (`StreamsState::add_read_credits`), so as much is not there for who sends.
const fn window(held: u64) -> u64 {
    held + held / 7 + CONTROL
}

/// What may be on its way on the streams of the session and of the credit.
const CONTROL: u64 = 64 << 10;
/// So that the window is no more than [`budget::SESSION_MAX`].
const HELD_MAX: u64 = (budget::SESSION_MAX - CONTROL) / 8 * 7;
const _: () = assert!(window(HELD_MAX) <= budget::SESSION_MAX);
/// Credit goes out each time that this part of a window was read.
const PARTS: u64 = 4;
const CHANNEL_LEN: usize = 4;
const CREDIT_LEN: usize = CHANNEL_LEN + 8;
