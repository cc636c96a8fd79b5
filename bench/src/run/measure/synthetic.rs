//! Migrations made up for tests: what both agents would have collected, told in milliseconds from `migrate`.
//!
//! The two hosts' clocks differ by [`APART_NS`], so that a time taken from the wrong clock is wrong by seconds.

use std::path::Path;
use std::time::Duration;

use lmbench_guest::wire::{Report, Verified};
use lmbench_harness::agent::protocol::{
    Filled, MeteringPoint, Readings, SampleCost, TimedEvent, TimedSample, Usage,
};
use lmbench_harness::cpu::{CpuTime, ThreadTime};
use lmbench_harness::hypervisor::{Heartbeat, Reading, TimedReport};
use lmbench_harness::lab::InterfaceBytes;
use lmbench_harness::migration::{Ended, Ending};
use lmbench_harness::role::Role;
use lmbench_harness::sockets::{Connection, ConnectionState, FlowPoint, Owner, TcpCounters};
use lmbench_harness::tenant::probe::{Announcement, AnnouncementKind, Probe};
use serde_json::{Value, json};

use super::{Measured, Sides, finish};
use crate::record::Repeat;
use crate::run::hosts::Offset;
use crate::scenario::{self, Cell};
use crate::store::Sample;

/// A migration that is being made up.
pub(super) struct Story {
    pub(super) measured: Measured,
    pub(super) cell: Cell,
    operations: u64,
    guest_ns: u64,
}

impl Story {
    /// Completed after `total_ms`, with nothing else known.
    pub(super) fn new(total_ms: f64) -> Self {
        let clock = |add_ns| Offset {
            add_ns,
            bound_ns: 20_000,
        };
        let ended = Ended {
            ending: Ending::Completed,
            reason: None,
            stopped: false,
            accepted_ns: stamp(Role::Source, 0.0),
            finished_ns: stamp(Role::Source, total_ms),
            last: Some(Reading::from(json!({}))),
        };
        let usage = || Sides {
            source: usage(0.0, 0.0, 0),
            destination: usage(0.0, 0.0, 0),
        };
        let measured = Measured {
            clocks: Sides {
                source: clock(0),
                destination: clock(APART_NS),
            },
            boot: Duration::from_secs(2),
            fill: Duration::from_secs(1),
            filled: None,
            handshake_ms: None,
            ended,
            usage_settling: usage(),
            usage_before: usage(),
            usage_after: usage(),
            running_on: "destination".to_owned(),
            destination_info: None,
            verified: None,
            consoles: None,
            background_before: None,
            links: std::collections::BTreeMap::new(),
            controller_events: Vec::new(),
            background: None,
            readings: Sides {
                source: Readings::default(),
                destination: Readings::default(),
            },
        };
        Story {
            measured,
            cell: cell(""),
            operations: 0,
            guest_ns: 7_000_000_000,
        }
    }

    /// A guest with our code that wrote `operations` pages in each of ten reports before the migration and 256 pages in all.
    pub(super) fn settled(mut self, operations: u64) -> Self {
        self.measured.filled = Some(Filled {
            pages: 256,
            fill_ns: 1_000_000,
            overhead_ns_per_operation: 100,
        });
        for number in 0..=10 {
            let at_ms = -1000.0 + 100.0 * f64::from(number);
            self = self.report(Role::Source, at_ms, 100.0, operations);
        }
        self
    }

    /// A report over `guest_ms` of the guest's own time; each operation took 1 µs but the last, which took 9 µs, and half
    /// of them wrote a page that the interval had not seen.
    pub(super) fn report(self, role: Role, at_ms: f64, guest_ms: f64, operations: u64) -> Self {
        let sequence = self.reports().map_or(1, |last| last + 1);
        self.numbered_report(sequence, role, at_ms, guest_ms, operations)
    }

    pub(super) fn numbered_report(
        mut self,
        sequence: u64,
        role: Role,
        at_ms: f64,
        guest_ms: f64,
        operations: u64,
    ) -> Self {
        self.operations += operations;
        self.guest_ns += (guest_ms * 1e6) as u64;
        let report = Report {
            sequence,
            guest_ns: self.guest_ns,
            interval_ns: (guest_ms * 1e6) as u64,
            operations_total: self.operations,
            operations,
            pages_dirtied: operations / 2,
            latency_ns: [
                (1_000, operations.saturating_sub(1)),
                (9_000, operations.min(1)),
            ]
            .into_iter()
            .filter(|(_, count)| *count > 0)
            .collect(),
            ..Report::default()
        };
        self.side(role).reports.push(TimedReport {
            at_ns: stamp(role, at_ms),
            report,
        });
        self.measured.verified = Some(Verified {
            pages_checked: 256,
            checksum_matches: true,
            operations_total: self.operations,
            ..Verified::default()
        });
        self
    }

    pub(super) fn beats(mut self, role: Role, beats: &[(u64, f64)]) -> Self {
        let heartbeats = beats.iter().map(|(sequence, at_ms)| Heartbeat {
            sequence: *sequence,
            at_ns: stamp(role, *at_ms),
            guest_ns: 0,
        });
        self.side(role).heartbeats.extend(heartbeats);
        self
    }

    pub(super) fn event(mut self, role: Role, at_ms: f64, name: &str, data: Value) -> Self {
        let event = TimedEvent {
            at_ns: stamp(role, at_ms),
            name: name.to_owned(),
            data,
        };
        self.side(role).events.push(event);
        self
    }

    /// Answers on the tenant network that came at these times, each to a question of 1 ms before.
    pub(super) fn answers(mut self, at_ms: &[f64]) -> Self {
        let probes = at_ms.iter().map(|at_ms| Probe {
            sent_ns: stamp(Role::Source, at_ms - 1.0),
            answered_ns: Some(stamp(Role::Source, *at_ms)),
        });
        let heard = self.side(Role::Source).tenant.get_or_insert_default();
        heard.probes.extend(probes);
        self
    }

    /// The guest's move was announced on the tenant network.
    pub(super) fn announced(mut self, at_ms: f64, kind: AnnouncementKind) -> Self {
        let heard = self.side(Role::Source).tenant.get_or_insert_default();
        heard.announcements.push(Announcement {
            at_ns: stamp(Role::Source, at_ms),
            kind,
        });
        self
    }

    /// The stamp of a moment on a host's own clock.
    pub(super) fn stamp(role: Role, at_ms: f64) -> u64 {
        stamp(role, at_ms)
    }

    /// STOP on the source and RESUME on the destination.
    pub(super) fn blackout(self, stop_ms: f64, resume_ms: f64) -> Self {
        self.event(Role::Source, stop_ms, "STOP", Value::Null)
            .event(Role::Destination, resume_ms, "RESUME", Value::Null)
    }

    /// An answer of the source's QEMU whose `ram` counters are these.
    pub(super) fn ram(self, at_ms: f64, trigger: &str, status: &str, ram: Value) -> Self {
        let mut answer = json!({ "status": status, "setup-time": 10 });
        answer["ram"] = ram;
        self.answer(at_ms, trigger, answer)
    }

    pub(super) fn answer(mut self, at_ms: f64, trigger: &str, migration: Value) -> Self {
        self.measured.readings.source.samples.push(TimedSample {
            at_ns: stamp(Role::Source, at_ms),
            trigger: trigger.to_owned(),
            cost: SampleCost {
                answer_ns: 200_000,
                read_ns: 50_000,
            },
            migration: Some(Reading::from(migration)),
            threads: Vec::new(),
            qemu: None,
            carrier: None,
        });
        self
    }

    /// A connection of this host, as it ended.
    pub(super) fn connection(mut self, role: Role, connection: Connection) -> Self {
        let metering = self.side(role).metering.get_or_insert_default();
        metering.connections.push(connection);
        self
    }

    /// A reading of this host's connections: `bytes` acknowledged and received so far.
    pub(super) fn flow(mut self, role: Role, at_ms: f64, bytes: u64, rtt_us: Option<u32>) -> Self {
        let flow = FlowPoint {
            at_ns: stamp(role, at_ms),
            acked_bytes: bytes,
            received_bytes: bytes,
            retransmits: 0,
            rtt_us,
        };
        let metering = self.side(role).metering.get_or_insert_default();
        metering.flow.push(MeteringPoint {
            flow,
            read_ns: 20_000,
        });
        self
    }

    pub(super) fn ended(mut self, ending: Ending, reason: &str, running_on: &str) -> Self {
        self.measured.ended.ending = ending;
        self.measured.ended.reason = Some(reason.to_owned());
        running_on.clone_into(&mut self.measured.running_on);
        self
    }

    /// Settings of the cell, as lines of a scenario.
    pub(super) fn with(mut self, settings: &str) -> Self {
        self.cell = cell(settings);
        self
    }

    /// What `finish` makes of it, in a repeat of ten seconds.
    pub(super) fn finish(&self) -> (Repeat, Vec<Sample>) {
        finish(&self.measured, &self.cell, 1, 0.0, Duration::from_secs(10))
    }

    /// The value of a metric.
    pub(super) fn value(&self, metric: &str) -> Option<f64> {
        self.finish().0.metrics.get(metric).copied()
    }

    fn side(&mut self, role: Role) -> &mut Readings {
        match role {
            Role::Source => &mut self.measured.readings.source,
            Role::Destination => &mut self.measured.readings.destination,
        }
    }

    fn reports(&self) -> Option<u64> {
        let Sides {
            source,
            destination,
        } = &self.measured.readings;
        let reports = source.reports.iter().chain(&destination.reports);
        reports.map(|timed| timed.report.sequence).max()
    }
}

/// A connection that moved `bytes` and was acknowledged.
pub(super) fn connection(owner: Owner, bytes: u64) -> Connection {
    Connection {
        owner,
        local: ([10, 0, 0, 1], 40_000).into(),
        remote: ([10, 0, 0, 2], 7000).into(),
        counters: TcpCounters {
            sent_bytes: bytes,
            acked_bytes: bytes,
            rtt_us_min: Some(50),
            ..TcpCounters::default()
        },
        state: ConnectionState::Ended,
    }
}

/// QEMU used `qemu_s`, of which the vCPU `vcpu_s`; the migration's network moved `bytes` in each direction.
pub(super) fn usage(qemu_s: f64, vcpu_s: f64, bytes: u64) -> Usage {
    Usage {
        at_ns: 0,
        qemu: Some(cpu(qemu_s)),
        threads: vec![
            thread("qemu-system-x86", 1, 0.1),
            thread("CPU 0/TCG", 2, vcpu_s),
        ],
        carrier: None,
        agent: Some(cpu(qemu_s / 100.0)),
        migration_network: Some(InterfaceBytes {
            sent: bytes,
            received: bytes,
        }),
        management_network: None,
    }
}

pub(super) fn cpu(seconds: f64) -> CpuTime {
    CpuTime {
        total_ns: (seconds * 1e9).round() as u64,
        ..CpuTime::default()
    }
}

pub(super) fn thread(name: &str, tid: u32, seconds: f64) -> ThreadTime {
    ThreadTime {
        name: name.to_owned(),
        tid,
        cpu_ns: (seconds * 1e9).round() as u64,
    }
}

fn stamp(role: Role, at_ms: f64) -> u64 {
    let on_the_line = ZERO_NS.saturating_add_signed((at_ms * 1e6) as i64);
    match role {
        Role::Source => on_the_line,
        Role::Destination => on_the_line.saturating_add_signed(-APART_NS),
    }
}

fn cell(settings: &str) -> Cell {
    let text = format!("name = \"made-up\"\n[workload.uniform]\nrate = \"1 MiB/s\"\n{settings}");
    let scenario = scenario::parse(Path::new("made-up.toml"), &text);
    scenario
        .expect("the settings make a scenario")
        .cells
        .remove(0)
}

/// `migrate` on the source's clock.
const ZERO_NS: u64 = 1_000_000_000_000;
/// The source's clock minus the destination's.
const APART_NS: i64 = 5_000_000_000;
