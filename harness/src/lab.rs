//! Two hosts on one machine: a network namespace each, joined by a management and a migration link with the scenario's rate and MTU, and
//! on demand by a segment for guests and their clients (`tenant`).
//!
//! A link is a veth pair shaped by the kernel, or, where the kernel lacks what is asked, a process of lmbench (`crate::link`) between two
//! TAP devices. That process is the lab's as the agents are: it ends with its input, and the next start ends one that does not.
//!
//! Each namespace is anonymous and held by its host's agent, so the kernel itself removes namespace, links and shaping when the agents
//! end, whatever ends them. Outside the namespaces a lab is one private directory, locked while the lab lives; the next start of any
//! lab removes those whose lock is free. Nothing has a fixed name, so labs live side by side. The lab does not speak with agents.
//!
//! All calls block for some ten milliseconds; from asynchronous code use `spawn_blocking`.

mod agent;
mod command;
mod directory;
mod error;
mod link;
mod link_process;
mod private;
mod process;
mod reap;
mod statistics;
mod tcp;
mod tenant;
mod user_namespace;
mod wire;

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::{Path, PathBuf};
use std::process::ExitStatus;
use std::time::Duration;

pub use agent::{AgentKiller, AgentProcess, AgentStderr, LAB_VARIABLE, lab_of_this_process};
pub(crate) use command::search_path;
pub use directory::record_process;
pub use error::LabError;
pub(crate) use link::limit_bytes as queue_bytes;
pub use private::PrivateDirectory;
pub use statistics::{InterfaceBytes, interface_bytes};
pub use user_namespace::{enter_user_namespace_if_needed, forbidding_switch, may_make_namespaces};

use crate::role::Role;
use crate::spec::{LinkSpec, Network, NetworkSpec};
use agent::{Agent, NamespaceId};
use command::Tool;
use directory::{LabDirectory, Root};
use process::Deadline;
use wire::Wire;

/// Two hosts and the links between them, until it is closed or dropped.
#[derive(Debug)]
pub struct Lab {
    directory: LabDirectory,
    agents: Vec<Agent>,
    namespaces: Vec<NamespaceId>,
    /// What joins the hosts.
    wires: BTreeMap<Network, Wire>,
    /// What is known to be in force. A link whose change failed half-way is absent.
    applied: BTreeMap<Network, LinkSpec>,
    /// What was cut and not made whole since.
    cut: BTreeSet<Network>,
    /// The most that TCP connections may keep, if it is not this machine's own limit.
    tcp: tcp::Settings,
    link: Vec<OsString>,
    seed: u64,
    netem: Option<bool>,
    /// Whether the tenant network has been made.
    tenant: bool,
    commands: Vec<String>,
    closed: bool,
}

/// What a lab may be told beyond its networks.
#[derive(Debug, Clone, Default)]
pub struct LabOptions {
    /// Directory for the labs instead of `$XDG_RUNTIME_DIR` or `/tmp`.
    pub base: Option<PathBuf>,
    /// Where the agents' standard error goes.
    pub agent_stderr: AgentStderr,
    /// Argument vector of a program that calls [`crate::link::serve`] with its standard input and output. Empty, there are no user-space
    /// links.
    pub link: Vec<OsString>,
    /// Seed of what happens at random on user-space links.
    pub seed: u64,
}

impl Lab {
    /// Makes a lab whose agents are started with the argument vector `agent`. Dead labs of this user are removed first.
    pub fn create(agent: &[OsString], network: &NetworkSpec) -> Result<Lab, LabError> {
        Lab::create_with(agent, network, &LabOptions::default())
    }

    /// Makes a lab with options.
    pub fn create_with(
        agent: &[OsString],
        network: &NetworkSpec,
        options: &LabOptions,
    ) -> Result<Lab, LabError> {
        user_namespace::check_may_make_namespaces()?;
        check(network)?;
        let root = Root::open(&options.base.clone().unwrap_or_else(directory::default_base))?;
        reap::reap(&root)?;
        let directory = LabDirectory::create(&root)?;
        drop(root);
        let (agents, namespaces, commands) = (Vec::new(), Vec::new(), Vec::new());
        let mut lab = Lab {
            directory,
            agents,
            namespaces,
            wires: BTreeMap::new(),
            applied: BTreeMap::new(),
            cut: BTreeSet::new(),
            tcp: tcp::Settings::default(),
            link: options.link.clone(),
            seed: options.seed,
            netem: None,
            tenant: false,
            commands,
            closed: false,
        };
        // From here on an error drops the lab, which removes what there is of it.
        lab.start_agents(agent, options.agent_stderr)?;
        let linked = lab.raise_loopback().and_then(|()| lab.configure(network));
        // An agent that has ended explains any failure better than the command that missed its namespace.
        lab.agents.iter_mut().try_for_each(Agent::check_running)?;
        linked.map(|()| lab)
    }

    /// Brings rates, MTU, delay and loss to `network`. Links that are already as asked are not touched; one that changes from a kernel's
    /// link to a user-space one, or back, is made anew, and connections over it break.
    pub fn configure(&mut self, network: &NetworkSpec) -> Result<(), LabError> {
        check(network)?;
        self.restore_all()?;
        self.set_tcp(&tcp::Settings::of(network))?;
        for network_id in NETWORKS {
            let link = shape_of(network, network_id);
            let lives = self.wires.get_mut(&network_id).is_some_and(Wire::lives);
            if lives && self.applied.get(&network_id) == Some(&link) {
                continue;
            }
            let method = self.method_for(network_id, &link)?;
            self.applied.remove(&network_id);
            if !lives || self.method(network_id) != Some(method) {
                self.join(network_id, method)?;
            }
            self.shape(network_id, &link)?;
            self.applied.insert(network_id, link);
        }
        Ok(())
    }

    /// An agent's pipes and pid; `None` the second time. Drop them before [`Lab::close`], else the agent is ended by a signal.
    pub fn take_agent(&mut self, role: Role) -> Option<AgentProcess> {
        self.agents
            .iter_mut()
            .find(|agent| agent.role == role)?
            .take()
    }

    /// An agent's pid, and so the way into its namespace: `nsenter --net=/proc/PID/ns/net`.
    pub fn agent_pid(&self, role: Role) -> u32 {
        self.pid(role)
    }

    /// How an agent ended, if it has.
    pub fn agent_status(&mut self, role: Role) -> Option<ExitStatus> {
        self.agents
            .iter_mut()
            .find(|agent| agent.role == role)?
            .status()
    }

    /// As [`Lab::agent_status`], but waits for the end: an agent's pipes close a moment before it can be asked how it ended.
    pub fn agent_end(&mut self, role: Role, within: Duration) -> Option<ExitStatus> {
        let agent = self.agents.iter_mut().find(|agent| agent.role == role)?;
        agent.ends_by(Deadline::after(within));
        agent.status()
    }

    /// For whoever can't wait until [`Lab::close`] has waited for the agents.
    pub fn killer(&self) -> AgentKiller {
        AgentKiller(self.agents.iter().filter_map(Agent::handle).collect())
    }

    /// A host's IPv4 address in a network, see [`address`].
    pub fn address(&self, role: Role, network: Network) -> IpAddr {
        address(role, network)
    }

    /// A host's IPv6 address in a network, see [`address_v6`].
    pub fn address_v6(&self, role: Role, network: Network) -> IpAddr {
        address_v6(role, network)
    }

    /// The name of a network's interface on both hosts, see [`interface`].
    pub fn interface(&self, network: Network) -> &'static str {
        interface(network)
    }

    /// A host's own directory: private, and short enough for unix sockets with names of up to 32 bytes.
    pub fn directory(&self, role: Role) -> &Path {
        self.directory.of(role)
    }

    /// The lab's whole directory, which [`record_process`] wants.
    pub fn path(&self) -> &Path {
        &self.directory.path
    }

    /// Eight hexadecimal digits that no other lab of this user has now.
    pub fn id(&self) -> &str {
        &self.directory.id
    }

    /// Every command that made or changed the lab, in order, as a user can repeat it (with the pids of the new agents).
    pub fn commands(&self) -> &[String] {
        &self.commands
    }

    /// Ends the agents, waits for them, and removes everything. An error if an agent that ended in order left something to be killed, or
    /// if anything survives; the rest is removed all the same.
    pub fn close(mut self) -> Result<(), LabError> {
        self.dismantle()
    }

    fn start_agents(&mut self, argv: &[OsString], stderr: AgentStderr) -> Result<(), LabError> {
        for role in Role::BOTH {
            let agent = Agent::start(role, argv, &self.directory.path, stderr)?;
            record_process(&self.directory.path, agent.pid())?;
            self.commands.push(format!(
                "{} &  # {role}, pid {}",
                agent.command,
                agent.pid()
            ));
            self.agents.push(agent);
        }
        for agent in &mut self.agents {
            self.namespaces.push(agent.wait_for_namespace()?);
        }
        Ok(())
    }

    fn run(&mut self, role: Role, tool: Tool, commands: &[String]) -> Result<(), LabError> {
        let pid = self.pid(role);
        command::run(pid, tool, commands, &mut self.commands)
    }

    fn pid(&self, role: Role) -> u32 {
        self.agents
            .iter()
            .find(|agent| agent.role == role)
            .map_or(0, Agent::pid)
    }

    fn dismantle(&mut self) -> Result<(), LabError> {
        self.closed = true;
        let inhabitants = self.inhabitants();
        for agent in &mut self.agents {
            drop(agent.take());
        }
        let mut survivors: Vec<String> = self.end_agents();
        // Not before the agents: what they end may still have to say so to the other host.
        self.wires.clear();
        // Only an agent that ended in order has had the time to leave nothing behind.
        let orderly = self
            .agents
            .iter_mut()
            .all(|agent| agent.status().is_some_and(|status| status.success()));
        let (killed, resistant) =
            process::end_all(&reap::processes_of(&self.directory.path), CHILD_GRACE);
        survivors.extend(resistant);
        // Somebody else's shell in one of the namespaces is not ours to end, but it keeps the namespace.
        let strangers = inhabitants
            .iter()
            .filter(|process| process.open().is_some());
        for stranger in strangers.map(ToString::to_string) {
            if !survivors.contains(&stranger) {
                survivors.push(stranger);
            }
        }
        self.directory.remove()?;
        if !survivors.is_empty() {
            return Err(LabError::Survivors {
                processes: survivors,
            });
        }
        if killed.is_empty() || !orderly {
            Ok(())
        } else {
            Err(LabError::LeftBehind { processes: killed })
        }
    }

    /// Everybody in the namespaces of agents that still run. Once an agent is gone, its namespace's number may be another lab's.
    fn inhabitants(&mut self) -> Vec<process::Process> {
        let agents = self.agents.iter_mut().zip(&self.namespaces);
        let held: Vec<NamespaceId> = agents
            .filter_map(|(agent, namespace)| agent.status().is_none().then_some(*namespace))
            .collect();
        process::find(|pid| {
            NamespaceId::of(&pid.to_string()).is_some_and(|namespace| held.contains(&namespace))
        })
    }

    /// All have the same time to end by themselves, then they are killed. Returns those that survive even that.
    fn end_agents(&mut self) -> Vec<String> {
        let grace = Deadline::after(AGENT_GRACE);
        let mut late: Vec<&mut Agent> = self
            .agents
            .iter_mut()
            .filter_map(|agent| (!agent.ends_by(grace)).then_some(agent))
            .collect();
        for agent in &late {
            tracing::warn!(role = %agent.role, pid = agent.pid(), "the agent does not end by itself and is killed");
            agent.kill();
        }
        let limit = Deadline::after(KILL_LIMIT);
        late.retain_mut(|agent| !agent.ends_by(limit));
        late.iter()
            .map(|agent| format!("{} (the {} agent)", agent.pid(), agent.role))
            .collect()
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        if self.closed {
            return;
        }
        if let Err(error) = self.dismantle() {
            tracing::warn!(%error, lab = self.id(), "the lab was not removed completely");
        }
    }
}

/// A host's IPv4 address in one of the lab's networks (from RFC 2544's benchmarking range, /24).
pub fn address(role: Role, network: Network) -> IpAddr {
    Ipv4Addr::new(198, 18, number(network), host(role)).into()
}

/// A host's IPv6 address in one of the lab's networks (unique local, /64).
pub fn address_v6(role: Role, network: Network) -> IpAddr {
    Ipv6Addr::new(
        0xfd00,
        0x6c6d,
        0,
        number(network).into(),
        0,
        0,
        0,
        host(role).into(),
    )
    .into()
}

/// The name of a network's interface on both hosts.
pub fn interface(network: Network) -> &'static str {
    match network {
        Network::Management => "mgmt0",
        Network::Migration => "mig0",
    }
}

fn number(network: Network) -> u8 {
    match network {
        Network::Management => 0,
        Network::Migration => 1,
    }
}

fn host(role: Role) -> u8 {
    match role {
        Role::Source => 1,
        Role::Destination => 2,
    }
}

/// An error for a network that no lab can have on this machine.
pub fn check(network: &NetworkSpec) -> Result<(), LabError> {
    tcp::Settings::of(network).check()?;
    NETWORKS
        .into_iter()
        .try_for_each(|id| link::check(id, &shape_of(network, id)))
}

/// A link's own settings, without the traffic that somebody else sends over it.
fn shape_of(network: &NetworkSpec, id: Network) -> LinkSpec {
    let link = match id {
        Network::Management => &network.management,
        Network::Migration => &network.migration,
    };
    LinkSpec {
        background_bps: None,
        ..link.clone()
    }
}

const NETWORKS: [Network; 2] = [Network::Management, Network::Migration];
/// Time for both agents to end their guests and carriers once their standard inputs are closed. Who pressed Ctrl-C waits for it.
const AGENT_GRACE: Duration = Duration::from_secs(3);
/// SIGKILL takes effect at once unless a process is stuck inside the kernel.
const KILL_LIMIT: Duration = Duration::from_secs(5);
/// Time for what an agent has just told to end.
const CHILD_GRACE: Duration = Duration::from_secs(1);
