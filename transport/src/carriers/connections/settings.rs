//! What the carriers over TCP can be told.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// What can be set, each by its consequence.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct Settings {
    /// How long a dialled host may take to answer at all.
    pub connect_deadline: Duration,
    /// How long a connected peer may take to prove the token. Longer tolerates slower hosts; strangers occupy a place for as long.
    pub handshake_deadline: Duration,
    /// How many peers may be connected that have not shown the token yet, at the cost of a descriptor and about 2 KiB each. At the
    /// limit a new peer takes the place of one from the address that holds the most.
    pub pending_max: usize,
    /// How many channels a session may open in its whole life; also the bound of channels that wait to be accepted.
    pub channels_max: u32,
    /// How long a silent network may last before the session counts as lost. `None` waits for ever. It is watched on the
    /// control connection; channels only have keepalive, because `TCP_USER_TIMEOUT` would also kill a channel whose peer is
    /// alive and merely does not read for that long, as the destination of a paused migration does.
    pub peer_deadline: Option<Duration>,
    /// `SO_SNDBUF` and `SO_RCVBUF` of each channel, in bytes. `None` leaves the kernel's autotuning on, which setting a size ends;
    /// only whoever dials over a round trip of 4 ms or more gets room to send of 48 MiB (or `net.core.wmem_max`, twice).
    pub socket_buffer_bytes: Option<u32>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            connect_deadline: Duration::from_secs(10),
            handshake_deadline: Duration::from_secs(5),
            pending_max: 256,
            channels_max: 1024,
            peer_deadline: Some(Duration::from_secs(30)),
            socket_buffer_bytes: None,
        }
    }
}
