//! What the controller can ask of an agent, each with the type of its reply: whoever calls has no choice of it.
//!
//! To add one: a struct, a line in the table, an arm in `serve`.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use lmbench_guest::spec::WorkloadSpec;
use lmbench_guest::wire::Verified;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::protocol::{Condition, Death, Readings, Started, Usage};
use crate::background::BackgroundReport;
use crate::drivers::Driver;
use crate::host::HostInfo;
use crate::hypervisor::{
    Case, Console, Credentials, Filled, MigrationId, MigrationStatus, ProbeReport, Reading,
    RunState, Stream,
};
use crate::migration::{Ended, Order};
use crate::policy::Subject;
use crate::role::Role;
use crate::spec::{
    Accelerator, Blow, GuestSpec, MigrationSpec, Part, PolicySpec, RecoverySpec, TimeoutAction,
};

/// A question to an agent.
pub trait Call: Into<Request> {
    /// What it is answered with.
    type Reply: Serialize + DeserializeOwned;
}

/// The requests as they travel, and the type of each one's reply.
macro_rules! calls {
    ($($call:ident => $reply:ty,)*) => {
        /// What the controller asks of an agent.
        #[derive(Debug, Clone, Serialize, Deserialize)]
        #[serde(rename_all = "kebab-case")]
        pub enum Request {
            $(#[doc = concat!("See [`", stringify!($call), "`].")] $call($call),)*
        }

        $(
            impl Call for $call {
                type Reply = $reply;
            }

            impl From<$call> for Request {
                fn from(call: $call) -> Request {
                    Request::$call(call)
                }
            }
        )*
    };
}

calls! {
    Hello => HostInfo,
    ReadClock => u64,
    Preflight => ProbeReport,
    Launch => Started,
    StartWorkload => Filled,
    Configure => (),
    Secure => (),
    ExpectDescriptor => (),
    StartCarrier => Value,
    Listen => Stream,
    Migrate => Ended,
    Watch => (),
    ProbeTenant => (),
    FollowVcpus => (),
    StopWatching => (),
    EndCarriers => (),
    GiveOrder => String,
    Strike => Vec<u32>,
    AwaitRunning => RunState,
    Continue => (),
    ReadRunState => Option<RunState>,
    ReadConsole => Console,
    ReadMigration => Reading,
    Verify => Verified,
    ReadUsage => Usage,
    Collect => Readings,
    ReceiveBackground => SocketAddr,
    SendBackground => (),
    StopBackground => Option<BackgroundReport>,
    Look => Condition,
    DismissCarriers => (),
    ExpectProbe => SocketAddr,
    ProbeWay => (),
    Recover => Stream,
    ResumePostCopy => (),
    LetGo => (),
    GiveUp => bool,
    CancelMigration => Option<MigrationStatus>,
    Sever => usize,
    Fence => (),
    EndRepeat => Vec<Death>,
}

/// First of all.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Hello {
    /// [`VERSION`](super::protocol::VERSION) of the controller.
    pub version: u32,
    /// The end of the migration that this agent's host is at.
    pub role: Role,
    /// What runs its guests.
    pub driver: Driver,
    /// Runtime directory for sockets and logs, exists, ours.
    pub directory: PathBuf,
}

/// This host's clock, ns.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ReadClock;

/// What this host can do for a run.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Preflight {
    /// Every cell.
    pub cases: Vec<Case>,
    /// Whether a guest may be booted to prove KVM, if only that tells.
    pub prove: bool,
}

/// Starts a guest, as this host's end of the migration has it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Launch {
    /// What.
    pub guest: Box<GuestSpec>,
    /// On what.
    pub accelerator: Accelerator,
}

/// Fills memory and starts the workload.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct StartWorkload {
    /// What to write.
    pub workload: WorkloadSpec,
    /// Time between heartbeats.
    pub heartbeat: Duration,
    /// Time between reports.
    pub report: Duration,
    /// Time allowed for the fill.
    pub within: Duration,
}

/// Sets what a migration needs.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Configure {
    /// From the scenario.
    pub migration: MigrationSpec,
    /// Adds its own.
    pub policy: PolicySpec,
    /// What the policy's rules ask for.
    pub subject: Subject,
}

/// Turns the hypervisor's own TLS on for the migration.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Secure {
    /// What this side proves itself with. Travels like every request over the agent's standard input.
    pub credentials: Credentials,
}

/// Listens where a carrier will hand a connected socket over.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ExpectDescriptor {
    /// The unix socket.
    pub path: PathBuf,
}

/// Starts a carrier process. The reply is the first line it prints.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct StartCarrier {
    /// Arguments after the program, which is this executable.
    pub arguments: Vec<String>,
    /// Environment to add; secrets travel here, never in arguments.
    pub environment: Vec<(String, String)>,
    /// Time allowed for the first line.
    pub within: Duration,
}

/// Has the destination's guest await the stream. The reply has its real port.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Listen {
    /// Where.
    pub stream: Stream,
}

/// Migrates; the reply comes when it is over.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Migrate {
    /// Which migration it is.
    pub id: MigrationId,
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

/// Samples the CPU time of this host's guest and carriers, and meters their connections, until [`StopWatching`] or the repeat's end: what the
/// destination does while the source migrates.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Watch {
    /// Longest time between samples of CPU time.
    pub every: Duration,
    /// Whether to count system calls, which makes each of them slower.
    pub count_syscalls: bool,
}

/// Asks the guest for echoes over the tenant network from this host until [`Collect`].
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ProbeTenant {
    /// Its address.
    pub guest: Ipv4Addr,
    /// Time between two questions.
    pub every: Duration,
}

/// Tells in the event `vcpu-runs` when a guest that arrives here first has a CPU.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct FollowVcpus;

/// Ends [`Watch`].
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct StopWatching;

/// Has the carriers end in good order, so that their last words are collected; nothing if they don't within their own deadline.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct EndCarriers;

/// Tells a migration that goes on what the operator wants. The reply says what was done, once the hypervisor has.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct GiveOrder {
    /// Which.
    pub migration: MigrationId,
    /// What.
    pub order: Order,
}

/// Kills, freezes or thaws a part of the repeat, to see what comes of it. The reply has the ids of the processes that lived.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Strike {
    /// Which.
    pub part: Part,
    /// What is done.
    pub blow: Blow,
}

/// Waits until the destination's guest runs or is lost. The reply is the state that it came to.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct AwaitRunning {
    /// For how long.
    pub within: Duration,
}

/// Lets a guest run that is stopped.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Continue;

/// The guest's state; none without a guest.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ReadRunState;

/// The guest's console on this host.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ReadConsole;

/// What the hypervisor says of the guest's migration.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ReadMigration;

/// Has the guest compare all its workload memory.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Verify {
    /// Time allowed.
    pub within: Duration,
}

/// What the host's processes have used so far.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ReadUsage;

/// What was measured since the last collection.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Collect;

/// Receives the lab's other traffic. The reply is the address listened at.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ReceiveBackground {
    /// Where to listen.
    pub address: IpAddr,
}

/// Sends the lab's other traffic.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct SendBackground {
    /// Where to.
    pub to: SocketAddr,
    /// How fast.
    pub rate_bps: u64,
}

/// Ends it. The reply is its report, if it was sent from here.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct StopBackground;

/// Looks at a migration that may be in trouble.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Look;

/// Ends the carriers of this host at once, in good order as far as they can. What they have said stays.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct DismissCarriers;

/// Listens where a probe of the way may come to. The reply is the address.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ExpectProbe {
    /// Where.
    pub address: IpAddr,
}

/// Connects to the other host's probe, to see whether there is a way.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ProbeWay {
    /// Its address.
    pub to: SocketAddr,
    /// For how long to try.
    pub within: Duration,
}

/// Has the destination's guest, whose post-copy lost its connection, await a new one. The reply has its real port.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Recover {
    /// Where.
    pub stream: Stream,
}

/// Has the source's guest go on over a new connection. The reply comes when the stream flows.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ResumePostCopy {
    /// Where to.
    pub stream: Stream,
    /// For how long to wait for that.
    pub within: Duration,
}

/// Has the source's guest let go of a post-copy's connection.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct LetGo;

/// Tells a migration that its post-copy gets no new connection. The reply says whether it went on.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct GiveUp {
    /// Which.
    pub migration: MigrationId,
    /// Why.
    pub reason: String,
}

/// Cancels what the source's hypervisor still does. The reply is the status that it came to.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct CancelMigration;

/// Breaks the TCP connections of the guests here, of which one may wait in them and hear nobody. Refused if there are none. The reply is how
/// many they were.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Sever;

/// Ends the guest here, so that its copy can't run.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Fence {
    /// Why.
    pub reason: String,
}

/// Ends guest, carriers and traffic of this repeat, and every request that is still at work; an error if anything survives. The reply has the
/// deaths of the repeat.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct EndRepeat;

impl Request {
    /// Longest time until the answer of an agent that works. One that says nothing for so long is frozen or stuck.
    pub fn limit(&self) -> Duration {
        let own = match self {
            Request::Preflight(preflight) => {
                let cases = u64::try_from(preflight.cases.len()).unwrap_or(u64::MAX);
                Duration::from_secs(60 + cases / 4)
            }
            // The hypervisor and its guest each have the boot's time.
            Request::Launch(launch) => launch.guest.boot_timeout * 2,
            // A timeout's action gets the time of the timeout once more, or a little more than that.
            Request::Migrate(migrate) => {
                migrate.timeout * 2 + Duration::from_secs(30) + migrate.recovery.longest() * 2
            }
            Request::StartWorkload(StartWorkload { within, .. })
            | Request::StartCarrier(StartCarrier { within, .. })
            | Request::AwaitRunning(AwaitRunning { within })
            | Request::Verify(Verify { within }) => *within,
            _ => Duration::ZERO,
        };
        own.saturating_add(ANSWER_MARGIN)
    }
}

/// Far more than a busy agent or an overloaded machine takes to answer, far less than a user's patience with a frozen one.
const ANSWER_MARGIN: Duration = Duration::from_mins(1);
