//! `pause`: stop the guest after a number of passes (guestperf's `pause_iters`). The guest is down while the rest is sent.

use std::time::Duration;

use super::{Action, Decision, Policy};
use crate::progress::Progress;

/// Acts once.
pub(super) struct Pause {
    after_passes: u32,
    acted: bool,
}

impl Pause {
    pub(super) fn new(after_passes: u32) -> Self {
        Pause {
            after_passes,
            acted: false,
        }
    }
}

impl Policy for Pause {
    fn name(&self) -> &'static str {
        "pause"
    }

    fn on_progress(&mut self, _now: Duration, progress: &Progress) -> Vec<Decision> {
        // QEMU counts dirty syncs: `pass` is 1 during the first pass, 2 once it is over.
        let passes_done = progress.pass.saturating_sub(1);
        if self.acted || !progress.is_active() || passes_done < u64::from(self.after_passes) {
            return Vec::new();
        }
        self.acted = true;
        vec![Decision {
            action: Action::Pause,
            reason: format!("{} passes over memory are done", self.after_passes),
        }]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pauses(policy: &mut Pause, status: &str, pass: u64) -> bool {
        let progress = Progress {
            status: status.into(),
            pass,
            ..Progress::default()
        };
        let decisions = policy.on_progress(Duration::ZERO, &progress);
        decisions
            .iter()
            .any(|decision| decision.action == Action::Pause)
    }

    // 0 stops the guest as soon as memory moves. guestperf compares with the count of dirty syncs and so acts a pass earlier.
    #[test]
    fn it_pauses_once_after_so_many_whole_passes() {
        for (after, too_early, pass) in [
            (0, None, 1),
            (1, Some(1), 2),
            (5, Some(5), 6),
            (5, Some(1), 9),
        ] {
            let mut policy = Pause::new(after);
            assert!(!pauses(&mut policy, "setup", 0));
            if let Some(early) = too_early {
                assert!(!pauses(&mut policy, "active", early), "{after}");
            }
            assert!(pauses(&mut policy, "active", pass), "{after}");
            assert!(!pauses(&mut policy, "active", pass + 1), "only once");
        }
    }
}
