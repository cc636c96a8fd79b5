//! What the two halves tell their owner, as one JSON object each: `{"event":"ready","peer":"…","handshake_ms":1.4}`.

use serde::{Deserialize, Serialize};

use super::replay::spec::{Place, Replayed};
use crate::carrier::Statistics;
use crate::carrier::endpoint::Endpoint;
use crate::carrier::token::Token;

/// Something that happened in a half. Fields may be added; readers ignore what they do not know.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "kebab-case")]
pub enum Event {
    /// The sink half waits for the source half. The first event of a sink.
    Listening {
        /// Where, with the port that was picked.
        endpoint: Endpoint,
        /// What the source half has to know. A secret.
        token: Token,
    },
    /// The session stands. On the source half channel 0 is open and held ready, and the local socket (if any) listens: QEMU
    /// may start.
    Ready {
        /// The other half.
        peer: String,
        /// Source: from dialling to the first usable channel. Sink: from accepting the peer to the session.
        handshake_ms: f64,
        /// What the carrier can tell about the session beyond that, such as what was agreed on.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        details: Option<String>,
    },
    /// A channel is relayed from now on.
    ChannelOpen {
        /// Its number.
        number: u32,
        /// How long opening took, if it was opened for this: not for channel 0 and not on the sink half.
        #[serde(skip_serializing_if = "Option::is_none")]
        open_ms: Option<f64>,
    },
    /// A channel's descriptor was taken by somebody else, who answers for it from now on.
    HandedOver {
        /// Its number.
        number: u32,
    },
    /// A channel has ended.
    ChannelClosed {
        /// Its number. Absent when it could not even be opened.
        #[serde(skip_serializing_if = "Option::is_none")]
        number: Option<u32>,
        /// Bytes from the local stream to the peer.
        sent_bytes: u64,
        /// Bytes from the peer to the local stream.
        received_bytes: u64,
        /// When the local stream last gave something away, ns of this host's `CLOCK_MONOTONIC`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        last_taken_ns: Option<u64>,
        /// When the local stream was last given something, likewise.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        last_given_ns: Option<u64>,
        /// Why it broke, if it did.
        #[serde(skip_serializing_if = "Option::is_none")]
        error: Option<String>,
    },
    /// Somebody connected and was turned away. The first hundred are reported, all are counted.
    Refused {
        /// Who.
        peer: String,
        /// Why.
        reason: String,
    },
    /// A capture was played, or what came was discarded or verified, without an error.
    Replayed {
        /// Which of these.
        what: Replayed,
        /// Channels.
        channels: u32,
        /// Bytes to the peer.
        sent_bytes: u64,
        /// Bytes from the peer.
        received_bytes: u64,
        /// From the first channel's opening here to the end of the last one.
        seconds: f64,
        /// Where what came back first differed from the capture, if it did. Nothing at all is no difference.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        differs: Option<Place>,
    },
    /// The half has ended. The last event, after an error too, but not after one before the session stood.
    Finished {
        /// Channels relayed or handed over. Like the sums absent where they did not go through this process (`ssh`).
        #[serde(default, skip_serializing_if = "Option::is_none")]
        channels: Option<u32>,
        /// Sum over the relayed channels.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        sent_bytes: Option<u64>,
        /// Sum over the relayed channels.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        received_bytes: Option<u64>,
        /// How many peers were turned away.
        refused: u64,
        /// What the carrier counted, if it counts.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        statistics: Option<Statistics>,
    },
}
