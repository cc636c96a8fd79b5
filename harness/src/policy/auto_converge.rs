//! `auto-converge`: QEMU's own throttle (QEMU, `migration/ram.c` and `system/cpu-throttle.c`); lmbench only switches it on.

use std::time::Duration;

use super::{Decision, Needs, Policy, Setting, Throttle};
use crate::progress::Progress;

/// QEMU raises the throttle when the bytes dirtied in a pass exceed a share of those sent (half, unless set), twice.
pub(super) struct AutoConverge {
    pub(super) throttle: Throttle,
    pub(super) tailslow: bool,
    /// Percent; `None` leaves QEMU's.
    pub(super) trigger_threshold: Option<u32>,
}

impl Policy for AutoConverge {
    fn name(&self) -> &'static str {
        "auto-converge"
    }

    fn needs(&self) -> Needs {
        let trigger = self.trigger_threshold;
        let trigger = trigger.map(|percent| Setting::ThrottleTrigger { percent });
        let tail = self
            .tailslow
            .then_some(Setting::ThrottleTailSlow { on: true });
        Needs {
            throttle: Some(self.throttle),
            settings: trigger.into_iter().chain(tail).collect(),
            ..Needs::default()
        }
    }

    fn needs_readings(&self) -> bool {
        false
    }

    fn on_progress(&mut self, _now: Duration, _progress: &Progress) -> Vec<Decision> {
        Vec::new()
    }
}
