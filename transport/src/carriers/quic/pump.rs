//! Both directions of a relay between a local stream and a QUIC stream, chunk by chunk.
//!
//! What is read from the local stream is given to QUIC as it is and kept there until it is acknowledged, so it is copied once:
//! into the datagram, to be encrypted in place. What arrives is written to the local stream straight out of the datagrams.

use std::future::poll_fn;
use std::io::{self, IoSlice};

use async_trait::async_trait;
use bytes::{Buf, Bytes, BytesMut};
use rustix::net::Shutdown;
use tokio::net::UnixStream;

use super::stream::{Incoming, Outgoing, QuicStream};
use crate::carrier::channel::{ChannelIo, Directions, pass_on_end};
use crate::carrier::counters::{Counters, Moved};

#[async_trait]
impl ChannelIo for QuicStream {
    async fn first_byte(&mut self) -> io::Result<bool> {
        self.incoming.readable().await
    }

    fn pump<'a>(
        &'a mut self,
        local: &'a UnixStream,
        counters: &'a Counters,
    ) -> Option<Directions<'a>> {
        let Self { outgoing, incoming } = self;
        Some(Directions {
            send: Box::pin(send(local, outgoing, &counters.sent)),
            receive: Box::pin(receive(incoming, local, &counters.received)),
        })
    }

    fn abort(self: Box<Self>) {
        QuicStream::abort(*self);
    }
}

/// Moves bytes towards the peer until the local stream ends, then passes the end on.
async fn send(from: &UnixStream, outgoing: &mut Outgoing, moved: &Moved) -> io::Result<()> {
    // A direction that stays silent needs no buffer.
    from.readable().await?;
    let mut buffer = BytesMut::new();
    loop {
        if buffer.capacity() < READ_LEN_MIN {
            buffer.reserve(READ_LEN);
        }
        let filled = loop {
            match from.try_read_buf(&mut buffer) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => from.readable().await?,
                other => break other?,
            }
        };
        if filled == 0 {
            moved.end();
            return poll_fn(|context| outgoing.poll_end(context)).await;
        }
        moved.taken();
        outgoing.send(buffer.split().freeze()).await?;
        moved.given(filled);
        // The system call is invisible to tokio's scheduling budget, and the datagrams are another task's work.
        tokio::task::yield_now().await;
    }
}

/// Moves bytes from the peer until its direction ends, then passes the end on.
async fn receive(incoming: &mut Incoming, to: &UnixStream, moved: &Moved) -> io::Result<()> {
    let mut chunks = [const { Bytes::new() }; CHUNKS_MAX];
    loop {
        let count = incoming.receive(&mut chunks).await?;
        if count == 0 {
            moved.end();
            let closed = rustix::net::shutdown(to, Shutdown::Write);
            return pass_on_end(closed.map_err(Into::into));
        }
        write_all(to, &mut chunks[..count], moved).await?;
        tokio::task::yield_now().await;
    }
}

/// Writes the chunks and leaves them empty.
async fn write_all(to: &UnixStream, mut chunks: &mut [Bytes], moved: &Moved) -> io::Result<()> {
    while !chunks.is_empty() {
        let mut slices = [IoSlice::new(&[]); CHUNKS_MAX];
        for (slice, chunk) in slices.iter_mut().zip(chunks.iter()) {
            *slice = IoSlice::new(chunk);
        }
        let mut written = match to.try_write_vectored(&slices[..chunks.len()]) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                to.writable().await?;
                continue;
            }
            other => other?,
        };
        moved.given(written);
        let mut whole = 0;
        while let Some(chunk) = chunks.get_mut(whole) {
            if chunk.len() > written {
                chunk.advance(written);
                break;
            }
            written -= chunk.len();
            // What the chunk came in is freed as early as possible.
            *chunk = Bytes::new();
            whole += 1;
        }
        chunks = &mut chunks[whole..];
    }
    Ok(())
}

const READ_LEN: usize = 256 * 1024;
/// With less room left than this, a new buffer is better than another small read.
const READ_LEN_MIN: usize = 64 * 1024;
/// Datagrams' worth of chunks in one write.
const CHUNKS_MAX: usize = 128;
