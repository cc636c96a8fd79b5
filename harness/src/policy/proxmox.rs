//! `proxmox`: Proxmox VE's loop (qemu-server, `PVE/QemuMigrate.pm`), which doubles the downtime limit: since PVE 9.1 (commit a2cfc88a)
//! up to QEMU's maximum, before that without end.

use std::time::Duration;

use super::pace::Poll;
use super::{Action, DOWNTIME_MAX_MS, Decision, Needs, Policy, Setting, Subject, Throttle};
use crate::progress::Progress;
use crate::spec::{ProxmoxRule, ProxmoxSpec};

/// Counts the looks at which more remains than at the one before.
pub(super) struct Proxmox {
    spec: ProxmoxSpec,
    subject: Subject,
    poll: Poll,
    looks: u64,
    sent: u64,
    remaining: Option<u64>,
    counter: u32,
    downtime_ms: u64,
}

impl Proxmox {
    pub(super) fn new(spec: ProxmoxSpec, subject: Subject) -> Self {
        Proxmox {
            spec,
            subject,
            poll: Poll::after(INTERVAL),
            looks: 0,
            sent: 0,
            remaining: None,
            counter: 0,
            downtime_ms: spec.migrate_downtime_ms,
        }
    }

    /// Whether it looks ten times a second from now on: less remains than was sent per look so far.
    fn nears_the_end(&self, remaining: u64) -> bool {
        self.sent > 0 && (remaining as f64) < self.sent as f64 / self.looks as f64
    }

    /// Whether the limit is doubled.
    fn count(&mut self, remaining: u64) -> bool {
        let before = self.remaining.replace(remaining);
        let rose = before.is_some_and(|before| before > 0 && remaining > before);
        self.counter += u32::from(rose || remaining == 0);
        if self.counter <= COUNTER_MAX {
            return false;
        }
        self.counter = 0;
        let doubled = self.downtime_ms.saturating_mul(2);
        let next = match self.spec.rule {
            ProxmoxRule::Capped => doubled.min(DOWNTIME_MAX_MS),
            ProxmoxRule::Endless => doubled,
        };
        next != std::mem::replace(&mut self.downtime_ms, next)
    }
}

impl Policy for Proxmox {
    fn name(&self) -> &'static str {
        "proxmox"
    }

    fn needs(&self) -> Needs {
        let mut settings = vec![Setting::DowntimeLimit {
            ms: self.spec.migrate_downtime_ms,
        }];
        if self.spec.xbzrle {
            // QEMU wants a power of two.
            let bytes = (self.subject.memory_bytes / 10)
                .max(1)
                .checked_next_power_of_two()
                .unwrap_or(1 << 63);
            settings.push(Setting::XbzrleCache { bytes });
        }
        Needs {
            throttle: self.spec.auto_converge.then_some(Throttle::DEFAULT),
            xbzrle: self.spec.xbzrle,
            settings,
            ..Needs::default()
        }
    }

    fn first_action_at(&self) -> Option<Duration> {
        let is_at_ceiling = match self.spec.rule {
            ProxmoxRule::Capped => self.downtime_ms >= DOWNTIME_MAX_MS,
            ProxmoxRule::Endless => false,
        };
        // The sixth look at which nothing remains, of which the second is the first to see that the end is near.
        (!is_at_ceiling).then(|| INTERVAL * 2 + INTERVAL_NEAR_THE_END * (COUNTER_MAX - 1))
    }

    fn on_progress(&mut self, now: Duration, progress: &Progress) -> Vec<Decision> {
        if !progress.is_active() || !self.poll.is_due(now) {
            return Vec::new();
        }
        self.looks += 1;
        let (sent, remaining) = (progress.transferred_bytes, progress.remaining_bytes);
        let mut doubles = false;
        if sent != self.sent {
            if self.nears_the_end(remaining) {
                self.poll.set_every(now, INTERVAL_NEAR_THE_END);
            }
            doubles = self.count(remaining);
        }
        self.sent = sent;
        if !doubles {
            return Vec::new();
        }
        vec![Decision {
            action: Action::Set(Setting::DowntimeLimit {
                ms: self.downtime_ms,
            }),
            reason:
                "more remained than at the look before, for the sixth time since the limit was set"
                    .to_owned(),
        }]
    }
}

/// The loop's sleep.
const INTERVAL: Duration = Duration::from_secs(1);
/// The same once little remains.
const INTERVAL_NEAR_THE_END: Duration = Duration::from_millis(100);
/// Rises that change nothing.
const COUNTER_MAX: u32 = 5;
