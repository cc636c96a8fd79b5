//! One guest between two hosts, or on the one where it runs: the model and what goes with it.

use std::time::Duration;

use lmbench_model::{Event, Machine, Memory, Migration, Path, Settings, Side, Status, Workload};

use super::code::Code;
use super::settings;
use crate::hypervisor::Heard;
use crate::spec::GuestSpec;

/// A guest and at most one migration of it.
pub(super) struct Flight {
    pub(super) model: Migration,
    /// When the model's time was 0.
    pub(super) began: Duration,
    /// The machines at the source and at the destination.
    pub(super) ends: [Option<usize>; 2],
    memory: Memory,
    machine: Machine,
    pub(super) code: Option<Code>,
}

impl Flight {
    /// A guest that runs since now, with this workload.
    pub(super) fn new(
        spec: &GuestSpec,
        workload: &Workload,
        path: Path,
        code: Option<Code>,
        (now, seed): (Duration, u64),
    ) -> Flight {
        let memory = Memory::new(spec.memory_bytes, workload);
        let machine = Machine::lab(spec.vcpus);
        let model = Migration::new(machine, memory.clone(), path, Settings::default(), seed);
        Flight {
            model,
            began: now,
            ends: [None, None],
            memory,
            machine,
            code,
        }
    }

    /// A guest that boots.
    pub(super) fn booted(spec: &GuestSpec, path: Path, at: (Duration, u64)) -> Flight {
        Flight::new(spec, &settings::no_workload(), path, None, at)
    }

    /// The same guest, ready for another migration.
    pub(super) fn again(&self, (now, seed): (Duration, u64)) -> Flight {
        let path = self.model.path().clone();
        let settings = self.model.settings().clone();
        let mut model = Migration::new(self.machine, self.memory.clone(), path, settings, seed);
        if self.model.is_held() {
            model.stop();
            // Nobody is told twice.
            model.advance(Duration::ZERO);
        }
        Flight {
            model,
            began: now,
            ends: [None, None],
            memory: self.memory.clone(),
            machine: self.machine,
            code: self.code.as_ref().map(|code| code.carried(&self.model)),
        }
    }

    /// Whether a migration goes on.
    pub(super) fn is_busy(&self) -> bool {
        let status = self.model.status();
        status != Status::None && !status.is_final()
    }

    pub(super) fn end(&self, side: Side) -> Option<usize> {
        match side {
            Side::Source => self.ends[0],
            Side::Destination => self.ends[1],
        }
    }

    /// The world's time that the model has come to.
    pub(super) fn now(&self) -> Duration {
        self.began + self.model.now()
    }

    pub(super) fn next_event(&self) -> Option<Duration> {
        self.model.next_event().map(|at| self.began + at)
    }

    /// Goes on to the next moment in which something is told or said, at the longest until `now`, and says whether there is more before that.
    pub(super) fn step(&mut self, now: Duration) -> Option<(Vec<Event>, bool)> {
        let now = now.checked_sub(self.began)?;
        let said = self.code.as_ref().and_then(|code| code.due(&self.model));
        let next = self.model.next_event().into_iter().chain(said).min();
        let next = next.filter(|at| *at <= now);
        let events = self.model.advance(next.unwrap_or(now));
        Some((events, next.is_some()))
    }

    /// What its own code has to say now.
    pub(super) fn speak(&mut self, at_ns: u64, heard: &mut Heard) {
        if let Some(code) = &mut self.code {
            code.speak(&self.model, &self.memory, at_ns, heard);
        }
    }
}
