//! `virsh-timeout-suspend`, `virsh-timeout-postcopy` (libvirt, `docs/manpages/virsh.rst`) and `force-complete` (Nova's API
//! microversion 2.22): one action after a time.

use std::time::Duration;

use super::{Action, Decision, Needs, Policy};
use crate::progress::Progress;
use crate::spec::{ForceCompleteSpec, VirshTimeoutSpec};

/// Acts once.
pub(super) struct AtTime {
    name: &'static str,
    after: Duration,
    action: Action,
    acted: bool,
}

impl AtTime {
    pub(super) fn suspend(spec: VirshTimeoutSpec) -> Self {
        AtTime::new("virsh-timeout-suspend", spec.timeout, Action::Pause)
    }

    pub(super) fn post_copy(spec: VirshTimeoutSpec) -> Self {
        AtTime::new(
            "virsh-timeout-postcopy",
            spec.timeout,
            Action::StartPostCopy,
        )
    }

    pub(super) fn force_complete(spec: ForceCompleteSpec) -> Self {
        let action = if spec.permit_post_copy {
            Action::StartPostCopy
        } else {
            Action::Pause
        };
        AtTime::new("force-complete", spec.after, action)
    }

    fn new(name: &'static str, after: Duration, action: Action) -> Self {
        AtTime {
            name,
            after,
            action,
            acted: false,
        }
    }
}

impl Policy for AtTime {
    fn name(&self) -> &'static str {
        self.name
    }

    fn needs(&self) -> Needs {
        Needs {
            post_copy: self.action == Action::StartPostCopy,
            ..Needs::default()
        }
    }

    fn first_action_at(&self) -> Option<Duration> {
        Some(self.after)
    }

    fn on_progress(&mut self, now: Duration, progress: &Progress) -> Vec<Decision> {
        if self.acted || !progress.is_active() || now <= self.after {
            return Vec::new();
        }
        self.acted = true;
        vec![Decision {
            action: self.action.clone(),
            reason: format!("not complete after {:.1} s", self.after.as_secs_f64()),
        }]
    }
}
