//! What the two ends of a session tell each other beside its channels: how each channel ends, and how the session does.
//!
//! No carrier's stream says all that by itself. A TCP connection ends alike when its sender is done and when somebody between the ends
//! cuts it, and on none can the sender see whether the last bytes reached the QEMU behind the peer. So each end tells the other one,
//! on the session's own connection:
//!
//! | kind | channel | bytes | meaning |
//! |---|---|---|---|
//! | `E` | u32 | u64 | my local stream has ended after so many bytes, and all of them were sent |
//! | `T` | u32 | u64 | your direction has ended here after so many bytes, and my local stream has taken all of them |
//! | `X` | u32 | 0 | the channel broke at my end |
//! | `H` | u32 | 0 | I gave the channel's connection away, so nobody here will tell its end |
//! | `G` | 0 | 0 | goodbye: no channel follows |
//!
//! Integers are big-endian. A direction is over when both ends have told the same number of bytes. A `T` for a direction that still goes
//! on says that it was cut on the way, so neither end needs a deadline to find out. A connection that ends without a goodbye, or says
//! anything else, belongs to a peer that is gone.

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;

use quinn::{ConnectionError, ReadError};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::sync::{mpsc, watch};

use super::session_end::SessionEnd;

/// One end's view of what is told in a session. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Notices {
    heard: Arc<watch::Sender<Heard>>,
    /// Unbounded by type; a session has a bounded number of channels, and each of them is worth a few notices.
    outgoing: mpsc::UnboundedSender<Notice>,
}

/// What this end has still to write.
#[derive(Debug)]
pub(crate) struct Outgoing(mpsc::UnboundedReceiver<Notice>);

/// One channel's share.
#[derive(Clone, Debug)]
pub(crate) struct Ends {
    number: u32,
    notices: Notices,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Notice {
    Ended { channel: u32, bytes: u64 },
    Taken { channel: u32, bytes: u64 },
    Broke { channel: u32 },
    HandedOver { channel: u32 },
    Goodbye,
}

/// All that the peer has told so far.
#[derive(Debug, Default)]
struct Heard {
    end: Option<SessionEnd>,
    channels: BTreeMap<u32, OfChannel>,
}

#[derive(Clone, Copy, Debug, Default)]
struct OfChannel {
    ended: Option<u64>,
    taken: Option<u64>,
    broke: bool,
    handed_over: bool,
}

impl Notices {
    pub(crate) fn new() -> (Self, Outgoing) {
        let (outgoing, queue) = mpsc::unbounded_channel();
        let heard = Arc::new(watch::Sender::default());
        (Self { heard, outgoing }, Outgoing(queue))
    }

    /// Listens to the peer until the session's end.
    pub(crate) async fn listen(&self, mut reader: impl AsyncRead + Unpin) {
        let end = loop {
            match read(&mut reader).await {
                Ok(Some(Notice::Goodbye)) => break SessionEnd::Goodbye,
                Ok(Some(notice)) => self.hear(notice),
                Err(error) if is_silence(&error) => break SessionEnd::Unreachable,
                Ok(None) | Err(_) => break SessionEnd::Gone,
            }
        };
        self.heard.send_modify(|heard| heard.end = Some(end));
    }

    /// Waits until the peer has ended the session, in whatever way.
    pub(crate) async fn ended(&self) -> SessionEnd {
        let mut heard = self.heard.subscribe();
        let heard = heard.wait_for(|heard| heard.end.is_some()).await;
        // The sender lives as long as this value.
        heard
            .ok()
            .and_then(|heard| heard.end)
            .unwrap_or(SessionEnd::Gone)
    }

    /// How the session ended, if it has.
    pub(crate) fn end(&self) -> Option<SessionEnd> {
        self.heard.borrow().end
    }

    /// The first channel that the peer says broke at its end, if any.
    pub(crate) fn broken(&self) -> Option<u32> {
        let heard = self.heard.borrow();
        let mut channels = heard.channels.iter();
        channels.find_map(|(number, told)| told.broke.then_some(*number))
    }

    /// Nobody listens any more: whoever waits for the peer's word waits no longer.
    pub(crate) fn abandon(&self) {
        self.heard.send_modify(|heard| {
            heard.end.get_or_insert(SessionEnd::Gone);
        });
    }

    /// Of one channel.
    pub(crate) fn of(&self, number: u32) -> Ends {
        Ends {
            number,
            notices: self.clone(),
        }
    }

    /// Has the goodbye written after all that was told before; it is the last that [`Outgoing::write_to`] writes.
    pub(crate) fn goodbye(&self) {
        self.tell(Notice::Goodbye);
    }

    fn tell(&self, notice: Notice) {
        // Nobody takes it once the goodbye was said or the peer has gone.
        let _ = self.outgoing.send(notice);
    }

    fn hear(&self, notice: Notice) {
        let (Notice::Ended { channel, .. }
        | Notice::Taken { channel, .. }
        | Notice::Broke { channel }
        | Notice::HandedOver { channel }) = notice
        else {
            return;
        };
        self.heard.send_modify(|heard| {
            let told = heard.channels.entry(channel).or_default();
            match notice {
                Notice::Ended { bytes, .. } => told.ended = Some(bytes),
                Notice::Taken { bytes, .. } => told.taken = Some(bytes),
                Notice::Broke { .. } => told.broke = true,
                Notice::HandedOver { .. } => told.handed_over = true,
                Notice::Goodbye => {}
            }
        });
    }
}

impl Outgoing {
    /// Writes what is told until the goodbye, and gives the writer back.
    pub(crate) async fn write_to<W: AsyncWrite + Unpin>(mut self, mut writer: W) -> W {
        while let Some(notice) = self.0.recv().await {
            let written = async {
                writer.write_all(&encode(notice)).await?;
                writer.flush().await
            };
            // A dead connection needs no words, and its end is heard by the other direction.
            if written.await.is_err() || notice == Notice::Goodbye {
                break;
            }
        }
        writer
    }
}

impl Ends {
    /// This end's direction has ended and was sent as a whole.
    pub(crate) fn sent(&self, bytes: u64) {
        let channel = self.number;
        self.notices.tell(Notice::Ended { channel, bytes });
    }

    /// The peer's direction has ended, and the local stream has taken all of it.
    pub(crate) fn took(&self, bytes: u64) {
        let channel = self.number;
        self.notices.tell(Notice::Taken { channel, bytes });
    }

    /// The channel broke here.
    pub(crate) fn broke(&self) {
        let channel = self.number;
        self.notices.tell(Notice::Broke { channel });
    }

    /// The channel's connection belongs to somebody else from now on.
    pub(crate) fn handed_over(&self) {
        let channel = self.number;
        self.notices.tell(Notice::HandedOver { channel });
    }

    /// Waits until the peer has said that all of `bytes` reached its local stream. To be called after [`Self::sent`].
    pub(crate) async fn confirmed(&self, bytes: u64) -> io::Result<()> {
        self.agree(bytes, |told| told.taken, "taken").await
    }

    /// Waits until the peer has said that it sent `bytes` and no more. To be called after [`Self::took`].
    pub(crate) async fn complete(&self, bytes: u64) -> io::Result<()> {
        self.agree(bytes, |told| told.ended, "sent").await
    }

    /// Waits until the peer says that the channel broke at its end, or that a direction has ended there which goes on here.
    pub(crate) async fn broken(&self, goes_on: impl Fn() -> bool + Send + Sync) -> io::Error {
        let told = self.until(|told| told.broke || (told.taken.is_some() && goes_on()));
        match told.await {
            Ok(told) if told.broke => peer_broke(),
            Ok(_) => cut("it ended at the peer, and goes on here"),
            // The session's end leaves its channels to themselves.
            Err(_) => std::future::pending().await,
        }
    }

    async fn agree(
        &self,
        bytes: u64,
        side: fn(&OfChannel) -> Option<u64>,
        done: &str,
    ) -> io::Result<()> {
        let told = self.until(|told| side(told).is_some() || told.broke || told.handed_over);
        let told = told.await.map_err(|end| {
            cut(&format!(
                "it ended here after {bytes} bytes, and the session before the peer said how many it has {done} ({end})"
            ))
        })?;
        match side(&told) {
            _ if told.broke => Err(peer_broke()),
            Some(theirs) if theirs == bytes => Ok(()),
            Some(theirs) => Err(cut(&format!(
                "{bytes} bytes of it here, but the peer has {done} {theirs}"
            ))),
            // Whoever has the peer's connection knows alone.
            None => Ok(()),
        }
    }

    /// Waits until this is so of what was told of the channel, or the session has ended without.
    async fn until(
        &self,
        is_so: impl Fn(&OfChannel) -> bool + Send + Sync,
    ) -> Result<OfChannel, SessionEnd> {
        let mut heard = self.notices.heard.subscribe();
        let of = |heard: &Heard| heard.channels.get(&self.number).copied();
        let heard = heard
            .wait_for(|heard| heard.end.is_some() || of(heard).is_some_and(|told| is_so(&told)))
            .await
            // The sender lives as long as this value.
            .map_err(|_| SessionEnd::Gone)?;
        match (of(&heard).filter(|told| is_so(told)), heard.end) {
            (Some(told), _) => Ok(told),
            (None, end) => Err(end.unwrap_or(SessionEnd::Gone)),
        }
    }
}

fn cut(why: &str) -> io::Error {
    io::Error::new(
        io::ErrorKind::UnexpectedEof,
        format!("the channel was cut: {why}"),
    )
}

fn peer_broke() -> io::Error {
    io::Error::new(
        io::ErrorKind::ConnectionAborted,
        "the channel broke at the peer, which says why",
    )
}

fn encode(notice: Notice) -> [u8; NOTICE_LEN] {
    let (kind, channel, bytes) = match notice {
        Notice::Ended { channel, bytes } => (ENDED, channel, bytes),
        Notice::Taken { channel, bytes } => (TAKEN, channel, bytes),
        Notice::Broke { channel } => (BROKE, channel, 0),
        Notice::HandedOver { channel } => (HANDED_OVER, channel, 0),
        Notice::Goodbye => (GOODBYE, 0, 0),
    };
    let mut encoded = [kind; NOTICE_LEN];
    encoded[1..5].copy_from_slice(&channel.to_be_bytes());
    encoded[5..].copy_from_slice(&bytes.to_be_bytes());
    encoded
}

/// `None` is a notice that does not exist.
async fn read(reader: &mut (impl AsyncRead + Unpin)) -> io::Result<Option<Notice>> {
    let (kind, channel) = (reader.read_u8().await?, reader.read_u32().await?);
    let bytes = reader.read_u64().await?;
    Ok(match kind {
        _ if channel >= CHANNELS_MAX => None,
        ENDED => Some(Notice::Ended { channel, bytes }),
        TAKEN => Some(Notice::Taken { channel, bytes }),
        BROKE => Some(Notice::Broke { channel }),
        HANDED_OVER => Some(Notice::HandedOver { channel }),
        GOODBYE => Some(Notice::Goodbye),
        _ => None,
    })
}

fn is_silence(error: &io::Error) -> bool {
    use io::ErrorKind::{HostUnreachable, NetworkDown, NetworkUnreachable, TimedOut};
    // To quinn every lost connection is of one kind.
    let inner = error.get_ref().and_then(|inner| inner.downcast_ref());
    if let Some(ReadError::ConnectionLost(ConnectionError::TimedOut)) = inner {
        return true;
    }
    matches!(
        error.kind(),
        TimedOut | HostUnreachable | NetworkUnreachable | NetworkDown
    )
}

const NOTICE_LEN: usize = 13;
const ENDED: u8 = b'E';
const TAKEN: u8 = b'T';
const BROKE: u8 = b'X';
const HANDED_OVER: u8 = b'H';
const GOODBYE: u8 = b'G';
/// Far more than any carrier lets a session open; it bounds what a peer can make this end remember.
const CHANNELS_MAX: u32 = 1 << 16;

#[cfg(test)]
mod tests {
    use tokio::io::duplex;

    use super::*;

    /// What one end tells is what the other one hears, and nothing is heard after the goodbye.
    #[tokio::test]
    async fn told_is_heard() {
        let ((near, outgoing), (far, _keep)) = (Notices::new(), Notices::new());
        let (writer, reader) = duplex(64);
        near.of(0).sent(7);
        near.of(1).took(u64::MAX);
        near.of(2).handed_over();
        near.goodbye();
        near.of(3).broke();
        let (writer, ()) = tokio::join!(outgoing.write_to(writer), far.listen(reader));
        drop(writer);
        assert_eq!(far.ended().await, SessionEnd::Goodbye);
        far.of(0).complete(7).await.unwrap();
        far.of(1).confirmed(u64::MAX).await.unwrap();
        far.of(2).complete(99).await.unwrap();
        assert_eq!(far.broken(), None);
        for (result, expected) in [
            (
                far.of(0).complete(6).await,
                "6 bytes of it here, but the peer has sent 7",
            ),
            (
                far.of(1).confirmed(8).await,
                "8 bytes of it here, but the peer has taken 18446744073709551615",
            ),
            (
                far.of(4).complete(0).await,
                "it ended here after 0 bytes, and the session before the peer said how many it has sent (the peer ended the session)",
            ),
        ] {
            let error = result.unwrap_err().to_string();
            assert_eq!(error, format!("the channel was cut: {expected}"));
        }
    }

    #[tokio::test]
    async fn nobody_waits_for_a_session_that_was_dropped() {
        let (notices, _keep) = Notices::new();
        let ends = notices.of(0);
        let waiting = tokio::spawn(async move { ends.complete(0).await });
        notices.abandon();
        assert!(waiting.await.unwrap().is_err());
    }

    #[tokio::test]
    async fn a_break_is_heard_before_everything_else() {
        let (notices, _keep) = Notices::new();
        for notice in [
            Notice::Ended {
                channel: 5,
                bytes: 1,
            },
            Notice::Broke { channel: 5 },
        ] {
            notices.hear(notice);
        }
        assert!(notices.of(5).complete(1).await.is_err());
        assert_eq!(notices.broken(), Some(5));
        notices.of(5).broken(|| false).await;
    }

    /// The far end saw this direction's end, which this end has not sent.
    #[tokio::test]
    async fn an_end_that_nobody_sent_is_a_cut() {
        let (notices, _keep) = Notices::new();
        notices.hear(Notice::Taken {
            channel: 0,
            bytes: 9,
        });
        let error = notices.of(0).broken(|| true).await;
        assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof);
    }

    #[tokio::test]
    async fn anything_else_is_the_end() {
        let long = encode(Notice::Broke {
            channel: CHANNELS_MAX,
        });
        for bytes in [&b""[..], b"G", &[b'?'; NOTICE_LEN], &long] {
            let (notices, _keep) = Notices::new();
            notices.listen(bytes).await;
            assert_eq!(notices.end(), Some(SessionEnd::Gone), "{bytes:?}");
        }
    }
}
