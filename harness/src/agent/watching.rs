//! CPU time of what the agent runs, and the task that samples it where no migration loop does: on the destination.
//!
//! The destination's QEMU is not asked for its migration meanwhile: its main loop loads the stream, so a question would wait
//! for it and take time from it, and the answer would hold nothing that its events and the final answer don't say.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::task::JoinHandle;
use tokio::time::sleep;

use super::protocol::{SampleCost, TimedSample};
use super::readings::Notebook;
use crate::clock::monotonic_ns;
use crate::cpu;
use crate::hypervisor::Reading;

/// What a sample reads the CPU time of.
#[derive(Debug, Clone)]
pub(super) struct Processes {
    /// The guest's, unless it is simulated.
    pub(super) qemu: Option<u32>,
    pub(super) carriers: Pids,
}

/// Processes whose number can grow while they are watched.
#[derive(Debug, Clone, Default)]
pub(super) struct Pids(Arc<Mutex<Vec<u32>>>);

impl Pids {
    pub(super) fn add(&self, pid: u32) {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(pid);
    }

    pub(super) fn list(&self) -> Vec<u32> {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}

impl Processes {
    /// Reads all of it now. `migration` is the hypervisor's answer to the question asked at `asked_ns`.
    pub(super) fn sample(
        &self,
        asked_ns: u64,
        trigger: &str,
        migration: Option<Reading>,
    ) -> TimedSample {
        let answered_ns = monotonic_ns();
        let threads = self.qemu.map(cpu::of_threads).unwrap_or_default();
        let qemu = self.qemu.and_then(cpu::of_process);
        let carrier = cpu::of_trees(&self.carriers.list());
        let at_ns = monotonic_ns();
        TimedSample {
            at_ns,
            trigger: trigger.to_owned(),
            cost: SampleCost {
                answer_ns: answered_ns.saturating_sub(asked_ns),
                read_ns: at_ns.saturating_sub(answered_ns),
            },
            migration,
            threads,
            qemu,
            carrier,
        }
    }
}

/// Samples by itself. Dropping it ends it.
#[derive(Debug)]
pub(super) struct Watcher(JoinHandle<()>);

impl Watcher {
    pub(super) fn start(processes: Processes, every: Duration, notebook: Notebook) -> Self {
        Watcher(tokio::spawn(async move {
            let every_ns = u64::try_from(every.as_nanos()).unwrap_or(u64::MAX);
            loop {
                // The migration's own samples hold the same and more: only where they fail to come, one is missing.
                let due_ns = notebook
                    .last_sample_ns()
                    .map_or(0, |last| last.saturating_add(every_ns));
                let now_ns = monotonic_ns();
                if due_ns <= now_ns {
                    notebook.sample(processes.sample(now_ns, "interval", None));
                } else {
                    sleep(Duration::from_nanos(due_ns - now_ns)).await;
                }
            }
        }))
    }
}

impl Drop for Watcher {
    fn drop(&mut self) {
        self.0.abort();
    }
}
