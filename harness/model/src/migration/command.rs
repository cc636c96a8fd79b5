//! What an operator or a fault does to a migration.

use thiserror::Error;

use super::{Arrival, Migration, Stage, Step};
use crate::path::Path;
use crate::settings::Settings;
use crate::status::{EventKind, Side, Status};
use crate::stream::Stream;
use crate::time::length;

/// Why a command was not carried out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum Refused {
    /// It does not fit where the migration stands.
    #[error("not while the migration is {}", .0.as_str())]
    Status(Status),
    /// Post-copy was not enabled, or can't be: QEMU 10.0 has none with multifd.
    #[error("post-copy is not enabled")]
    NoPostcopy,
    /// The guest is lost: it did not run on the destination yet when its connection ended.
    #[error("the destination is gone")]
    Gone,
}

impl Migration {
    /// `migrate`. The carrier's own handshake comes before it.
    pub fn start(&mut self) -> Result<(), Refused> {
        self.only(&[Status::None])?;
        self.started = self.now;
        self.expected_downtime = self.settings.downtime_limit;
        self.become_status(Status::Setup);
        self.tell(Side::Destination, EventKind::Migration(Status::Setup));
        let (bytes, pages) = (self.counters.stream_bytes, self.counters.pages());
        self.window.begin(self.now, bytes, pages);
        if self.settings.auto_converge {
            self.start_sync_timer(0);
        }
        // A connection's round trip, and what QEMU needs itself.
        let setup = self.path.rtt + length(SETUP_S);
        self.enter(Stage::Timed(Step::Setup), setup);
        Ok(())
    }

    /// `migrate-start-postcopy`: at the loop's next turn.
    pub fn start_postcopy(&mut self) -> Result<(), Refused> {
        if !self.settings.postcopy_ram || self.settings.multifd {
            return Err(Refused::NoPostcopy);
        }
        self.only(&[Status::Setup, Status::Active])?;
        self.postcopy_wanted = true;
        Ok(())
    }

    /// `migrate-continue` from `pre-switchover`.
    pub fn continue_switchover(&mut self) -> Result<(), Refused> {
        self.only(&[Status::PreSwitchover])?;
        self.leave();
        Ok(())
    }

    /// `migrate_cancel`: the guest stays where it is.
    pub fn cancel(&mut self) -> Result<(), Refused> {
        self.only(&[
            Status::Setup,
            Status::Active,
            Status::PreSwitchover,
            Status::Device,
        ])?;
        self.become_status(Status::Cancelling);
        self.end(Status::Cancelled);
        self.wake_source();
        Ok(())
    }

    /// `stop`: the guest stands still until [`cont`](Self::cont), and arrives so. The migration goes on.
    pub fn stop(&mut self) {
        self.held = true;
        self.pace = None;
        if let Some(side) = self.guest.runs_on.take() {
            self.tell(side, EventKind::Stop);
        }
    }

    /// `cont`. Not while the migration has stopped the guest itself.
    pub fn cont(&mut self) -> Result<(), Refused> {
        let leaving = matches!(
            self.status,
            Status::PreSwitchover | Status::Device | Status::PostcopyActive
        );
        if self.home == Side::Source && leaving {
            return Err(Refused::Status(self.status));
        }
        self.held = false;
        self.run_guest();
        Ok(())
    }

    /// `migrate-pause`, which only post-copy has.
    pub fn pause(&mut self) -> Result<(), Refused> {
        self.only(&[Status::PostcopyActive])?;
        self.break_connection();
        Ok(())
    }

    /// `migrate-recover` there and `migrate` with `resume` here.
    pub fn recover(&mut self) -> Result<(), Refused> {
        self.only(&[Status::PostcopyPaused])?;
        if self.arrival != Arrival::Done {
            return Err(Refused::Gone);
        }
        self.become_status(Status::PostcopyRecoverSetup);
        let connect = self.path.carrier.handshake_time(self.path.rtt) + self.path.rtt;
        self.enter(Stage::Timed(Step::Reconnecting), connect + length(SETUP_S));
        Ok(())
    }

    /// The link carries nothing until [`restore_link`](Self::restore_link); connections stand.
    pub fn cut_link(&mut self) {
        self.link_up = false;
        self.pace = None;
    }

    /// The link carries again.
    pub fn restore_link(&mut self) {
        self.link_up = true;
        self.pace = None;
    }

    /// The stream's connection ends. Pre-copy fails and the guest goes on at the source; post-copy pauses, or has
    /// lost the guest if that did not run there yet. When all is sent and only the destination's word is missing,
    /// the migration fails although the guest has moved, as QEMU 10.0's does.
    pub fn break_connection(&mut self) {
        let moved = self.home == Side::Destination;
        match self.stage {
            Stage::Idle | Stage::Ended | Stage::Lost => {}
            Stage::Timed(Step::Closing) if moved => self.end(Status::Failed),
            Stage::Timed(Step::Reconnecting | Step::Agreeing) => self.lose(),
            _ if self.status == Status::PostcopyActive => self.lose(),
            _ => {
                self.end(Status::Failed);
                self.wake_source();
            }
        }
    }

    /// The settings as they are.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// `migrate-set-parameters`: from now on.
    pub fn set_settings(&mut self, settings: Settings) {
        if settings.auto_converge && !self.settings.auto_converge && self.is_active() {
            self.start_sync_timer(self.counters.syncs());
        }
        self.settings = settings;
        self.pace = None;
    }

    /// The path as it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Another path: a link that gets slower, a carrier that paces. What is on its way stays.
    pub fn set_path(&mut self, path: Path) {
        let backlog = self.stream.backlog();
        self.stream = Stream::new(path.buffer_bytes);
        self.stream.put(backlog);
        self.path = path;
        self.pace = None;
    }

    fn is_active(&self) -> bool {
        matches!(self.status, Status::Setup | Status::Active)
    }

    /// The source's guest goes on, if it stood still.
    fn wake_source(&mut self) {
        self.stream.clear();
        self.postcopy = false;
        self.run_guest();
    }

    fn only(&self, allowed: &[Status]) -> Result<(), Refused> {
        if allowed.contains(&self.status) {
            Ok(())
        } else {
            Err(Refused::Status(self.status))
        }
    }
}

/// Duration of QEMU's setup: 1 to 4 ms (`setup_time_ms` of the published runs).
const SETUP_S: f64 = 0.002;
