//! A stream of a connection in both directions, which is what a channel is made of.

use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::{Buf, Bytes};
use quinn::{RecvStream, SendStream, StoppedError, VarInt};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::budget::{self, Budget, Share};
use super::config;
use super::credit::{Credits, Given, Room};
use super::statistics::Connected;

/// Both directions. A relay takes them apart and moves whole chunks, without a copy; others read and write.
pub(crate) struct QuicStream {
    pub(crate) outgoing: Outgoing,
    pub(crate) incoming: Incoming,
}

/// The sending direction. Ending it waits until the peer has everything: with QUIC the unsent bytes live in this process and
/// would end with it. Dropped before that, it is cut.
pub(crate) struct Outgoing {
    send: SendStream,
    delivery: Delivery,
    /// Keeps the connection open and counted.
    connection: Connected,
    /// The most that may wait, in bytes, and what was sent since that was last fitted to the path.
    send_window: u64,
    unfitted: usize,
    /// Where the channel has not the whole connection.
    room: Option<Room>,
    /// What ends the wait for room beside room.
    stopped: Option<Acknowledged>,
}

/// The receiving direction.
pub(crate) struct Incoming {
    receive: RecvStream,
    window: Window,
    /// Received and not yet taken.
    peeked: Bytes,
}

/// What bounds the bytes that nobody has read.
enum Window {
    /// The connection's, which is the channel's own.
    Connection(Share, Connected),
    /// Credit, since other channels are on the same connection.
    Credit(Given),
}

/// Of what a channel takes its part.
pub(super) enum Source<'session> {
    /// With a connection of its own.
    Budget(&'session Arc<Budget>),
    /// With that number on a connection for all.
    Credits(&'session Arc<Credits>, u32),
}

/// Waits for the peer's acknowledgement of everything, the end included.
type Acknowledged =
    Pin<Box<dyn Future<Output = Result<Option<VarInt>, StoppedError>> + Send + Sync>>;

enum Delivery {
    Open,
    Ending(Acknowledged),
    Over,
}

impl QuicStream {
    pub(super) fn new(
        (send, receive): (SendStream, RecvStream),
        connection: Connected,
        send_window: u64,
        source: &Source<'_>,
    ) -> Self {
        let (room, window) = match source {
            Source::Budget(budget) => {
                let share = budget.join();
                budget::set_window(&connection, share.window());
                (None, Window::Connection(share, connection.clone()))
            }
            Source::Credits(credits, number) => {
                let (room, given) = credits.join(*number);
                (Some(room), Window::Credit(given))
            }
        };
        Self {
            outgoing: Outgoing {
                send,
                delivery: Delivery::Open,
                connection,
                send_window,
                unfitted: 0,
                room,
                stopped: None,
            },
            incoming: Incoming {
                receive,
                window,
                peeked: Bytes::new(),
            },
        }
    }

    /// Ends both directions so that the peer sees an error and not an orderly end.
    pub(crate) fn abort(mut self) {
        // Both fail only on what has ended already.
        let _ = self.outgoing.send.reset(ABORTED);
        let _ = self.incoming.receive.stop(ABORTED);
        self.outgoing.delivery = Delivery::Over;
    }
}

impl Outgoing {
    /// Passes a chunk on as it is. Waits while the windows are full.
    pub(crate) async fn send(&mut self, mut chunk: Bytes) -> io::Result<()> {
        self.unfitted += chunk.len();
        if self.unfitted >= FIT_EVERY {
            self.unfitted = 0;
            config::fit_send_window(&self.connection, self.send_window);
        }
        while !chunk.is_empty() {
            let room = poll_fn(|context| self.poll_room(context)).await;
            let part = chunk.split_to(chunk.len().min(room));
            self.take_room(part.len());
            self.send.write_chunk(part).await?;
        }
        Ok(())
    }

    /// Waits until the peer lets this channel send, and tells how much. Where the stream has ended meanwhile, sending fails for the
    /// right reason.
    fn poll_room(&mut self, context: &mut Context<'_>) -> Poll<usize> {
        let Some(room) = &self.room else {
            return Poll::Ready(usize::MAX);
        };
        if let Poll::Ready(room) = room.poll(context) {
            self.stopped = None;
            return Poll::Ready(room);
        }
        let stopped = self
            .stopped
            .get_or_insert_with(|| Box::pin(self.send.stopped()));
        stopped.as_mut().poll(context).map(|_| usize::MAX)
    }

    fn take_room(&mut self, len: usize) {
        if let Some(room) = &mut self.room {
            room.take(len);
        }
    }

    /// Ends this direction, and waits until the peer has all of it.
    pub(crate) fn poll_end(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        loop {
            match &mut self.delivery {
                Delivery::Open => {
                    self.send.finish()?;
                    self.delivery = Delivery::Ending(Box::pin(self.send.stopped()));
                }
                Delivery::Ending(acknowledged) => {
                    let result = ready!(acknowledged.as_mut().poll(context));
                    self.delivery = Delivery::Over;
                    return Poll::Ready(match result {
                        Ok(None) => Ok(()),
                        Ok(Some(_)) => Err(io::ErrorKind::ConnectionReset.into()),
                        // quinn's own kind, `NotConnected`, would pass for a stream that had ended already.
                        Err(error) => Err(io::Error::new(io::ErrorKind::ConnectionReset, error)),
                    });
                }
                Delivery::Over => return Poll::Ready(Ok(())),
            }
        }
    }
}

impl Incoming {
    /// Waits until there is something to read. `false` is the end.
    pub(crate) async fn readable(&mut self) -> io::Result<bool> {
        if self.peeked.is_empty() {
            let chunk = self.receive.read_chunk(usize::MAX, true).await?;
            self.peeked = chunk.map(|chunk| chunk.bytes).unwrap_or_default();
            self.took(self.peeked.len());
        }
        Ok(!self.peeked.is_empty())
    }

    /// The next chunks, as they came out of the datagrams, from the first of these places on. 0 is the end.
    pub(crate) async fn receive(&mut self, chunks: &mut [Bytes]) -> io::Result<usize> {
        if !self.peeked.is_empty() {
            chunks[0] = std::mem::take(&mut self.peeked);
            return Ok(1);
        }
        let count = self.receive.read_chunks(chunks).await?.unwrap_or(0);
        self.took(chunks[..count].iter().map(Bytes::len).sum());
        Ok(count)
    }

    fn took(&mut self, len: usize) {
        match &mut self.window {
            Window::Connection(share, connection) => {
                if share.read(len) {
                    budget::set_window(connection, share.window());
                }
            }
            Window::Credit(given) => given.read(len),
        }
    }
}

impl AsyncRead for QuicStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let Incoming {
            receive, peeked, ..
        } = &mut self.incoming;
        if peeked.is_empty() {
            let before = buffer.filled().len();
            let read = Pin::new(receive).poll_read(context, buffer);
            self.incoming.took(buffer.filled().len() - before);
            return read;
        }
        let length = buffer.remaining().min(peeked.len());
        buffer.put_slice(&peeked[..length]);
        peeked.advance(length);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for QuicStream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        data: &[u8],
    ) -> Poll<io::Result<usize>> {
        let room = ready!(self.outgoing.poll_room(context));
        let data = &data[..data.len().min(room)];
        let written = ready!(AsyncWrite::poll_write(
            Pin::new(&mut self.outgoing.send),
            context,
            data
        ))?;
        self.outgoing.take_room(written);
        Poll::Ready(Ok(written))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        // Whatever was written is sent as soon as the windows allow.
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.outgoing.poll_end(context)
    }
}

impl Drop for Outgoing {
    fn drop(&mut self) {
        match std::mem::replace(&mut self.delivery, Delivery::Over) {
            // Without this, quinn would end it in order, and a stream that was cut must not look complete.
            Delivery::Open => drop(self.send.reset(ABORTED)),
            // Asked to end and not waited for: it goes on for a while. Without a runtime nothing is delivered any more.
            Delivery::Ending(acknowledged) => {
                let connection = self.connection.clone();
                if let Ok(runtime) = tokio::runtime::Handle::try_current() {
                    runtime.spawn(async move {
                        let _ = tokio::time::timeout(LINGER, acknowledged).await;
                        drop(connection);
                    });
                }
            }
            Delivery::Over => {}
        }
    }
}

/// Bytes after which the send window is fitted again: the smallest there is.
const FIT_EVERY: usize = 1 << 20;
/// The code of a stream that was cut.
const ABORTED: VarInt = VarInt::from_u32(1);
/// How long a stream that was ended goes on delivering after it was dropped.
const LINGER: Duration = Duration::from_secs(10);
