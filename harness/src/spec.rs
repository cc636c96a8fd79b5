//! What one repeat is made of, in base units. `bench` fills these in from a scenario; agents receive them as JSON.

mod cut;
mod fault;
mod knobs;
mod migration;
mod pilot;
mod placement;
mod policy;
mod recovery;

use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};

pub use cut::{CutSpec, Moment, Stage, Status};
pub use fault::{Blow, FaultDeed, FaultSpec, Part, Victim};
pub use knobs::Knobs;
pub use migration::{MigrationSpec, TimeoutAction};
pub use pilot::{Goal, PilotSpec};
pub use placement::{MemoryPolicy, Pinning, Placement};
pub use policy::{
    ForceCompleteSpec, KubevirtLimits, KubevirtRampSpec, KubevirtRule, KubevirtStallSpec,
    NovaHistoricSpec, NovaRamp, NovaSpec, NovaTimeoutAction, OvirtName, OvirtSpec, PolicySpec,
    ProxmoxRule, ProxmoxSpec, StallAction, StallItem, VdsmLegacySpec, VdsmRule, VirshTimeoutSpec,
};
pub use recovery::{ATTEMPT_WITHIN, RecoverySpec};

/// The guest's hardware and what it boots.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct GuestSpec {
    /// Virtual CPUs.
    pub vcpus: u32,
    /// Guest RAM.
    pub memory_bytes: u64,
    /// What executes the guest's instructions.
    pub accelerator: Accelerator,
    /// Whether QEMU touches all guest RAM before it starts: without it the destination's page faults limit every carrier.
    pub prealloc: bool,
    /// Whether guest RAM comes from huge pages (`/dev/hugepages`).
    pub huge_pages: bool,
    /// QEMU machine type.
    pub machine: String,
    /// QEMU CPU model; `None` is `host` under KVM and `max` under TCG.
    pub cpu: Option<String>,
    /// What it boots.
    pub boot: Boot,
    /// Time allowed from QEMU's start to a guest that answers.
    pub boot_timeout: Duration,
    /// Time between heartbeats.
    pub heartbeat: Duration,
    /// Where its threads and memory lie.
    #[serde(default)]
    pub placement: Placement,
    /// Whether it has a network card on the tenant network; `None` is yes where the lab can make one. A QEMU is launched with a card
    /// only if this says so.
    #[serde(default)]
    pub tenant: Option<bool>,
}

/// What executes the guest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Accelerator {
    /// KVM when it proves that it can boot this guest, else TCG.
    Auto,
    /// The kernel's.
    Kvm,
    /// QEMU's translator.
    Tcg,
}

/// What a guest boots.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Boot {
    /// lmbench's own initramfs on a stock kernel.
    Lmbench,
    /// The user's own kernel; lmbench talks to nothing in it.
    Kernel {
        /// Path on both hosts.
        kernel: PathBuf,
        /// Path on both hosts.
        initrd: Option<PathBuf>,
        /// Kernel command line.
        append: String,
    },
    /// The user's own disk, opened as a snapshot that nothing writes to.
    Image {
        /// Path on both hosts.
        image: PathBuf,
    },
}

/// The lab's networks.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct NetworkSpec {
    /// The network that carries the migration (`live_migration_inbound_addr` in Nova's words).
    pub inbound: Network,
    /// The split migration network.
    pub migration: LinkSpec,
    /// The management network.
    pub management: LinkSpec,
    /// The most that a TCP connection may keep in each direction, with the kernel's overhead; `None` is this machine's own limit.
    #[serde(default)]
    pub tcp_buffer_bytes: Option<u64>,
    /// How the hosts' kernels answer to loss and delay of TCP, by Linux's name: `cubic`; `None` is this machine's own choice.
    #[serde(default)]
    pub tcp_congestion_control: Option<String>,
}

/// One of the lab's networks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Network {
    /// The split network.
    Migration,
    /// The one that also carries other traffic.
    Management,
}

impl Network {
    /// The word in scenarios and records.
    pub fn name(self) -> &'static str {
        match self {
            Network::Migration => "migration",
            Network::Management => "management",
        }
    }
}

/// A link between the two hosts.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct LinkSpec {
    /// Bits per second in each direction; `None` is as fast as the machine.
    pub rate_bps: Option<u64>,
    /// Round-trip time added to the link's own.
    pub rtt: Option<Duration>,
    /// Standard deviation of the delay.
    pub jitter: Option<Duration>,
    /// Share (0 to 1) of packets lost.
    pub loss: Option<f64>,
    /// Share (0 to 1) of packets that overtake those on the way: they are not delayed.
    #[serde(default)]
    pub reorder: Option<f64>,
    /// Bytes of the largest packet; `None` is 1500.
    pub mtu: Option<u32>,
    /// Bits per second of other traffic from source to destination during the whole repeat.
    pub background_bps: Option<u64>,
    /// What moves the packets.
    #[serde(default)]
    pub method: LinkMethod,
    /// How it fails during the migration.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cut: Option<CutSpec>,
}

/// What moves a link's packets.
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(rename_all = "kebab-case")]
pub enum LinkMethod {
    /// The kernel where it can do all that is asked, else a process of lmbench.
    #[default]
    Auto,
    /// A veth pair with TBF and netem.
    Kernel,
    /// Two TAP devices and a process between them.
    UserSpace,
}

impl LinkMethod {
    /// The word in scenarios and records.
    pub fn name(self) -> &'static str {
        match self {
            LinkMethod::Auto => "auto",
            LinkMethod::Kernel => "kernel",
            LinkMethod::UserSpace => "user-space",
        }
    }
}
