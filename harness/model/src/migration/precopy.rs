//! The loop while the guest runs on the source: `migration_iteration_run`, dirty syncs, rate limit.

use std::time::Duration;

use super::{Migration, Stage, Step};
use crate::dirty::DUST_PAGES;
use crate::status::{EventKind, Side, Status};
use crate::stream::Allowed;
use crate::time::{PAGE_BYTES, length};

impl Migration {
    /// Setup is over: the bitmap is full, the first sync done (`ram_save_setup`).
    pub(super) fn set_up(&mut self) {
        self.setup_time = self.now.saturating_sub(self.started);
        self.memory.track();
        self.sync();
        self.become_status(Status::Active);
        self.tell(Side::Destination, EventKind::Migration(Status::Active));
        self.iterate();
    }

    /// One turn of `migration_iteration_run`: sync if little seems to be left, then complete, switch to post-copy,
    /// or send on.
    pub(super) fn iterate(&mut self) {
        if self.memory.dirty() * PAGE_BYTES < self.window.threshold && !self.postcopy {
            self.sync();
        }
        let pending = self.memory.dirty() * PAGE_BYTES;
        if pending <= DUST_PAGES * PAGE_BYTES || pending < self.window.threshold {
            self.switch_over();
        } else if self.postcopy_wanted && !self.postcopy {
            self.begin_postcopy();
        } else {
            self.enter(Stage::Sending, MAX_WAIT);
        }
    }

    /// `migration_rate_limit`: close the window if it is over, sleep if it is used up.
    pub(super) fn end_iteration(&mut self) {
        self.close_window();
        if self.window_left() <= 1.0 {
            let sleep = self.window.end().saturating_sub(self.now);
            self.enter(Stage::Timed(Step::Sleeping), sleep);
        } else {
            self.iterate();
        }
    }

    /// The rate limit's sleep is over.
    pub(super) fn wake(&mut self) {
        self.close_window();
        self.iterate();
    }

    /// Bytes per second that QEMU limits itself to now; 0 is no limit.
    fn limit(&self) -> u64 {
        match self.stage {
            Stage::Completing | Stage::Flushing => 0,
            _ if self.postcopy => self.settings.max_postcopy_bandwidth,
            _ if self.settings.multifd => 0,
            _ => self.settings.max_bandwidth,
        }
    }

    /// Bytes that the rate limit still allows in this window.
    pub(super) fn window_left(&self) -> f64 {
        self.window.left(self.limit(), self.counters.stream_bytes)
    }

    fn close_window(&mut self) {
        let allowed = self.allowed();
        let (bytes, pages) = (self.counters.stream_bytes, self.counters.pages());
        if !self.window.close(self.now, bytes, pages, allowed) {
            return;
        }
        let expected = self.window.expected(allowed);
        if self.counters.dirty_pages_per_s > 0.0 && expected > 0.0 {
            self.expected_downtime = length(self.counters.dirty_bytes_last_sync / expected);
        }
        self.luck = 1.0 + self.path.noise * (2.0 * self.random.unit() - 1.0);
    }

    fn allowed(&self) -> Allowed {
        Allowed {
            downtime: self.settings.downtime_limit,
            switchover_bandwidth: self.settings.avail_switchover_bandwidth,
        }
    }

    /// `migration_bitmap_sync`.
    pub(super) fn sync(&mut self) {
        let new = self.memory.sync();
        let seen = self.counters.synced(self.now, new, self.memory.dirty());
        if let (Some((dirtied, sent)), true) = (seen, self.settings.auto_converge) {
            self.throttle.look(self.settings.throttle, dirtied, sent);
        }
        self.tell(Side::Source, EventKind::Pass(self.counters.syncs()));
    }

    /// Auto-converge syncs where no pass did for five seconds, but not in the first
    /// (`cpu_throttle_dirty_sync_timer_tick`, 9.2).
    pub(super) fn sync_by_timer(&mut self) {
        let syncs = self.counters.syncs();
        let still = self.sync_timer.is_some_and(|(_, before)| before == syncs);
        if still && syncs > 1 && self.status == Status::Active {
            self.sync();
        }
        self.start_sync_timer(self.counters.syncs());
    }

    pub(super) fn start_sync_timer(&mut self, syncs: u64) {
        self.sync_timer = Some((self.now + SYNC_EVERY, syncs));
    }
}

/// `CPU_THROTTLE_DIRTY_SYNC_TIMESLICE_MS`.
const SYNC_EVERY: Duration = Duration::from_secs(5);
/// `MAX_WAIT` is 50 ms, compared in whole ones.
const MAX_WAIT: Duration = Duration::from_millis(51);
