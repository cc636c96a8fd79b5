//! `auto-converge`: QEMU's own throttle (QEMU, `migration/ram.c` and `system/cpu-throttle.c`); lmbench only switches it on.

use std::time::Duration;

use serde_json::Value;

use super::{Decision, Policy};
use crate::progress::Progress;

/// QEMU raises the throttle when the bytes dirtied in a pass exceed half of those sent, twice.
pub(super) struct AutoConverge {
    pub(super) initial: u32,
    pub(super) increment: u32,
    pub(super) max: u32,
}

impl Policy for AutoConverge {
    fn name(&self) -> &'static str {
        "auto-converge"
    }

    fn capabilities(&self) -> Vec<(&'static str, bool)> {
        vec![("auto-converge", true)]
    }

    fn parameters(&self) -> Vec<(&'static str, Value)> {
        vec![
            ("cpu-throttle-initial", self.initial.into()),
            ("cpu-throttle-increment", self.increment.into()),
            ("max-cpu-throttle", self.max.into()),
        ]
    }

    fn needs_readings(&self) -> bool {
        false
    }

    fn on_progress(&mut self, _now: Duration, _progress: &Progress) -> Option<Decision> {
        None
    }
}
