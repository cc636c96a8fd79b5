//! Both hosts of a run: the lab and the agents in it, on one clock.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::process::ExitStatus;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use lmbench_harness::agent::calls;
use lmbench_harness::agent::protocol::{Death, Notice, VERSION};
use lmbench_harness::agent::{AgentClient, AgentError, Call};
use lmbench_harness::clock::monotonic_ns;
use lmbench_harness::drivers::Driver;
use lmbench_harness::host::HostInfo;
use lmbench_harness::lab::{self, AgentKiller, Lab, LabError, LabOptions};
use lmbench_harness::link::Report;
use lmbench_harness::role::Role;
use lmbench_harness::spec::{LinkSpec, Network, NetworkSpec};
use serde::Serialize;
use thiserror::Error;
use tokio::process::{ChildStdin, ChildStdout};
use tokio::sync::mpsc;

use super::RunError;
use crate::programs::Programs;

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
    /// Another lmbench's agents can't work for this controller.
    #[error(
        "the agents of {} can't work for this lmbench ({VERSION} is the version of its protocol)\nhint: let each lmbench do a run of its own, and compare the two runs", path.display()
    )]
    Stranger {
        /// The other lmbench.
        path: PathBuf,
        /// What came of it.
        source: AgentError,
    },
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

/// The lab. Its calls block, so they run on threads of their own; `None` once it is closed.
#[derive(Clone)]
pub(super) struct SharedLab(Arc<Mutex<Option<Lab>>>);

/// The lab with its agents.
pub(super) struct Hosts {
    lab: SharedLab,
    programs: Programs,
    directories: [PathBuf; 2],
    pub(super) source: Host,
    pub(super) destination: Host,
    /// Whoever follows a migration holds them.
    pub(super) notices: tokio::sync::Mutex<mpsc::UnboundedReceiver<(Role, Notice)>>,
}

impl Hosts {
    /// Dropped half-way it leaves nothing behind. The seed is that of what happens at random on lmbench's own links, which are part of the lab
    /// and not of what is compared: whosever the agents are, the links are this executable's.
    pub(super) async fn create(
        network: &NetworkSpec,
        seed: u64,
        programs: &Programs,
    ) -> Result<Self, HostError> {
        let executable = std::env::current_exe().map_err(HostError::Executable)?;
        let this = OsString::from(executable);
        let agent = agent(&this, programs);
        let options = LabOptions {
            link: vec![this, "link".into()],
            seed,
            ..LabOptions::default()
        };
        let network = network.clone();
        let mut lab = blocking(move || Lab::create_with(&agent, &network, &options)).await?;
        let (sender, notices) = mpsc::unbounded_channel();
        let stranger = |error| match (error, &programs.lmbench) {
            (HostError::Agent(source), Some(other)) => HostError::Stranger {
                path: other.path.clone(),
                source,
            },
            (error, _) => error,
        };
        let source = Host::meet(&mut lab, Role::Source, sender.clone()).await;
        let source = source.map_err(stranger)?;
        let destination = Host::meet(&mut lab, Role::Destination, sender).await;
        let destination = destination.map_err(stranger)?;
        Ok(Hosts {
            directories: Role::BOTH.map(|role| lab.directory(role).to_owned()),
            programs: programs.clone(),
            lab: SharedLab(Arc::new(Mutex::new(Some(lab)))),
            source,
            destination,
            notices: notices.into(),
        })
    }

    /// Makes everything anew after an agent was lost.
    pub(super) async fn renew(
        &mut self,
        network: &NetworkSpec,
        seed: u64,
    ) -> Result<(), HostError> {
        let new = Hosts::create(network, seed, &self.programs).await?;
        let old = std::mem::replace(self, new);
        old.close(std::future::pending()).await
    }

    /// Changes rates and sizes of the links.
    pub(super) async fn configure(&self, network: &NetworkSpec) -> Result<(), HostError> {
        let network = network.clone();
        Ok(self.lab.with(move |lab| lab.configure(&network)).await?)
    }

    /// What lmbench's own links have done so far; empty if the kernel makes all links.
    pub(super) async fn link_reports(&self) -> Result<BTreeMap<Network, Report>, HostError> {
        Ok(self.lab.with(Lab::link_reports).await?)
    }

    /// For whoever changes links while a call to an agent goes on.
    pub(super) fn lab(&self) -> SharedLab {
        self.lab.clone()
    }

    /// What would move the packets of such a network's links here, by the network's name.
    pub(super) async fn methods(
        &self,
        network: &NetworkSpec,
    ) -> Result<BTreeMap<&'static str, &'static str>, HostError> {
        let links = [
            (
                "management",
                Network::Management,
                network.management.clone(),
            ),
            ("migration", Network::Migration, network.migration.clone()),
        ];
        let network = network.clone();
        let methods = self.lab.with(move |lab| {
            lab::check(&network)?;
            let method = |(name, network, link): (&'static str, Network, LinkSpec)| {
                Ok((name, lab.method_for(network, &link)?.name()))
            };
            links.into_iter().map(method).collect()
        });
        Ok(methods.await?)
    }

    /// Returns the agent that is gone, once one is.
    pub(super) fn lost(&self) -> impl Future<Output = Role> + use<> {
        let (source, destination) = (self.source.agent.gone(), self.destination.agent.gone());
        async move {
            tokio::select! {
                () = source => Role::Source,
                () = destination => Role::Destination,
            }
        }
    }

    /// Returns the first death on either host that `counts`.
    pub(super) fn death(&self, counts: fn(&Death) -> bool) -> impl Future<Output = Death> + use<> {
        let source = self.source.agent.death(counts);
        let destination = self.destination.agent.death(counts);
        async move {
            tokio::select! {
                death = source => death,
                death = destination => death,
            }
        }
    }

    /// Begins a new repeat: what was told of the last one is old.
    pub(super) fn forget(&mut self) {
        self.source.agent.forget_deaths();
        self.destination.agent.forget_deaths();
        while self.notices.get_mut().try_recv().is_ok() {}
    }

    /// How an agent that is gone ended.
    pub(super) async fn agent_end(&self, role: Role) -> Option<ExitStatus> {
        self.lab
            .with(move |lab| Ok(lab.agent_end(role, AGENT_END_WITHIN)))
            .await
            .ok()
            .flatten()
    }

    pub(super) fn host(&self, role: Role) -> &Host {
        match role {
            Role::Source => &self.source,
            Role::Destination => &self.destination,
        }
    }

    #[expect(
        clippy::unused_self,
        reason = "hosts in the field will each have addresses of their own"
    )]
    pub(super) fn address(&self, role: Role, network: Network) -> IpAddr {
        lab::address(role, network)
    }

    pub(super) fn directory(&self, role: Role) -> &Path {
        let [source, destination] = &self.directories;
        match role {
            Role::Source => source,
            Role::Destination => destination,
        }
    }

    /// The commands that made the lab, for the record.
    pub(super) fn commands(&self) -> Vec<String> {
        let lab = self.lab.0.lock().unwrap_or_else(PoisonError::into_inner);
        lab.as_ref()
            .map(|lab| lab.commands().to_vec())
            .unwrap_or_default()
    }

    /// Ends both agents and removes the lab. Once `hurry` returns, agents that are still there are killed.
    pub(super) async fn close(self, hurry: impl Future<Output = ()>) -> Result<(), HostError> {
        let Hosts {
            lab: SharedLab(lab),
            source,
            destination,
            ..
        } = self;
        // The agents' inputs close with this; each ends what it started and then itself.
        drop((source, destination));
        let killer = lab
            .try_lock()
            .ok()
            .and_then(|lab| lab.as_ref().map(Lab::killer));
        let closing = blocking(move || {
            // A call that was given up half-way may still hold the lab.
            let lab = lab.lock().unwrap_or_else(PoisonError::into_inner).take();
            lab.map_or(Ok(()), Lab::close)
        });
        let mut closing = std::pin::pin!(closing);
        tokio::select! {
            biased;
            closed = &mut closing => return Ok(closed?),
            () = hurry => killer.iter().for_each(AgentKiller::kill),
        }
        Ok(closing.await?)
    }
}

/// The command of an agent.
fn agent(this: &OsString, programs: &Programs) -> Vec<OsString> {
    let lmbench = programs.lmbench.as_ref();
    let executable = lmbench.map_or_else(|| this.clone(), |other| other.path.clone().into());
    let agent = [executable, "agent".into(), "--stdio".into()];
    let Some(qemu) = &programs.qemu else {
        return agent.into();
    };
    // The shell becomes the agent. `env` would take a path with `=` in it for a variable.
    let set = "LMBENCH_QEMU=$1; export LMBENCH_QEMU; shift; exec \"$@\"";
    let shell = ["sh", "-c", set, "sh"].map(OsString::from).into_iter();
    shell
        .chain([OsString::from(&qemu.path)])
        .chain(agent)
        .collect()
}

impl SharedLab {
    pub(super) async fn with<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Lab) -> Result<T, LabError> + Send + 'static,
    ) -> Result<T, LabError> {
        let SharedLab(lab) = self.clone();
        blocking(move || {
            let mut lab = lab.lock().unwrap_or_else(PoisonError::into_inner);
            work(
                lab.as_mut()
                    .expect("only `close`, which takes the hosts, takes the lab"),
            )
        })
        .await
    }
}

/// Runs what blocks. Given up, it goes on to its end, and the program waits for it before it ends.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, LabError> + Send + 'static,
) -> Result<T, LabError> {
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => result,
        Err(error) => std::panic::resume_unwind(error.into_panic()),
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
        let hello = calls::Hello {
            version: VERSION,
            role,
            driver: Driver::Qemu,
            directory: lab.directory(role).to_owned(),
        };
        let info = agent.call(hello).await?;
        let clock = Offset::of(&agent, &info).await?;
        Ok(Host { agent, info, clock })
    }

    pub(super) async fn call<C: Call>(&self, call: C) -> Result<C::Reply, AgentError> {
        self.agent.call(call).await
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
            let there = agent.call(calls::ReadClock).await?;
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
/// Between the end of an agent's output and its own lies the kernel's work only.
const AGENT_END_WITHIN: Duration = Duration::from_secs(1);
