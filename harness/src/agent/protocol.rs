//! Controller and agent: length-delimited JSON over standard streams. Requests carry an id and may overlap; the answer
//! to each is one value or one failure. Notices come in between, and are few: what is measured stays in the agent's
//! memory until it is collected, so that telling does not disturb the measuring.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use lmbench_guest::spec::WorkloadSpec;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::cpu::{CpuTime, ThreadTime};
use crate::drivers::Driver;
pub use crate::hypervisor::Filled;
use crate::hypervisor::{
    Case, Credentials, EventKind, GuestEvent, Heartbeat, Reading, Stream, TimedReport,
};
use crate::lab::InterfaceBytes;
use crate::migration::Order;
use crate::policy::Subject;
use crate::progress::Progress;
use crate::role::Role;
use crate::sockets::{Connection, FlowPoint};
use crate::spec::{
    Accelerator, Blow, GuestSpec, MigrationSpec, Part, PolicySpec, RecoverySpec, Stage,
    TimeoutAction,
};
use crate::switches::Switches;
use crate::tenant::probe::Heard;

/// Version of this protocol; both ends are the same executable in the lab and should be in the field.
pub const VERSION: u32 = 6;

/// From the controller.
#[derive(Debug, Serialize, Deserialize)]
pub struct Call {
    /// Chosen by the controller; the answer bears it.
    pub id: u64,
    /// What is wanted.
    pub request: Request,
}

/// From the agent.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Message {
    /// The answer to a call.
    Answer {
        /// The call's.
        id: u64,
        /// What came of it.
        result: Result<Value, Failure>,
    },
    /// Something without a call.
    Notice(Notice),
}

/// What the controller can ask of an agent.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Request {
    /// First of all. Answer: [`crate::host::HostInfo`].
    Hello {
        /// [`VERSION`] of the controller.
        version: u32,
        /// The end of the migration that this agent's host is at.
        role: Role,
        /// What runs its guests.
        driver: Driver,
        /// Runtime directory for sockets and logs, exists, ours.
        directory: PathBuf,
    },
    /// Answer: this host's clock, ns.
    Clock,
    /// Answer: [`crate::hypervisor::ProbeReport`].
    Preflight {
        /// Every cell.
        cases: Vec<Case>,
        /// Whether a guest may be booted to prove KVM, if only that tells.
        #[serde(default = "may_prove")]
        prove: bool,
    },
    /// Starts QEMU. Answer: [`Started`].
    Launch {
        /// What.
        guest: Box<GuestSpec>,
        /// On what.
        accelerator: Accelerator,
    },
    /// Fills memory and starts the workload. Answer: [`Filled`].
    StartWorkload {
        /// What to write.
        workload: WorkloadSpec,
        /// Time between heartbeats.
        heartbeat: Duration,
        /// Time between reports.
        report: Duration,
        /// Time allowed for the fill.
        within: Duration,
    },
    /// Sets capabilities and parameters.
    Configure {
        /// From the scenario.
        migration: MigrationSpec,
        /// Adds its own.
        policy: PolicySpec,
        /// What the policy's rules ask for.
        subject: Subject,
    },
    /// Turns QEMU's own TLS on for the migration.
    Secure {
        /// What this side proves itself with. Travels like every request over the agent's standard input.
        credentials: Credentials,
    },
    /// Listens where a carrier will hand a connected socket over.
    ExpectDescriptor {
        /// The unix socket.
        path: PathBuf,
    },
    /// Starts a carrier process. Answer: the first line it prints, parsed.
    StartCarrier {
        /// Arguments after the program, which is this executable.
        arguments: Vec<String>,
        /// Environment to add; secrets travel here, never in arguments.
        environment: Vec<(String, String)>,
        /// Time allowed for the first line.
        within: Duration,
    },
    /// Has the destination's QEMU await the stream. Answer: the [`Stream`] with its real port.
    Incoming {
        /// Where.
        stream: Stream,
    },
    /// Migrates; the answer comes when it is over. Answer: [`crate::migration::Ended`].
    Migrate(Box<Migrate>),
    /// Samples the CPU time of this host's QEMU and carriers, and meters their connections, until [`Request::StopWatching`] or the
    /// repeat's end: what the destination does while the source migrates.
    Watch {
        /// Longest time between samples of CPU time.
        every: Duration,
        /// Whether to count system calls, which makes each of them slower.
        count_syscalls: bool,
    },
    /// Asks the guest for echoes over the tenant network from this host until [`Request::Collect`].
    Probe {
        /// Its address.
        guest: Ipv4Addr,
        /// Time between two questions.
        every: Duration,
    },
    /// Tells in the event `vcpu-runs` when a guest that arrives here first has a CPU.
    FollowVcpus,
    /// Ends [`Request::Watch`].
    StopWatching,
    /// Has the carriers end in good order, so that their last words are collected; nothing if they don't within their own deadline.
    EndCarriers,
    /// Looks at a migration that is in trouble, or helps it out.
    Recovery(super::recovery::RecoveryRequest),
    /// Tells the migration that goes on what the operator wants. Answer: a text that says what was done, once the hypervisor has.
    Order(Order),
    /// Kills, freezes or thaws a process of the repeat, to see what comes of it. Answer: the ids of those that lived.
    Strike {
        /// Which.
        part: Part,
        /// What is done.
        blow: Blow,
    },
    /// Waits until the destination's guest runs or is lost. Answer: its [`RunState`](crate::hypervisor::RunState).
    AwaitRunning {
        /// For how long.
        within: Duration,
    },
    /// Lets a guest run that arrived paused.
    Resume,
    /// Answer: the guest's [`RunState`](crate::hypervisor::RunState), or null without a guest.
    RunState,
    /// Answer: the guest's [`Console`](crate::hypervisor::Console) on this host.
    Console,
    /// Answer: a [`Reading`] of the guest's migration.
    MigrationInfo,
    /// Answer: [`lmbench_guest::wire::Verified`].
    Verify {
        /// Time allowed.
        within: Duration,
    },
    /// Answer: [`Usage`].
    Usage,
    /// Answer: [`Readings`] since the last collection.
    Collect,
    /// Receives the lab's other traffic. Answer: the address listened at.
    ReceiveBackground {
        /// Where to listen.
        address: IpAddr,
    },
    /// Sends the lab's other traffic.
    SendBackground {
        /// Where to.
        to: SocketAddr,
        /// How fast.
        rate_bps: u64,
    },
    /// Ends it. Answer: its report, or null.
    StopBackground,
    /// Ends guest, carriers and traffic of this repeat, and every request that is still at work; an error if anything survives.
    /// Answer: the [`Death`]s of the repeat.
    EndRepeat,
}

/// A migration to do.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Migrate {
    /// Where to.
    pub stream: Stream,
    /// Who decides.
    pub policy: PolicySpec,
    /// What its rules ask for.
    pub subject: Subject,
    /// Time allowed.
    pub timeout: Duration,
    /// And then.
    pub timeout_action: TimeoutAction,
    /// Longest time between samples; `None` asks the hypervisor only as often as the timeout and the policy need it.
    pub sample: Option<Duration>,
    /// What happens to a post-copy whose connection breaks.
    pub recovery: RecoverySpec,
}

/// As before it was asked.
fn may_prove() -> bool {
    true
}

impl Request {
    /// Longest time until the answer of an agent that works. One that says nothing for so long is frozen or stuck.
    pub fn limit(&self) -> Duration {
        let own = match self {
            Request::Preflight { cases, .. } => {
                Duration::from_secs(60 + u64::try_from(cases.len()).unwrap_or(u64::MAX) / 4)
            }
            // QEMU's monitor and its guest each have the boot's time.
            Request::Launch { guest, .. } => guest.boot_timeout * 2,
            // A timeout's action gets the time of the timeout once more, or a little more than that.
            Request::Migrate(migrate) => {
                migrate.timeout * 2 + Duration::from_secs(30) + migrate.recovery.longest() * 2
            }
            Request::StartWorkload { within, .. }
            | Request::StartCarrier { within, .. }
            | Request::AwaitRunning { within }
            | Request::Verify { within } => *within,
            _ => Duration::ZERO,
        };
        own.saturating_add(ANSWER_MARGIN)
    }
}

/// Far more than a busy agent or an overloaded machine takes to answer, far less than a user's patience with a frozen one.
const ANSWER_MARGIN: Duration = Duration::from_mins(1);

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

/// What the kernel counted for QEMU and the carriers from [`Request::Watch`] to [`Request::StopWatching`].
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Metering {
    /// All TCP connections together, in the order of time. Empty where the kernel can't be asked.
    pub flow: Vec<MeteringPoint>,
    /// Each TCP connection, as of [`Request::Collect`]: with what it moved as it ended.
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
