//! `ovirt-…`: vdsm with a schedule of oVirt's engine (vdsm, `lib/vdsm/virt/migration.py`, of 4.3.3 or of 4.2; ovirt-engine,
//! `0000_config.sql`).

use std::collections::VecDeque;
use std::time::Duration;

use super::pace::Poll;
use super::{Action, Decision, Needs, Policy, Setting, Throttle};
use crate::progress::Progress;
use crate::spec::{OvirtName, OvirtSpec, StallAction, VdsmRule};

mod legacy;

pub(super) use legacy::VdsmLegacy;

/// Goes through its schedule by a count, one action at a look.
pub(super) struct Ovirt {
    spec: OvirtSpec,
    /// The count that must be exceeded; the last actions have none.
    schedule: VecDeque<(Option<u32>, StallAction)>,
    poll: Poll,
    iterations: Iterations,
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
            iterations: Iterations::default(),
            stalls: Stalls::default(),
            ended: false,
        }
    }

    /// The count if it has grown since the last look, and what grew.
    fn grown(&mut self, progress: &Progress) -> Option<(u32, String)> {
        match self.spec.rule {
            VdsmRule::Iterations => {
                let count = self.iterations.grown(progress.pass)?;
                Some((count, format!("iteration {count} since vdsm's first look")))
            }
            VdsmRule::Looks => self.stalls.rose(progress.remaining_bytes).then(|| {
                let count = self.stalls.count;
                (
                    count,
                    format!("stall {count}: more remains than at the last look"),
                )
            }),
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

    fn first_action_at(&self) -> Option<Duration> {
        let (limit, _) = self.schedule.front()?;
        let looks = match self.spec.rule {
            // Any number of iterations may lie between two looks.
            VdsmRule::Iterations => 2,
            VdsmRule::Looks => limit.map_or(2, |limit| limit.saturating_add(2)),
        };
        Some(self.spec.monitor_interval.saturating_mul(looks))
    }

    fn forces_at(&self) -> Option<Duration> {
        let mut actions = self.schedule.iter().map(|(_, action)| *action);
        let place = actions.position(|action| action == StallAction::PostCopy)?;
        // One action at a look, from the second on.
        let looks = u32::try_from(place).unwrap_or(u32::MAX).saturating_add(2);
        Some(self.spec.monitor_interval.saturating_mul(looks))
    }

    fn on_progress(&mut self, now: Duration, progress: &Progress) -> Vec<Decision> {
        self.ended |= progress.in_post_copy();
        if self.ended || !progress.is_active() || !self.poll.is_due(now) {
            return Vec::new();
        }
        let Some((count, reason)) = self.grown(progress) else {
            return Vec::new();
        };
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
        vec![Decision { action, reason }]
    }
}

/// QEMU's iterations from the one of the first look on.
#[derive(Default)]
struct Iterations {
    initial: Option<u64>,
    last: u64,
}

impl Iterations {
    /// How many there are, if there are more than at the look before.
    fn grown(&mut self, pass: u64) -> Option<u32> {
        let initial = *self.initial.get_or_insert(pass);
        let grown = pass > self.last.max(initial);
        self.last = self.last.max(pass);
        grown.then(|| u32::try_from(pass - initial).unwrap_or(u32::MAX))
    }
}

/// The idea that vdsm had of a new iteration before it asked QEMU.
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
