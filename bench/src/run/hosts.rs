//! Both hosts of a run: the lab and the agents in it, on one clock.

use std::ffi::OsString;
use std::net::IpAddr;
use std::path::Path;

use lmbench_harness::agent::protocol::{Notice, Request, VERSION};
use lmbench_harness::agent::{AgentClient, AgentError};
use lmbench_harness::clock::monotonic_ns;
use lmbench_harness::host::HostInfo;
use lmbench_harness::lab::{Lab, LabError};
use lmbench_harness::role::Role;
use lmbench_harness::spec::{Network, NetworkSpec};
use serde::Serialize;
use serde::de::DeserializeOwned;
use thiserror::Error;
use tokio::process::{ChildStdin, ChildStdout};
use tokio::sync::mpsc;

use super::RunError;

/// Why the hosts can't be used.
#[derive(Debug, Error)]
pub(super) enum HostError {
    /// The lab could not be made or removed.
    #[error(transparent)]
    Lab(#[from] LabError),
    /// An agent failed.
    #[error(transparent)]
    Agent(#[from] AgentError),
    /// This executable can't be found.
    #[error("can't find this executable")]
    Executable(#[source] std::io::Error),
    /// An agent's pipe is no pipe.
    #[error("can't talk to an agent over its pipe")]
    Pipe(#[source] std::io::Error),
}

impl From<HostError> for RunError {
    fn from(error: HostError) -> Self {
        RunError::Environment(crate::error::chain(&error))
    }
}

/// An agent and what is known of its host.
pub(super) struct Host {
    agent: AgentClient,
    pub(super) info: HostInfo,
    pub(super) clock: Offset,
}

/// How a host's clock relates to the controller's.
#[derive(Debug, Clone, Copy, Default, Serialize)]
pub(super) struct Offset {
    /// Add this to the host's nanoseconds to get the controller's.
    pub(super) add_ns: i64,
    /// The truth lies within ± this, ns. 0 when both read the same clock.
    pub(super) bound_ns: u64,
}

/// The lab with its agents.
pub(super) struct Hosts {
    lab: Lab,
    pub(super) source: Host,
    pub(super) destination: Host,
    pub(super) notices: mpsc::UnboundedReceiver<(Role, Notice)>,
}

impl Hosts {
    pub(super) async fn create(network: &NetworkSpec) -> Result<Self, HostError> {
        let executable = std::env::current_exe().map_err(HostError::Executable)?;
        let agent: Vec<OsString> = vec![executable.into(), "agent".into(), "--stdio".into()];
        let mut lab = Lab::create(&agent, network)?;
        let (sender, notices) = mpsc::unbounded_channel();
        let source = Host::meet(&mut lab, Role::Source, sender.clone()).await?;
        let destination = Host::meet(&mut lab, Role::Destination, sender).await?;
        Ok(Hosts {
            lab,
            source,
            destination,
            notices,
        })
    }

    /// Makes everything anew after an agent was lost.
    pub(super) async fn renew(&mut self, network: &NetworkSpec) -> Result<(), HostError> {
        let old = std::mem::replace(self, Hosts::create(network).await?);
        old.close()
    }

    /// Changes rates and sizes of the links.
    pub(super) fn configure(&mut self, network: &NetworkSpec) -> Result<(), HostError> {
        Ok(self.lab.configure(network)?)
    }

    pub(super) fn host(&self, role: Role) -> &Host {
        match role {
            Role::Source => &self.source,
            Role::Destination => &self.destination,
        }
    }

    pub(super) fn address(&self, role: Role, network: Network) -> IpAddr {
        self.lab.address(role, network)
    }

    pub(super) fn directory(&self, role: Role) -> &Path {
        self.lab.directory(role)
    }

    /// The commands that made the lab, for the record.
    pub(super) fn commands(&self) -> &[String] {
        self.lab.commands()
    }

    /// Ends both agents and removes the lab.
    pub(super) fn close(self) -> Result<(), HostError> {
        let Hosts {
            lab,
            source,
            destination,
            ..
        } = self;
        // The agents' inputs close with this; each ends what it started and then itself.
        drop((source, destination));
        Ok(lab.close()?)
    }
}

impl Host {
    async fn meet(
        lab: &mut Lab,
        role: Role,
        notices: mpsc::UnboundedSender<(Role, Notice)>,
    ) -> Result<Self, HostError> {
        let gone = || HostError::Agent(AgentError::Gone { role });
        let process = lab.take_agent(role).ok_or_else(gone)?;
        let input = ChildStdin::from_std(process.stdin).map_err(HostError::Pipe)?;
        let output = ChildStdout::from_std(process.stdout).map_err(HostError::Pipe)?;
        let agent = AgentClient::new(role, output, input, notices);
        let hello = Request::Hello {
            version: VERSION,
            role,
            directory: lab.directory(role).to_owned(),
        };
        let info: HostInfo = agent.call(hello).await?;
        let clock = Offset::of(&agent, &info).await?;
        Ok(Host { agent, info, clock })
    }

    pub(super) async fn call<T: DeserializeOwned>(
        &self,
        request: Request,
    ) -> Result<T, AgentError> {
        self.agent.call(request).await
    }

    /// Returns once the agent is gone.
    pub(super) async fn gone(&self) {
        self.agent.gone().await;
    }
}

impl Offset {
    /// Agents of this machine's boot read the controller's own clock. For others the shortest of a few round trips
    /// bounds the offset (Cristian 1989, "Probabilistic clock synchronization").
    async fn of(agent: &AgentClient, info: &HostInfo) -> Result<Self, HostError> {
        if info.boot_id == HostInfo::examine().boot_id {
            return Ok(Offset::default());
        }
        let mut best: Option<Offset> = None;
        for _ in 0..CLOCK_ROUNDS {
            let before = monotonic_ns();
            let there: u64 = agent.call(Request::Clock).await?;
            let after = monotonic_ns();
            let half = (after - before) / 2;
            let add_ns =
                i64::try_from(before + half).unwrap_or(0) - i64::try_from(there).unwrap_or(0);
            if best.is_none_or(|best| half < best.bound_ns) {
                best = Some(Offset {
                    add_ns,
                    bound_ns: half,
                });
            }
        }
        Ok(best.unwrap_or_default())
    }

    /// A host's time on the controller's clock.
    pub(super) fn apply(self, at_ns: u64) -> u64 {
        at_ns.saturating_add_signed(self.add_ns)
    }
}

const CLOCK_ROUNDS: usize = 16;
