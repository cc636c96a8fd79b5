//! Why a half could not do its work.

use std::io;
use std::path::PathBuf;

use super::replay::error::ReplayError;
use crate::carrier::endpoint::Scheme;
use crate::carrier::{CarrierError, ChannelError, SessionEnd};

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
    #[error("socket path {} has {} bytes, the kernel takes at most {}", path.display(), path.as_os_str().len(), PATH_LEN_MAX)]
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
    NoDescriptors(Scheme),
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

/// The kernel's limit for the path of a unix socket, without its terminating zero.
pub(crate) const PATH_LEN_MAX: usize = 107;
