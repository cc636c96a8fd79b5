//! The control connection: tells each end how the other one's session ends.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::task::AbortHandle;

use super::socket;
use crate::carrier::SessionEnd;

/// One end of the control connection. Dropping it closes the connection.
pub(super) struct Control {
    stream: Arc<TcpStream>,
    end: watch::Receiver<Option<SessionEnd>>,
    watcher: AbortHandle,
}

impl Control {
    /// Takes over the connection and watches it.
    pub(super) fn new(stream: TcpStream, peer_deadline: Option<Duration>) -> io::Result<Self> {
        if let Some(deadline) = peer_deadline {
            socket::limit_silence(&stream, deadline)?;
        }
        let stream = Arc::new(stream);
        let (sender, end) = watch::channel(None);
        let connection = Arc::clone(&stream);
        let watcher = tokio::spawn(async move {
            let end = watch_for_end(&connection).await;
            sender.send_replace(Some(end));
        });
        Ok(Self {
            stream,
            end,
            watcher: watcher.abort_handle(),
        })
    }

    /// Who is at the other end, for messages.
    pub(super) fn peer(&self) -> String {
        self.stream.peer_addr().map_or_else(
            |_| "a peer that is gone".to_owned(),
            |address| address.to_string(),
        )
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
    pub(super) fn goodbye(&self) {
        // One byte always fits the empty buffer of a live connection, and a dead one needs no goodbye.
        let _ = self.stream.try_write(&[GOODBYE]);
    }
}

impl Drop for Control {
    fn drop(&mut self) {
        self.watcher.abort();
    }
}

async fn watch_for_end(stream: &TcpStream) -> SessionEnd {
    let mut byte = [0];
    loop {
        let read = match stream.readable().await {
            Ok(()) => stream.try_read(&mut byte),
            Err(error) => Err(error),
        };
        match read {
            Ok(1) if byte == [GOODBYE] => return SessionEnd::Goodbye,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) if is_silence(&error) => return SessionEnd::Unreachable,
            // Any other byte breaks the protocol: such a peer is as good as gone.
            Ok(_) | Err(_) => return SessionEnd::Gone,
        }
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
