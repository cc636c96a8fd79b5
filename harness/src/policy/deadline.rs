//! The scenario's timeout around any policy, and how a timed-out migration is told from a broken one.

use std::time::Duration;

use super::{Action, Decision, Needs};
use crate::progress::Progress;
use crate::spec::TimeoutAction;

/// Acts when the time is up; a migration that still has not ended after `GRACE` more is cancelled.
pub struct Deadline {
    timeout: Duration,
    action: TimeoutAction,
    acted: Option<Duration>,
    cancelled: bool,
    moved: Option<(u64, Duration)>,
}

impl Deadline {
    /// `timeout` counts from `migrate`.
    pub fn new(timeout: Duration, action: TimeoutAction) -> Self {
        Deadline {
            timeout,
            action,
            acted: None,
            cancelled: false,
            moved: None,
        }
    }

    /// Whether time ran out.
    pub fn expired(&self) -> bool {
        self.acted.is_some()
    }

    /// How long no byte has moved, as of `now`.
    pub fn still_for(&self, now: Duration) -> Duration {
        self.moved.map_or(now, |(_, at)| now.saturating_sub(at))
    }

    /// Whether nothing can be hoped for any more: the timeout's action had its time and the stream stands still. A
    /// post-copy that lost its network can't be cancelled, only given up.
    pub fn hopeless(&self, now: Duration) -> bool {
        let overdue = self.timeout + self.timeout.max(GRACE);
        now >= overdue && self.still_for(now) >= GRACE
    }

    /// Something shows at `now` that the stream lives, whatever was read last.
    pub fn moved(&mut self, now: Duration) {
        if let Some((_, at)) = &mut self.moved {
            *at = now;
        }
    }

    fn cancel(&mut self, reason: String) -> Decision {
        self.cancelled = true;
        Decision {
            action: Action::Cancel,
            reason,
        }
    }

    /// What its action needs.
    pub fn needs(&self) -> Needs {
        Needs {
            post_copy: self.action == TimeoutAction::PostCopy,
            ..Needs::default()
        }
    }

    /// As a policy's.
    pub fn on_progress(&mut self, now: Duration, progress: &Progress) -> Option<Decision> {
        if self
            .moved
            .is_none_or(|(bytes, _)| bytes != progress.transferred_bytes)
        {
            self.moved = Some((progress.transferred_bytes, now));
        }
        if self.cancelled {
            return None;
        }
        if let Some(acted) = self.acted {
            // A second limit: post-copy or a paused guest must end too, but a guest that already runs on the
            // destination can't be taken back.
            let overdue = now >= acted + self.timeout.max(GRACE) && !progress.in_post_copy();
            return overdue.then(|| self.cancel("the timeout's action did not end it".to_owned()));
        }
        if now < self.timeout || progress.in_post_copy() {
            return None;
        }
        self.acted = Some(now);
        let reason = format!("the timeout of {:.1} s is over", self.timeout.as_secs_f64());
        let action = match self.action {
            TimeoutAction::Cancel => return Some(self.cancel(reason)),
            TimeoutAction::Pause => Action::Pause,
            TimeoutAction::PostCopy => Action::StartPostCopy,
        };
        Some(Decision { action, reason })
    }
}

/// Least time that a timeout's action gets to end the migration.
const GRACE: Duration = Duration::from_secs(10);

#[cfg(test)]
mod tests {
    use super::*;

    fn at(status: &str, transferred_bytes: u64) -> Progress {
        Progress {
            status: status.into(),
            transferred_bytes,
            ..Progress::default()
        }
    }

    #[test]
    fn cancel_comes_once_at_the_timeout() {
        let mut deadline = Deadline::new(Duration::from_secs(5), TimeoutAction::Cancel);
        assert_eq!(
            deadline.on_progress(Duration::from_millis(4999), &at("active", 1)),
            None
        );
        assert!(!deadline.expired());
        assert_eq!(
            deadline
                .on_progress(Duration::from_secs(5), &at("active", 2))
                .unwrap()
                .action,
            Action::Cancel
        );
        assert!(deadline.expired());
        assert_eq!(
            deadline.on_progress(Duration::from_mins(1), &at("cancelling", 2)),
            None
        );
    }

    #[test]
    fn a_pause_that_does_not_help_ends_in_a_cancel() {
        let mut deadline = Deadline::new(Duration::from_secs(1), TimeoutAction::Pause);
        assert_eq!(
            deadline
                .on_progress(Duration::from_secs(1), &at("active", 1))
                .unwrap()
                .action,
            Action::Pause
        );
        assert_eq!(
            deadline.on_progress(Duration::from_secs(10), &at("active", 1)),
            None
        );
        assert_eq!(
            deadline
                .on_progress(Duration::from_secs(11), &at("active", 1))
                .unwrap()
                .action,
            Action::Cancel
        );
    }

    // Twice the timeout (or the timeout and ten seconds) must have passed, and ten seconds without a byte.
    #[test]
    fn only_a_stream_that_stands_still_after_all_is_hopeless() {
        let mut deadline = Deadline::new(Duration::from_secs(4), TimeoutAction::Cancel);
        deadline.on_progress(Duration::from_secs(3), &at("postcopy-active", 7));
        assert!(!deadline.hopeless(Duration::from_millis(13_999)));
        assert!(deadline.hopeless(Duration::from_secs(14)));
        deadline.on_progress(Duration::from_secs(14), &at("postcopy-active", 8));
        assert!(!deadline.hopeless(Duration::from_secs(15)));
    }

    #[test]
    fn post_copy_is_left_to_end() {
        let mut deadline = Deadline::new(Duration::from_secs(1), TimeoutAction::Cancel);
        assert_eq!(
            deadline.on_progress(Duration::from_secs(99), &at("postcopy-active", 1)),
            None
        );
    }

    #[test]
    fn stillness_counts_from_the_last_byte() {
        let mut deadline = Deadline::new(Duration::from_secs(99), TimeoutAction::Cancel);
        deadline.on_progress(Duration::from_secs(1), &at("active", 7));
        deadline.on_progress(Duration::from_secs(4), &at("active", 7));
        assert_eq!(
            deadline.still_for(Duration::from_secs(6)),
            Duration::from_secs(5)
        );
    }
}
