//! The agent: answers the controller's requests until its standard input closes.

use std::panic::AssertUnwindSafe;
use std::path::PathBuf;
use std::sync::{Arc, Mutex as SyncMutex, PoisonError};
use std::time::Duration;

use futures::FutureExt as _;
use lmbench_guest::wire::Verified;
use serde_json::Value;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::{Mutex, OnceCell, mpsc};

use super::calls::{self, Call, Request};
use super::failures::{failure, refused, value};
use super::frames::{Reader, Writer};
use super::life::Life;
use super::metering::Meter;
use super::migrating::Sampler;
use super::ongoing::Ongoing;
use super::protocol::{Death, Envelope, Failure, Message, Readings, TimedEvent, Usage, VERSION};
use super::readings::Notebook;
use super::recovery;
use super::repeat::Repeat;
use super::watching::Watcher;
use crate::clock::monotonic_ns;
use crate::cpu;
use crate::drivers;
use crate::host::HostInfo;
use crate::hypervisor::{
    Console, Filled, Guest, GuestError, GuestId, Hypervisor, ProbeReport, Reading, RunState,
    Stream, Workload,
};
use crate::lab::{self, interface_bytes};
use crate::migration::{self, Ended};
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
        ongoing: Ongoing::default(),
        told: told.clone(),
    });
    let mut reader = Reader::new(input);
    let mut tasks = tokio::task::JoinSet::new();
    let result = loop {
        match reader.next::<Envelope>().await {
            Ok(Some(call)) => {
                let (agent, told) = (agent.clone(), told.clone());
                // Decided here, where requests have an order: what comes before the end belongs to the repeat that ends.
                let life = if matches!(call.request, Request::EndRepeat(_)) {
                    agent.end_life()
                } else {
                    agent.life()
                };
                tasks.spawn(async move {
                    // A request that panics is our bug, and still owes its caller an answer.
                    let answer =
                        AssertUnwindSafe(agent.answer_within(life, &call.guest, call.request));
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
    pub(super) ongoing: Ongoing,
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
    async fn answer_within(
        &self,
        life: Life,
        guest: &GuestId,
        request: Request,
    ) -> Result<Value, Failure> {
        if matches!(request, Request::EndRepeat(_)) {
            return reply::<calls::EndRepeat>(self.end_repeat(life).await);
        }
        tokio::select! {
            biased;
            () = life.over.cancelled() => Err(refused("the repeat was ended")),
            result = self.answer(&life, guest, request) => result,
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
        self.ongoing.clear();
        result.map_err(|survivors| refused(&survivors))
    }

    async fn answer(&self, life: &Life, id: &GuestId, request: Request) -> Result<Value, Failure> {
        match request {
            Request::Hello(call) => reply::<calls::Hello>(self.hello(call)),
            Request::ReadClock(_) => reply::<calls::ReadClock>(Ok(monotonic_ns())),
            Request::Preflight(call) => reply::<calls::Preflight>(self.preflight(call).await),
            Request::Launch(calls::Launch { guest, accelerator }) => {
                reply::<calls::Launch>(self.launch(life, id, &guest, accelerator).await)
            }
            Request::StartWorkload(call) => {
                reply::<calls::StartWorkload>(self.start_workload(id, call).await)
            }
            Request::Configure(call) => reply::<calls::Configure>(self.configure(id, &call).await),
            Request::Secure(call) => {
                reply::<calls::Secure>(self.secure(id, &call.credentials).await)
            }
            Request::ExpectDescriptor(call) => {
                reply::<calls::ExpectDescriptor>(self.expect_descriptor(call.path).await)
            }
            Request::StartCarrier(call) => {
                reply::<calls::StartCarrier>(self.start_carrier(&call).await)
            }
            Request::Listen(call) => reply::<calls::Listen>(self.listen(id, &call.stream).await),
            Request::Migrate(call) => reply::<calls::Migrate>(self.migrate(id, &call).await),
            Request::Watch(call) => reply::<calls::Watch>(self.watch(id, &call).await),
            Request::ProbeTenant(calls::ProbeTenant { guest, every }) => {
                reply::<calls::ProbeTenant>(self.probe_tenant(guest, every).await)
            }
            Request::FollowVcpus(_) => reply::<calls::FollowVcpus>(self.follow_vcpus(id).await),
            Request::StopWatching(_) => {
                self.stop_watching().await;
                reply::<calls::StopWatching>(Ok(()))
            }
            Request::EndCarriers(_) => {
                self.end_carriers().await;
                reply::<calls::EndCarriers>(Ok(()))
            }
            Request::GiveOrder(call) => {
                reply::<calls::GiveOrder>(self.order(call.migration, call.order).await)
            }
            Request::Strike(calls::Strike { part, blow }) => {
                reply::<calls::Strike>(self.strike(part, blow).await)
            }
            Request::AwaitRunning(call) => {
                reply::<calls::AwaitRunning>(self.await_running(id, call.within).await)
            }
            Request::Continue(_) => reply::<calls::Continue>(self.resume(id).await),
            Request::ReadRunState(_) => reply::<calls::ReadRunState>(self.run_state(id).await),
            Request::ReadConsole(_) => reply::<calls::ReadConsole>(self.console(id)),
            Request::ReadMigration(_) => reply::<calls::ReadMigration>(self.reading(id).await),
            Request::Verify(call) => reply::<calls::Verify>(self.verify(id, call.within).await),
            Request::ReadUsage(_) => reply::<calls::ReadUsage>(Ok(self.usage(id).await)),
            Request::Collect(_) => reply::<calls::Collect>(Ok(self.collect(id).await)),
            Request::ReceiveBackground(call) => {
                reply::<calls::ReceiveBackground>(self.receive_background(call.address).await)
            }
            Request::SendBackground(calls::SendBackground { to, rate_bps }) => {
                reply::<calls::SendBackground>(self.send_background(to, rate_bps).await)
            }
            Request::StopBackground(_) => {
                reply::<calls::StopBackground>(Ok(self.stop_background().await))
            }
            Request::Look(_) => reply::<calls::Look>(self.look(id).await),
            Request::DismissCarriers(_) => {
                self.dismiss_carriers().await;
                reply::<calls::DismissCarriers>(Ok(()))
            }
            Request::ExpectProbe(call) => {
                reply::<calls::ExpectProbe>(recovery::expect_probe(call.address).await)
            }
            Request::ProbeWay(calls::ProbeWay { to, within }) => {
                reply::<calls::ProbeWay>(recovery::probe_way(to, within).await)
            }
            Request::Recover(call) => reply::<calls::Recover>(self.recover(id, call.stream).await),
            Request::ResumePostCopy(call) => {
                reply::<calls::ResumePostCopy>(self.resume_post_copy(id, call).await)
            }
            Request::LetGo(_) => reply::<calls::LetGo>(self.let_go(id).await),
            Request::GiveUp(call) => {
                reply::<calls::GiveUp>(Ok(self.ongoing.give_up(call.migration, call.reason)))
            }
            Request::CancelMigration(_) => {
                reply::<calls::CancelMigration>(self.cancel_migration(id).await)
            }
            Request::Sever(_) => reply::<calls::Sever>(recovery::sever_all(life)),
            Request::Fence(call) => reply::<calls::Fence>(self.fence(life, call.reason).await),
            Request::EndRepeat(_) => Err(refused("a repeat ends only once")),
        }
    }

    fn hello(&self, hello: calls::Hello) -> Result<HostInfo, Failure> {
        let calls::Hello {
            version,
            role,
            driver,
            directory,
        } = hello;
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
        Ok(HostInfo::examine())
    }

    async fn preflight(&self, call: calls::Preflight) -> Result<ProbeReport, Failure> {
        let (host, calls::Preflight { cases, prove }) = (self.host()?, call);
        Ok(host.hypervisor.probe(&cases, host.role, prove).await)
    }

    async fn start_workload(
        &self,
        id: &GuestId,
        call: calls::StartWorkload,
    ) -> Result<Filled, Failure> {
        let workload = Workload {
            spec: call.workload,
            heartbeat: call.heartbeat,
            report: call.report,
        };
        let guest = self.guest(id).await?;
        let filled = guest.start_workload(&workload, call.within).await;
        filled.map_err(failure)
    }

    async fn listen(&self, id: &GuestId, stream: &Stream) -> Result<Stream, Failure> {
        self.take_descriptor(id, stream).await?;
        let guest = self.guest(id).await?;
        guest.listen(stream).await.map_err(failure)
    }

    async fn resume(&self, id: &GuestId) -> Result<(), Failure> {
        let guest = self.guest(id).await?;
        guest.apply(&Action::Resume).await.map_err(failure)
    }

    fn console(&self, id: &GuestId) -> Result<Console, Failure> {
        Ok(self.host()?.hypervisor.console(id))
    }

    async fn reading(&self, id: &GuestId) -> Result<Reading, Failure> {
        let guest = self.guest(id).await?;
        guest.reading().await.map_err(failure)
    }

    async fn verify(&self, id: &GuestId, within: Duration) -> Result<Verified, Failure> {
        let guest = self.guest(id).await?;
        guest.verify(within).await.map_err(failure)
    }

    async fn end_carriers(&self) {
        let ending = self.repeat.lock().await.end_carriers();
        let _ = tokio::time::timeout(CARRIERS_END_WITHIN, ending).await;
    }

    async fn run_state(&self, id: &GuestId) -> Result<Option<RunState>, Failure> {
        let guest = self.repeat.lock().await.guest(id);
        match guest {
            Some(guest) => Ok(Some(guest.run_state().await.map_err(failure)?)),
            None => Ok(None),
        }
    }

    pub(super) fn host(&self) -> Result<&Host, Failure> {
        self.host.get().ok_or_else(|| refused("hello comes first"))
    }

    pub(super) async fn guest(&self, id: &GuestId) -> Result<Arc<dyn Guest>, Failure> {
        self.repeat
            .lock()
            .await
            .guest(id)
            .ok_or_else(|| refused("no guest was launched"))
    }

    async fn migrate(&self, id: &GuestId, wanted: &calls::Migrate) -> Result<Ended, Failure> {
        self.take_descriptor(id, &wanted.stream).await?;
        let (orders, recovery) = self.ongoing.begin(wanted.id, &wanted.recovery);
        let plan = migration::Plan {
            stream: &wanted.stream,
            policy: policy::from_spec(&wanted.policy, wanted.subject),
            timeout: wanted.timeout,
            timeout_action: wanted.timeout_action,
            sample: wanted.sample,
            orders,
            recovery,
        };
        let (guest, mut sampler) = {
            let repeat = self.repeat.lock().await;
            let (guest, processes) = repeat
                .guest(id)
                .zip(repeat.processes(id))
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
        let ended = migration::run(&*guest, plan, &mut sampler).await;
        ended.map_err(failure)
    }

    async fn watch(&self, id: &GuestId, watch: &calls::Watch) -> Result<(), Failure> {
        let mut repeat = self.repeat.lock().await;
        let processes = repeat
            .processes(id)
            .ok_or_else(|| refused("no guest was launched"))?;
        repeat.meter = Meter::start(&processes, watch.count_syscalls, &self.notebook);
        repeat.watcher = Some(Watcher::start(
            processes,
            watch.every,
            self.notebook.clone(),
        ));
        Ok(())
    }

    async fn stop_watching(&self) {
        let mut repeat = self.repeat.lock().await;
        repeat.watcher = None;
        if let Some(meter) = &mut repeat.meter {
            meter.stop();
        }
    }

    /// The destination runs a moment after the source has completed: it loads the device state first.
    async fn await_running(&self, id: &GuestId, within: Duration) -> Result<RunState, Failure> {
        let guest = self.guest(id).await?;
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
            Ok(result) => result.map_err(|error: GuestError| failure(error)),
            Err(_) => Ok(RunState::InMigrate),
        }
    }

    async fn usage(&self, id: &GuestId) -> Usage {
        let repeat = self.repeat.lock().await;
        let qemu = repeat.guest(id).and_then(|guest| guest.process());
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

    async fn collect(&self, id: &GuestId) -> Readings {
        let mut readings = self.notebook.take();
        let mut repeat = self.repeat.lock().await;
        if let Some(guest) = repeat.guest(id) {
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

/// What travels in reply to a call: of the type that the call names, and of no other.
fn reply<C: Call>(result: Result<C::Reply, Failure>) -> Result<Value, Failure> {
    value(result?)
}

/// A carrier gives its channels 5 s to drain (`carry::Options::drain_deadline`).
const CARRIERS_END_WITHIN: Duration = Duration::from_secs(6);
/// A request that was told to stop does so at its next step; ending a repeat takes as long as a guest's memory to be freed.
const LAST_REQUESTS_WITHIN: Duration = Duration::from_secs(2);
