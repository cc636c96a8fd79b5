//! What a link process is told and what it answers: one JSON object a line, each command with one answer. Does nothing.
//!
//! ```text
//! {"open":{"seed":7}}                        makes the devices `source` and `destination` in this network namespace
//! {"set":{"rate_bps":1000000000,"rtt":{"secs":0,"nanos":20000000}, …}}    settings for what enters from now on
//! {"cut":{"toward":"destination","after_bytes":1000000,"down_ms":300}}    drops everything from that byte on and for that time;
//!                                            without `toward` both ways, without `after_bytes` at once, without `down_ms` for good
//! {"restore":{}}                             ends a cut
//! {"report":{"restart":true}}                the counters so far, which begin anew if so asked
//! ```
//!
//! At the end of its input the process prints a last report and ends.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::role::Role;
use crate::spec::LinkSpec;

/// A request.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Command {
    /// Makes the devices; comes first and once.
    Open {
        /// Of losses, jitter and reordering; each direction draws its own sequence from it.
        seed: u64,
    },
    /// Changes the link. What is on the way keeps its time of arrival.
    Set(Box<LinkSpec>),
    /// Drops what enters. What is on the way arrives.
    Cut {
        /// One direction, or both.
        #[serde(default)]
        toward: Option<Toward>,
        /// Bytes (of frames) that still pass in each direction.
        #[serde(default)]
        after_bytes: u64,
        /// Milliseconds after which a direction is whole again; [`Command::Restore`] ends it otherwise.
        #[serde(default)]
        down_ms: Option<u64>,
    },
    /// Ends a cut.
    Restore {},
    /// Asks for the counters.
    Report {
        /// Whether they begin anew.
        #[serde(default)]
        restart: bool,
    },
}

/// A direction, by where it leads.
pub type Toward = Role;

/// The answer to a request.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Answer {
    /// It is in force.
    Done {},
    /// It is not.
    Failed {
        /// Why, and what to do.
        why: String,
    },
    /// The counters.
    Report(Report),
}

/// What a link has done since it was opened or its counters began anew.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// CPU seconds of the process: the price of the emulation, which no carrier and no QEMU is charged for.
    pub cpu_s: f64,
    /// Whether its threads have real-time priority. Without it other work on the machine makes deliveries late.
    pub realtime: bool,
    /// Per direction, by where it leads.
    pub toward: BTreeMap<Toward, DirectionReport>,
}

/// What went one way.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct DirectionReport {
    /// Packets as the hosts handed them over; a GSO packet counts once.
    pub packets: u64,
    /// Frames on the wire.
    pub frames: u64,
    /// Bytes of those frames, Ethernet headers included.
    pub bytes: u64,
    /// Frames lost at random.
    pub lost_frames: u64,
    /// Frames that the full queue in front of the link dropped.
    pub queue_dropped_frames: u64,
    /// Frames dropped while the link was cut or down.
    pub cut_frames: u64,
    /// When the last cut dropped its first frame, ns on this machine's clock.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cut_at_ns: Option<u64>,
    /// Frames that overtook others.
    pub early_frames: u64,
    /// Packets that the sending host's device dropped because the process did not take them in time. Filled in by the lab.
    #[serde(default)]
    pub device_dropped_packets: u64,
    /// Packets dropped because 512 MiB were on the way: more than this process keeps.
    pub memory_dropped_packets: u64,
    /// Packets that the other host's device refused.
    pub refused_packets: u64,
    /// Most bytes that waited in front of the link.
    pub queue_bytes_max: u64,
    /// How much later than the model says frames were delivered, microseconds: median.
    pub late_us_p50: f64,
    /// The same, 99th percentile.
    pub late_us_p99: f64,
    /// The same, the worst.
    pub late_us_max: f64,
}
