//! From what a migration left behind to its metrics. Pure: no host is asked and no clock is read.
//!
//! `time_line` puts both hosts on one clock, `pauses` finds heartbeat gaps, `answers` those of packets, `blackout` cuts the blackout into its parts,
//! `workload` compares the guest with its
//! undisturbed self, `transfer`, `network` and `processors` account
//! for bytes, packets and CPU, `instrument` for lmbench's own sampling, `decisions` for its policies,
//! `life` tells whether a guest of the user's own lives, `conditions` what the scenario asked for and did not get, `proof`
//! tells whether it is still the same guest. To add a metric: its line in the registry (`crate::metric`), its value in the
//! file here that has what it needs, and an exact expectation in that file's tests.

mod answers;
mod blackout;
mod conditions;
mod decisions;
mod instrument;
mod life;
mod network;
mod pauses;
mod post_copy;
mod processors;
mod proof;
#[cfg(test)]
mod synthetic;
mod time_line;
mod transfer;
mod workload;

use std::collections::BTreeMap;
use std::time::Duration;

use lmbench_guest::wire::Verified;
use lmbench_harness::agent::protocol::{Filled, Readings, TimedEvent, Usage};
use lmbench_harness::background::BackgroundReport;
use lmbench_harness::hypervisor::{Console, Reading};
use lmbench_harness::link::Report;
use lmbench_harness::migration::{Ended, Ending};
use lmbench_harness::spec::Network;
use serde_json::Value;

use super::hosts::Offset;
use crate::record::{Integrity, Outcome, Repeat};
use crate::scenario::Cell;
use crate::store::Sample;
use blackout::Blackout;
use time_line::{TimeLine, Window};
pub(super) use workload::{shortfall, unseen_period};

/// The same thing of both hosts.
#[derive(Debug, Clone)]
pub(super) struct Sides<T> {
    pub(super) source: T,
    pub(super) destination: T,
}

/// What one migration left behind.
pub(super) struct Measured {
    pub(super) clocks: Sides<Offset>,
    pub(super) boot: Duration,
    pub(super) fill: Duration,
    pub(super) filled: Option<Filled>,
    pub(super) handshake_ms: Option<f64>,
    pub(super) ended: Ended,
    /// As the workload began to settle: from then to `usage_before` is what everything costs without a migration.
    pub(super) usage_settling: Sides<Usage>,
    pub(super) usage_before: Sides<Usage>,
    /// Once the guest ran where it should: only then is all that was sent received and loaded.
    pub(super) usage_after: Sides<Usage>,
    pub(super) running_on: String,
    pub(super) destination_info: Option<Reading>,
    pub(super) verified: Option<Verified>,
    /// What a guest of the user's own wrote on either host.
    pub(super) consoles: Option<Sides<Console>>,
    /// Other traffic while the workload settled.
    pub(super) background_before: Option<BackgroundReport>,
    /// Other traffic during the migration.
    pub(super) background: Option<BackgroundReport>,
    /// What lmbench's own links did during the migration; none for the kernel's.
    pub(super) links: BTreeMap<Network, Report>,
    /// What the controller did meanwhile.
    pub(super) controller_events: Vec<TimedEvent>,
    pub(super) readings: Sides<Readings>,
}

/// Values by metric id. A value that could not be had is not there.
#[derive(Debug, Default)]
struct Values(BTreeMap<String, f64>);

impl Values {
    fn put(&mut self, metric: &'static str, value: impl Into<Option<f64>>) {
        debug_assert!(
            crate::metric::metric(metric).is_some(),
            "{metric} is not in the registry"
        );
        if let Some(value) = value.into().filter(|value| value.is_finite()) {
            // A sum of nothing is -0.0.
            self.0.insert(metric.to_owned(), value + 0.0);
        }
    }
}

/// The record's entry and the time series. `elapsed` is the whole repeat.
pub(super) fn finish(
    measured: &Measured,
    cell: &Cell,
    number: u32,
    started_ms: f64,
    elapsed: Duration,
) -> (Repeat, Vec<Sample>) {
    let mut line = TimeLine::new(measured);
    let samples = line.samples(&cell.id, number);
    let problem = proof::problem(measured, &line).or_else(|| life::problem(measured));
    let (outcome, reason) = outcome(measured, problem.as_deref());
    let (mut values, op_latency_ns) = values(measured, &line, cell, elapsed);
    let verified = measured.verified.as_ref();
    let integrity = Integrity {
        memory_intact: verified.map(|_| problem.is_none()),
        running_on: measured.running_on.clone(),
        pages_checked: verified.map_or(0, |verified| verified.pages_checked),
        signs_of_life: life::signs(measured),
    };
    let started = measured.filled.as_ref();
    let started = started.map(|filled| line.workload_started(filled));
    if let Some(blackout) = Blackout::of(measured, &line) {
        blackout.measure(&mut values);
        line.tell(blackout.events());
    }
    let link_event = line.links();
    let last_ms = line.events.last().map_or(0.0, |last| last.at_ms);
    let post_copy = post_copy::event(measured, last_ms);
    let connections: Vec<_> = line.connections().collect();
    let consoles = life::events(measured, &line);
    let deviations = conditions::deviations(&line, cell, &values.0);
    let repeat = Repeat {
        outcome,
        reason,
        // The record drops the metrics of a repeat that failed.
        metrics: values.0,
        integrity: Some(integrity),
        events: started
            .into_iter()
            .chain(line.events)
            .chain(connections)
            .chain(link_event)
            .chain(post_copy)
            .chain(consoles)
            .collect(),
        deviations,
        op_latency_ns,
        ..Repeat::completed(number, started_ms, BTreeMap::new())
    };
    (repeat, samples)
}

/// A completed migration whose guest does not run on exactly the destination has failed, whatever QEMU says; so has one
/// after which it is not the same guest.
fn outcome(measured: &Measured, problem: Option<&str>) -> (Outcome, Option<String>) {
    let reason = measured.ended.reason.clone();
    let (outcome, home) = match measured.ended.ending {
        Ending::Completed => (Outcome::Completed, "destination"),
        Ending::TimedOut => (Outcome::DidNotConverge, "source"),
        Ending::Cancelled => (Outcome::Cancelled, "source"),
        Ending::Failed => return (Outcome::Failed, reason),
    };
    if measured.running_on != home {
        let wrong = format!(
            "QEMU says the migration {}, but the guest runs on: {}",
            outcome.name(),
            measured.running_on
        );
        return (Outcome::Failed, Some(wrong));
    }
    match problem {
        Some(problem) => (Outcome::Failed, Some(problem.to_owned())),
        None => (outcome, reason),
    }
}

/// Metrics, and the histogram of operation latency.
fn values(
    measured: &Measured,
    line: &TimeLine<'_>,
    cell: &Cell,
    elapsed: Duration,
) -> (Values, Vec<(u64, u64)>) {
    let mut values = Values::default();
    values.put("handshake_ms", measured.handshake_ms);
    if measured.ended.ending == Ending::Completed {
        values.put("total_time_ms", line.end_ms);
        let last = measured.ended.last.as_ref();
        values.put(
            "downtime_ms",
            last.and_then(|last| last.stats.downtime).map(milliseconds),
        );
        values.put("blackout_ms", line.blackout().map(Window::length_ms));
    }
    pauses::measure(&mut values, line, cell);
    answers::measure(&mut values, measured, line);
    network::measure(&mut values, measured, line);
    if let Some(ram_bytes) = transfer::measure(&mut values, measured, line, cell) {
        processors::measure(&mut values, measured, ram_bytes);
    }
    let workload = cell.setup.workload.as_ref();
    let pattern = workload.map(|workload| &workload.pattern);
    let latency = workload::measure(&mut values, line, pattern);
    instrument::measure(&mut values, measured, line);
    decisions::measure(&mut values, line);
    other_traffic(&mut values, measured);
    let needed = measured.boot + measured.fill + cell.setup.migration.settle;
    values.put(
        "overhead_s",
        elapsed.as_secs_f64() - needed.as_secs_f64() - line.end_ms / 1e3,
    );
    (values, latency)
}

fn other_traffic(values: &mut Values, measured: &Measured) {
    let phases = [
        (
            &measured.background_before,
            "background_settle_bps",
            "management_rtt_settle_us_p50",
            "management_rtt_settle_us_p99",
        ),
        (
            &measured.background,
            "background_achieved_bps",
            "management_rtt_us_p50",
            "management_rtt_us_p99",
        ),
    ];
    for (report, speed, p50, p99) in phases {
        let Some(report) = report else { continue };
        let probe = |share| report.probe_quantile_us(share).map(|us| us as f64);
        values.put(speed, report.achieved_bps);
        values.put(p50, probe(0.5));
        values.put(p99, probe(0.99));
    }
}

/// Exact for what is a whole number of them.
fn milliseconds(time: Duration) -> f64 {
    time.as_micros() as f64 / 1e3
}

/// A number in an event's data.
fn number(answer: &Value, pointer: &str) -> Option<f64> {
    answer.pointer(pointer)?.as_f64()
}

#[cfg(test)]
mod tests;
