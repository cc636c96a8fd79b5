//! Both hosts' readings on one time line: milliseconds from the moment `migrate` was accepted, negative before it.

use lmbench_guest::wire::Report;
use lmbench_harness::agent::protocol::{Filled, MeteringPoint, Readings, TimedSample};
use lmbench_harness::hypervisor::{EventKind, MigrationStats, MigrationStatus};
use lmbench_harness::role::Role;
use serde_json::{Value, json};

use super::Measured;
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

/// A report that arrived.
#[derive(Debug, Clone, Copy)]
pub(super) struct TimedReport<'a> {
    pub(super) at_ms: f64,
    pub(super) role: Role,
    pub(super) report: &'a Report,
}

/// From one moment to a later one.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Window {
    pub(super) from_ms: f64,
    pub(super) to_ms: f64,
}

/// Everything in the order of one clock.
pub(super) struct TimeLine<'a> {
    measured: &'a Measured,
    zero_ns: u64,
    /// When the source reported the end.
    pub(super) end_ms: f64,
    /// The events of both hosts in the order of the line.
    pub(super) events: Vec<Event>,
    /// All heartbeats by sequence number, then by arrival.
    pub(super) beats: Vec<Beat>,
    /// All reports by sequence number, then by arrival.
    pub(super) reports: Vec<TimedReport<'a>>,
}

impl Window {
    pub(super) fn length_ms(self) -> f64 {
        self.to_ms - self.from_ms
    }

    /// How much of `other` lies in this window.
    pub(super) fn overlap_ms(self, other: Window) -> f64 {
        (self.to_ms.min(other.to_ms) - self.from_ms.max(other.from_ms)).max(0.0)
    }

    /// The part of this window in `other`; `None` without one.
    pub(super) fn within(self, other: Window) -> Option<Window> {
        let part = Window {
            from_ms: self.from_ms.max(other.from_ms),
            to_ms: self.to_ms.min(other.to_ms),
        };
        (part.length_ms() > 0.0).then_some(part)
    }
}

impl<'a> TimeLine<'a> {
    pub(super) fn new(measured: &'a Measured) -> Self {
        let zero_ns = measured.clocks.source.apply(measured.ended.accepted_ns);
        let mut line = TimeLine {
            measured,
            zero_ns,
            end_ms: 0.0,
            events: Vec::new(),
            beats: Vec::new(),
            reports: Vec::new(),
        };
        line.end_ms = line.at(measured.clocks.source, measured.ended.finished_ns);
        line.events = line.all_events();
        line.beats = line.all_beats();
        line.reports = line.all_reports();
        line
    }

    fn at(&self, clock: Offset, at_ns: u64) -> f64 {
        // The difference first: as floats, nanoseconds since boot have lost their last digits.
        let (at_ns, zero_ns) = (clock.apply(at_ns), self.zero_ns);
        if at_ns >= zero_ns {
            (at_ns - zero_ns) as f64 / 1e6
        } else {
            -((zero_ns - at_ns) as f64 / 1e6)
        }
    }

    fn sides(&self) -> [(Role, Offset, &'a Readings); 2] {
        let Measured {
            clocks, readings, ..
        } = self.measured;
        [
            (Role::Source, clocks.source, &readings.source),
            (Role::Destination, clocks.destination, &readings.destination),
        ]
    }

    fn all_events(&self) -> Vec<Event> {
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
        let mut events: Vec<Event> = events.chain(self.controller_events()).collect();
        events.sort_by(|one, other| one.at_ms.total_cmp(&other.at_ms));
        events
    }

    /// What the controller did, and what its links did by themselves.
    fn controller_events(&self) -> Vec<Event> {
        let event = |at_ns, name: &str, data: Value| Event {
            at_ms: self.at(Offset::default(), at_ns),
            host: "controller".to_owned(),
            name: name.to_owned(),
            data,
        };
        let done = self.measured.controller_events.iter();
        let mut events: Vec<Event> = done
            .map(|done| event(done.at_ns, &done.name, done.data.clone()))
            .collect();
        for (network, report) in &self.measured.links {
            let network = json!(network);
            // A link also reports the cut that it was told to make.
            let told = |event: &Event| event.name == "link-cut" && event.data["network"] == network;
            if events.iter().any(told) {
                continue;
            }
            let cuts = report.toward.iter();
            let cuts = cuts.filter_map(|(toward, report)| Some((toward, report.cut_at_ns?)));
            let cuts = cuts.map(|(toward, at_ns)| {
                let data = json!({ "network": network, "toward": toward });
                event(at_ns, "link-cut", data)
            });
            events.extend(cuts);
        }
        events
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
            let order = one.sequence.cmp(&other.sequence);
            order.then(one.at_ms.total_cmp(&other.at_ms))
        });
        beats
    }

    fn all_reports(&self) -> Vec<TimedReport<'a>> {
        let reports = self
            .sides()
            .into_iter()
            .flat_map(|(role, clock, readings)| {
                readings.reports.iter().map(move |timed| TimedReport {
                    at_ms: self.at(clock, timed.at_ns),
                    role,
                    report: &timed.report,
                })
            });
        let mut reports: Vec<TimedReport<'a>> = reports.collect();
        reports.sort_by(|one, other| {
            let order = one.report.sequence.cmp(&other.report.sequence);
            order.then(one.at_ms.total_cmp(&other.at_ms))
        });
        reports
    }

    /// The last STOP on the source before the first RESUME on the destination, and that RESUME.
    pub(super) fn blackout(&self) -> Option<Window> {
        let resumed = self
            .events
            .iter()
            .position(|event| is(event, Role::Destination, &EventKind::Resume))?;
        let stopped = self.events[..resumed]
            .iter()
            .rfind(|event| is(event, Role::Source, &EventKind::Stop))?;
        Some(Window {
            from_ms: stopped.at_ms,
            to_ms: self.events[resumed].at_ms,
        })
    }

    /// From the guest's first moment on the destination until the source had sent everything; `None` unless it arrived before that.
    pub(super) fn post_copy(&self) -> Option<Window> {
        let post_copy = EventKind::Migration(MigrationStatus::PostcopyActive);
        let mut events = self.events.iter();
        let switched = events.any(|event| is(event, Role::Source, &post_copy));
        let resumed = self.blackout().filter(|_| switched)?.to_ms;
        (resumed < self.end_ms).then_some(Window {
            from_ms: resumed,
            to_ms: self.end_ms,
        })
    }

    /// All times in which the guest executed nothing, wherever it was: each STOP to the next RESUME.
    pub(super) fn dark(&self) -> Vec<Window> {
        let mut dark = Vec::new();
        let mut stopped_ms = None;
        for event in &self.events {
            match (kind(event), stopped_ms) {
                (EventKind::Stop, None) => stopped_ms = Some(event.at_ms),
                (EventKind::Resume, Some(from_ms)) => {
                    dark.push(Window {
                        from_ms,
                        to_ms: event.at_ms,
                    });
                    stopped_ms = None;
                }
                _ => {}
            }
        }
        dark.extend(stopped_ms.map(|from_ms| Window {
            from_ms,
            to_ms: f64::INFINITY,
        }));
        dark
    }

    /// The migration as the guest sees it: until its source reports the end, and until it runs again. Before post-copy the
    /// destination resumes a moment after the source is done.
    pub(super) fn migration(&self) -> Window {
        let resumed_ms = self.blackout().map_or(0.0, |blackout| blackout.to_ms);
        Window {
            from_ms: 0.0,
            to_ms: self.end_ms.max(resumed_ms),
        }
    }

    /// When the workload began, with what the guest said of itself: its own overhead is among it.
    pub(super) fn workload_started(&self, filled: &Filled) -> Event {
        Event {
            at_ms: self.reports.first().map_or(0.0, |first| first.at_ms),
            host: Role::Source.name().to_owned(),
            name: "workload".to_owned(),
            data: json!(filled),
        }
    }

    /// Adds what was found out from the rest.
    pub(super) fn tell(&mut self, found: Vec<Event>) {
        self.events.extend(found);
        self.events
            .sort_by(|one, other| one.at_ms.total_cmp(&other.at_ms));
    }

    /// What lmbench's own links did, after all else: whether the emulation itself was late, what it dropped, and the CPU it took.
    pub(super) fn links(&self) -> Option<Event> {
        let links = &self.measured.links;
        (!links.is_empty()).then(|| Event {
            at_ms: self.events.last().map_or(0.0, |last| last.at_ms),
            host: "controller".to_owned(),
            name: "links".to_owned(),
            data: json!(links),
        })
    }

    /// A stamp of the source's clock on the line.
    pub(super) fn of_source(&self, at_ns: u64) -> f64 {
        self.at(self.measured.clocks.source, at_ns)
    }

    /// A stamp of the destination's clock on the line.
    pub(super) fn of_destination(&self, at_ns: u64) -> f64 {
        self.at(self.measured.clocks.destination, at_ns)
    }

    /// Each host's connections with what they had moved in the end, after all else.
    pub(super) fn connections(&self) -> impl Iterator<Item = Event> + '_ {
        let at_ms = self.events.last().map_or(0.0, |last| last.at_ms);
        let metered = self.sides().into_iter().filter_map(|(role, _, readings)| {
            let connections = &readings.metering.as_ref()?.connections;
            (!connections.is_empty()).then_some((role, connections))
        });
        metered.map(move |(role, connections)| Event {
            at_ms,
            host: role.name().to_owned(),
            name: "connections".to_owned(),
            data: json!(connections),
        })
    }

    /// QEMU's answers on the source in the order of the line, with when they were complete.
    pub(super) fn answers(&self) -> impl DoubleEndedIterator<Item = (f64, &'a TimedSample)> {
        let clock = self.measured.clocks.source;
        let samples = &self.measured.readings.source.samples;
        samples
            .iter()
            .map(move |sample| (self.at(clock, sample.at_ns), sample))
    }

    /// What those answers say, of those that were given.
    pub(super) fn stats(
        &self,
    ) -> impl DoubleEndedIterator<Item = (f64, &'a TimedSample, &'a MigrationStats)> {
        self.answers().filter_map(|(at_ms, sample)| {
            let reading = sample.migration.as_ref()?;
            Some((at_ms, sample, &reading.stats))
        })
    }

    /// The raw time series for the file beside the record.
    pub(super) fn samples(&self, cell: &str, repeat: u32) -> Vec<Sample> {
        let sample = |at_ms, host: Role, kind: &str, data| Sample {
            cell: cell.to_owned(),
            repeat,
            at_ms,
            host: host.name().to_owned(),
            kind: kind.to_owned(),
            data,
        };
        let mut samples = Vec::new();
        for (role, clock, readings) in self.sides() {
            for taken in &readings.samples {
                let (kind, data) = sampled(taken);
                samples.push(sample(self.at(clock, taken.at_ns), role, kind, data));
            }
            // So are its connections' readings, one line of numbers each.
            let metering = readings.metering.as_ref();
            let flow = metering.map_or(&[][..], |metering| &metering.flow);
            if let Some(first) = flow.first() {
                let rows: Vec<Value> = flow
                    .iter()
                    .map(|MeteringPoint { flow, .. }| {
                        let at_ms = self.at(clock, flow.at_ns);
                        json!([
                            at_ms,
                            flow.acked_bytes,
                            flow.received_bytes,
                            flow.retransmits,
                            flow.rtt_us
                        ])
                    })
                    .collect();
                let data = json!({ "at_ms_acked_received_retransmits_rtt_us": rows });
                samples.push(sample(
                    self.at(clock, first.flow.at_ns),
                    role,
                    "connections",
                    data,
                ));
            }
            // All of a host's heartbeats are one sample: a line each would make the file ten times as long.
            let beats: Vec<(u64, f64)> = self
                .beats
                .iter()
                .filter(|beat| beat.role == role)
                .map(|beat| (beat.sequence, beat.at_ms))
                .collect();
            if let Some((_, first_ms)) = beats.first() {
                let data = json!({ "sequence_and_at_ms": beats });
                samples.push(sample(*first_ms, role, "heartbeats", data));
            }
            let probes = readings.tenant.iter().flat_map(|heard| &heard.probes);
            let probes: Vec<(f64, Option<f64>)> = probes
                .map(|probe| {
                    let answered = probe.answered_ns.map(|at_ns| self.at(clock, at_ns));
                    (self.at(clock, probe.sent_ns), answered)
                })
                .collect();
            if let Some((first_ms, _)) = probes.first() {
                let data = json!({ "asked_and_answered_ms": probes });
                samples.push(sample(*first_ms, role, "tenant", data));
            }
        }
        samples.extend(
            self.reports
                .iter()
                .map(|timed| sample(timed.at_ms, timed.role, "workload", json!(timed.report))),
        );
        samples.sort_by(|one, other| one.at_ms.total_cmp(&other.at_ms));
        samples
    }
}

/// Kind and data of a sample: with QEMU's answer it is one of the migration, without it one of CPU time only.
fn sampled(taken: &TimedSample) -> (&'static str, Value) {
    let mut data = json!({ "trigger": taken.trigger, "cost": taken.cost, "qemu": taken.qemu, "threads": taken.threads, "carrier": taken.carrier });
    let Some(reading) = &taken.migration else {
        return ("cpu", data);
    };
    data["migration"] = reading.raw.clone();
    ("migration", data)
}

/// What an event tells.
pub(super) fn kind(event: &Event) -> EventKind {
    EventKind::named(&event.name, &event.data)
}

/// Whether an event tells this of this host.
fn is(event: &Event, host: Role, what: &EventKind) -> bool {
    event.host == host.name() && kind(event) == *what
}
