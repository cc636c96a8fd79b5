//! From what a migration left behind to its metrics. Pure: no host is asked and no clock is read.
//!
//! `clock` puts both hosts on one time line, `pauses` finds blackout and heartbeat gaps, `workload` compares the guest
//! with its undisturbed self, `costs` divides CPU and bytes. To add a metric: its line in the registry
//! (`crate::metric`), its value in the file here that has what it needs.

mod costs;
mod pauses;
mod time_line;
mod workload;

use std::collections::BTreeMap;
use std::time::Duration;

use lmbench_guest::wire::Verified;
use lmbench_harness::agent::protocol::{Filled, Readings, Usage};
use lmbench_harness::background::BackgroundReport;
use lmbench_harness::migration::{Ended, Ending};
use lmbench_harness::spec::Network;
use serde_json::{Value, json};

use super::hosts::Offset;
use crate::record::{Integrity, Outcome, Repeat};
use crate::scenario::Cell;
use crate::store::Sample;
use time_line::TimeLine;

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
    pub(super) usage_before: Sides<Usage>,
    pub(super) usage_after: Sides<Usage>,
    pub(super) running_on: String,
    pub(super) destination_info: Option<Value>,
    pub(super) verified: Option<Verified>,
    pub(super) background: Option<BackgroundReport>,
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
            self.0.insert(metric.to_owned(), value);
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
    let line = TimeLine::new(measured);
    let (outcome, reason) = outcome(measured);
    let events = line.events();
    let samples = line.samples(&cell.id, number);
    let metrics = values(measured, &line, cell, elapsed).0;
    let mut repeat = match reason {
        None => Repeat::completed(number, started_ms, metrics),
        // The record drops the metrics of a repeat that failed.
        Some(reason) => Repeat {
            metrics,
            ..Repeat::unfinished(number, started_ms, outcome, reason)
        },
    };
    repeat.op_latency_ns = workload::latency(&line);
    repeat.integrity = Some(Integrity {
        memory_intact: measured
            .verified
            .as_ref()
            .map(|verified| verified.intact() && line.reports_go_on(verified)),
        running_on: measured.running_on.clone(),
        pages_checked: measured
            .verified
            .as_ref()
            .map_or(0, |verified| verified.pages_checked),
    });
    repeat.events = events;
    if let Some(filled) = &measured.filled {
        repeat.events.insert(0, line.workload_started(filled));
    }
    (repeat, samples)
}

/// A completed migration whose guest does not run on exactly the destination has failed, whatever QEMU says.
fn outcome(measured: &Measured) -> (Outcome, Option<String>) {
    let reason = measured.ended.reason.clone();
    let (outcome, home) = match measured.ended.ending {
        Ending::Completed => (Outcome::Completed, "destination"),
        Ending::TimedOut => (Outcome::DidNotConverge, "source"),
        Ending::Cancelled => (Outcome::Cancelled, "source"),
        Ending::Failed => return (Outcome::Failed, reason),
    };
    if measured.running_on != home {
        return (
            Outcome::Failed,
            Some(format!(
                "QEMU says the migration {}, but the guest runs on: {}",
                outcome.name(),
                measured.running_on
            )),
        );
    }
    match &measured.verified {
        Some(verified) if !verified.intact() => (
            Outcome::Failed,
            Some(format!(
                "{} of {} pages are not what the workload wrote",
                verified.pages_wrong, verified.pages_checked
            )),
        ),
        _ => (outcome, reason),
    }
}

fn values(measured: &Measured, line: &TimeLine<'_>, cell: &Cell, elapsed: Duration) -> Values {
    let mut values = Values::default();
    let ended = &measured.ended;
    let last = ended.last.as_ref();
    let total_ms = (ended.finished_ns.saturating_sub(ended.accepted_ns)) as f64 / 1e6;
    values.put("total_time_ms", total_ms);
    values.put("setup_time_ms", number(last, "/setup-time"));
    values.put("handshake_ms", measured.handshake_ms);
    if ended.ending == Ending::Completed {
        values.put("downtime_ms", number(last, "/downtime"));
        values.put("blackout_ms", line.blackout().map(|(from, to)| to - from));
    }
    pauses::measure(&mut values, line, cell);
    workload::measure(&mut values, line);
    costs::measure(&mut values, measured, line, cell, total_ms);
    let undisturbed = measured.boot + measured.fill + cell.setup.migration.settle;
    values.put(
        "overhead_s",
        elapsed.as_secs_f64() - undisturbed.as_secs_f64() - total_ms / 1e3,
    );
    if let Some(background) = &measured.background {
        values.put("background_achieved_bps", background.achieved_bps);
        values.put(
            "management_rtt_us_p50",
            background.probe_quantile_us(0.5).map(|us| us as f64),
        );
        values.put(
            "management_rtt_us_p99",
            background.probe_quantile_us(0.99).map(|us| us as f64),
        );
    }
    values
}

/// A number in QEMU's answer.
fn number(value: Option<&Value>, pointer: &str) -> Option<f64> {
    value?.pointer(pointer)?.as_f64()
}

/// The bytes that count as this migration's on the wire: an interface's counters, if nothing else used it.
fn wire_bytes(measured: &Measured, cell: &Cell) -> Option<f64> {
    let network = cell.setup.network.inbound;
    let of = |usage: &Usage| match network {
        Network::Migration => usage.migration_network.clone(),
        Network::Management => usage.management_network.clone(),
    };
    if network == Network::Management && cell.setup.network.management.background_bps.is_some() {
        return None;
    }
    let (before, after) = (
        of(&measured.usage_before.source)?,
        of(&measured.usage_after.source)?,
    );
    Some(
        after.sent.saturating_sub(before.sent) as f64
            + after.received.saturating_sub(before.received) as f64,
    )
}

fn sample(cell: &str, repeat: u32, at_ms: f64, host: &str, kind: &str, data: Value) -> Sample {
    Sample {
        cell: cell.to_owned(),
        repeat,
        at_ms,
        host: host.to_owned(),
        kind: kind.to_owned(),
        data,
    }
}

/// The guest's heartbeats of one host as one sample: a line each would make the file ten times as long.
fn heartbeats_sample(cell: &str, repeat: u32, host: &str, beats: &[(u64, f64)]) -> Sample {
    sample(
        cell,
        repeat,
        beats.first().map_or(0.0, |beat| beat.1),
        host,
        "heartbeats",
        json!({ "sequence_and_at_ms": beats }),
    )
}
