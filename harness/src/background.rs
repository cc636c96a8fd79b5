//! Other traffic on a network, and what a migration does to it: a paced TCP stream, and a probe that measures round trips beside it.
//!
//! A [`Receiver`] in one agent, a [`Sender`] in the other. The stream never catches up: what the link (or a busy machine) did not let
//! through within 20 ms is not sent later, so [`BackgroundReport::achieved_bps`] falls below what was asked exactly when the traffic is
//! harmed. Probes leave on schedule whether or not earlier ones were answered, so a long stall counts as often as it lasts.
//! Round trips are measured between user-space tasks: they include the time until both ends get a CPU.

mod receiver;
mod report;
mod sender;
mod wire;

use std::net::SocketAddr;
use std::time::Duration;

pub use receiver::Receiver;
pub use report::BackgroundReport;
pub use sender::Sender;

/// Why background traffic did not start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BackgroundError {
    /// The address is not this host's, or its port is taken.
    #[error(
        "cannot listen on {address} for background traffic; give a free port on an address of this host"
    )]
    Listen {
        /// Where.
        address: SocketAddr,
        /// The kernel's answer.
        source: std::io::Error,
    },
    /// Nobody answers.
    #[error(
        "cannot send background traffic to {address}; start the receiver first, and check that a firewall lets it through"
    )]
    Connect {
        /// Where to.
        address: SocketAddr,
        /// The kernel's answer.
        source: std::io::Error,
    },
    /// Too slow to be traffic.
    #[error(
        "background traffic of {rate_bps} bit/s is less than {RATE_MIN_BPS} bit/s; leave the key out for none"
    )]
    Rate {
        /// What was asked.
        rate_bps: u64,
    },
}

/// Time between two writes of the stream. A finer one costs more CPU and is no smoother: the kernel's own pacing spreads each write.
const TICK: Duration = Duration::from_millis(5);
/// The most that is ever sent at once, as time at the rate: covers a late timer, and forgets everything longer.
const BURST: Duration = Duration::from_millis(20);
/// Time between two probes.
pub const PROBE_INTERVAL: Duration = Duration::from_millis(50);
/// A peer that is silent for so long is gone: a machine that is merely overloaded answers sooner.
const SILENCE_LIMIT: Duration = Duration::from_secs(30);
const RATE_MIN_BPS: u64 = 8_000;

#[cfg(test)]
mod tests;
