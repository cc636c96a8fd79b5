//! The control stream: carries the notices of [`crate::carrier::notices`], and its own end tells how the other end's process went.
//!
//! It stays open beside the channels of its connection, because closing the connection would cut them, and bytes that the peer
//! has not read yet with them.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use quinn::{RecvStream, SendStream};
use tokio::io::AsyncWriteExt;
use tokio::task::{AbortHandle, JoinHandle};

use super::statistics::Connected;
use crate::carrier::SessionEnd;
use crate::carrier::notices::Notices;

/// One end of the control stream. Dropping it ends the stream without a goodbye.
pub(super) struct Control {
    connection: Connected,
    notices: Notices,
    /// Taken by the goodbye.
    writer: Mutex<Option<JoinHandle<SendStream>>>,
    tasks: [AbortHandle; 2],
}

impl Control {
    /// Takes over the stream and watches it.
    pub(super) fn new((send, receive): (SendStream, RecvStream), connection: Connected) -> Self {
        let (notices, outgoing) = Notices::new();
        let listening = notices.clone();
        let watcher = tokio::spawn(async move { listening.listen(receive).await });
        let writer = tokio::spawn(outgoing.write_to(send));
        Self {
            connection,
            notices,
            tasks: [watcher.abort_handle(), writer.abort_handle()],
            writer: Mutex::new(Some(writer)),
        }
    }

    pub(super) fn connection(&self) -> &Connected {
        &self.connection
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

    /// Tells the peer that nothing follows, and sees to it that it hears so: it leaves this process only while it runs.
    pub(super) async fn goodbye(&self) {
        self.notices.goodbye();
        let writer = self
            .writer
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        let Some(writer) = writer else { return };
        let Ok(Ok(mut send)) = tokio::time::timeout(GOODBYE_MAX, writer).await else {
            return;
        };
        let told = async {
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
        self.notices.abandon();
        for task in &self.tasks {
            task.abort();
        }
    }
}

/// How long the goodbye may take to be sent, and the peer to acknowledge it.
const GOODBYE_MAX: Duration = Duration::from_secs(2);
