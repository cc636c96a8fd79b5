//! What is played, and what was.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::capture::Recording;

/// What the source half plays in the place of QEMU.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Replay {
    /// The capture.
    pub recording: Arc<Recording>,
    /// How fast.
    pub pace: Pace,
}

/// How fast a capture is played.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Pace {
    /// As fast as the carrier takes it.
    #[default]
    Full,
    /// As in the capture: nothing before its time.
    Original,
}

/// What was done in QEMU's place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Replayed {
    /// A capture was played.
    Played,
    /// What came was thrown away.
    Discarded,
    /// What came was compared with a capture, and was the same.
    Verified,
}

/// A place in a channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Place {
    /// The channel, by its number in the capture.
    pub channel: u32,
    /// Bytes before it.
    pub offset: u64,
}
