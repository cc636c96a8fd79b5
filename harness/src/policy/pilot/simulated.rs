//! A migration by QEMU's rules: page classes that are written evenly, a link with buffers, passes that end when nothing is left or when the
//! rest might fit, the switch-over, a throttle that rises at every second sync. Seconds and bytes.

use std::time::Duration;

use super::super::{Action, Decision, Policy, Setting, Throttle};
use crate::hypervisor::MigrationStatus;
use crate::progress::Progress;

/// A set of pages that is written evenly.
#[derive(Debug, Clone, Copy)]
pub(super) struct Class {
    pub(super) bytes: f64,
    /// Writes per page and second.
    pub(super) rate: f64,
}

/// A guest and its way.
#[derive(Debug, Clone)]
pub(super) struct World {
    pub(super) classes: Vec<Class>,
    pub(super) bandwidth: f64,
    /// What the buffers hold.
    pub(super) buffers: f64,
    /// What a switch-over takes besides memory.
    pub(super) switch: f64,
}

/// How it ended.
#[derive(Debug, Clone, Default)]
pub(super) struct Outcome {
    /// `None` if it did not end in time.
    pub(super) total: Option<f64>,
    pub(super) blackout: f64,
    pub(super) sent: f64,
    pub(super) decisions: Vec<Decision>,
    pub(super) throttle: u32,
    pub(super) post_copy: bool,
}

struct Migration<'a> {
    world: &'a World,
    /// Dirty since the last sync, by class.
    dirty: Vec<f64>,
    remaining: f64,
    sent: f64,
    /// Sent and not arrived.
    buffered: f64,
    max_bandwidth: f64,
    pass: u64,
    pass_began_sent: f64,
    limit: f64,
    switchover_bandwidth: Option<f64>,
    /// Of the last 100 ms.
    threshold: f64,
    steps: Option<Throttle>,
    throttle: u32,
    high: u32,
    post_copy: bool,
    paused: bool,
    /// Since the guest was paused.
    stopped: f64,
}

/// Migrates for at most `most` seconds.
pub(super) fn migrate(world: &World, policy: &mut dyn Policy, limit: f64, most: f64) -> Outcome {
    let needs = policy.needs();
    let mut migration = Migration {
        world,
        dirty: vec![0.0; world.classes.len()],
        remaining: world.total(),
        sent: 0.0,
        buffered: 0.0,
        max_bandwidth: f64::INFINITY,
        pass: 1,
        pass_began_sent: 0.0,
        limit,
        switchover_bandwidth: None,
        threshold: 0.0,
        steps: needs.throttle,
        throttle: 0,
        high: 0,
        post_copy: false,
        paused: false,
        stopped: 0.0,
    };
    for setting in &needs.settings {
        migration.set(setting);
    }
    let mut outcome = Outcome::default();
    for step in 0..(most / STEP) as u32 {
        let now = f64::from(step) * STEP;
        let pass = migration.pass;
        if step % CHUNK == 0
            && let Some(blackout) = migration.check()
        {
            let after = if migration.post_copy {
                migration.remaining / world.bandwidth
            } else {
                0.0
            };
            outcome.total = Some(now + blackout + after);
            outcome.blackout = blackout + migration.stopped;
            break;
        }
        if migration.pass > pass || step % READING == 0 {
            let at = Duration::from_secs_f64(now);
            for decision in policy.on_progress(at, &migration.progress()) {
                migration.act(&decision.action);
                outcome.decisions.push(decision);
            }
        }
        migration.go_on();
    }
    outcome.sent = migration.sent + migration.remaining;
    outcome.throttle = migration.throttle;
    outcome.post_copy = migration.post_copy;
    outcome
}

impl World {
    pub(super) fn total(&self) -> f64 {
        self.classes.iter().map(|class| class.bytes).sum()
    }
}

impl Migration<'_> {
    /// A step of the guest and of the link.
    fn go_on(&mut self) {
        let speed = if self.paused {
            0.0
        } else {
            1.0 - f64::from(self.throttle) / 100.0
        };
        for (dirty, class) in self.dirty.iter_mut().zip(&self.world.classes) {
            *dirty += (class.bytes - *dirty) * (class.rate * speed * STEP).min(1.0);
        }
        self.stopped += if self.paused { STEP } else { 0.0 };
        let arrives = self.world.bandwidth * STEP;
        let room = self.world.buffers - self.buffered + arrives;
        let sent = room.min(self.max_bandwidth * STEP).min(self.remaining);
        self.buffered = (self.buffered + sent - arrives).max(0.0);
        self.remaining -= sent;
        self.sent += sent;
        let bandwidth = self.switchover_bandwidth.unwrap_or(self.world.bandwidth);
        self.threshold = bandwidth * self.limit;
    }

    /// What the hypervisor does between two chunks; the blackout, if the guest moves.
    fn check(&mut self) -> Option<f64> {
        let drain = self.buffered / self.world.bandwidth + self.world.switch;
        if self.post_copy {
            self.sync();
            return Some(drain + DEVICES);
        }
        if self.remaining >= self.threshold && self.remaining > 0.0 {
            return None;
        }
        self.sync();
        let fits = self.remaining < self.threshold || self.remaining <= 0.0;
        (fits || self.paused).then(|| self.remaining / self.world.bandwidth + drain)
    }

    fn sync(&mut self) {
        let dirtied: f64 = self.dirty.iter().sum();
        self.dirty.fill(0.0);
        // What was dirtied again before it was sent counts once.
        let clean = 1.0 - self.remaining / self.world.total();
        self.remaining += dirtied * clean;
        let sent = self.sent - self.pass_began_sent;
        self.pass_began_sent = self.sent;
        self.pass += 1;
        let Some(steps) = self.steps else { return };
        if dirtied > sent / 2.0 {
            self.high += 1;
        }
        if self.high >= 2 {
            self.high = 0;
            self.throttle = match self.throttle {
                0 => steps.initial,
                throttle => (throttle + steps.increment).min(steps.max),
            };
        }
    }

    fn set(&mut self, setting: &Setting) {
        match *setting {
            Setting::DowntimeLimit { ms } => self.limit = ms as f64 / 1e3,
            Setting::AvailSwitchoverBandwidth { bytes_per_second } => {
                self.switchover_bandwidth = bytes_per_second.map(|rate| rate as f64);
            }
            Setting::MaxBandwidth { bytes_per_second } => {
                self.max_bandwidth = bytes_per_second.map_or(f64::INFINITY, |rate| rate as f64);
            }
            Setting::Throttle(steps) => self.steps = Some(steps),
            Setting::MaxPostcopyBandwidth { .. }
            | Setting::XbzrleCache { .. }
            | Setting::ThrottleTrigger { .. }
            | Setting::ThrottleTailSlow { .. } => {}
        }
    }

    fn act(&mut self, action: &Action) {
        match action {
            Action::StartPostCopy => self.post_copy = true,
            Action::Pause => self.paused = true,
            Action::Set(setting) => self.set(setting),
            Action::Resume | Action::Cancel => {}
        }
    }

    fn progress(&self) -> Progress {
        Progress {
            status: MigrationStatus::Active,
            pass: self.pass,
            transferred_bytes: self.sent as u64,
            remaining_bytes: self.remaining as u64,
            total_bytes: self.world.total() as u64,
            throughput_bps: self.world.bandwidth * 8.0,
            throttle_percent: (self.throttle > 0).then_some(self.throttle),
            ..Progress::default()
        }
    }
}

const STEP: f64 = 0.01;
/// Steps between two looks of the hypervisor at what is left.
const CHUNK: u32 = 5;
/// Steps between two readings.
const READING: u32 = 10;
/// What the destination's devices fetch in post-copy before the guest runs.
const DEVICES: f64 = 0.03;
