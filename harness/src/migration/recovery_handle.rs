//! The handle by which a migration is told that its post-copy gets no new connection, and when a connection counts as lost. Pure, but for
//! the channel on which recovery is given up; the new connection itself is made by whoever knows both hosts.

use std::time::Duration;

use tokio::sync::oneshot;

use crate::hypervisor::MigrationStatus;
use crate::progress::Progress;
use crate::spec::RecoverySpec;

/// Somebody makes a new connection for a post-copy that lost its own.
pub struct RecoveryHandle {
    /// Time without a byte in post-copy after which its connection may be dead.
    pub after: Duration,
    /// Tells why there will be no new connection.
    pub given_up: oneshot::Receiver<String>,
}

impl RecoveryHandle {
    /// A handle where `spec` allows for attempts, and the means to give up.
    pub fn new(spec: &RecoverySpec) -> Option<(RecoveryHandle, oneshot::Sender<String>)> {
        let (sender, given_up) = oneshot::channel();
        let handle = RecoveryHandle {
            after: spec.after,
            given_up,
        };
        (spec.attempts > 0).then_some((handle, sender))
    }
}

/// Returns the reason once recovery is given up; never without a handle, or if nobody can give up any more.
pub(super) async fn given_up(recovery: &mut Option<RecoveryHandle>) -> String {
    if let Some(recovery) = recovery
        && let Ok(reason) = (&mut recovery.given_up).await
    {
        return reason;
    }
    std::future::pending().await
}

/// Finds a post-copy that stands still. A link that drops everything looks the same as one on which nothing is sent, so only time tells.
#[derive(Debug, Default)]
pub(super) struct Stillness {
    status: MigrationStatus,
    moved: Option<(u64, Duration)>,
    told: bool,
}

impl Stillness {
    /// How long a flowing post-copy has moved nothing, if that is `after` or more and was not told yet.
    pub(super) fn on_progress(
        &mut self,
        now: Duration,
        progress: &Progress,
        after: Duration,
    ) -> Option<Duration> {
        let bytes = progress.transferred_bytes;
        // A new connection begins with a silence of its own.
        if self.status != progress.status || self.moved.is_none_or(|(before, _)| before != bytes) {
            self.status = progress.status.clone();
            self.moved = Some((bytes, now));
            self.told = false;
        }
        let flows = matches!(
            progress.status,
            MigrationStatus::PostcopyActive | MigrationStatus::PostcopyRecover
        );
        let still = self.moved.map(|(_, at)| now.saturating_sub(at))?;
        let news = flows && still >= after && !self.told;
        self.told |= news;
        news.then_some(still)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_post_copy_that_stands_still_is_told_and_once() {
        let mut stillness = Stillness::default();
        let mut at = |now: u64, status: &str, transferred_bytes: u64| {
            let progress = Progress {
                status: status.into(),
                transferred_bytes,
                ..Progress::default()
            };
            let after = Duration::from_secs(5);
            stillness
                .on_progress(Duration::from_secs(now), &progress, after)
                .map(|still| still.as_secs())
        };
        assert_eq!(at(0, "active", 1), None);
        // Pre-copy has the timeout for that.
        assert_eq!(at(9, "active", 1), None);
        assert_eq!(at(10, "postcopy-active", 1), None);
        assert_eq!(at(14, "postcopy-active", 1), None);
        assert_eq!(at(15, "postcopy-active", 1), Some(5));
        assert_eq!(at(16, "postcopy-active", 1), None);
        assert_eq!(at(17, "postcopy-paused", 1), None);
        assert_eq!(at(60, "postcopy-paused", 1), None);
        assert_eq!(at(61, "postcopy-recover", 1), None);
        assert_eq!(at(66, "postcopy-recover", 1), Some(5));
        assert_eq!(at(67, "postcopy-active", 1), None);
        assert_eq!(at(71, "postcopy-active", 2), None);
        assert_eq!(at(75, "postcopy-active", 2), None);
        assert_eq!(at(76, "postcopy-active", 2), Some(5));
    }
}
