//! `ovirt-…`: vdsm with a schedule of oVirt's engine (vdsm, `lib/vdsm/virt/migration.py`; ovirt-engine, `0000_config.sql`).

use std::collections::VecDeque;
use std::time::Duration;

use super::pace::Poll;
use super::{Action, Decision, Needs, Policy, Setting, Throttle};
use crate::progress::Progress;
use crate::spec::{OvirtName, OvirtSpec, StallAction};

mod legacy;

pub(super) use legacy::VdsmLegacy;

/// Counts the looks at which more remains than at the one before, and goes through its schedule by that count.
pub(super) struct Ovirt {
    spec: OvirtSpec,
    /// Stalls that must be exceeded; the last actions have none.
    schedule: VecDeque<(Option<u32>, StallAction)>,
    poll: Poll,
    stalls: Stalls,
    ended: bool,
}

impl Ovirt {
    pub(super) fn new(spec: OvirtSpec) -> Self {
        let items = spec.convergence.iter();
        let items = items.map(|item| (Some(item.stalling_limit), item.action));
        let last = spec.last.iter().map(|action| (None, *action));
        Ovirt {
            schedule: items.chain(last).collect(),
            poll: Poll::after(spec.monitor_interval),
            spec,
            stalls: Stalls::default(),
            ended: false,
        }
    }
}

impl Policy for Ovirt {
    fn name(&self) -> &'static str {
        match self.spec.name {
            OvirtName::MinimalDowntime => "ovirt-minimal-downtime",
            OvirtName::SuspendIfNeeded => "ovirt-suspend-if-needed",
            OvirtName::PostCopy => "ovirt-post-copy",
        }
    }

    fn needs(&self) -> Needs {
        let mut actions = self.schedule.iter().map(|(_, action)| *action);
        Needs {
            preempt: false,
            post_copy: actions.any(|action| action == StallAction::PostCopy),
            throttle: self.spec.auto_convergence.then_some(Throttle::DEFAULT),
            xbzrle: self.spec.migration_compression,
            settings: vec![Setting::DowntimeLimit {
                ms: self.spec.initial_downtime_ms,
            }],
        }
    }

    fn on_progress(&mut self, now: Duration, progress: &Progress) -> Vec<Decision> {
        self.ended |= progress.in_post_copy();
        if self.ended || progress.status != "active" || !self.poll.is_due(now) {
            return Vec::new();
        }
        if !self.stalls.rose(progress.remaining_bytes) {
            return Vec::new();
        }
        let count = self.stalls.count;
        let Some((_, action)) = self
            .schedule
            .pop_front_if(|(limit, _)| limit.is_none_or(|limit| limit < count))
        else {
            return Vec::new();
        };
        self.ended = action == StallAction::Abort;
        let action = match action {
            StallAction::SetDowntime(ms) => Action::Set(Setting::DowntimeLimit { ms }),
            StallAction::PostCopy => Action::StartPostCopy,
            StallAction::Abort => Action::Cancel,
        };
        vec![Decision {
            action,
            reason: format!("stall {count}: more remains than at the last look"),
        }]
    }
}

/// vdsm's idea of a new iteration.
#[derive(Default)]
struct Stalls {
    count: u32,
    last: Option<u64>,
}

impl Stalls {
    /// Whether more remains than at the look before. The count is never taken back.
    fn rose(&mut self, remaining: u64) -> bool {
        let rose = self.last.is_some_and(|last| last < remaining);
        self.count += u32::from(rose);
        self.last = Some(remaining);
        rose
    }
}
