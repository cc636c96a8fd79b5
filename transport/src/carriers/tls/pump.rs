//! Both directions of a relay between a local stream and a TLS connection: one system call to read a batch of records, one to
//! write it, and the cipher in between works in place.

use std::future::poll_fn;
use std::io::{self, IoSlice};

use async_trait::async_trait;
use rustix::net::Shutdown;
use tokio::net::{TcpStream, UnixStream};

use super::stream::{Incoming, Outgoing, TlsStream};
use crate::carrier::channel::{ChannelIo, Directions, pass_on_end, reset_on_close};
use crate::carrier::counters::{Counters, Moved};

#[async_trait]
impl ChannelIo for TlsStream {
    async fn first_byte(&mut self) -> io::Result<bool> {
        poll_fn(|context| self.poll_readable(context)).await
    }

    fn pump<'a>(
        &'a mut self,
        local: &'a UnixStream,
        counters: &'a Counters,
    ) -> Option<Directions<'a>> {
        let Self {
            socket,
            outgoing,
            incoming,
            ..
        } = self;
        let socket = &*socket;
        Some(Directions {
            send: Box::pin(seal(local, socket, outgoing, &counters.sent)),
            receive: Box::pin(open(socket, incoming, local, &counters.received)),
        })
    }

    fn abort(self: Box<Self>) {
        reset_on_close(&self.socket);
    }
}

/// Moves bytes towards the peer until the local stream ends, then passes the end on.
async fn seal(
    from: &UnixStream,
    to: &TcpStream,
    outgoing: &mut Outgoing,
    moved: &Moved,
) -> io::Result<()> {
    let mut turn = Turn::default();
    drain(outgoing, to).await?;
    loop {
        let filled = loop {
            match from.try_read_vectored(&mut outgoing.payloads()) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    outgoing.wait();
                    from.readable().await?;
                }
                other => break other?,
            }
        };
        if filled == 0 {
            moved.end();
            outgoing.close()?;
            drain(outgoing, to).await?;
            let closed = rustix::net::shutdown(to, Shutdown::Write);
            return pass_on_end(closed.map_err(Into::into));
        }
        moved.taken();
        outgoing.seal(filled)?;
        drain(outgoing, to).await?;
        moved.given(filled);
        turn.moved(filled).await;
    }
}

/// Moves bytes from the peer until its direction ends, then passes the end on.
async fn open(
    from: &TcpStream,
    incoming: &mut Incoming,
    to: &UnixStream,
    moved: &Moved,
) -> io::Result<()> {
    let mut turn = Turn::default();
    loop {
        while incoming.has_plain() {
            let written = {
                let mut slices = [IoSlice::new(&[]); SLICES_MAX];
                to.try_write_vectored(incoming.payloads(&mut slices))
            };
            match written {
                Ok(written) => {
                    incoming.taken(written)?;
                    moved.given(written);
                    turn.moved(written).await;
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => to.writable().await?,
                Err(error) => return Err(error),
            }
        }
        if incoming.is_closed() {
            moved.end();
            let closed = rustix::net::shutdown(to, Shutdown::Write);
            return pass_on_end(closed.map_err(Into::into));
        }
        match from.try_read(incoming.room()) {
            Ok(arrived) => incoming.arrived(arrived)?,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                incoming.wait();
                from.readable().await?;
            }
            Err(error) => return Err(error),
        }
    }
}

async fn drain(outgoing: &mut Outgoing, to: &TcpStream) -> io::Result<()> {
    while !outgoing.sealed().is_empty() {
        match to.try_write(outgoing.sealed()) {
            Ok(written) => outgoing.written(written)?,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => to.writable().await?,
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// How much was moved since others had their turn: these system calls are invisible to tokio's scheduling budget, and a busy
/// channel must not starve its neighbours.
#[derive(Default)]
struct Turn(usize);

impl Turn {
    async fn moved(&mut self, len: usize) {
        self.0 += len;
        if self.0 >= BYTES_PER_TURN {
            self.0 = 0;
            tokio::task::yield_now().await;
        }
    }
}

const BYTES_PER_TURN: usize = 4 << 20;
/// More payloads than a batch of full records has.
const SLICES_MAX: usize = 32;
