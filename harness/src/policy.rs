//! Decisions during one migration.
//!
//! A policy does no input or output and reads no clock, so the same code runs beside a guest and on a recorded run.
//! To add one: a variant of [`PolicySpec`], a file below `policy/`, a line in [`from_spec`].

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::progress::Progress;
use crate::spec::{GuestSpec, KubevirtRule, PolicySpec};

mod action;
mod at_time;
mod auto_converge;
mod deadline;
mod kubevirt;
mod needs;
mod nova;
mod ovirt;
mod pace;
mod pause;
mod pilot;
mod post_copy;
mod proxmox;
mod unattended;

pub use action::{Action, Decision, Setting, Throttle};
pub use deadline::Deadline;
pub use needs::Needs;

use at_time::AtTime;
use pace::Scaled;

/// What is migrated, as far as rules ask for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Subject {
    /// Guest RAM.
    pub memory_bytes: u64,
}

impl From<&GuestSpec> for Subject {
    fn from(guest: &GuestSpec) -> Self {
        Subject {
            memory_bytes: guest.memory_bytes,
        }
    }
}

/// Decides during one migration.
pub trait Policy: Send {
    /// Its name in scenarios and records.
    fn name(&self) -> &'static str;

    /// What must hold before `migrate`.
    fn needs(&self) -> Needs {
        Needs::default()
    }

    /// Whether it decides by what it reads; one that does not needs no readings.
    fn needs_readings(&self) -> bool {
        true
    }

    /// The earliest time at which it may do anything about the migration, whatever it reads; `None` if it never does. A downtime limit
    /// not above the one of the begin is nothing.
    fn first_action_at(&self) -> Option<Duration> {
        Some(Duration::ZERO)
    }

    /// The earliest time at which it may force the end, by post-copy, a stop of the guest or a limit without bounds, of what it is permitted;
    /// `None` if it never does.
    fn forces_at(&self) -> Option<Duration> {
        self.first_action_at()
    }

    /// Called at every reading, which comes at least ten times a second and at every dirty sync; `now` counts from `migrate`. A rule
    /// that its peer checks less often keeps its own interval.
    fn on_progress(&mut self, now: Duration, progress: &Progress) -> Vec<Decision>;
}

/// The policy that a scenario asks for.
pub fn from_spec(spec: &PolicySpec, subject: Subject) -> Box<dyn Policy> {
    match spec {
        PolicySpec::Static => Box::new(unattended::Static),
        PolicySpec::AutoConverge {
            initial,
            increment,
            max,
            tailslow,
            trigger_threshold,
        } => Box::new(auto_converge::AutoConverge {
            throttle: Throttle {
                initial: *initial,
                increment: *increment,
                max: *max,
            },
            tailslow: *tailslow,
            trigger_threshold: *trigger_threshold,
        }),
        PolicySpec::PostCopy {
            after_passes,
            after,
        } => Box::new(post_copy::PostCopy::new(*after_passes, *after)),
        PolicySpec::Pause { after_passes } => Box::new(pause::Pause::new(*after_passes)),
        PolicySpec::Nova(spec) => scaled(nova::Nova::new(*spec, subject), spec.time_scale),
        PolicySpec::NovaHistoric(spec) => {
            scaled(nova::NovaHistoric::new(*spec, subject), spec.time_scale)
        }
        PolicySpec::Ovirt(spec) => scaled(ovirt::Ovirt::new(spec.clone()), spec.time_scale),
        PolicySpec::VdsmLegacy(spec) => {
            scaled(ovirt::VdsmLegacy::new(*spec, subject), spec.time_scale)
        }
        PolicySpec::Proxmox(spec) => scaled(proxmox::Proxmox::new(*spec, subject), spec.time_scale),
        PolicySpec::KubevirtRamp(spec) => {
            scaled(kubevirt::Ramp::new(*spec, subject), spec.time_scale)
        }
        PolicySpec::KubevirtStall(spec) => match spec.rule {
            KubevirtRule::Code => scaled(kubevirt::Detector::new(*spec, subject), spec.time_scale),
            KubevirtRule::Vep => scaled(kubevirt::Stall::new(*spec, subject), spec.time_scale),
        },
        PolicySpec::VirshTimeoutSuspend(spec) => scaled(AtTime::suspend(*spec), spec.time_scale),
        PolicySpec::VirshTimeoutPostcopy(spec) => scaled(AtTime::post_copy(*spec), spec.time_scale),
        PolicySpec::ForceComplete(spec) => scaled(AtTime::force_complete(*spec), spec.time_scale),
        PolicySpec::Pilot(spec) => Box::new(pilot::Pilot::new(*spec, subject.memory_bytes)),
    }
}

/// QEMU's highest downtime limit, ms, with which it switches over at once.
const DOWNTIME_MAX_MS: u64 = 2_000_000;

fn scaled(policy: impl Policy + 'static, factor: f64) -> Box<dyn Policy> {
    Box::new(Scaled::new(policy, factor))
}

#[cfg(test)]
mod tests;
