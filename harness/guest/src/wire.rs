//! The two virtio-serial ports between the guest and its host.
//!
//! `control` carries one JSON document per line in each direction. `heartbeat` carries fixed records of
//! [`HEARTBEAT_BYTES`] from the guest only. A line or record is written by one `write` of at most 32 KiB, which
//! virtio-console puts into one buffer, so that a migration never cuts it.

use serde::{Deserialize, Serialize};

use crate::spec::WorkloadSpec;

/// Name of the virtio-serial port with the JSON lines, below `/dev/virtio-ports/` or in `/sys/class/virtio-ports/*/name`.
pub const CONTROL_PORT: &str = "org.lmbench.control";
/// Name of the virtio-serial port with the heartbeats.
pub const HEARTBEAT_PORT: &str = "org.lmbench.heartbeat";
/// Bytes of one heartbeat: sequence number, then the guest's `CLOCK_MONOTONIC` in ns, both little-endian `u64`.
pub const HEARTBEAT_BYTES: usize = 16;
/// Version of both ports; host and guest refuse to work with another one.
pub const VERSION: u32 = 1;

/// Bytes of the longest line of the guest: what virtio-console takes in one buffer.
pub const LINE_BYTES_MAX: usize = 32 * 1024;

/// The message as one line with its newline. A line from the guest never exceeds [`LINE_BYTES_MAX`]: reports bound their
/// histogram, reasons are cut.
///
/// # Panics
/// Never: the messages have no maps with other keys than strings and no numbers that JSON lacks.
pub fn to_line<T: Serialize>(message: &T) -> Vec<u8> {
    let mut line = serde_json::to_vec(message).expect("messages are plain JSON");
    line.push(b'\n');
    line
}

/// From the host to the guest.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ToGuest {
    /// Answer with [`FromGuest::Hello`]; also sent by a host that connects late.
    Hello,
    /// Fill the memory, then answer [`FromGuest::Ready`] and start writing and reporting.
    Start {
        /// What to do.
        workload: WorkloadSpec,
        /// Nanoseconds between heartbeats, 0 for none.
        heartbeat_interval_ns: u64,
        /// Nanoseconds between reports.
        report_interval_ns: u64,
    },
    /// Stop writing at an operation's end, compare every page with what was written, answer [`FromGuest::Verified`].
    Verify,
    /// Write on after a [`ToGuest::Verify`].
    Continue,
}

/// From the guest to the host.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FromGuest {
    /// PID 1 runs.
    Hello {
        /// [`VERSION`] of the guest.
        version: u32,
        /// Online vCPUs.
        vcpus: u32,
        /// `MemAvailable` in bytes.
        memory_available_bytes: u64,
        /// `uname -r` of the guest.
        kernel: String,
        /// The clock source the kernel chose.
        clocksource: String,
    },
    /// The memory is filled and the workload runs.
    Ready {
        /// Pages filled.
        pages: u64,
        /// Nanoseconds that filling took.
        fill_ns: u64,
        /// Calibrated cost of the bookkeeping around one operation (clock reads, histogram, page table), ns.
        overhead_ns_per_operation: u64,
    },
    /// What happened since the last report.
    Report(Report),
    /// The answer to [`ToGuest::Verify`].
    Verified(Verified),
    /// Something the guest can't do; the host ends the repeat with this text.
    Failed {
        /// What and why.
        reason: String,
    },
}

/// Readings of one interval.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Report {
    /// Counts reports from 1 without gaps; proves that no older copy of the guest goes on.
    pub sequence: u64,
    /// The guest's `CLOCK_MONOTONIC`, ns. It stands still while the guest is stopped.
    pub guest_ns: u64,
    /// Guest nanoseconds since the previous report.
    pub interval_ns: u64,
    /// Page writes since the start.
    pub operations_total: u64,
    /// Page writes in this interval.
    pub operations: u64,
    /// Different pages written in this interval.
    pub pages_dirtied: u64,
    /// The longest time between the starts of two consecutive operations of a thread minus the wait its rate asks for, ns.
    pub longest_stall_ns: u64,
    /// Latency histogram of this interval's operations: pairs of nanoseconds and count, ascending.
    pub latency_ns: Vec<(u64, u64)>,
    /// Pause-like phases (collections, checkpoints) finished in this interval.
    pub pauses: u64,
}

/// The proof of memory.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Verified {
    /// Pages compared: all the workload owns.
    pub pages_checked: u64,
    /// Pages whose content is not what was last written.
    pub pages_wrong: u64,
    /// The first wrong page, if any.
    pub first_wrong: Option<u64>,
    /// Whether the sum over all pages equals the running checksum kept while writing.
    pub checksum_matches: bool,
    /// The sum, in hexadecimal.
    pub checksum: String,
    /// Page writes since the start; never fewer than the last report said.
    pub operations_total: u64,
    /// Guest nanoseconds that the comparison took.
    pub verify_ns: u64,
}

impl Verified {
    /// Whether every workload page is what the workload wrote.
    pub fn intact(&self) -> bool {
        self.pages_wrong == 0 && self.checksum_matches
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::{Content, Pattern, Phase, Rate};

    fn content() -> Content {
        Content {
            bytes_per_page: 64,
            zero: 0.1,
            compressible: 0.2,
            duplicate: 0.3,
        }
    }

    fn round_trip<T: Serialize + for<'de> Deserialize<'de> + PartialEq + std::fmt::Debug>(
        message: &T,
    ) {
        let line = to_line(message);
        assert_eq!(
            line.iter().position(|byte| *byte == b'\n'),
            Some(line.len() - 1)
        );
        assert_eq!(&serde_json::from_slice::<T>(&line).unwrap(), message);
    }

    // Every message and every pattern once.
    #[test]
    fn messages_survive_the_wire() {
        let rate = Rate::BytesPerSecond(7);
        let unbounded = Rate::Unbounded;
        let patterns = [
            Pattern::Idle,
            Pattern::Uniform { rate },
            Pattern::HotSet {
                rate,
                hot_bytes: 1,
                hot_share: 0.9,
            },
            Pattern::Zipf {
                rate: unbounded,
                exponent: 0.99,
            },
            Pattern::Sweep { rate },
            Pattern::Jvm {
                young_bytes: 1,
                old_bytes: 2,
                allocation_rate: rate,
                survivors: 0.1,
            },
            Pattern::Database {
                rate,
                log_bytes: 1,
                log_share: 0.1,
                checkpoint_interval_ns: 5,
                checkpoint_share: 0.3,
            },
        ];
        let phases = patterns
            .map(|pattern| Phase {
                duration_ns: 3,
                pattern,
            })
            .to_vec();
        let workload = WorkloadSpec {
            seed: u64::MAX,
            threads: 2,
            memory_bytes: 1 << 40,
            content: content(),
            pattern: Pattern::Phases(phases),
        };
        for message in [
            ToGuest::Hello,
            ToGuest::Start {
                workload,
                heartbeat_interval_ns: 1,
                report_interval_ns: 2,
            },
            ToGuest::Verify,
            ToGuest::Continue,
        ] {
            round_trip(&message);
        }
        let hello = FromGuest::Hello {
            version: VERSION,
            vcpus: 1,
            memory_available_bytes: 2,
            kernel: "6.1\n".into(),
            clocksource: "tsc".into(),
        };
        for message in [
            hello,
            FromGuest::Ready {
                pages: 1,
                fill_ns: 2,
                overhead_ns_per_operation: 3,
            },
            FromGuest::Report(Report {
                latency_ns: vec![(1, 2), (3, 4)],
                ..Report::default()
            }),
            FromGuest::Verified(Verified {
                first_wrong: Some(3),
                ..Verified::default()
            }),
            FromGuest::Failed {
                reason: "why".into(),
            },
        ] {
            round_trip(&message);
        }
    }
}
