//! A database: writes in the page cache, a write-ahead log, and checkpoints.
//!
//! The log is a ring at the front of the share, written page after page (ARIES' log; Mohan et al., ACM TODS 17(1), 1992). The cache is
//! the rest, written uniformly. A checkpoint touches its share of the cache in ascending order, spread evenly, as `PostgreSQL` sorts a
//! checkpoint's buffers by file and block since 9.6, and as fast as the CPU goes; ordinary writes of the thread wait
//! meanwhile. Threads run their checkpoints by the same clock without waiting for each other: a database's checkpoint
//! doesn't stop the world.

use super::{Moment, Place, Step};
use crate::random::Random;

/// One thread of the database.
#[derive(Debug)]
pub struct Database {
    random: Random,
    log: u64,
    cache: u64,
    log_next: u64,
    log_share: f64,
    interval_ns: u64,
    burst: u64,
    next_checkpoint_ns: Option<u64>,
    /// Pages this checkpoint has written; `None` outside.
    written: Option<u64>,
}

impl Database {
    pub(super) fn new(
        place: Place,
        log_bytes: u64,
        log_share: f64,
        interval_ns: u64,
        checkpoint_share: f64,
    ) -> Self {
        let log = place.part(log_bytes);
        let cache = place.pages - log;
        Self {
            random: place.random(),
            log,
            cache,
            log_next: 0,
            log_share,
            interval_ns,
            burst: (cache as f64 * checkpoint_share) as u64,
            next_checkpoint_ns: None,
            written: None,
        }
    }

    #[inline]
    pub(super) fn next(&mut self, moment: Moment) -> Step {
        if let Some(written) = self.written {
            return self.checkpoint(written);
        }
        let due_ns = *self
            .next_checkpoint_ns
            .get_or_insert(moment.now_ns.saturating_add(self.interval_ns));
        if self.burst > 0 && moment.now_ns >= due_ns {
            // A checkpoint that comes late moves those after it: the pattern owes none.
            let planned_ns = due_ns.saturating_add(self.interval_ns);
            let anew_ns = moment.now_ns.saturating_add(self.interval_ns);
            self.next_checkpoint_ns = Some(if planned_ns > moment.now_ns {
                planned_ns
            } else {
                anew_ns
            });
            self.written = Some(0);
            return Step::PauseBegin(None);
        }
        if self.log > 0 && self.random.chance(self.log_share) {
            let page = self.log_next;
            self.log_next = (page + 1) % self.log;
            return Step::Write(page);
        }
        Step::Write(self.log + self.random.below(self.cache))
    }

    pub(super) fn may_end(&self) -> bool {
        self.written.is_none()
    }

    fn checkpoint(&mut self, written: u64) -> Step {
        if written == self.burst {
            self.written = None;
            return Step::PauseEnd(None);
        }
        self.written = Some(written + 1);
        Step::Burst(
            self.log
                + (u128::from(written) * u128::from(self.cache) / u128::from(self.burst)) as u64,
        )
    }
}
