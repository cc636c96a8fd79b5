//! What the carrier can be told.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::carrier::identity::Cipher;

/// What can be set, each by its consequence. Deadlines and limits have no text form.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Settings {
    /// What a channel is made of.
    pub connections: Connections,
    /// What decides how much may be on its way.
    pub congestion: Congestion,
    /// The MTU of the path in bytes, IP header included. `None` takes what this host knows of the route, which is its interface's.
    pub mtu: Option<u16>,
    /// Whether the MTU is a bound up to which the path is probed, from 1200 bytes on, or is taken for granted. Probing takes some
    /// round trips while the connection is idle and survives a path that takes less; without, such a path loses every datagram.
    pub mtu_discovery: bool,
    /// How many bytes a channel may have received that nobody has read yet. Bounds a channel's rate to one window per round trip,
    /// and to a third of it where packets are lost, since what follows a gap waits. A channel comes to it as it is read, and where there
    /// are more than one or two of them to less: they share what a session has (`budget.rs`).
    pub stream_window: u64,
    /// The same for all channels of a connection together, at most 112 MiB. Channels with connections of their own have 128 MiB together.
    pub connection_window: u64,
    /// How many bytes may wait for their acknowledgement on the sending side, for all channels of a connection together. An upper
    /// bound: no more is used than the path needs by its round trip time.
    pub send_window: u64,
    /// How many datagrams the peer may take in before it has to acknowledge. 0 leaves QUIC's rule, every other one.
    pub ack_eliciting_threshold: u32,
    /// `SO_SNDBUF` and `SO_RCVBUF` in bytes. What the receiver does not fetch in time beyond it is lost. `None` leaves the
    /// kernel's, about 200 KiB.
    pub socket_buffer: Option<u32>,
    /// Whether the kernel cuts large sends into datagrams.
    pub gso: bool,
    /// What encrypts.
    pub cipher: Cipher,
    /// How long a dialled host may take to answer and to finish the handshake of QUIC.
    #[serde(skip)]
    pub connect_deadline: Duration,
    /// How long a connected peer may take to prove the token.
    #[serde(skip)]
    pub handshake_deadline: Duration,
    /// How many peers may be in the handshake at a time that did not pre-authenticate (`preauth.rs`). At the limit
    /// others of them are turned away; from half of it on only peers that receive at the address they send from are let in.
    #[serde(skip)]
    pub pending_max: usize,
    /// How many channels a session may open in its whole life; also the bound of channels that wait to be accepted.
    #[serde(skip)]
    pub channels_max: u32,
    /// How long a silent network may last before the session and its channels count as lost. `None` waits for ever.
    #[serde(skip)]
    pub peer_deadline: Option<Duration>,
}

/// What a channel is made of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Connections {
    /// A stream of the session's one connection. They share its congestion window, its socket, its one core and its
    /// [`Settings::connection_window`], of which each has a part (`credit.rs`).
    Shared,
    /// A connection on a UDP socket of its own, as with TCP. Costs a handshake and a socket per channel.
    #[default]
    PerChannel,
}

/// What decides how much may be on its way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Congestion {
    /// Ours: as much as the path holds, a short queue on top, and a loss is only a loss. See `bdp.rs`.
    #[default]
    Bdp,
    /// RFC 8312.
    Cubic,
    /// RFC 6582.
    Newreno,
    /// Version 1 of BBR, which quinn marks as experimental.
    Bbr,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            connections: Connections::default(),
            congestion: Congestion::default(),
            mtu: None,
            mtu_discovery: true,
            stream_window: 32 << 20,
            connection_window: 64 << 20,
            send_window: 64 << 20,
            ack_eliciting_threshold: 20,
            socket_buffer: Some(4 << 20),
            gso: true,
            cipher: Cipher::default(),
            connect_deadline: Duration::from_secs(10),
            handshake_deadline: Duration::from_secs(5),
            pending_max: 256,
            channels_max: 1024,
            peer_deadline: Some(Duration::from_secs(30)),
        }
    }
}

impl Settings {
    /// What was agreed on, for the record.
    pub(super) fn details(&self) -> String {
        let cipher = match self.cipher {
            Cipher::Aes128Gcm => "TLS13_AES_128_GCM_SHA256",
            Cipher::Aes256Gcm => "TLS13_AES_256_GCM_SHA384",
            Cipher::Chacha20Poly1305 => "TLS13_CHACHA20_POLY1305_SHA256",
        };
        format!("QUICv1 TLSv1.3 {cipher}")
    }
}
