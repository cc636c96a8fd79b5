//! What the two ends say to each other before and after the traffic. The traffic itself has no form.

use std::io;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::SILENCE_LIMIT;

/// What a connection is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// Traffic from sender to receiver; at its end the receiver answers with the number of bytes, eight of them, big-endian.
    Stream,
    /// Messages of [`PROBE_BYTES`] that the receiver returns as they are.
    Probe,
}

/// A probe: the sender's clock when it left, and nothing else that matters.
pub(super) const PROBE_BYTES: usize = 64;

pub(super) async fn announce(stream: &mut TcpStream, kind: Kind) -> io::Result<()> {
    let mut hello = *MAGIC;
    hello[7] = if kind == Kind::Stream { b'S' } else { b'P' };
    stream.write_all(&hello).await
}

pub(super) async fn recognise(stream: &mut TcpStream) -> io::Result<Kind> {
    let mut hello = [0; 8];
    stream.read_exact(&mut hello).await?;
    match hello[7] {
        b'S' if hello[..7] == MAGIC[..7] => Ok(Kind::Stream),
        b'P' if hello[..7] == MAGIC[..7] => Ok(Kind::Probe),
        _ => Err(io::Error::new(
            io::ErrorKind::InvalidData,
            "not a sender of background traffic",
        )),
    }
}

/// What both ends want of both connections.
pub(super) fn prepare(stream: &TcpStream) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let socket = socket2::SockRef::from(stream);
    // A host that vanishes without a word (its namespace is gone) is noticed by whoever sends, and by keepalive otherwise.
    socket.set_tcp_user_timeout(Some(SILENCE_LIMIT))?;
    socket.set_tcp_keepalive(
        &socket2::TcpKeepalive::new()
            .with_time(SILENCE_LIMIT / 3)
            .with_interval(SILENCE_LIMIT / 3),
    )
}

const MAGIC: &[u8; 8] = b"lmbench?";
