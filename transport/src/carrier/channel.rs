//! One connection of the stream, with the number that both ends know it by.
//!
//! A channel is read and written like any stream. When it is a kernel socket it also gives that socket out, so that a relay
//! can splice and a descriptor can be handed over. Where its carrier has a way of its own to move bytes to and from a local stream,
//! a relay takes that. It does not count, meter or frame anything.

use std::fmt;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use async_trait::async_trait;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt as _, ReadBuf};
use tokio::net::{TcpStream, UnixStream};

use super::counters::Counters;
use super::notices::Ends;

/// A numbered two-way byte stream between the two ends of a session.
pub struct Channel {
    number: u32,
    io: Box<dyn ChannelIo>,
    /// What its ends tell each other of it; missing outside of a session.
    ends: Option<Ends>,
}

/// What a carrier makes channels of. A relay calls into it once per channel or per chunk, and never per byte.
#[async_trait]
pub(crate) trait ChannelIo: AsyncRead + AsyncWrite + Send + Unpin {
    /// The socket, if it is one and every byte in it belongs to the stream.
    fn as_tcp(&self) -> Option<&TcpStream> {
        None
    }

    /// Takes out the socket that [`Self::as_tcp`] shows.
    fn into_tcp(self: Box<Self>) -> Option<TcpStream> {
        None
    }

    /// Waits until there is something to read, without consuming it. `false` means that the peer closed without sending a byte.
    async fn first_byte(&mut self) -> io::Result<bool>;

    /// The carrier's own way to move bytes to and from a local stream, for as long as neither direction has ended. Without one they
    /// are read and written.
    fn pump<'a>(
        &'a mut self,
        _local: &'a UnixStream,
        _counters: &'a Counters,
    ) -> Option<Directions<'a>> {
        None
    }

    /// Ends it so that the peer sees an error and not an orderly end.
    fn abort(self: Box<Self>);
}

/// Both directions of a relay. Each moves bytes until its source ends, and passes the end on.
pub(crate) struct Directions<'a> {
    pub(crate) send: Direction<'a>,
    pub(crate) receive: Direction<'a>,
}

/// One of [`Directions`].
pub(crate) type Direction<'a> = Pin<Box<dyn Future<Output = io::Result<()>> + Send + 'a>>;

/// What other user-space code makes channels of.
pub trait Duplex: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Duplex for T {}

impl Channel {
    pub(crate) fn new(number: u32, io: Box<dyn ChannelIo>) -> Self {
        Self {
            number,
            io,
            ends: None,
        }
    }

    /// A channel that is a TCP connection and nothing else: every byte in the socket belongs to the stream.
    pub fn tcp(number: u32, stream: TcpStream) -> Self {
        Self::new(number, Box::new(stream))
    }

    /// A channel made by other user-space code.
    pub fn duplex(number: u32, stream: Box<dyn Duplex>) -> Self {
        let peeked = None;
        Self::new(number, Box::new(Peekable { stream, peeked }))
    }

    /// Makes it one of a session.
    pub(crate) fn with_ends(self, ends: Ends) -> Self {
        Self {
            ends: Some(ends),
            ..self
        }
    }

    /// What its ends tell each other of it.
    pub(crate) fn ends(&self) -> Option<&Ends> {
        self.ends.as_ref()
    }

    /// The number, unique within the session and the same on both ends.
    pub fn number(&self) -> u32 {
        self.number
    }

    /// The socket, if the channel is one.
    pub fn as_tcp(&self) -> Option<&TcpStream> {
        self.io.as_tcp()
    }

    /// See [`ChannelIo::pump`].
    pub(crate) fn pump<'a>(
        &'a mut self,
        local: &'a UnixStream,
        counters: &'a Counters,
    ) -> Option<Directions<'a>> {
        self.io.pump(local, counters)
    }

    /// Takes the socket out, or gives the channel back if it is none. Whoever has the socket answers for its end.
    pub fn into_tcp(self) -> Result<TcpStream, Self> {
        let (stream, ends) = self.into_parts()?;
        if let Some(ends) = ends {
            ends.handed_over();
        }
        Ok(stream)
    }

    /// Takes the socket out, and what tells the peer how it ends.
    pub(crate) fn into_parts(self) -> Result<(TcpStream, Option<Ends>), Self> {
        if self.io.as_tcp().is_none() {
            return Err(self);
        }
        let stream = self.io.into_tcp();
        let stream = stream.expect("what shows a socket gives it out");
        Ok((stream, self.ends))
    }

    /// Waits until there is something to read, without consuming it. `false` means that the peer closed without sending a byte.
    pub async fn first_byte(&mut self) -> io::Result<bool> {
        self.io.first_byte().await
    }

    /// Ends a channel on which this end sent nothing, and waits until the peer agrees that nothing was sent either way.
    pub(crate) async fn end_unused(mut self) -> io::Result<()> {
        let ended = self.shutdown().await;
        let Some(ends) = &self.ends else {
            return ended;
        };
        let agreed = async {
            ended?;
            ends.sent(0);
            ends.took(0);
            ends.complete(0).await
        };
        agreed.await.inspect_err(|_| ends.broke())
    }

    /// Ends the channel so that the peer sees an error and not an orderly end: a stream that was cut must not look complete.
    pub fn abort(self) {
        if let Some(ends) = &self.ends {
            ends.broke();
        }
        self.io.abort();
    }
}

impl fmt::Debug for Channel {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Channel")
            .field("number", &self.number)
            .finish_non_exhaustive()
    }
}

impl AsyncRead for Channel {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut *self.io).poll_read(context, buffer)
    }
}

impl AsyncWrite for Channel {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        data: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut *self.io).poll_write(context, data)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut *self.io).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut *self.io).poll_shutdown(context)
    }
}

#[async_trait]
impl ChannelIo for TcpStream {
    fn as_tcp(&self) -> Option<&TcpStream> {
        Some(self)
    }

    fn into_tcp(self: Box<Self>) -> Option<TcpStream> {
        Some(*self)
    }

    async fn first_byte(&mut self) -> io::Result<bool> {
        Ok(self.peek(&mut [0]).await? > 0)
    }

    fn abort(self: Box<Self>) {
        reset_on_close(&self);
    }
}

/// Said of what this end cut.
pub(crate) const CUT: &str =
    "cut, because this end was stopped or the peer's host does not answer any more";

/// Has the close that follows send a reset. If even that fails, the close is all that can be done.
pub(crate) fn reset_on_close(socket: &TcpStream) {
    let _ = rustix::net::sockopt::set_socket_linger(socket, Some(Duration::ZERO));
}

/// A half-close that finds its stream already closed has nothing left to do.
pub(crate) fn pass_on_end(closed: io::Result<()>) -> io::Result<()> {
    closed.or_else(|error| {
        if error.kind() == io::ErrorKind::NotConnected {
            Ok(())
        } else {
            Err(error)
        }
    })
}

/// Other code's stream, of which the first byte can be waited for.
struct Peekable {
    stream: Box<dyn Duplex>,
    peeked: Option<u8>,
}

#[async_trait]
impl ChannelIo for Peekable {
    async fn first_byte(&mut self) -> io::Result<bool> {
        if self.peeked.is_none() {
            let mut byte = [0];
            let read = self.stream.read(&mut byte).await?;
            self.peeked = (read > 0).then_some(byte[0]);
        }
        Ok(self.peeked.is_some())
    }

    /// Dropping it is all that its maker knows of.
    fn abort(self: Box<Self>) {}
}

impl AsyncRead for Peekable {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if buffer.remaining() > 0
            && let Some(byte) = self.peeked.take()
        {
            buffer.put_slice(&[byte]);
            return Poll::Ready(Ok(()));
        }
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl AsyncWrite for Peekable {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        data: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, data)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::AsyncWriteExt;

    use super::*;

    #[tokio::test]
    async fn a_peeked_byte_is_read_once_and_first() {
        let (mut near, far) = tokio::io::duplex(16);
        near.write_all(b"abc").await.unwrap();
        drop(near);
        let mut channel = Channel::duplex(7, Box::new(far));
        assert!(channel.first_byte().await.unwrap());
        assert!(channel.first_byte().await.unwrap());
        let mut text = String::new();
        channel.read_to_string(&mut text).await.unwrap();
        assert_eq!(text, "abc");
        assert!(!channel.first_byte().await.unwrap());
    }
}
