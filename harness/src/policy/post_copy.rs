//! `post-copy`: switch over after a number of passes or a time, whichever comes first (guestperf's `post_copy_iters`).

use std::time::Duration;

use super::{Action, Decision, Needs, Policy};
use crate::progress::Progress;

/// Acts once.
pub(super) struct PostCopy {
    after_passes: Option<u32>,
    after: Option<Duration>,
    switched: bool,
}

impl PostCopy {
    pub(super) fn new(after_passes: Option<u32>, after: Option<Duration>) -> Self {
        PostCopy {
            after_passes,
            after,
            switched: false,
        }
    }

    fn reason(&self, now: Duration, progress: &Progress) -> Option<String> {
        // QEMU counts dirty syncs: `pass` is 1 during the first pass, 2 once it is over.
        let passes_done = progress.pass.saturating_sub(1);
        if let Some(passes) = self
            .after_passes
            .filter(|passes| passes_done >= u64::from(*passes))
        {
            return Some(format!("{passes} passes over memory are done"));
        }
        let after = self.after.filter(|after| now >= *after)?;
        Some(format!("{:.1} s have passed", after.as_secs_f64()))
    }
}

impl Policy for PostCopy {
    fn name(&self) -> &'static str {
        "post-copy"
    }

    fn needs(&self) -> Needs {
        Needs {
            post_copy: true,
            ..Needs::default()
        }
    }

    fn first_action_at(&self) -> Option<Duration> {
        match self.after_passes {
            Some(_) => Some(Duration::ZERO),
            None => self.after,
        }
    }

    fn on_progress(&mut self, now: Duration, progress: &Progress) -> Vec<Decision> {
        // QEMU takes the command in `active` only.
        if self.switched || !progress.is_active() {
            return Vec::new();
        }
        let Some(reason) = self.reason(now, progress) else {
            return Vec::new();
        };
        self.switched = true;
        vec![Decision {
            action: Action::StartPostCopy,
            reason,
        }]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(status: &str, pass: u64) -> Progress {
        Progress {
            status: status.into(),
            pass,
            ..Progress::default()
        }
    }

    #[test]
    fn one_pass_means_one_whole_pass() {
        let mut policy = PostCopy::new(Some(1), None);
        assert_eq!(policy.on_progress(Duration::ZERO, &at("setup", 0)), []);
        assert_eq!(
            policy.on_progress(Duration::from_secs(9), &at("active", 1)),
            []
        );
        let decision = policy
            .on_progress(Duration::from_secs(10), &at("active", 2))
            .remove(0);
        assert_eq!(decision.action, Action::StartPostCopy);
    }

    #[test]
    fn it_acts_once_and_whichever_comes_first() {
        let mut policy = PostCopy::new(Some(5), Some(Duration::from_secs(2)));
        assert_eq!(
            policy.on_progress(Duration::from_millis(1999), &at("active", 2)),
            []
        );
        assert!(
            !policy
                .on_progress(Duration::from_secs(2), &at("active", 2))
                .is_empty()
        );
        assert_eq!(
            policy.on_progress(Duration::from_secs(3), &at("active", 9)),
            []
        );
    }

    #[test]
    fn zero_passes_switch_as_soon_as_the_stream_is_active() {
        let mut policy = PostCopy::new(Some(0), None);
        assert_eq!(policy.on_progress(Duration::ZERO, &at("setup", 0)), []);
        assert!(
            !policy
                .on_progress(Duration::ZERO, &at("active", 1))
                .is_empty()
        );
    }
}
