//! The agent: answers the controller's requests until its standard input closes.

use std::panic::AssertUnwindSafe;
use std::path::PathBuf;
use std::sync::{Arc, Mutex as SyncMutex, PoisonError};
use std::time::Duration;

use futures::FutureExt as _;
use serde_json::Value;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::{Mutex, OnceCell, mpsc, oneshot};

use super::failures::{failure, refused, value};
use super::frames::{Reader, Writer};
use super::life::Life;
use super::metering::Meter;
use super::migrating::Sampler;
use super::protocol::{
    Call, Death, Failure, Message, Migrate, Readings, Request, TimedEvent, Usage, VERSION,
};
use super::readings::Notebook;
use super::repeat::Repeat;
use super::watching::Watcher;
use crate::clock::monotonic_ns;
use crate::cpu;
use crate::drivers::{self, Driver};
use crate::host::HostInfo;
use crate::hypervisor::{Guest, GuestError, GuestId, Hypervisor, RunState, Workload};
use crate::lab::{self, interface_bytes};
use crate::migration::{self, Command};
use crate::policy::{self, Action};
use crate::role::Role;
use crate::spec::Network;

/// Serves until `input` closes, then ends everything that was started.
pub async fn serve(
    input: impl AsyncRead + Unpin,
    output: impl AsyncWrite + Send + Unpin + 'static,
) -> std::io::Result<()> {
    let (told, mut to_tell) = mpsc::unbounded_channel::<Message>();
    let writer = tokio::spawn(async move {
        let mut writer = Writer::new(output);
        while let Some(document) = to_tell.recv().await {
            writer.send(&document).await?;
        }
        Ok::<_, std::io::Error>(())
    });
    let agent = Arc::new(Agent {
        host: OnceCell::new(),
        repeat: Mutex::default(),
        life: SyncMutex::default(),
        notebook: Notebook::default(),
        giving_up: SyncMutex::default(),
        orders: SyncMutex::default(),
        told: told.clone(),
    });
    let mut reader = Reader::new(input);
    let mut tasks = tokio::task::JoinSet::new();
    let result = loop {
        match reader.next::<Call>().await {
            Ok(Some(call)) => {
                let (agent, told) = (agent.clone(), told.clone());
                // Decided here, where requests have an order: what comes before the end belongs to the repeat that ends.
                let life = if matches!(call.request, Request::EndRepeat) {
                    agent.end_life()
                } else {
                    agent.life()
                };
                tasks.spawn(async move {
                    // A request that panics is our bug, and still owes its caller an answer.
                    let answer = AssertUnwindSafe(agent.answer_within(life, call.request));
                    let result = answer.catch_unwind().await;
                    let result = result.unwrap_or_else(|_| {
                        Err(refused("the agent panicked; its message is on stderr"))
                    });
                    // The controller may be gone; the loop above sees that too.
                    let _ = told.send(Message::Answer {
                        id: call.id,
                        result,
                    });
                });
            }
            Ok(None) => break Ok(()),
            Err(error) => break Err(error),
        }
        while tasks.try_join_next().is_some() {}
    };
    // The last requests stop at their next step; one that ends a repeat is better left to do so.
    let last = agent.end_life();
    let all = async { while tasks.join_next().await.is_some() {} };
    let _ = tokio::time::timeout(LAST_REQUESTS_WITHIN, all).await;
    tasks.shutdown().await;
    if let Err(error) = agent.end_repeat(last).await {
        tracing::error!(error = error.message, "something survived the agent");
    }
    writer.abort();
    result
}

/// What an agent is told of its host first of all.
pub(super) struct Host {
    /// The end of the migration that this host is at.
    pub(super) role: Role,
    pub(super) directory: PathBuf,
    pub(super) hypervisor: Box<dyn Hypervisor>,
}

pub(super) struct Agent {
    host: OnceCell<Host>,
    pub(super) repeat: Mutex<Repeat>,
    /// Of the repeat that goes on.
    life: SyncMutex<Life>,
    pub(super) notebook: Notebook,
    /// Gives up the recovery of the migration that goes on.
    pub(super) giving_up: SyncMutex<Option<oneshot::Sender<String>>>,
    /// To the migration that goes on.
    pub(super) orders: SyncMutex<Option<mpsc::UnboundedSender<Command>>>,
    pub(super) told: mpsc::UnboundedSender<Message>,
}

impl Agent {
    fn life(&self) -> Life {
        self.life
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Begins the next repeat; returns the life that is over.
    fn end_life(&self) -> Life {
        let ended = std::mem::take(&mut *self.life.lock().unwrap_or_else(PoisonError::into_inner));
        ended.over.cancel();
        ended
    }

    /// No request outlives its repeat: what it has started is ended with the rest.
    async fn answer_within(&self, life: Life, request: Request) -> Result<Value, Failure> {
        if matches!(request, Request::EndRepeat) {
            return value(self.end_repeat(life).await?);
        }
        tokio::select! {
            biased;
            () = life.over.cancelled() => Err(refused("the repeat was ended")),
            result = self.answer(&life, request) => result,
        }
    }

    async fn end_repeat(&self, ended: Life) -> Result<Vec<Death>, Failure> {
        let Some(host) = self.host.get() else {
            return Ok(Vec::new());
        };
        let mut repeat = self.repeat.lock().await;
        let holds = std::mem::take(&mut *ended.holds());
        let result = repeat.end(host.role, &host.directory, holds).await;
        self.notebook.take();
        result.map_err(|survivors| refused(&survivors))
    }

    async fn answer(&self, life: &Life, request: Request) -> Result<Value, Failure> {
        match request {
            Request::Hello {
                version,
                role,
                driver,
                directory,
            } => self.hello(version, role, driver, directory),
            Request::Clock => value(monotonic_ns()),
            Request::Preflight { cases, prove } => {
                let host = self.host()?;
                value(host.hypervisor.probe(&cases, host.role, prove).await)
            }
            Request::Launch { guest, accelerator } => self.launch(life, &guest, accelerator).await,
            Request::StartWorkload {
                workload,
                heartbeat,
                report,
                within,
            } => {
                let workload = Workload {
                    spec: workload,
                    heartbeat,
                    report,
                };
                let guest = self.guest().await?;
                let filled = guest.start_workload(&workload, within).await;
                value(filled.map_err(failure)?)
            }
            Request::Configure {
                migration,
                policy,
                subject,
            } => self.configure(&migration, &policy, subject).await,
            Request::Secure { credentials } => self.secure(&credentials).await,
            Request::ExpectDescriptor { path } => self.expect_descriptor(path).await,
            Request::StartCarrier {
                arguments,
                environment,
                within,
            } => self.start_carrier(&arguments, &environment, within).await,
            Request::Incoming { stream } => {
                self.take_descriptor(&stream).await?;
                let guest = self.guest().await?;
                value(guest.listen(&stream).await.map_err(failure)?)
            }
            Request::Migrate(wanted) => self.migrate(&wanted).await,
            Request::Watch {
                every,
                count_syscalls,
            } => self.watch(every, count_syscalls).await,
            Request::Probe { guest, every } => self.probe(guest, every).await,
            Request::FollowVcpus => self.follow_vcpus().await,
            Request::StopWatching => self.stop_watching().await,
            Request::EndCarriers => {
                let ending = self.repeat.lock().await.end_carriers();
                let _ = tokio::time::timeout(CARRIERS_END_WITHIN, ending).await;
                value(())
            }
            Request::Order(order) => self.order(order).await,
            Request::Strike { part, blow } => self.strike(part, blow).await,
            Request::Recovery(request) => self.recovery(life, request).await,
            Request::AwaitRunning { within } => self.await_running(within).await,
            Request::Resume => {
                let guest = self.guest().await?;
                value(guest.apply(&Action::Resume).await.map_err(failure)?)
            }
            Request::RunState => match self.repeat.lock().await.guest() {
                Some(guest) => value(guest.run_state().await.map_err(failure)?),
                None => value(()),
            },
            Request::Console => {
                let hypervisor = &self.host()?.hypervisor;
                value(hypervisor.console(&GuestId::default()))
            }
            Request::MigrationInfo => value(self.guest().await?.reading().await.map_err(failure)?),
            Request::Verify { within } => {
                let guest = self.guest().await?;
                value(guest.verify(within).await.map_err(failure)?)
            }
            Request::Usage => value(self.usage().await),
            Request::Collect => value(self.collect().await),
            Request::ReceiveBackground { address } => self.receive_background(address).await,
            Request::SendBackground { to, rate_bps } => self.send_background(to, rate_bps).await,
            Request::StopBackground => self.stop_background().await,
            Request::EndRepeat => Err(refused("a repeat ends only once")),
        }
    }

    fn hello(
        &self,
        version: u32,
        role: Role,
        driver: Driver,
        directory: PathBuf,
    ) -> Result<Value, Failure> {
        if version != VERSION {
            return Err(Failure {
                message: format!(
                    "this agent speaks version {VERSION}, the controller version {version}: use the same lmbench on all hosts"
                ),
                environment: true,
            });
        }
        let hypervisor = drivers::hypervisor(driver, &directory);
        let host = Host {
            role,
            directory,
            hypervisor,
        };
        let first = self.host.set(host).is_ok();
        if !first {
            return Err(refused("hello was said before"));
        }
        value(HostInfo::examine())
    }

    pub(super) fn host(&self) -> Result<&Host, Failure> {
        self.host.get().ok_or_else(|| refused("hello comes first"))
    }

    pub(super) async fn guest(&self) -> Result<Arc<dyn Guest>, Failure> {
        self.repeat
            .lock()
            .await
            .guest()
            .ok_or_else(|| refused("no guest was launched"))
    }

    async fn migrate(&self, wanted: &Migrate) -> Result<Value, Failure> {
        self.take_descriptor(&wanted.stream).await?;
        let (sender, orders) = mpsc::unbounded_channel();
        *self.orders.lock().unwrap_or_else(PoisonError::into_inner) = Some(sender);
        let plan = migration::Plan {
            stream: &wanted.stream,
            policy: policy::from_spec(&wanted.policy, wanted.subject),
            timeout: wanted.timeout,
            timeout_action: wanted.timeout_action,
            sample: wanted.sample,
            orders,
            recovery: self.recovery_handle(&wanted.recovery),
        };
        let (guest, mut sampler) = {
            let repeat = self.repeat.lock().await;
            let (guest, processes) = repeat
                .guest()
                .zip(repeat.processes())
                .ok_or_else(|| refused("no guest was launched"))?;
            let sampler = Sampler {
                notebook: self.notebook.clone(),
                told: self.told.clone(),
                processes,
                started_ns: monotonic_ns(),
                noticed_ns: 0,
                least_left_bytes: None,
                keeps: plan.sample.is_some(),
            };
            (guest, sampler)
        };
        value(
            migration::run(&*guest, plan, &mut sampler)
                .await
                .map_err(failure)?,
        )
    }

    async fn watch(&self, every: Duration, count_syscalls: bool) -> Result<Value, Failure> {
        let mut repeat = self.repeat.lock().await;
        let processes = repeat
            .processes()
            .ok_or_else(|| refused("no guest was launched"))?;
        repeat.meter = Meter::start(&processes, count_syscalls, &self.notebook);
        repeat.watcher = Some(Watcher::start(processes, every, self.notebook.clone()));
        value(())
    }

    async fn stop_watching(&self) -> Result<Value, Failure> {
        let mut repeat = self.repeat.lock().await;
        repeat.watcher = None;
        if let Some(meter) = &mut repeat.meter {
            meter.stop();
        }
        value(())
    }

    /// The destination runs a moment after the source has completed: it loads the device state first.
    async fn await_running(&self, within: Duration) -> Result<Value, Failure> {
        let guest = self.guest().await?;
        let mut events = guest.events();
        let wait = async {
            loop {
                let state = guest.run_state().await?;
                if state != RunState::InMigrate {
                    return Ok(state);
                }
                if events.next().await.is_none() {
                    return Err(guest.exit_reason().await);
                }
            }
        };
        match tokio::time::timeout(within, wait).await {
            Ok(result) => value(result.map_err(|error: GuestError| failure(error))?),
            Err(_) => value(RunState::InMigrate),
        }
    }

    async fn usage(&self) -> Usage {
        let repeat = self.repeat.lock().await;
        let qemu = repeat.guest().and_then(|guest| guest.process());
        Usage {
            at_ns: monotonic_ns(),
            qemu: qemu.and_then(cpu::of_process),
            threads: qemu.map(cpu::of_threads).unwrap_or_default(),
            carrier: cpu::of_trees(&repeat.carrier_pids()),
            agent: cpu::of_process(std::process::id()),
            migration_network: interface_bytes(lab::interface(Network::Migration)).ok(),
            management_network: interface_bytes(lab::interface(Network::Management)).ok(),
        }
    }

    async fn collect(&self) -> Readings {
        let mut readings = self.notebook.take();
        let mut repeat = self.repeat.lock().await;
        if let Some(guest) = repeat.guest() {
            let checkpoints = guest.checkpoints().into_iter();
            readings.events.extend(checkpoints.map(TimedEvent::from));
            let heard = guest.heard();
            (readings.heartbeats, readings.reports) = (heard.heartbeats, heard.reports);
        }
        readings.tenant = repeat.probes.finish();
        readings.metering = repeat.meter.take().map(Meter::finish);
        readings
    }
}

/// A carrier gives its channels 5 s to drain (`carry::Options::drain_deadline`).
const CARRIERS_END_WITHIN: Duration = Duration::from_secs(6);
/// A request that was told to stop does so at its next step; ending a repeat takes as long as a guest's memory to be freed.
const LAST_REQUESTS_WITHIN: Duration = Duration::from_secs(2);
