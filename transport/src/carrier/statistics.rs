//! What a session's connections have counted.

use serde::{Deserialize, Serialize};

/// What a carrier that makes its own packets knows about them: sums over all connections of a session, but for two fields.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Statistics {
    /// Connections, ended ones included.
    pub connections: u32,
    /// The longest smoothed round trip of any connection, in microseconds.
    pub rtt_us: u64,
    /// The smallest current size of a full datagram on any connection, in bytes of UDP payload.
    pub datagram_bytes: u16,
    /// How often the congestion window was reduced.
    pub congestion_events: u64,
    /// Packets sent.
    pub packets_sent: u64,
    /// Packets that this end counts as lost on their way to the peer.
    pub packets_lost: u64,
    /// Their bytes.
    pub bytes_lost: u64,
    /// UDP datagrams sent.
    pub datagrams_sent: u64,
    /// UDP datagrams received.
    pub datagrams_received: u64,
    /// UDP payload sent, in bytes.
    pub udp_bytes_sent: u64,
    /// UDP payload received, in bytes.
    pub udp_bytes_received: u64,
}
