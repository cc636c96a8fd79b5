//! Post-copy: `postcopy_start`, the guest's arrival, loss of the connection and recovery.

use std::time::Duration;

use super::switchover::{DEVICE_BYTES, LOAD_S, SAVE_S};
use super::{Arrival, Migration, Stage, Step};
use crate::status::{EventKind, Side, Status};
use crate::time::{PAGE_BYTES, later, length};

impl Migration {
    /// The switch, at the next turn of the loop after it was asked for. With preempt the second connection is made
    /// first.
    pub(super) fn begin_postcopy(&mut self) {
        self.postcopy = true;
        if self.settings.postcopy_preempt {
            let connect = self.path.carrier.handshake_time(self.path.rtt) + self.path.rtt;
            self.enter(Stage::Timed(Step::Connecting), connect);
        } else {
            self.stop_guest();
        }
    }

    /// The last sync is done; what is dirty is discarded on the destination, device state is packed.
    pub(super) fn pack(&mut self) {
        self.become_status(Status::PostcopyActive);
        self.enter(Stage::Timed(Step::Packing), length(SAVE_S));
    }

    /// The package is written, which is what QEMU calls the downtime's end; the background stream begins.
    pub(super) fn packed(&mut self) {
        self.stream.put(DEVICE_BYTES);
        self.arrival = Arrival::Flying(self.stream.backlog());
        self.downtime = self.stopped.map(|at| self.now.saturating_sub(at));
        self.begin_window();
        self.iterate();
    }

    pub(super) fn arrival_ends(&self) -> Option<Duration> {
        match self.arrival {
            Arrival::None | Arrival::Done => None,
            Arrival::Flying(bytes) => later(self.now, bytes.max(0.0) / self.rates().path),
            Arrival::Loading(until) => Some(until),
        }
    }

    /// The guest is there, or runs there.
    pub(super) fn arrive(&mut self) {
        match self.arrival {
            Arrival::Flying(bytes) if bytes <= 1.0 => {
                // What is dirty was discarded before; devices fetch their pages while they load.
                let wait_s = self.fault_wait_s();
                let fetch_s = DEVICE_PAGES * if wait_s.is_finite() { wait_s } else { 0.0 };
                let load_s = LOAD_S + self.memory.dirty() * DISCARD_S + fetch_s;
                self.arrival = Arrival::Loading(self.now + self.path.rtt / 2 + length(load_s));
                self.tell(
                    Side::Destination,
                    EventKind::Migration(Status::PostcopyActive),
                );
            }
            Arrival::Loading(until) if until <= self.now => {
                self.arrival = Arrival::Done;
                self.arrive_guest();
            }
            Arrival::None | Arrival::Flying(_) | Arrival::Loading(_) | Arrival::Done => {}
        }
    }

    /// All pages are there; the destination says so once its guest runs.
    pub(super) fn close_postcopy(&mut self) {
        if let Arrival::Flying(bytes) = &mut self.arrival {
            *bytes = 0.0;
            self.arrive();
        }
        self.close();
        if let Some(runs) = self.arrival_ends() {
            self.stage_until += runs.saturating_sub(self.now);
        }
    }

    /// The connection broke (`postcopy_pause`): what was on its way did not arrive.
    pub(super) fn lose(&mut self) {
        self.memory.put_back(self.stream.backlog() / PAGE_BYTES);
        self.stream.clear();
        self.stage = Stage::Lost;
        self.become_status(Status::PostcopyPaused);
        if self.arrival == Arrival::Done {
            self.tell(
                Side::Destination,
                EventKind::Migration(Status::PostcopyPaused),
            );
        } else {
            // The destination's QEMU ends with the guest that did not run there yet.
            self.arrival = Arrival::None;
        }
    }

    /// The new connection stands; both sides compare bitmaps.
    pub(super) fn agree(&mut self) {
        self.become_status(Status::PostcopyRecover);
        let talk = self.path.rtt * 2 + length(BITMAPS_S);
        self.enter(Stage::Timed(Step::Agreeing), talk);
    }

    /// Post-copy goes on.
    pub(super) fn go_on(&mut self) {
        self.become_status(Status::PostcopyActive);
        self.tell(
            Side::Destination,
            EventKind::Migration(Status::PostcopyActive),
        );
        self.begin_window();
        self.iterate();
    }

    fn begin_window(&mut self) {
        let (bytes, pages) = (self.counters.stream_bytes, self.counters.pages());
        self.window.begin(self.now, bytes, pages);
    }
}

/// Bitmaps of a small guest.
const BITMAPS_S: f64 = 0.001;
/// Guest pages that devices read while they load, one after the other, and time to discard a dirty page: blackouts
/// of 84 ms without a limit, 41 ms with preempt, of 41 000 dirty pages, where the way alone takes 17 (calibrated on
/// run 20261201-133458-post-copy-944e).
const DEVICE_PAGES: f64 = 3.0;
const DISCARD_S: f64 = 0.45e-6;
