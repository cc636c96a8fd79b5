//! What the blackout was made of, and what followed it until the guest was back for everybody.
//!
//! Moments of both hosts on one line cut the blackout into parts that add up to it. A moment that is not known, or does not lie where it
//! should, leaves its part to the next one: the parts still add up. What follows the blackout is told as distances from RESUME.

use lmbench_harness::hypervisor::{EventKind, MigrationStatus};
use lmbench_harness::role::Role;
use serde_json::{Value, json};

use super::answers;
use super::time_line::{TimeLine, Window, kind};
use super::{Measured, Values};
use crate::record::Event;

/// The blackout and what surrounds it.
#[derive(Debug, PartialEq)]
pub(super) struct Blackout {
    window: Window,
    /// In their order; together they are the window.
    parts: Vec<Part>,
    /// What happened after it, from its end, in the order of [`AFTER`]. An announcement may come before.
    after: Vec<(&'static str, f64)>,
}

/// From the moment before to this one.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Part {
    name: &'static str,
    ms: f64,
    /// Whether the moment before this one is the one that should be: else it holds other parts too.
    whole: bool,
}

impl Blackout {
    /// `None` without a blackout that ended on the destination.
    pub(super) fn of(measured: &Measured, line: &TimeLine<'_>) -> Option<Blackout> {
        let window = line.blackout()?;
        let status = |status: MigrationStatus| came_to(line, window, status);
        let saved = |name: &str| checkpoint(line, window, "source", name);
        let loaded = |name: &str| checkpoint(line, window, "destination", name);
        let last_byte = |role, stamp| last_byte(line, role, stamp);
        let mut moments = vec![
            ("stop", status(MigrationStatus::Device)),
            ("sync", last_pass(line, window)),
        ];
        let state = ("state", saved("src-non-iterable-saved"));
        if let Some(switched) = status(MigrationStatus::PostcopyActive) {
            // Memory comes later, and the stream goes on after RESUME: its last byte says nothing of the blackout.
            moments.push(state);
            moments.push(("send", Some(switched)));
            moments.push(("load", loaded("dst-postcopy-bh-enter")));
        } else {
            moments.push(("ram", saved("src-iterable-saved")));
            moments.push(state);
            let sent = last_byte(Role::Source, "last_taken_ns");
            moments.push(("send", sent));
            let given = last_byte(Role::Destination, "last_given_ns");
            moments.push(("drain", given));
            moments.push(("load", loaded("dst-precopy-loadvm-completed")));
        }
        moments.push(("start", Some(window.to_ms)));
        let after = after(measured, line, window);
        Some(Blackout {
            window,
            parts: parts(window, &moments),
            after,
        })
    }

    pub(super) fn measure(&self, values: &mut Values) {
        for (part, metric) in PARTS {
            let known = self.parts.iter().find(|known| known.name == part);
            values.put(
                metric,
                known.filter(|known| known.whole).map(|known| known.ms),
            );
        }
        // What moves and loads the rest is known together even where it can't be told apart.
        let synced = self.parts.iter().position(|known| known.name == "sync");
        let transfer = synced.map(|sync| self.parts[sync + 1..].iter().map(|part| part.ms).sum());
        values.put("blackout_transfer_ms", transfer);
        for (name, metric) in AFTER {
            let known = self.after.iter().find(|(known, _)| *known == name);
            values.put(metric, known.map(|(_, ms)| *ms));
        }
    }

    /// All of it, and the moments that only a client of the guest knows.
    pub(super) fn events(&self) -> Vec<Event> {
        let event = |at_ms, host: &str, name: &str, data: Value| Event {
            at_ms,
            host: host.to_owned(),
            name: name.to_owned(),
            data,
        };
        let parts: Vec<Value> = self
            .parts
            .iter()
            .map(|part| json!({ "part": part.name, "ms": part.ms, "whole": part.whole }))
            .collect();
        let after: serde_json::Map<String, Value> = self
            .after
            .iter()
            .map(|(name, ms)| ((*name).to_owned(), json!(ms)))
            .collect();
        let mut events: Vec<Event> = self
            .after
            .iter()
            .filter_map(|(name, ms)| {
                let (_, host, event_name) = SEEN.iter().find(|(seen, ..)| seen == name)?;
                Some(event(self.window.to_ms + ms, host, event_name, Value::Null))
            })
            .collect();
        let data = json!({ "blackout_ms": self.window.length_ms(), "parts": parts, "after_resume_ms": after });
        events.push(event(
            self.window.to_ms,
            "controller",
            "blackout-parts",
            data,
        ));
        events
    }
}

/// Cuts the window at the moments, each the end of the part of its name; `None` is not known. Stamps of one host that another took down may be early by less than [`JITTER_MS`].
fn parts(window: Window, moments: &[(&'static str, Option<f64>)]) -> Vec<Part> {
    let (mut parts, mut from_ms, mut whole) = (Vec::new(), window.from_ms, true);
    for (name, at_ms) in moments.iter().copied() {
        let fits = |at_ms: &f64| *at_ms >= from_ms - JITTER_MS && *at_ms <= window.to_ms;
        let Some(at_ms) = at_ms.filter(fits) else {
            whole = false;
            continue;
        };
        let at_ms = at_ms.max(from_ms);
        let ms = at_ms - from_ms;
        parts.push(Part { name, ms, whole });
        (from_ms, whole) = (at_ms, true);
    }
    parts
}

/// When the source's migration first came to a status in the blackout.
fn came_to(line: &TimeLine<'_>, window: Window, status: MigrationStatus) -> Option<f64> {
    let status = EventKind::Migration(status);
    let of_source = line.events.iter().filter(|event| event.host == "source");
    let mut reached = of_source.filter(|event| kind(event) == status && within(window, event));
    reached.next().map(|event| event.at_ms)
}

/// When a host's QEMU came to a checkpoint of its trace in the blackout.
fn checkpoint(line: &TimeLine<'_>, window: Window, host: &str, name: &str) -> Option<f64> {
    let mut reached = line.events.iter().filter(|event| {
        event.host == host
            && event.name == "checkpoint"
            && event.data["name"] == name
            && within(window, event)
    });
    reached.next_back().map(|event| event.at_ms)
}

/// When the source had last looked for dirty memory in the blackout.
fn last_pass(line: &TimeLine<'_>, window: Window) -> Option<f64> {
    let mut passes = line.events.iter().filter(|event| {
        let is_pass = matches!(kind(event), EventKind::MigrationPass(_));
        event.host == "source" && is_pass && within(window, event)
    });
    passes.next_back().map(|event| event.at_ms)
}

fn within(window: Window, event: &Event) -> bool {
    event.at_ms >= window.from_ms - JITTER_MS && event.at_ms <= window.to_ms
}

/// What this host's carrier says of the last byte of any channel.
fn last_byte(line: &TimeLine<'_>, role: Role, stamp: &str) -> Option<f64> {
    let closed = line.events.iter().filter(|event| {
        event.name == "carrier"
            && event.host == role.name()
            && event.data["event"] == "channel-closed"
    });
    let stamps = closed.filter_map(|event| event.data[stamp].as_u64());
    let last_ns = stamps.max()?;
    Some(match role {
        Role::Source => line.of_source(last_ns),
        Role::Destination => line.of_destination(last_ns),
    })
}

fn after(measured: &Measured, line: &TimeLine<'_>, window: Window) -> Vec<(&'static str, f64)> {
    let vcpu = line
        .events
        .iter()
        .find(|event| event.name == "vcpu-runs" && event.at_ms >= window.to_ms)
        .map(|event| event.at_ms);
    let beats = line
        .beats
        .iter()
        .filter(|beat| beat.role == Role::Destination);
    let heartbeat = beats.map(|beat| beat.at_ms).min_by(f64::total_cmp);
    let arrivals = answers::arrivals(measured, line);
    let answer = arrivals.into_iter().find(|at_ms| *at_ms >= window.to_ms);
    let announcements = measured.readings.source.tenant.iter();
    let announcements = announcements
        .flat_map(|heard| &heard.announcements)
        .map(|seen| line.of_source(seen.at_ns));
    let announce = announcements
        .filter(|at_ms| *at_ms >= window.from_ms)
        .min_by(f64::total_cmp);
    let known = [
        ("vcpu", vcpu),
        ("heartbeat", heartbeat),
        ("announce", announce),
        ("answer", answer),
    ];
    let known = known
        .into_iter()
        .filter_map(|(name, at_ms)| Some((name, at_ms? - window.to_ms)));
    known.collect()
}

const PARTS: [(&str, &str); 8] = [
    ("stop", "blackout_stop_ms"),
    ("sync", "blackout_sync_ms"),
    ("ram", "blackout_ram_ms"),
    ("state", "blackout_state_ms"),
    ("send", "blackout_send_ms"),
    ("drain", "blackout_drain_ms"),
    ("load", "blackout_load_ms"),
    ("start", "blackout_start_ms"),
];
const AFTER: [(&str, &str); 4] = [
    ("vcpu", "blackout_vcpu_ms"),
    ("heartbeat", "blackout_heartbeat_ms"),
    ("announce", "blackout_announce_ms"),
    ("answer", "blackout_answer_ms"),
];
/// Of these nobody else has written an event: where they were seen, and its name.
const SEEN: [(&str, &str, &str); 3] = [
    ("heartbeat", "destination", "first-heartbeat"),
    ("announce", "source", "announce"),
    ("answer", "source", "first-packet-answered"),
];
/// QEMU stamps its events by another clock, in microseconds; carrying them over costs less than this.
const JITTER_MS: f64 = 0.1;

#[cfg(test)]
mod tests;
