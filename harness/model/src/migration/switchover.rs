//! From the guest's last instruction on the source to its first on the destination, and the end:
//! `migration_completion`.

use super::{Migration, Stage, Step};
use crate::status::{EventKind, Side, Status};
use crate::time::length;

impl Migration {
    /// So little is left that it may be sent with the guest stopped; in post-copy, that the limit does not matter
    /// any more.
    pub(super) fn switch_over(&mut self) {
        if self.postcopy {
            self.stage = Stage::Flushing;
        } else {
            self.stop_guest();
        }
    }

    /// `migration_stop_vm`, and the pause that was asked for.
    pub(super) fn stop_guest(&mut self) {
        self.stopped = Some(self.now);
        if self.guest.runs_on.take().is_some() {
            self.tell(Side::Source, EventKind::Stop);
        }
        if self.settings.pause_before_switchover {
            self.stage = Stage::Pausing;
            self.become_status(Status::PreSwitchover);
        } else {
            self.leave();
        }
    }

    /// Nothing holds the stopped guest any more.
    pub(super) fn leave(&mut self) {
        self.become_status(Status::Device);
        self.sync();
        if self.postcopy {
            self.pack();
        } else {
            self.stage = Stage::Completing;
        }
    }

    pub(super) fn drain(&mut self) {
        self.stream.put(DEVICE_BYTES);
        self.stage = Stage::Draining;
    }

    /// The last byte is off the path.
    pub(super) fn drained(&mut self) {
        self.stream.clear();
        if self.postcopy {
            self.close_postcopy();
        } else {
            let load = self.path.rtt / 2 + length(LOAD_S);
            self.enter(Stage::Timed(Step::Loading), load);
        }
    }

    /// The guest runs on the destination.
    pub(super) fn resume_there(&mut self) {
        self.arrive_guest();
        self.tell(Side::Destination, EventKind::Migration(Status::Completed));
        self.close();
    }

    pub(super) fn arrive_guest(&mut self) {
        self.home = Side::Destination;
        self.warm_until = self.now + self.machine.warm_up;
        self.run_guest();
    }

    /// It runs where it belongs, unless an operator stopped it.
    pub(super) fn run_guest(&mut self) {
        if self.guest.runs_on.is_none() && !self.held {
            self.guest.runs_on = Some(self.home);
            self.pace = None;
            self.tell(self.home, EventKind::Resume);
        }
    }

    /// The destination shuts the return path.
    pub(super) fn close(&mut self) {
        let word = self.path.rtt / 2 + length(CLOSE_S);
        self.enter(Stage::Timed(Step::Closing), word);
    }

    /// `migration_completion_end`.
    pub(super) fn complete(&mut self) {
        if self.downtime.is_none() {
            self.downtime = self.stopped.map(|at| self.now.saturating_sub(at));
        }
        self.end(Status::Completed);
    }

    /// `migration_iteration_finish`.
    pub(super) fn end(&mut self, status: Status) {
        self.stage = Stage::Ended;
        self.sync_timer = None;
        self.throttle.stop();
        self.memory.untrack();
        self.ended = Some(self.now);
        self.become_status(status);
    }
}

/// Device state of a small guest; src-iterable-saved to src-non-iterable-saved: 1.3 to 9 ms, in the median 3.
pub(super) const SAVE_S: f64 = 0.003;
/// Loading it and starting the vCPUs: what `blackout_transfer_ms` has beside memory and device state where nothing is
/// on its way, 2.4 to 5 ms in run 20261201-031226-cost-d318.
pub(super) const LOAD_S: f64 = 0.003;
/// RESUME to `completed` on the source: 0.5 ms (all of runs 20261201-081052-ci-1a53, -031226-cost-d318,
/// -033018-split-network-eb40).
pub(super) const CLOSE_S: f64 = 0.0005;
/// Of the order of a small guest's device state.
pub(super) const DEVICE_BYTES: f64 = 50e3;
