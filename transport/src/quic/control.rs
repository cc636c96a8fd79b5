//! The control stream: tells each end how the other one's session ends.
//!
//! It stays open beside the channels of its connection, because closing the connection would cut them, and bytes that the peer
//! has not read yet with them.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use quinn::{ConnectionError, ReadError, RecvStream, SendStream};
use tokio::io::AsyncWriteExt;
use tokio::sync::watch;
use tokio::task::AbortHandle;

use super::statistics::Connected;
use crate::carrier::SessionEnd;

/// One end of the control stream. Dropping it ends the stream without a goodbye.
pub(super) struct Control {
    connection: Connected,
    /// Taken by the goodbye.
    send: Mutex<Option<SendStream>>,
    end: watch::Receiver<Option<SessionEnd>>,
    watcher: AbortHandle,
}

impl Control {
    /// Takes over the stream and watches it.
    pub(super) fn new((send, receive): (SendStream, RecvStream), connection: Connected) -> Self {
        let (sender, end) = watch::channel(None);
        let watcher = tokio::spawn(async move {
            let end = watch_for_end(receive).await;
            sender.send_replace(Some(end));
        });
        Self {
            connection,
            send: Mutex::new(Some(send)),
            end,
            watcher: watcher.abort_handle(),
        }
    }

    pub(super) fn connection(&self) -> &Connected {
        &self.connection
    }

    /// Waits until the peer has ended the session, in whatever way.
    pub(super) async fn ended(&self) -> SessionEnd {
        let mut end = self.end.clone();
        let end = end.wait_for(Option::is_some).await;
        // The watcher sends before it ends; it can vanish without only when the runtime shuts down.
        end.ok().and_then(|end| *end).unwrap_or(SessionEnd::Gone)
    }

    /// How the session ended, if it has.
    pub(super) fn end(&self) -> Option<SessionEnd> {
        *self.end.borrow()
    }

    /// Tells the peer that nothing follows, and sees to it that it hears so: it leaves this process only while it runs.
    pub(super) async fn goodbye(&self) {
        let send = self
            .send
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        let Some(mut send) = send else { return };
        let told = async {
            send.write_all(&[GOODBYE]).await.ok()?;
            send.shutdown().await.ok()?;
            send.stopped().await.ok()
        };
        // A peer that has ended the session itself may be gone and needs no goodbye; it is sent, but not waited for.
        tokio::select! {
            biased;
            _ = tokio::time::timeout(GOODBYE_MAX, told) => {}
            _ = self.ended() => {}
        }
    }
}

impl Drop for Control {
    fn drop(&mut self) {
        self.watcher.abort();
    }
}

async fn watch_for_end(mut receive: RecvStream) -> SessionEnd {
    let mut byte = [0];
    match receive.read(&mut byte).await {
        Ok(Some(1)) if byte == [GOODBYE] => SessionEnd::Goodbye,
        Err(ReadError::ConnectionLost(ConnectionError::TimedOut)) => SessionEnd::Unreachable,
        // Any other byte breaks the protocol: such a peer is as good as gone.
        Ok(_) | Err(_) => SessionEnd::Gone,
    }
}

const GOODBYE: u8 = b'G';
/// How long the peer may take to acknowledge the goodbye.
const GOODBYE_MAX: Duration = Duration::from_secs(2);
