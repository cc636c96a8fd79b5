//! What the stream costs the network and the scheduler, read beside it by a task of its own.
//!
//! It asks nobody who carries the stream: the kernel counts. Readings come every [`EVERY`], and every [`EVERY_AT_FIRST`] until the
//! first byte has moved, so that its moment is known better. What can't be had on this host is absent, and its reason is told once.

use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde_json::json;
use tokio::task::JoinHandle;
use tokio::time::{MissedTickBehavior, interval, sleep};

use super::protocol::{Metering, MeteringPoint, Owned};
use super::readings::Notebook;
use super::watching::Processes;
use crate::clock::monotonic_ns;
use crate::hypervisor::GuestEvent;
use crate::sockets::{self, Owner, descendants};
use crate::switches;
use crate::syscalls::Counter;

/// Reads by itself until it is stopped; keeps what it read until it is finished.
#[derive(Debug)]
pub(super) struct Meter {
    state: Arc<Mutex<State>>,
    task: Option<JoinHandle<()>>,
}

#[derive(Debug)]
struct State {
    connections: Option<sockets::Ledger>,
    switches: switches::Ledger,
    syscalls: Owned<Option<Counter>>,
    metering: Metering,
}

impl Meter {
    /// What moved before is not counted. `count_syscalls` makes every call of the host a little slower. `None` for a guest without a process.
    pub(super) fn start(
        processes: &Processes,
        count_syscalls: bool,
        notebook: &Notebook,
    ) -> Option<Self> {
        let (qemu, carriers) = (processes.qemu?, processes.carriers.list());
        let missing = |what: &str, reason: &str| {
            let data = json!({ "what": what, "reason": reason });
            notebook.event(GuestEvent::own("not-metered", data));
        };
        let connections = sockets::Ledger::begin(qemu, carriers.clone());
        let connections = connections
            .map_err(|error| {
                let mend = match error.kind() {
                    io::ErrorKind::PermissionDenied => "run it as root",
                    _ => "modprobe tcp_diag may mend it",
                };
                let reason = format!(
                    "the kernel does not tell the agent of QEMU's TCP connections: {error}; {mend}"
                );
                missing("connections", &reason);
            })
            .ok();
        let counter = |pids: &[u32]| {
            let counter = (count_syscalls && !pids.is_empty()).then(|| Counter::begin(pids))?;
            counter
                .map_err(|reason| missing("system calls", &reason))
                .ok()
        };
        let of_qemu = counter(&[qemu]);
        // Refused for QEMU, it would only be refused again.
        let of_carriers = of_qemu
            .as_ref()
            .and_then(|_| counter(&descendants(&carriers)));
        let state = Arc::new(Mutex::new(State {
            connections,
            switches: switches::Ledger::begin(qemu, carriers),
            syscalls: Owned {
                qemu: of_qemu,
                carrier: of_carriers,
            },
            metering: Metering::default(),
        }));
        let task = Some(tokio::spawn(keep_reading(state.clone())));
        Some(Meter { state, task })
    }

    /// Meters a carrier that was started later too, but for its system calls.
    pub(super) fn adopt(&self, carrier: u32) {
        let mut state = lock(&self.state);
        state.switches.adopt(carrier);
        if let Some(connections) = &mut state.connections {
            connections.adopt(carrier);
        }
    }

    /// Ends the readings; what is a count of the migration is as of now.
    pub(super) fn stop(&mut self) {
        let Some(task) = self.task.take() else { return };
        task.abort();
        let mut state = lock(&self.state);
        state.read();
        state.switches.read();
        state.metering.switches = Owned {
            qemu: state.switches.of(Owner::Qemu),
            carrier: state.switches.of(Owner::Carrier),
        };
        let counted = |counter: &Option<Counter>| counter.as_ref().and_then(Counter::read);
        state.metering.syscalls = Owned {
            qemu: counted(&state.syscalls.qemu),
            carrier: counted(&state.syscalls.carrier),
        };
        state.syscalls = Owned::default();
    }

    /// Everything that was read, with the last counts of connections that ended meanwhile.
    pub(super) fn finish(mut self) -> Metering {
        self.stop();
        let mut state = lock(&self.state);
        let mut metering = std::mem::take(&mut state.metering);
        if let Some(connections) = &mut state.connections {
            connections.read();
            metering.connections = connections.connections();
        }
        metering
    }
}

impl Drop for Meter {
    fn drop(&mut self) {
        if let Some(task) = &self.task {
            task.abort();
        }
    }
}

impl State {
    /// Returns whether anything has moved yet.
    fn read(&mut self) -> bool {
        let Some(connections) = &mut self.connections else {
            return true;
        };
        let began_ns = monotonic_ns();
        let flow = connections.read();
        let read_ns = monotonic_ns().saturating_sub(began_ns);
        self.metering.flow.push(MeteringPoint { flow, read_ns });
        flow.acked_bytes + flow.received_bytes > 0
    }

    fn find_new(&mut self) {
        // A table that can't be read now may be the next time.
        if let Some(connections) = &mut self.connections {
            let _ = connections.find_new();
        }
    }
}

async fn keep_reading(state: Arc<Mutex<State>>) {
    let began_ns = monotonic_ns();
    let is_young = || monotonic_ns().saturating_sub(began_ns) < YOUNG.as_nanos() as u64;
    while is_young() {
        {
            let mut state = lock(&state);
            state.find_new();
            if state.read() {
                break;
            }
        }
        sleep(EVERY_AT_FIRST).await;
    }
    let mut ticks = interval(EVERY);
    // A reading that comes late must not be followed by a burst of others.
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    for number in 0_u64.. {
        ticks.tick().await;
        let mut state = lock(&state);
        if number.is_multiple_of(LOOK_AROUND) {
            state.find_new();
            state.switches.read();
        }
        state.read();
    }
}

fn lock(state: &Mutex<State>) -> std::sync::MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Time between two readings of connections.
pub const EVERY: Duration = Duration::from_millis(25);
/// The same until the first byte has moved.
const EVERY_AT_FIRST: Duration = Duration::from_millis(5);
/// A stream that has not begun by then is no longer looked at so often.
const YOUNG: Duration = Duration::from_secs(2);
/// New connections are looked for, and threads read, at every fourth reading.
pub const LOOK_AROUND: u64 = 4;
