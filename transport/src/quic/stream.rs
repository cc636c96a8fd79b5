//! A stream of a connection in both directions, as what a channel is made of.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use quinn::{RecvStream, SendStream, StoppedError, VarInt};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::statistics::Connected;
use crate::channel::Duplex;

/// Both directions. Ending the sending one waits until the peer has everything: with QUIC the unsent bytes live in this process
/// and would end with it. Dropped, it goes on delivering what was written, for a while.
pub(super) struct Stream {
    send: SendStream,
    receive: RecvStream,
    delivery: Delivery,
    /// Keeps the connection open and counted.
    connection: Connected,
}

/// Waits for the peer's acknowledgement of everything, the end included.
type Acknowledged =
    Pin<Box<dyn Future<Output = Result<Option<VarInt>, StoppedError>> + Send + Sync>>;

enum Delivery {
    Open,
    Ending(Acknowledged),
    Over,
}

impl Stream {
    pub(super) fn new((send, receive): (SendStream, RecvStream), connection: Connected) -> Self {
        Self {
            send,
            receive,
            delivery: Delivery::Open,
            connection,
        }
    }
}

impl AsyncRead for Stream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.receive).poll_read(context, buffer)
    }
}

impl AsyncWrite for Stream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        data: &[u8],
    ) -> Poll<io::Result<usize>> {
        AsyncWrite::poll_write(Pin::new(&mut self.send), context, data)
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        // Whatever was written is sent as soon as the windows allow.
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
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
                        Err(error) => Err(error.into()),
                    });
                }
                Delivery::Over => return Poll::Ready(Ok(())),
            }
        }
    }
}

impl Duplex for Stream {
    fn abort(mut self: Box<Self>) {
        // Both fail only on what has ended already.
        let _ = self.send.reset(ABORTED);
        let _ = self.receive.stop(ABORTED);
        self.delivery = Delivery::Over;
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        if matches!(self.delivery, Delivery::Over) {
            return;
        }
        let _ = self.send.finish();
        let (acknowledged, connection) = (self.send.stopped(), self.connection.clone());
        // Without a runtime nothing is delivered any more, whoever waits.
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            runtime.spawn(async move {
                let _ = tokio::time::timeout(LINGER, acknowledged).await;
                drop(connection);
            });
        }
    }
}

/// The code of a stream that was cut.
const ABORTED: VarInt = VarInt::from_u32(1);
/// How long a dropped stream goes on delivering.
const LINGER: Duration = Duration::from_secs(10);
