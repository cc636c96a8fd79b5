//! The TCP connections of some processes, as the kernel counts them: `sock_diag` in the caller's network namespace.
//!
//! No process has to cooperate, so QEMU's own sockets, our carriers' and ssh's are read in the same way, and other connections of the
//! host are left out: a connection counts when one of the processes holds its inode. `message` is what the kernel is asked and answers,
//! `kernel` the sockets that it is asked over, `owners` who holds which inode, `ledger` what was read so far, `sever` breaks connections. No UDP: a carrier over
//! UDP counts its own packets.

mod kernel;
mod ledger;
mod message;
mod owners;
mod sever;

use serde::{Deserialize, Serialize};

pub use ledger::Ledger;
pub use owners::{Owner, descendants};
pub use sever::sever;

/// What the kernel has counted for a connection, from this host's end: `struct tcp_info`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TcpCounters {
    /// Payload sent, what was sent again included.
    pub sent_bytes: u64,
    /// Payload that the peer's host has acknowledged.
    pub acked_bytes: u64,
    /// Payload received in order.
    pub received_bytes: u64,
    /// Segments sent again.
    pub retransmits: u64,
    /// Segments sent, those without payload included; one for each that the network card or the peer's kernel is handed at once.
    pub segments_sent: u64,
    /// Segments received, likewise.
    pub segments_received: u64,
    /// Smoothed round-trip time; not a sum.
    pub rtt_us: u32,
    /// The kernel's smallest round-trip time, in a window of minutes; not a sum. `None` before the first acknowledgement of payload.
    pub rtt_us_min: Option<u32>,
    /// Whether each segment bears time stamps, 12 bytes.
    pub timestamps: bool,
}

impl TcpCounters {
    /// What was counted since an earlier reading; what is no sum stays as it is.
    #[must_use]
    pub fn since(self, earlier: TcpCounters) -> TcpCounters {
        TcpCounters {
            sent_bytes: self.sent_bytes.saturating_sub(earlier.sent_bytes),
            acked_bytes: self.acked_bytes.saturating_sub(earlier.acked_bytes),
            received_bytes: self.received_bytes.saturating_sub(earlier.received_bytes),
            retransmits: self.retransmits.saturating_sub(earlier.retransmits),
            segments_sent: self.segments_sent.saturating_sub(earlier.segments_sent),
            segments_received: self
                .segments_received
                .saturating_sub(earlier.segments_received),
            ..self
        }
    }
}

/// A connection of one of the processes, with what it has moved since the ledger was begun.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Connection {
    /// Whose.
    pub owner: Owner,
    /// This end's address and port.
    pub local: std::net::SocketAddr,
    /// The other end's.
    pub remote: std::net::SocketAddr,
    /// Since the ledger was begun.
    pub counters: TcpCounters,
    /// Whether it has ended and its last counts are known, or not. One whose end was missed keeps its last reading.
    pub state: ConnectionState,
}

/// How far a connection's counts can be trusted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ConnectionState {
    /// It stood at the last reading.
    Open,
    /// The kernel told its final counts when it ended.
    Ended,
    /// It is gone, and the counts are those of the last reading before.
    Lost,
}

/// All connections at one moment, since the ledger was begun.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FlowPoint {
    /// When, ns on this host's clock.
    pub at_ns: u64,
    /// Payload acknowledged by the other host.
    pub acked_bytes: u64,
    /// Payload received.
    pub received_bytes: u64,
    /// Segments sent again.
    pub retransmits: u64,
    /// Smoothed round-trip time of the connection that moved most since the reading before; `None` if none moved.
    pub rtt_us: Option<u32>,
}
