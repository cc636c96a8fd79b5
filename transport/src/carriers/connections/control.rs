//! The control connection: carries the notices of [`crate::carrier::notices`], and its own end tells how the other end's process went.

use std::io;
use std::time::Duration;

use tokio::io::AsyncWrite;
use tokio::sync::Mutex;
use tokio::task::{AbortHandle, JoinHandle};
use tokio::time::timeout;

use super::link::Link;
use super::socket;
use crate::carrier::SessionEnd;
use crate::carrier::notices::Notices;

/// One end of the control connection. Dropping it closes the connection.
pub(super) struct Control {
    peer: String,
    details: Option<String>,
    notices: Notices,
    writer: Mutex<Writer>,
    tasks: [AbortHandle; 2],
}

enum Writer {
    Writing(JoinHandle<Sending>),
    /// After the goodbye. Kept open, since whoever closes a connection with something unread in it resets it.
    Done {
        _kept: Option<Sending>,
    },
}

type Sending = Box<dyn AsyncWrite + Send + Unpin>;

impl Control {
    /// Takes over the connection and watches it.
    pub(super) fn new(link: impl Link, peer_deadline: Option<Duration>) -> io::Result<Self> {
        if let Some(deadline) = peer_deadline {
            socket::limit_silence(link.socket(), deadline)?;
        }
        let (peer, details) = (link.socket().peer_addr()?.to_string(), link.details());
        let (reader, writer) = tokio::io::split(link);
        let (notices, outgoing) = Notices::new();
        let listening = notices.clone();
        let watcher = tokio::spawn(async move { listening.listen(reader).await });
        let writer: Sending = Box::new(writer);
        let writer = tokio::spawn(outgoing.write_to(writer));
        Ok(Self {
            peer,
            details,
            notices,
            tasks: [watcher.abort_handle(), writer.abort_handle()],
            writer: Mutex::new(Writer::Writing(writer)),
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

    pub(super) fn notices(&self) -> &Notices {
        &self.notices
    }

    /// Waits until the peer has ended the session, in whatever way.
    pub(super) async fn ended(&self) -> SessionEnd {
        self.notices.ended().await
    }

    /// How the session ended, if it has.
    pub(super) fn end(&self) -> Option<SessionEnd> {
        self.notices.end()
    }

    /// Tells the peer that nothing follows.
    pub(super) async fn goodbye(&self) {
        self.notices.goodbye();
        let mut writer = self.writer.lock().await;
        if let Writer::Writing(task) = &mut *writer {
            // A few notices always fit the buffers of a live connection, and a dead one needs no goodbye.
            let kept = timeout(GOODBYE_MAX, task).await;
            let kept = kept.ok().and_then(Result::ok);
            *writer = Writer::Done { _kept: kept };
        }
    }
}

impl Drop for Control {
    fn drop(&mut self) {
        self.notices.abandon();
        for task in &self.tasks {
            task.abort();
        }
    }
}

const GOODBYE_MAX: Duration = Duration::from_secs(2);
