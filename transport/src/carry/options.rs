//! What a half works with on its host.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use super::event::Event;
use super::replay::spec::Replay;
use crate::capture::Recording;
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
