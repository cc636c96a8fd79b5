//! `auto-converge`: QEMU's own throttle (QEMU, `migration/ram.c` and `system/cpu-throttle.c`); lmbench only switches it on.

use std::time::Duration;

use super::{Decision, Needs, Policy, Throttle};
use crate::progress::Progress;

/// QEMU raises the throttle when the bytes dirtied in a pass exceed half of those sent, twice.
pub(super) struct AutoConverge(pub(super) Throttle);

impl Policy for AutoConverge {
    fn name(&self) -> &'static str {
        "auto-converge"
    }

    fn needs(&self) -> Needs {
        Needs {
            throttle: Some(self.0),
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
