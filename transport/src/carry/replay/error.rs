//! Why a replay did not go as the capture.

use std::io;

/// A replay did not go as the capture.
#[derive(Debug, thiserror::Error)]
pub enum ReplayError {
    /// No private place for the local socket.
    #[error("cannot prepare a local socket")]
    Socket(#[source] io::Error),
    /// No thread could be started.
    #[error("cannot start a thread for channel {channel}")]
    Thread {
        /// The channel, by its number in the capture.
        channel: u32,
        /// Why.
        source: io::Error,
    },
    /// The half does not take a channel.
    #[error("channel {channel} of the capture cannot be opened")]
    Connect {
        /// The channel.
        channel: u32,
        /// Why.
        source: io::Error,
    },
    /// A channel broke.
    #[error("channel {channel} of the capture broke after {offset} of {len} bytes")]
    Broken {
        /// The channel.
        channel: u32,
        /// Bytes that went through.
        offset: u64,
        /// Bytes that it has.
        len: u64,
        /// Why.
        source: io::Error,
    },
    /// The half was stopped before everything was played.
    #[error("stopped before the whole capture was played")]
    Stopped,
    /// Other bytes came.
    #[error("channel {channel} differs from the capture at byte {offset}")]
    Differs {
        /// The channel that it should have been.
        channel: u32,
        /// Bytes before the first difference.
        offset: u64,
    },
    /// A channel ended early.
    #[error("channel {channel} ended after {offset} bytes, the capture has {len}")]
    Short {
        /// The channel that it should have been.
        channel: u32,
        /// Bytes that came.
        offset: u64,
        /// Bytes that the capture has.
        len: u64,
    },
    /// More channels came than the capture has.
    #[error("a channel came that the capture does not have")]
    Surplus,
    /// A channel never came.
    #[error("channel {channel} of the capture never came, the capture has {len} bytes of it")]
    Missing {
        /// The channel.
        channel: u32,
        /// Bytes that the capture has.
        len: u64,
    },
}

impl ReplayError {
    /// Whether other bytes came, and not only fewer of them.
    pub(super) fn is_of_content(&self) -> bool {
        matches!(self, Self::Differs { .. } | Self::Surplus)
    }
}
