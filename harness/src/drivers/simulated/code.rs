//! What lmbench's own code in a simulated guest says: heartbeats, reports, the proof of its memory.

use std::time::Duration;

use lmbench_guest::wire::{Report, Verified};
use lmbench_model::{Memory, Migration};

use super::settings::{UNBOUNDED_PAGES_PER_S, operations_per_s};
use super::world::nanoseconds;
use crate::hypervisor::{Heard, Heartbeat, TimedReport, Workload};

/// A workload that runs.
#[derive(Debug, Clone)]
pub(super) struct Code {
    pub(super) pages: u64,
    operations_per_s: f64,
    /// Intervals, and when the next is over on the guest's clock; none for a guest that says nothing.
    heartbeat: Option<Tick>,
    report: Option<Tick>,
    /// What the guest did in flights before this one.
    before: Done,
    reported: Done,
}

#[derive(Debug, Clone, Copy)]
struct Tick {
    every: Duration,
    at: Duration,
    count: u64,
}

/// How far the guest got.
#[derive(Debug, Clone, Copy, Default)]
struct Done {
    running: Duration,
    work_s: f64,
    waits: f64,
    waited_s: f64,
}

impl Code {
    pub(super) fn new(workload: &Workload) -> Code {
        let tick = |every: Duration| {
            (!every.is_zero()).then_some(Tick {
                every,
                at: every,
                count: 0,
            })
        };
        Code {
            pages: workload.spec.pages(),
            operations_per_s: operations_per_s(&workload.spec),
            heartbeat: tick(workload.heartbeat),
            report: tick(workload.report),
            before: Done::default(),
            reported: Done::default(),
        }
    }

    /// The same at the begin of the guest's next flight.
    pub(super) fn carried(&self, model: &Migration) -> Code {
        Code {
            before: self.done(model),
            ..self.clone()
        }
    }

    /// When it says something next, on the model's clock; none while the guest does not get on.
    pub(super) fn due(&self, model: &Migration) -> Option<Duration> {
        let ticks = [self.heartbeat, self.report];
        let next = ticks.into_iter().flatten().map(|tick| tick.at).min()?;
        let running = self.done(model).running;
        gets_on(model).then(|| model.now() + next.saturating_sub(running))
    }

    pub(super) fn speak(
        &mut self,
        model: &Migration,
        memory: &Memory,
        at_ns: u64,
        heard: &mut Heard,
    ) {
        if !gets_on(model) {
            return;
        }
        let done = self.done(model);
        let guest_ns = nanoseconds(done.running);
        while let Some(sequence) = next(&mut self.heartbeat, done.running) {
            heard.heartbeats.push(Heartbeat {
                sequence,
                at_ns,
                guest_ns,
            });
        }
        while let Some(sequence) = next(&mut self.report, done.running) {
            let report = self.report(sequence, done, memory);
            heard.reports.push(TimedReport { at_ns, report });
        }
    }

    /// Memory is what was written: a guest that lost some does not get so far.
    pub(super) fn verified(&self, model: &Migration) -> Verified {
        Verified {
            pages_checked: self.pages,
            pages_wrong: 0,
            first_wrong: None,
            checksum_matches: true,
            checksum: "simulated".to_owned(),
            operations_total: self.operations(self.done(model).work_s),
            verify_ns: nanoseconds(self.time_of_all_pages()),
        }
    }

    /// How long every page once takes.
    pub(super) fn time_of_all_pages(&self) -> Duration {
        Duration::from_secs_f64(self.pages as f64 / UNBOUNDED_PAGES_PER_S)
    }

    fn report(&mut self, sequence: u64, done: Done, memory: &Memory) -> Report {
        let last = std::mem::replace(&mut self.reported, done);
        let interval = done.running.saturating_sub(last.running);
        let operations = self.operations(done.work_s) - self.operations(last.work_s);
        let work = Duration::from_secs_f64((done.work_s - last.work_s).max(0.0));
        let dirtied = memory.unique_pages(work) as u64;
        let operation_ns = nanoseconds(Duration::from_secs_f64(1.0 / UNBOUNDED_PAGES_PER_S));
        let mut latency_ns = vec![(operation_ns, operations)];
        let waits = (done.waits - last.waits).round() as u64;
        let mut longest_stall_ns = 0;
        if waits > 0 {
            let each_s = (done.waited_s - last.waited_s) / (done.waits - last.waits);
            longest_stall_ns = nanoseconds(Duration::from_secs_f64(each_s));
            latency_ns = vec![
                (operation_ns, operations.saturating_sub(waits)),
                (operation_ns + longest_stall_ns, waits.min(operations)),
            ];
        }
        latency_ns.retain(|(_, count)| *count > 0);
        Report {
            sequence,
            guest_ns: nanoseconds(done.running),
            interval_ns: nanoseconds(interval),
            operations_total: self.operations(done.work_s),
            operations,
            pages_dirtied: dirtied.min(operations),
            longest_stall_ns,
            latency_ns,
            pauses: 0,
        }
    }

    fn operations(&self, work_s: f64) -> u64 {
        (work_s * self.operations_per_s) as u64
    }

    fn done(&self, model: &Migration) -> Done {
        let guest = model.guest();
        Done {
            running: self.before.running + guest.running,
            work_s: self.before.work_s + guest.work_s,
            waits: self.before.waits + guest.waits.count,
            waited_s: self.before.waited_s + guest.waits.total_s,
        }
    }
}

fn gets_on(model: &Migration) -> bool {
    model.speed() > 0.0
}

fn next(tick: &mut Option<Tick>, now: Duration) -> Option<u64> {
    let tick = tick.as_mut().filter(|tick| tick.at <= now)?;
    tick.at += tick.every;
    tick.count += 1;
    Some(tick.count)
}
