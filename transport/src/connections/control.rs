//! The control connection: tells each end how the other one's session ends.

use std::io;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::sync::{Mutex, watch};
use tokio::task::AbortHandle;

use super::{Link, socket};
use crate::carrier::SessionEnd;

/// One end of the control connection. Dropping it closes the connection.
pub(super) struct Control {
    peer: String,
    details: Option<String>,
    writer: Mutex<Box<dyn AsyncWrite + Send + Unpin>>,
    end: watch::Receiver<Option<SessionEnd>>,
    watcher: AbortHandle,
}

impl Control {
    /// Takes over the connection and watches it.
    pub(super) fn new(link: impl Link, peer_deadline: Option<Duration>) -> io::Result<Self> {
        if let Some(deadline) = peer_deadline {
            socket::limit_silence(link.socket(), deadline)?;
        }
        let (peer, details) = (link.socket().peer_addr()?.to_string(), link.details());
        let (reader, writer) = tokio::io::split(link);
        let (sender, end) = watch::channel(None);
        let watcher = tokio::spawn(async move {
            let end = watch_for_end(reader).await;
            sender.send_replace(Some(end));
        });
        Ok(Self {
            peer,
            details,
            writer: Mutex::new(Box::new(writer)),
            end,
            watcher: watcher.abort_handle(),
        })
    }

    /// Who is at the other end, for messages.
    pub(super) fn peer(&self) -> String {
        self.peer.clone()
    }

    /// What was negotiated for it.
    pub(super) fn details(&self) -> Option<String> {
        self.details.clone()
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

    /// Tells the peer that nothing follows.
    pub(super) async fn goodbye(&self) {
        let mut writer = self.writer.lock().await;
        // One byte always fits the empty buffer of a live connection, and a dead one needs no goodbye.
        if writer.write_all(&[GOODBYE]).await.is_ok() {
            let _ = writer.flush().await;
        }
    }
}

impl Drop for Control {
    fn drop(&mut self) {
        self.watcher.abort();
    }
}

async fn watch_for_end(mut reader: impl AsyncRead + Unpin) -> SessionEnd {
    match reader.read_u8().await {
        Ok(GOODBYE) => SessionEnd::Goodbye,
        Err(error) if is_silence(&error) => SessionEnd::Unreachable,
        // Any other byte breaks the protocol: such a peer is as good as gone.
        Ok(_) | Err(_) => SessionEnd::Gone,
    }
}

fn is_silence(error: &io::Error) -> bool {
    use io::ErrorKind::{HostUnreachable, NetworkDown, NetworkUnreachable, TimedOut};
    matches!(
        error.kind(),
        TimedOut | HostUnreachable | NetworkUnreachable | NetworkDown
    )
}

const GOODBYE: u8 = b'G';
