//! One connection of the stream, with the number that both ends know it by.
//!
//! A channel is read and written like any stream. When it is a kernel socket it also gives that socket out, so that a relay
//! can splice and a descriptor can be handed over. It does not count, meter or frame anything.

use std::fmt;
use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt as _, ReadBuf};
use tokio::net::TcpStream;

use crate::carrier::notices::Ends;
use crate::carriers::quic::QuicStream;
use crate::carriers::tls::TlsStream;

/// A numbered two-way byte stream between the two ends of a session.
#[derive(Debug)]
pub struct Channel {
    number: u32,
    stream: Stream,
    /// What its ends tell each other of it; missing outside of a session.
    ends: Option<Ends>,
}

/// What other user-space code makes channels of.
pub trait Duplex: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Duplex for T {}

impl Channel {
    /// A channel that is a TCP connection and nothing else: every byte in the socket belongs to the stream.
    pub fn tcp(number: u32, stream: TcpStream) -> Self {
        Self {
            number,
            stream: Stream::Tcp(stream),
            ends: None,
        }
    }

    /// A channel that is a TLS connection.
    pub(crate) fn tls(number: u32, stream: TlsStream) -> Self {
        Self {
            number,
            stream: Stream::Tls(Box::new(stream)),
            ends: None,
        }
    }

    /// A channel that is a QUIC stream.
    pub(crate) fn quic(number: u32, stream: QuicStream) -> Self {
        Self {
            number,
            stream: Stream::Quic(Box::new(stream)),
            ends: None,
        }
    }

    /// A channel made by other user-space code.
    pub fn duplex(number: u32, stream: Box<dyn Duplex>) -> Self {
        Self {
            number,
            stream: Stream::Duplex {
                stream,
                peeked: None,
            },
            ends: None,
        }
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
        match &self.stream {
            Stream::Tcp(stream) => Some(stream),
            Stream::Tls(_) | Stream::Quic(_) | Stream::Duplex { .. } => None,
        }
    }

    /// The TLS connection, if the channel is one.
    pub(crate) fn as_tls(&mut self) -> Option<&mut TlsStream> {
        match &mut self.stream {
            Stream::Tls(stream) => Some(stream),
            Stream::Tcp(_) | Stream::Quic(_) | Stream::Duplex { .. } => None,
        }
    }

    /// The QUIC stream, if the channel is one.
    pub(crate) fn as_quic(&mut self) -> Option<&mut QuicStream> {
        match &mut self.stream {
            Stream::Quic(stream) => Some(stream),
            Stream::Tcp(_) | Stream::Tls(_) | Stream::Duplex { .. } => None,
        }
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
        match self.stream {
            Stream::Tcp(stream) => Ok((stream, self.ends)),
            stream @ (Stream::Tls(_) | Stream::Quic(_) | Stream::Duplex { .. }) => {
                Err(Self { stream, ..self })
            }
        }
    }

    /// Waits until there is something to read, without consuming it. `false` means that the peer closed without sending a byte.
    pub async fn first_byte(&mut self) -> io::Result<bool> {
        match &mut self.stream {
            Stream::Tcp(stream) => Ok(stream.peek(&mut [0]).await? > 0),
            Stream::Tls(stream) => poll_fn(|context| stream.poll_readable(context)).await,
            Stream::Quic(stream) => stream.incoming.readable().await,
            Stream::Duplex {
                peeked: Some(_), ..
            } => Ok(true),
            Stream::Duplex { stream, peeked } => {
                let mut byte = [0];
                let read = stream.read(&mut byte).await?;
                *peeked = (read > 0).then_some(byte[0]);
                Ok(read > 0)
            }
        }
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
        let socket = match &self.stream {
            Stream::Tcp(stream) => stream,
            Stream::Tls(stream) => &stream.socket,
            Stream::Quic(_) | Stream::Duplex { .. } => {
                if let Stream::Quic(stream) = self.stream {
                    stream.abort();
                }
                return;
            }
        };
        // With no linger time, closing sends a reset. If even that fails, the close below is all that can be done.
        let _ = rustix::net::sockopt::set_socket_linger(socket, Some(std::time::Duration::ZERO));
    }
}

enum Stream {
    Tcp(TcpStream),
    Tls(Box<TlsStream>),
    Quic(Box<QuicStream>),
    Duplex {
        stream: Box<dyn Duplex>,
        peeked: Option<u8>,
    },
}

impl fmt::Debug for Stream {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(stream) => stream.fmt(formatter),
            Self::Tls(_) => formatter.write_str("Tls"),
            Self::Quic(_) => formatter.write_str("Quic"),
            Self::Duplex { .. } => formatter.write_str("Duplex"),
        }
    }
}

impl AsyncRead for Channel {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match &mut self.stream {
            Stream::Tcp(stream) => Pin::new(stream).poll_read(context, buffer),
            Stream::Tls(stream) => Pin::new(stream).poll_read(context, buffer),
            Stream::Quic(stream) => Pin::new(stream).poll_read(context, buffer),
            Stream::Duplex { stream, peeked } => {
                if buffer.remaining() > 0
                    && let Some(byte) = peeked.take()
                {
                    buffer.put_slice(&[byte]);
                    return Poll::Ready(Ok(()));
                }
                Pin::new(stream).poll_read(context, buffer)
            }
        }
    }
}

impl AsyncWrite for Channel {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        data: &[u8],
    ) -> Poll<io::Result<usize>> {
        match &mut self.stream {
            Stream::Tcp(stream) => Pin::new(stream).poll_write(context, data),
            Stream::Tls(stream) => Pin::new(stream).poll_write(context, data),
            Stream::Quic(stream) => Pin::new(stream).poll_write(context, data),
            Stream::Duplex { stream, .. } => Pin::new(stream).poll_write(context, data),
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.stream {
            Stream::Tcp(stream) => Pin::new(stream).poll_flush(context),
            Stream::Tls(stream) => Pin::new(stream).poll_flush(context),
            Stream::Quic(stream) => Pin::new(stream).poll_flush(context),
            Stream::Duplex { stream, .. } => Pin::new(stream).poll_flush(context),
        }
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.stream {
            Stream::Tcp(stream) => Pin::new(stream).poll_shutdown(context),
            Stream::Tls(stream) => Pin::new(stream).poll_shutdown(context),
            Stream::Quic(stream) => Pin::new(stream).poll_shutdown(context),
            Stream::Duplex { stream, .. } => Pin::new(stream).poll_shutdown(context),
        }
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
