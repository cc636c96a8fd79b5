//! The agent as observer of its own migration: readings become samples, some of them notices.

use std::time::Duration;

use tokio::sync::mpsc;

use super::protocol::{Notice, TimedSample, Told};
use super::readings::Notebook;
use crate::cpu;
use crate::guest::{GuestEvent, Reading};
use crate::migration::Observer;

/// Keeps every reading with the CPU time at that moment.
pub(super) struct Sampler {
    pub(super) notebook: Notebook,
    pub(super) told: mpsc::UnboundedSender<Told>,
    pub(super) qemu_pid: u32,
    pub(super) carrier_pids: Vec<u32>,
    pub(super) started_ns: u64,
    pub(super) noticed_ns: u64,
}

impl Observer for Sampler {
    fn reading(&mut self, at_ns: u64, trigger: &'static str, reading: &Reading) {
        self.notebook.sample(TimedSample {
            at_ns,
            trigger: trigger.to_owned(),
            migration: reading.raw.clone(),
            threads: cpu::of_threads(self.qemu_pid),
            qemu: cpu::of_process(self.qemu_pid),
            carrier: self
                .carrier_pids
                .iter()
                .filter_map(|pid| cpu::of_process(*pid))
                .reduce(|sum, time| sum + time),
        });
        if at_ns.saturating_sub(self.noticed_ns) >= NOTICE_INTERVAL.as_nanos() as u64 {
            self.noticed_ns = at_ns;
            let elapsed_ns = at_ns.saturating_sub(self.started_ns);
            // The controller may be going away; its end of the pipe tells the agent so.
            let _ = self.told.send(Told::Notice(Notice::Progress {
                elapsed_ns,
                progress: reading.progress.clone(),
            }));
        }
    }

    /// QEMU's own events are written down by the task that follows the guest; only ours come from here.
    fn event(&mut self, event: GuestEvent) {
        if event
            .name
            .chars()
            .all(|letter| !letter.is_ascii_uppercase())
        {
            self.notebook.event(event);
        }
    }
}

const NOTICE_INTERVAL: Duration = Duration::from_millis(250);
