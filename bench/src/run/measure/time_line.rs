//! Both hosts' readings on one time line: milliseconds from the moment `migrate` was accepted, negative before it.

use lmbench_guest::wire::{Report, Verified};
use lmbench_harness::agent::protocol::{Filled, TimedSample};
use lmbench_harness::role::Role;
use serde_json::json;

use super::{Measured, heartbeats_sample, sample};
use crate::record::Event;
use crate::run::hosts::Offset;
use crate::store::Sample;

/// A heartbeat that arrived.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Beat {
    pub(super) sequence: u64,
    pub(super) at_ms: f64,
    pub(super) role: Role,
}

/// A report that arrived, with the wall time it covers.
#[derive(Debug, Clone)]
pub(super) struct Span<'a> {
    pub(super) from_ms: f64,
    pub(super) to_ms: f64,
    pub(super) report: &'a Report,
}

/// Everything in the order of one clock.
pub(super) struct TimeLine<'a> {
    measured: &'a Measured,
    zero_ns: u64,
    /// When the source reported the end.
    pub(super) end_ms: f64,
    /// All heartbeats by sequence number, then by arrival.
    pub(super) beats: Vec<Beat>,
    /// Consecutive reports of the guest, wherever it ran.
    pub(super) spans: Vec<Span<'a>>,
}

impl<'a> TimeLine<'a> {
    pub(super) fn new(measured: &'a Measured) -> Self {
        let zero_ns = measured.clocks.source.apply(measured.ended.accepted_ns);
        let mut line = TimeLine {
            measured,
            zero_ns,
            end_ms: 0.0,
            beats: Vec::new(),
            spans: Vec::new(),
        };
        line.end_ms = line.at(measured.clocks.source, measured.ended.finished_ns);
        line.beats = line.all_beats();
        line.spans = line.all_spans();
        line
    }

    fn at(&self, clock: Offset, at_ns: u64) -> f64 {
        clock.apply(at_ns) as f64 / 1e6 - self.zero_ns as f64 / 1e6
    }

    fn sides(&self) -> [(Role, Offset, &'a lmbench_harness::agent::protocol::Readings); 2] {
        let Measured {
            clocks, readings, ..
        } = self.measured;
        [
            (Role::Source, clocks.source, &readings.source),
            (Role::Destination, clocks.destination, &readings.destination),
        ]
    }

    fn all_beats(&self) -> Vec<Beat> {
        let beats = self
            .sides()
            .into_iter()
            .flat_map(|(role, clock, readings)| {
                readings.heartbeats.iter().map(move |beat| Beat {
                    sequence: beat.sequence,
                    at_ms: self.at(clock, beat.at_ns),
                    role,
                })
            });
        let mut beats: Vec<Beat> = beats.collect();
        beats.sort_by(|one, other| {
            one.sequence
                .cmp(&other.sequence)
                .then(one.at_ms.total_cmp(&other.at_ms))
        });
        beats
    }

    /// A report covers the time since the one before it, in wall time: the guest's own clock stands still in a blackout.
    fn all_spans(&self) -> Vec<Span<'a>> {
        let reports = self.sides().into_iter().flat_map(|(_, clock, readings)| {
            readings
                .reports
                .iter()
                .map(move |timed| (self.at(clock, timed.at_ns), &timed.report))
        });
        let mut reports: Vec<_> = reports.collect();
        reports.sort_by_key(|(_, report)| report.sequence);
        let pairs = reports
            .windows(2)
            .filter(|pair| pair[1].1.sequence == pair[0].1.sequence + 1 && pair[1].0 > pair[0].0);
        pairs
            .map(|pair| Span {
                from_ms: pair[0].0,
                to_ms: pair[1].0,
                report: pair[1].1,
            })
            .collect()
    }

    /// STOP on the source to RESUME on the destination.
    pub(super) fn blackout(&self) -> Option<(f64, f64)> {
        let events = self.events();
        let from = events
            .iter()
            .rfind(|event| event.host == "source" && event.name == "STOP")?
            .at_ms;
        let to = events
            .iter()
            .find(|event| event.host == "destination" && event.name == "RESUME")?
            .at_ms;
        (to > from).then_some((from, to))
    }

    /// Whether what the guest knows now continues what was heard from it before: reports and heartbeats only grow.
    pub(super) fn reports_go_on(&self, verified: &Verified) -> bool {
        let told = self
            .spans
            .iter()
            .map(|span| span.report.operations_total)
            .max()
            .unwrap_or(0);
        let twice = self
            .beats
            .windows(2)
            .any(|pair| pair[0].sequence == pair[1].sequence);
        verified.operations_total >= told && !twice
    }

    /// The events of both hosts in the order of the line.
    pub(super) fn events(&self) -> Vec<Event> {
        let events = self
            .sides()
            .into_iter()
            .flat_map(|(role, clock, readings)| {
                readings.events.iter().map(move |event| Event {
                    at_ms: self.at(clock, event.at_ns),
                    host: role.name().to_owned(),
                    name: event.name.clone(),
                    data: event.data.clone(),
                })
            });
        let mut events: Vec<Event> = events.collect();
        events.sort_by(|one, other| one.at_ms.total_cmp(&other.at_ms));
        events
    }

    /// When the workload began, with what the guest said of itself: its own overhead is among it.
    pub(super) fn workload_started(&self, filled: &Filled) -> Event {
        let at_ms = self.spans.first().map_or(0.0, |span| span.from_ms);
        Event {
            at_ms,
            host: "source".to_owned(),
            name: "workload".to_owned(),
            data: json!(filled),
        }
    }

    /// QEMU's answers on the source in the order of the line.
    pub(super) fn migration_samples(&self) -> &'a [TimedSample] {
        &self.measured.readings.source.samples
    }

    /// The raw time series for the file beside the record.
    pub(super) fn samples(&self, cell: &str, repeat: u32) -> Vec<Sample> {
        let mut samples = Vec::new();
        for (role, clock, readings) in self.sides() {
            let host = role.name();
            for taken in &readings.samples {
                let data = json!({ "trigger": taken.trigger, "migration": taken.migration, "qemu": taken.qemu, "threads": taken.threads, "carrier": taken.carrier });
                samples.push(sample(
                    cell,
                    repeat,
                    self.at(clock, taken.at_ns),
                    host,
                    "migration",
                    data,
                ));
            }
            for timed in &readings.reports {
                samples.push(sample(
                    cell,
                    repeat,
                    self.at(clock, timed.at_ns),
                    host,
                    "workload",
                    json!(timed.report),
                ));
            }
            let beats: Vec<(u64, f64)> = self
                .beats
                .iter()
                .filter(|beat| beat.role == role)
                .map(|beat| (beat.sequence, beat.at_ms))
                .collect();
            if !beats.is_empty() {
                samples.push(heartbeats_sample(cell, repeat, host, &beats));
            }
        }
        samples.sort_by(|one, other| one.at_ms.total_cmp(&other.at_ms));
        samples
    }
}
