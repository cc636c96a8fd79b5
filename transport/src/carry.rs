//! The two halves that `lmbench carry sink` and `lmbench carry source` run: one process per host, between QEMU and a carrier.
//!
//! ```text
//! source QEMU -> unix socket -> Source ==== carrier ==== Sink -> unix socket -> destination QEMU
//! ```
//!
//! # The end
//! Neither half ever concludes from closed channels that the migration is over: multifd and post-copy open and close channels
//! when they like. A half ends when
//! 1. its owner stops it (the cancellation token: a signal, a closed standard input), or
//! 2. the peer has ended the session and every channel has ended: the result is `Ok` after the peer's goodbye, and
//!    [`CarryError::PeerLost`] when the peer went away without one.
//!
//! A channel that broke, at either end, makes the result of both halves [`CarryError::Broke`], however orderly the session's end: the
//! QEMU behind it sees only an end of file, and has no way to tell that from the end of the stream.
//!
//! In both cases no new channel is begun. Channels still open get [`Options::drain_deadline`] to end by themselves after a stop
//! (the last bytes of a completed migration may still be on their way), then they are cut. After the peer's goodbye or crash
//! they have all the time they need, because the peer's kernel closes them; if the peer's host does not answer any more, they
//! are cut at once. Finally a goodbye goes to the peer, so stopping one half ends the other.

pub(crate) mod channels;
mod event;
pub(crate) mod local;
pub(crate) mod replay;
pub(crate) mod sink;
pub(crate) mod source;

use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

pub use event::Event;
pub use replay::{Pace, Place, Replay, ReplayError, Replayed};
pub use sink::Sink;
pub use source::Source;

use crate::capture::Recording;
use crate::carrier::{CarrierError, ChannelError, SessionEnd};
use crate::relay::Path;

/// Where the bytes come from or go to on this host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Local {
    /// A unix socket: the source half listens there for QEMU, the sink half connects to it.
    Unix(PathBuf),
    /// A unix socket where somebody takes the channels' descriptors, see [`crate::handover`]. Only for carriers whose channels
    /// are kernel sockets. The source half hands over channel 0 and no other: a QEMU that migrates to a descriptor has one channel.
    Fd(PathBuf),
    /// A capture in the place of the source's QEMU; the source half only. The half ends by itself when it was played.
    Replay(Replay),
    /// Nobody: what comes is read and thrown away, and nothing is answered; the sink half only.
    Discard,
    /// A capture that must be what comes, byte for byte, and whose return direction is the answer; the sink half only.
    Verify(Arc<Recording>),
}

/// What both halves can be told, each by its consequence.
#[derive(Clone, Debug)]
pub struct Options {
    /// How bytes are relayed.
    pub path: Path,
    /// How long the sink half goes on trying to reach the local socket once a channel has its first byte.
    pub local_deadline: Duration,
    /// How long channels may still take to end by themselves after a stop.
    pub drain_deadline: Duration,
    /// A user of this host, besides the one of this process, whose QEMU may be at the local socket. Anybody else gets and gives no byte.
    /// The source half's socket becomes that user's, which takes root.
    pub peer_uid: Option<u32>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            path: Path::Auto,
            local_deadline: Duration::from_secs(10),
            drain_deadline: Duration::from_secs(5),
            peer_uid: None,
        }
    }
}

/// Who is told what happens. Called in order, from the task that runs the half, so it should not block for long.
pub type Listener = Arc<dyn Fn(Event) + Send + Sync>;

/// A half could not do its work. What concerns a single channel or a stranger is an event and no error.
#[derive(Debug, thiserror::Error)]
pub enum CarryError {
    /// Listening or dialling failed.
    #[error(transparent)]
    Carrier(#[from] CarrierError),
    /// The first channel could not be opened.
    #[error(transparent)]
    Channel(#[from] ChannelError),
    /// The carrier's port or the local socket cannot accept any more.
    #[error("cannot accept on {place}")]
    Accept {
        /// Where.
        place: String,
        /// Why.
        source: io::Error,
    },
    /// The path is too long for a unix socket.
    #[error("socket path {} has {} bytes, the kernel takes at most {}", path.display(), path.as_os_str().len(), local::PATH_LEN_MAX)]
    PathTooLong {
        /// The path.
        path: PathBuf,
    },
    /// Something is at the path already.
    #[error("socket path {} is already taken\nhint: remove it if no process listens there any more, or choose another path", path.display())]
    PathTaken {
        /// The path.
        path: PathBuf,
    },
    /// The local socket cannot be made.
    #[error("cannot listen on {}", path.display())]
    Listen {
        /// The path.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The carrier's channels have no descriptor that could be handed over.
    #[error("carrier {0} makes its channels in user space, so there is no descriptor to hand over")]
    NoDescriptors(crate::carrier::endpoint::Scheme),
    /// The descriptor was not taken.
    #[error("cannot hand channel {channel} over to {}", path.display())]
    Handover {
        /// The channel.
        channel: u32,
        /// Where somebody should have taken it.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A local end that is for the other half.
    #[error("a capture is played by the source half, and discarded or verified by the sink half")]
    WrongHalf,
    /// What was played, or what came, is not as in the capture.
    #[error(transparent)]
    Replay(#[from] ReplayError),
    /// A channel did not come to its end in order, or was cut.
    #[error("the stream broke: {said}")]
    Broke {
        /// What the first such channel said.
        said: String,
    },
    /// The session broke.
    #[error("session lost: {0}")]
    PeerLost(SessionEnd),
}
