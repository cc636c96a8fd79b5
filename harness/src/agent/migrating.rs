//! The agent as observer of its own migration: readings become samples, some of them notices.

use std::time::Duration;

use tokio::sync::mpsc;

use super::protocol::{Message, Notice, TimedEvent};
use super::readings::Notebook;
use super::watching::Processes;
use crate::clock::monotonic_ns;
use crate::hypervisor::{EventKind, GuestEvent, Reading};
use crate::migration::Observer;
use crate::spec::Stage;

/// Keeps every reading with the CPU time at that moment.
pub(super) struct Sampler {
    pub(super) notebook: Notebook,
    pub(super) told: mpsc::UnboundedSender<Message>,
    pub(super) processes: Processes,
    pub(super) started_ns: u64,
    pub(super) noticed_ns: u64,
    /// Of all dirty syncs so far but the first, which finds all memory dirty.
    pub(super) least_left_bytes: Option<u64>,
    /// Whether readings are kept; the last one always is.
    pub(super) keeps: bool,
}

impl Observer for Sampler {
    fn reading(&mut self, asked_ns: u64, trigger: &'static str, reading: &Reading) {
        let at_ns = monotonic_ns();
        if self.keeps || trigger == "final" {
            self.notebook.sample(
                self.processes
                    .sample(asked_ns, trigger, Some(reading.clone())),
            );
        }
        let progress = reading.progress();
        if trigger == "pass" && progress.pass > 1 {
            let left = progress.remaining_bytes;
            let least = self.least_left_bytes.unwrap_or(left);
            self.least_left_bytes = Some(least.min(left));
        }
        if progress.in_post_copy() {
            let left = Stage::Left(progress.remaining_bytes);
            let _ = self.told.send(Message::Notice(Notice::Reached(left)));
        }
        if at_ns.saturating_sub(self.noticed_ns) >= NOTICE_INTERVAL.as_nanos() as u64 {
            self.noticed_ns = at_ns;
            let elapsed_ns = at_ns.saturating_sub(self.started_ns);
            // The controller may be going away; its end of the pipe tells the agent so.
            let _ = self.told.send(Message::Notice(Notice::Progress {
                elapsed_ns,
                progress,
                least_left_bytes: self.least_left_bytes,
            }));
        }
    }

    /// QEMU's own events are written down by the task that follows the guest; only ours come from here.
    fn event(&mut self, event: GuestEvent) {
        if let Some(stage) = stage(&event) {
            let _ = self.told.send(Message::Notice(Notice::Reached(stage)));
        }
        if DECISIONS.contains(&event.name()) {
            let _ = self.told.send(Message::Notice(Notice::Decided {
                elapsed_ns: event.at_ns.saturating_sub(self.started_ns),
                event: TimedEvent::from(event.clone()),
            }));
        }
        if matches!(event.kind, EventKind::Own(_)) {
            self.notebook.event(event);
        }
    }
}

/// What an event says of how far the migration has come.
fn stage(event: &GuestEvent) -> Option<Stage> {
    match &event.kind {
        EventKind::MigrationPass(pass) => Some(Stage::Pass(*pass)),
        EventKind::Migration(status) => Some(Stage::Status(status.clone())),
        EventKind::Own(name) if name == "migrate" => Some(Stage::Accepted),
        EventKind::Own(name) if name == "no-progress" => Some(Stage::Still),
        _ => None,
    }
}

/// Events of ours that an operator wants to hear of at once.
const DECISIONS: [&str; 4] = ["policy", "timeout", "operator", "refused"];
const NOTICE_INTERVAL: Duration = Duration::from_millis(250);
