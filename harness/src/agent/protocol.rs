//! Controller and agent: length-delimited JSON over standard streams. Requests (`calls`) carry an id and may overlap; the answer
//! to each is one value or one failure. Notices come in between, and are few: what is measured stays in the agent's
//! memory until it is collected, so that telling does not disturb the measuring.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::calls::Request;
use crate::cpu::{CpuTime, ThreadTime};
pub use crate::hypervisor::Filled;
use crate::hypervisor::{
    EventKind, GuestEvent, GuestId, Heartbeat, MigrationStatus, Reading, RunState, TimedReport,
};
use crate::lab::InterfaceBytes;
use crate::progress::Progress;
use crate::sockets::{Connection, FlowPoint};
use crate::spec::Stage;
use crate::switches::Switches;
use crate::tenant::probe::Heard;

/// Version of this protocol; both ends are the same executable in the lab and should be in the field.
pub const VERSION: u32 = 6;

/// From the controller.
#[derive(Debug, Serialize, Deserialize)]
pub struct Envelope {
    /// Chosen by the controller; the answer bears it.
    pub id: u64,
    /// The guest that it is about, where it is about one.
    pub guest: GuestId,
    /// What is wanted.
    pub request: Request,
}

/// From the agent.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Message {
    /// The answer to a request.
    Answer {
        /// The request's.
        id: u64,
        /// What came of it.
        result: Result<Value, Failure>,
    },
    /// Something that nobody asked for.
    Notice(Notice),
}

/// Why an agent could not do what it was asked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// Error text with its causes.
    pub message: String,
    /// Whether the machine lacks something, so that no other repeat can work either.
    pub environment: bool,
}

/// What an agent tells by itself.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Notice {
    /// A reading for the eye, at most ten a second.
    Progress {
        /// Since `migrate`, ns.
        elapsed_ns: u64,
        /// How far it is.
        progress: Progress,
        /// The least memory that was left after a dirty sync.
        #[serde(default)]
        least_left_bytes: Option<u64>,
    },
    /// A policy, the timeout or an operator has decided something, or the hypervisor has refused it.
    Decided {
        /// Since `migrate`, ns.
        elapsed_ns: u64,
        /// The event as it stands in the record.
        event: TimedEvent,
    },
    /// The migration has come to a stage.
    Reached(Stage),
    /// A line that a carrier printed after its first.
    Carrier(Value),
    /// A process of the repeat has ended that should not have.
    Died(Death),
}

/// The end of a process that nobody had asked to end.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Death {
    /// Which process on which host, and how.
    pub what: String,
    /// Whether a signal killed it. What ends by itself may only follow a migration's end.
    pub killed: bool,
}

/// A guest that runs, or waits to arrive.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Started {
    /// The process id on its host, if it has one.
    pub pid: Option<u32>,
    /// From its start until it answered.
    pub boot: Duration,
}

/// The state of one host's guest, when it may be in trouble.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Condition {
    /// How its hypervisor ended, if it has.
    pub gone: Option<String>,
    /// Its run state; missing if nobody answers.
    pub run_state: Option<RunState>,
    /// Its migration's status.
    pub migration: Option<MigrationStatus>,
    /// Bytes of guest memory that it has still to send.
    pub remaining_bytes: Option<u64>,
    /// Whether the guest ran here at any time, as far as its hypervisor told.
    pub ran: bool,
    /// Whether its migration was in post-copy at any time, as far as its hypervisor told.
    pub was_in_post_copy: bool,
}

/// What the host's processes have used so far.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Usage {
    /// When this was read, ns on the host's clock.
    pub at_ns: u64,
    /// QEMU.
    pub qemu: Option<CpuTime>,
    /// QEMU's live threads.
    pub threads: Vec<ThreadTime>,
    /// Carrier processes; `None` if the carrier is QEMU itself.
    pub carrier: Option<CpuTime>,
    /// This agent.
    pub agent: Option<CpuTime>,
    /// Counters of the host's migration network.
    pub migration_network: Option<InterfaceBytes>,
    /// Counters of the host's management network.
    pub management_network: Option<InterfaceBytes>,
}

/// What an agent measured.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Readings {
    /// Heartbeats heard on this host.
    pub heartbeats: Vec<Heartbeat>,
    /// Reports heard on this host.
    pub reports: Vec<TimedReport>,
    /// Events of QEMU and decisions of the policy.
    pub events: Vec<TimedEvent>,
    /// The time series.
    pub samples: Vec<TimedSample>,
    /// What the kernel counted of the stream; `None` where nobody watched.
    pub metering: Option<Metering>,
    /// What a client on the tenant network saw; `None` where nobody asked.
    #[serde(default)]
    pub tenant: Option<Heard>,
}

/// What the kernel counted for QEMU and the carriers from [`Watch`](super::calls::Watch) to [`StopWatching`](super::calls::StopWatching).
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Metering {
    /// All TCP connections together, in the order of time. Empty where the kernel can't be asked.
    pub flow: Vec<MeteringPoint>,
    /// Each TCP connection, as of [`Collect`](super::calls::Collect): with what it moved as it ended.
    pub connections: Vec<Connection>,
    /// Context switches.
    pub switches: Owned<Option<Switches>>,
    /// System calls; `None` where they were not asked for or the kernel does not let.
    pub syscalls: Owned<Option<u64>>,
}

/// A reading of the connections, and its cost.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct MeteringPoint {
    /// What was read.
    pub flow: FlowPoint,
    /// The time that it took.
    pub read_ns: u64,
}

/// The same thing of QEMU and of the carriers.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Owned<T> {
    /// QEMU's.
    pub qemu: T,
    /// The carriers', with all their descendants.
    pub carrier: T,
}

/// An event on this host's clock.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TimedEvent {
    /// Nanoseconds.
    pub at_ns: u64,
    /// QEMU's name, or ours in lower case.
    pub name: String,
    /// What came with it.
    pub data: Value,
}

impl TimedEvent {
    /// What happened.
    pub fn kind(&self) -> EventKind {
        EventKind::named(&self.name, &self.data)
    }
}

impl From<GuestEvent> for TimedEvent {
    fn from(event: GuestEvent) -> TimedEvent {
        TimedEvent {
            at_ns: event.at_ns,
            name: event.name().to_owned(),
            data: event.data,
        }
    }
}

/// A sample on this host's clock.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TimedSample {
    /// When all of it was known, ns.
    pub at_ns: u64,
    /// `pass`, `interval` or `final`.
    pub trigger: String,
    /// What taking it cost.
    pub cost: SampleCost,
    /// The hypervisor's answer; none on a destination, whose QEMU is not asked.
    pub migration: Option<Reading>,
    /// CPU of QEMU and its threads.
    pub threads: Vec<ThreadTime>,
    /// CPU of the QEMU process.
    pub qemu: Option<CpuTime>,
    /// CPU of the carrier processes.
    pub carrier: Option<CpuTime>,
}

/// Time that one sample took.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SampleCost {
    /// From the question to the hypervisor until its answer. It answers nobody while its main loop is busy.
    pub answer_ns: u64,
    /// Reading CPU times.
    pub read_ns: u64,
}
