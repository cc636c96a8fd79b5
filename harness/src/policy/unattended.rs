//! `static`: the scenario's settings and nothing else.

use std::time::Duration;

use super::{Decision, Policy};
use crate::progress::Progress;

/// Never acts.
pub(super) struct Static;

impl Policy for Static {
    fn name(&self) -> &'static str {
        "static"
    }

    fn needs_readings(&self) -> bool {
        false
    }

    fn on_progress(&mut self, _now: Duration, _progress: &Progress) -> Vec<Decision> {
        Vec::new()
    }
}
