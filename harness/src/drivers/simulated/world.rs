//! All simulated hosts of a process, the way between them, and their time.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use lmbench_model::{EventKind as Told, Path, Settings, Side, Status};
use tokio::sync::Notify;
use tokio::time::{Instant, sleep_until};

use super::flight::Flight;
use super::host::Simulated;
use crate::clock::{self, monotonic_ns};
use crate::hypervisor::{EventKind, Exit, GuestError, GuestEvent, Heard, MigrationStatus, Stream};
use crate::spec::GuestSpec;

/// Hosts with one path between any two of them. Clones share it.
#[derive(Clone)]
pub struct World(Arc<Inner>);

struct Inner {
    state: Mutex<State>,
    changed: Notify,
    began: Instant,
}

/// All that there is.
pub(super) struct State {
    pub(super) machines: Vec<Machine>,
    pub(super) flights: Vec<Flight>,
    pub(super) path: Path,
    seed: u64,
    link_up: bool,
    next_port: u16,
    began_ns: u64,
    now: Duration,
    told: bool,
}

/// A guest on one host.
pub(super) struct Machine {
    pub(super) host: String,
    pub(super) spec: GuestSpec,
    /// The flight that it is at an end of, and at which.
    pub(super) flight: Option<(usize, Side)>,
    pub(super) settings: Settings,
    pub(super) channels: u32,
    pub(super) status: MigrationStatus,
    pub(super) listens: Option<Stream>,
    pub(super) events: Vec<GuestEvent>,
    pub(super) heard: Heard,
    pub(super) exit: Option<Exit>,
}

impl World {
    /// Hosts with this path between them. The seed decides all that is left to chance.
    pub fn new(path: Path, seed: u64) -> World {
        let state = State {
            machines: Vec::new(),
            flights: Vec::new(),
            path,
            seed,
            link_up: true,
            next_port: 49152,
            began_ns: monotonic_ns(),
            now: Duration::ZERO,
            told: false,
        };
        World(Arc::new(Inner {
            state: Mutex::new(state),
            changed: Notify::new(),
            began: Instant::now(),
        }))
    }

    /// A host of this name.
    pub fn host(&self, name: impl Into<String>) -> Simulated {
        Simulated::new(self.clone(), name.into())
    }

    /// Now, on the clock that stamps events.
    pub fn now_ns(&self) -> u64 {
        self.look(|state| state.stamp(state.now))
    }

    /// Has this thread's run clock follow tokio's until the guard is dropped.
    #[must_use]
    pub fn keep_time(&self) -> clock::Virtual {
        let (began, began_ns) = (self.0.began, self.look(|state| state.began_ns));
        clock::read_from(move || began_ns + nanoseconds(began.elapsed()))
    }

    /// The link carries nothing until [`restore_link`](Self::restore_link); connections stand.
    pub fn cut_link(&self) {
        self.command(|state| {
            state.link_up = false;
            for flight in &mut state.flights {
                flight.model.cut_link();
            }
        });
    }

    /// The link carries again.
    pub fn restore_link(&self) {
        self.command(|state| {
            state.link_up = true;
            for flight in &mut state.flights {
                flight.model.restore_link();
            }
        });
    }

    /// Every stream's connection ends.
    pub fn break_connections(&self) {
        self.command(|state| {
            for flight in &mut state.flights {
                flight.model.break_connection();
            }
        });
    }

    /// Looks at how it is now.
    pub(super) fn look<T>(&self, look: impl FnOnce(&mut State) -> T) -> T {
        let mut state = self.state();
        let seen = look(&mut state);
        let told = std::mem::take(&mut state.told);
        drop(state);
        if told {
            self.0.changed.notify_waiters();
        }
        seen
    }

    /// Changes something now.
    pub(super) fn command<T>(&self, command: impl FnOnce(&mut State) -> T) -> T {
        let answer = self.look(|state| {
            let answer = command(state);
            state.advance(state.now);
            answer
        });
        self.0.changed.notify_waiters();
        answer
    }

    /// Waits until there is something to be seen.
    pub(super) async fn wait<T>(&self, mut look: impl FnMut(&mut State) -> Option<T>) -> T {
        loop {
            let changed = self.0.changed.notified();
            let (seen, next) = self.look(|state| (look(state), state.next_event()));
            if let Some(seen) = seen {
                return seen;
            }
            match next {
                Some(next) => tokio::select! {
                    () = changed => {}
                    () = sleep_until(self.0.began + next) => {}
                },
                None => changed.await,
            }
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        let mut state = self.0.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.advance(self.0.began.elapsed());
        state
    }
}

impl State {
    /// A moment of this world on the run clock.
    pub(super) fn stamp(&self, at: Duration) -> u64 {
        self.began_ns + nanoseconds(at)
    }

    /// A guest's machine, unless it is gone.
    pub(super) fn live(&mut self, machine: usize) -> Result<&mut Machine, GuestError> {
        let gone = self.machines[machine].gone();
        gone.map_or(Ok(()), Err)?;
        Ok(&mut self.machines[machine])
    }

    /// The flight that a live guest is at an end of, and at which.
    pub(super) fn flight(
        &mut self,
        machine: usize,
    ) -> Result<Option<(&mut Flight, Side)>, GuestError> {
        let flight = self.live(machine)?.flight;
        Ok(flight.map(|(flight, side)| (&mut self.flights[flight], side)))
    }

    /// Puts a guest that runs on a machine into a flight of its own, which goes nowhere yet. It is made of now and a seed.
    pub(super) fn board(&mut self, machine: usize, flight: impl FnOnce((Duration, u64)) -> Flight) {
        let seed = self.seed.wrapping_add(self.flights.len() as u64);
        let mut flight = flight((self.now, seed));
        if !self.link_up {
            flight.model.cut_link();
        }
        flight.ends = [Some(machine), None];
        self.machines[machine].flight = Some((self.flights.len(), Side::Source));
        self.flights.push(flight);
    }

    /// Puts one that has been migrated, or nearly, into its next flight.
    pub(super) fn board_again(&mut self, machine: usize) {
        if let Some((flight, _)) = self.machines[machine].flight {
            let seed = self.seed.wrapping_add(self.flights.len() as u64);
            let next = self.flights[flight].again((self.now, seed));
            self.board(machine, |_| next);
        }
    }

    /// A TCP port that nobody had yet.
    pub(super) fn port(&mut self) -> u16 {
        self.next_port = self.next_port.checked_add(1).unwrap_or(49153);
        self.next_port
    }

    /// The machine that listens at this address.
    pub(super) fn listener(&self, stream: &Stream) -> Option<usize> {
        let listens = |machine: &Machine| {
            machine.exit.is_none()
                && match (&machine.listens, stream) {
                    (Some(Stream::Tcp(at)), Stream::Tcp(to)) => {
                        at.port() == to.port() && (at.ip() == to.ip() || at.ip().is_unspecified())
                    }
                    (at, to) => at.as_ref() == Some(to),
                }
        };
        self.machines.iter().position(listens)
    }

    /// Ends a guest's machine, if it has not ended.
    pub(super) fn end(&mut self, machine: usize, exit: Exit) {
        let ended = &mut self.machines[machine];
        if ended.exit.is_some() {
            return;
        }
        ended.exit = Some(exit);
        ended.listens = None;
        self.told = true;
        if let Some((flight, _)) = ended.flight {
            self.flights[flight].model.break_connection();
        }
    }

    /// When the next thing happens by itself.
    fn next_event(&self) -> Option<Duration> {
        let flown = (0..self.flights.len()).filter(|flight| self.is_flown(*flight));
        flown
            .filter_map(|flight| self.flights[flight].next_event())
            .min()
    }

    /// Whether anybody still sees what this flight does.
    fn is_flown(&self, flight: usize) -> bool {
        let ends = self.flights[flight].ends.into_iter().flatten();
        ends.map(|end| &self.machines[end]).any(|machine| {
            machine.exit.is_none() && machine.flight.is_some_and(|(own, _)| own == flight)
        })
    }

    /// Lets time pass.
    fn advance(&mut self, now: Duration) {
        self.now = self.now.max(now);
        for flight in 0..self.flights.len() {
            if self.is_flown(flight) {
                self.fly(flight);
            }
        }
    }

    fn fly(&mut self, index: usize) {
        loop {
            let flight = &mut self.flights[index];
            let Some((events, more)) = flight.step(self.now) else {
                break;
            };
            for event in events {
                let kind = match event.kind {
                    Told::Migration(status) => EventKind::Migration(status.as_str().into()),
                    Told::Pass(pass) => EventKind::MigrationPass(pass),
                    Told::Stop => EventKind::Stop,
                    Told::Resume => EventKind::Resume,
                };
                self.tell(index, event.side, event.at, kind);
            }
            self.end_lost(index);
            self.hear(index);
            if !more {
                break;
            }
        }
    }

    fn tell(&mut self, flight: usize, side: Side, at: Duration, kind: EventKind) {
        let at_ns = self.stamp(self.flights[flight].began + at);
        let Some(machine) = self.flights[flight].end(side) else {
            return;
        };
        let machine = &mut self.machines[machine];
        if machine.exit.is_some() || machine.flight != Some((flight, side)) {
            return;
        }
        if let EventKind::Migration(status) = &kind {
            machine.status = status.clone();
        }
        machine.events.push(GuestEvent::new(at_ns, kind));
        self.told = true;
    }

    /// A destination that waits for a guest ends when its stream does.
    fn end_lost(&mut self, flight: usize) {
        let Flight { model, .. } = &self.flights[flight];
        let broken = matches!(model.status(), Status::Failed | Status::Cancelled);
        let lost = model.is_lost() || (broken && model.home() == Side::Source);
        if let (true, Some(machine)) = (lost, self.flights[flight].end(Side::Destination)) {
            let reason = "load of migration failed: Input/output error (simulated)".to_owned();
            let killed = false;
            self.end(machine, Exit::ByItself { reason, killed });
        }
    }

    /// What the guest's own code says now.
    fn hear(&mut self, index: usize) {
        let at_ns = self.stamp(self.flights[index].now());
        let flight = &mut self.flights[index];
        let Some(side) = flight.model.guest().runs_on else {
            return;
        };
        if let Some(machine) = flight.end(side) {
            flight.speak(at_ns, &mut self.machines[machine].heard);
        }
    }
}

impl Machine {
    /// Why it can't be asked any more, if it can't.
    pub(super) fn gone(&self) -> Option<GuestError> {
        let reason = match self.exit.as_ref()? {
            Exit::Asked => "it was ended".to_owned(),
            Exit::ByItself { reason, .. } => reason.clone(),
        };
        Some(GuestError::Gone {
            who: format!("the simulated guest on {}", self.host),
            reason,
        })
    }
}

pub(super) fn nanoseconds(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}
