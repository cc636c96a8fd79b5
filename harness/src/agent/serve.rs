//! The agent: answers the controller's requests until its standard input closes.

use std::error::Error;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use lmbench_guest::wire::{FromGuest, ToGuest};
use serde::Serialize;
use serde_json::Value;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::{Mutex, OnceCell, mpsc, watch};

use super::frames::{Reader, Writer};
use super::migrating::Sampler;
use super::protocol::{Call, Failure, Filled, Readings, Request, Started, Told, Usage, VERSION};
use super::readings::Notebook;
use super::repeat::{Repeat, remove_sockets, start_carrier};
use super::watching::Watcher;
use crate::background;
use crate::clock::monotonic_ns;
use crate::cpu;
use crate::error::chain;
use crate::guest::{Guest as _, GuestError, Stream};
use crate::handover;
use crate::host::HostInfo;
use crate::lab::{self, interface_bytes};
use crate::migration;
use crate::policy;
use crate::qemu::{self, GuestPorts, LaunchError, QemuGuest, preflight};
use crate::role::Role;
use crate::spec::{Network, PolicySpec, TimeoutAction};

/// Serves until `input` closes, then ends everything that was started.
pub async fn serve(
    input: impl AsyncRead + Unpin,
    output: impl AsyncWrite + Send + Unpin + 'static,
) -> std::io::Result<()> {
    let (told, mut to_tell) = mpsc::unbounded_channel::<Told>();
    let writer = tokio::spawn(async move {
        let mut writer = Writer::new(output);
        while let Some(document) = to_tell.recv().await {
            writer.send(&document).await?;
        }
        Ok::<_, std::io::Error>(())
    });
    let agent = Arc::new(Agent {
        identity: OnceCell::new(),
        repeat: Mutex::default(),
        notebook: Notebook::default(),
        cancel: watch::channel(false).0,
        told: told.clone(),
    });
    let mut reader = Reader::new(input);
    let mut tasks = tokio::task::JoinSet::new();
    let result = loop {
        match reader.next::<Call>().await {
            Ok(Some(call)) => {
                let (agent, told) = (agent.clone(), told.clone());
                tasks.spawn(async move {
                    let result = agent.answer(call.request).await;
                    // The controller may be gone; the loop above sees that too.
                    let _ = told.send(Told::Answer {
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
    tasks.shutdown().await;
    if let Err(error) = agent.repeat.lock().await.end().await {
        tracing::error!(%error, "something survived the agent");
    }
    writer.abort();
    result
}

struct Agent {
    identity: OnceCell<(Role, PathBuf)>,
    repeat: Mutex<Repeat>,
    notebook: Notebook,
    cancel: watch::Sender<bool>,
    told: mpsc::UnboundedSender<Told>,
}

impl Agent {
    async fn answer(&self, request: Request) -> Result<Value, Failure> {
        match request {
            Request::Hello {
                version,
                role,
                directory,
            } => self.hello(version, role, directory),
            Request::Clock => value(monotonic_ns()),
            Request::Preflight { cases } => {
                let (role, directory) = self.identity()?;
                value(preflight::examine(&cases, *role, directory).await)
            }
            Request::Launch { guest, accelerator } => self.launch(&guest, accelerator).await,
            Request::StartWorkload {
                workload,
                heartbeat,
                report,
                within,
            } => {
                let start = ToGuest::Start {
                    workload,
                    heartbeat_interval_ns: nanoseconds(heartbeat),
                    report_interval_ns: nanoseconds(report),
                };
                self.start_workload(&start, within).await
            }
            Request::Configure { migration, policy } => self.configure(&migration, &policy).await,
            Request::ExpectDescriptor { path } => {
                let listener = handover::bind(&path).map_err(|error| {
                    failure_of(&error, &format!("can't listen at {}", path.display()))
                })?;
                self.repeat.lock().await.descriptor = Some((path, listener));
                value(())
            }
            Request::StartCarrier {
                arguments,
                environment,
                within,
            } => self.start_carrier(&arguments, &environment, within).await,
            Request::Incoming { stream } => {
                self.take_descriptor(&stream).await?;
                value(
                    self.guest()
                        .await?
                        .incoming(&stream)
                        .await
                        .map_err(failure)?,
                )
            }
            Request::Migrate {
                stream,
                policy,
                timeout,
                timeout_action,
                sample,
            } => {
                self.migrate(stream, &policy, timeout, timeout_action, sample)
                    .await
            }
            Request::Watch { every } => {
                let mut repeat = self.repeat.lock().await;
                let processes = repeat
                    .processes()
                    .ok_or_else(|| refused("no guest was launched"))?;
                repeat.watcher = Some(Watcher::start(processes, every, self.notebook.clone()));
                value(())
            }
            Request::StopWatching => {
                self.repeat.lock().await.watcher = None;
                value(())
            }
            Request::Cancel => {
                self.cancel.send_replace(true);
                value(())
            }
            Request::AwaitRunning { within } => self.await_running(within).await,
            Request::Resume => value(self.guest().await?.resume().await.map_err(failure)?),
            Request::RunState => match self.repeat.lock().await.guest() {
                Some(guest) => value(guest.run_state().await.map_err(failure)?),
                None => value(()),
            },
            Request::MigrationInfo => {
                value(self.guest().await?.reading().await.map_err(failure)?.raw)
            }
            Request::Verify { within } => {
                value(self.ports().await?.verify(within).await.map_err(failure)?)
            }
            Request::Usage => value(self.usage().await),
            Request::Collect => value(self.collect().await),
            Request::ReceiveBackground { address } => {
                let receiver = background::Receiver::bind((address, 0).into())
                    .await
                    .map_err(failure)?;
                let listening = receiver.local_addr();
                self.repeat.lock().await.background_receiver = Some(receiver);
                value(listening)
            }
            Request::SendBackground { to, rate_bps } => {
                let sender = background::Sender::start(to, rate_bps)
                    .await
                    .map_err(failure)?;
                self.repeat.lock().await.background_sender = Some(sender);
                value(())
            }
            Request::StopBackground => {
                let sender = self.repeat.lock().await.background_sender.take();
                match sender {
                    Some(sender) => value(sender.stop().await),
                    None => value(()),
                }
            }
            Request::EndRepeat => {
                self.cancel.send_replace(false);
                let result = self.repeat.lock().await.end().await;
                if let Ok((_, directory)) = self.identity() {
                    remove_sockets(directory);
                }
                self.notebook.take();
                value(result.map_err(failure)?)
            }
        }
    }

    fn hello(&self, version: u32, role: Role, directory: PathBuf) -> Result<Value, Failure> {
        if version != VERSION {
            return Err(Failure {
                message: format!(
                    "this agent speaks version {VERSION}, the controller version {version}: use the same lmbench on all hosts"
                ),
                environment: true,
            });
        }
        self.identity
            .set((role, directory))
            .map_err(|_| refused("hello was said before"))?;
        value(HostInfo::examine())
    }

    fn identity(&self) -> Result<&(Role, PathBuf), Failure> {
        self.identity
            .get()
            .ok_or_else(|| refused("hello comes first"))
    }

    async fn guest(&self) -> Result<QemuGuest, Failure> {
        self.repeat
            .lock()
            .await
            .guest()
            .ok_or_else(|| refused("no guest was launched"))
    }

    async fn ports(&self) -> Result<Arc<GuestPorts>, Failure> {
        self.repeat
            .lock()
            .await
            .ports()
            .ok_or_else(|| refused("this guest runs no code of lmbench"))
    }

    async fn launch(
        &self,
        guest: &crate::spec::GuestSpec,
        accelerator: crate::spec::Accelerator,
    ) -> Result<Value, Failure> {
        let (role, directory) = self.identity()?;
        let launched = qemu::launch(guest, *role, accelerator, directory)
            .await
            .map_err(|error| Failure {
                environment: matches!(
                    error,
                    LaunchError::Image(_)
                        | LaunchError::Process(_)
                        | LaunchError::Write { .. }
                        | LaunchError::Overlay { .. }
                ),
                ..failure(error)
            })?;
        let started = Started {
            pid: launched.pid,
            boot: launched.boot,
        };
        self.repeat
            .lock()
            .await
            .adopt(launched, self.notebook.clone());
        value(started)
    }

    async fn start_workload(&self, start: &ToGuest, within: Duration) -> Result<Value, Failure> {
        let ready = |answer| match answer {
            FromGuest::Ready {
                pages,
                fill_ns,
                overhead_ns_per_operation,
            } => Some(Filled {
                pages,
                fill_ns,
                overhead_ns_per_operation,
            }),
            _ => None,
        };
        value(
            self.ports()
                .await?
                .ask(start, "that its memory is filled", within, ready)
                .await
                .map_err(failure)?,
        )
    }

    async fn configure(
        &self,
        migration: &crate::spec::MigrationSpec,
        policy: &PolicySpec,
    ) -> Result<Value, Failure> {
        let guest = self.guest().await?;
        let schema = guest.qmp().schema().await.map_err(failure)?;
        let capabilities = schema.migration_capabilities();
        let settings = qemu::settings(migration, policy, self.identity()?.0, |name| {
            capabilities.iter().any(|known| known == name)
        });
        guest.configure(&settings).await.map_err(failure)?;
        value(settings)
    }

    async fn start_carrier(
        &self,
        arguments: &[String],
        environment: &[(String, String)],
        within: Duration,
    ) -> Result<Value, Failure> {
        let (_, directory) = self.identity()?;
        let started = start_carrier(
            arguments,
            environment,
            within,
            directory,
            self.notebook.clone(),
            self.told.clone(),
        )
        .await;
        let (carrier, first) = started.map_err(|message| Failure {
            message,
            environment: false,
        })?;
        self.repeat.lock().await.carriers.push(carrier);
        Ok(first)
    }

    /// For a handed-over stream: waits for the carrier's descriptor and gives it to QEMU.
    async fn take_descriptor(&self, stream: &Stream) -> Result<(), Failure> {
        let Stream::Handover(path) = stream else {
            return Ok(());
        };
        let expected = self.repeat.lock().await.descriptor.take();
        let (_, listener) = expected.ok_or_else(|| refused("no descriptor is expected"))?;
        let received = tokio::time::timeout(HANDOVER_WITHIN, handover::receive(listener)).await;
        let _ = std::fs::remove_file(path);
        let descriptor = received
            .map_err(|_| {
                refused(&format!(
                    "the carrier handed no socket over within {HANDOVER_WITHIN:?}"
                ))
            })?
            .map_err(|error| failure_of(&error, "can't receive the carrier's socket"))?;
        self.guest().await?.pass(descriptor).await.map_err(failure)
    }

    async fn migrate(
        &self,
        stream: Stream,
        spec: &PolicySpec,
        timeout: Duration,
        timeout_action: TimeoutAction,
        sample_interval: Duration,
    ) -> Result<Value, Failure> {
        self.take_descriptor(&stream).await?;
        let (guest, mut sampler) = {
            let repeat = self.repeat.lock().await;
            let (launched, processes) = repeat
                .launched
                .as_ref()
                .zip(repeat.processes())
                .ok_or_else(|| refused("no guest was launched"))?;
            let sampler = Sampler {
                notebook: self.notebook.clone(),
                told: self.told.clone(),
                processes,
                started_ns: monotonic_ns(),
                noticed_ns: 0,
            };
            (launched.guest.clone(), sampler)
        };
        let cancel = self.cancel.subscribe();
        let plan = migration::Plan {
            stream: &stream,
            policy: policy::from_spec(spec),
            timeout,
            timeout_action,
            sample_interval,
            cancel,
        };
        value(
            migration::run(&guest, plan, &mut sampler)
                .await
                .map_err(failure)?,
        )
    }

    /// The destination runs a moment after the source has completed: it loads the device state first.
    async fn await_running(&self, within: Duration) -> Result<Value, Failure> {
        let guest = self.guest().await?;
        let mut events = guest.events();
        let wait = async {
            loop {
                let state = guest.run_state().await?;
                if state != "inmigrate" {
                    return Ok(state);
                }
                if events.next().await.is_none() {
                    return Err(guest.obituary().await);
                }
            }
        };
        match tokio::time::timeout(within, wait).await {
            Ok(result) => value(result.map_err(|error: GuestError| failure(error))?),
            Err(_) => value("inmigrate"),
        }
    }

    async fn usage(&self) -> Usage {
        let repeat = self.repeat.lock().await;
        let qemu = repeat.launched.as_ref().map(|launched| launched.pid);
        Usage {
            at_ns: monotonic_ns(),
            qemu: qemu.and_then(cpu::of_process),
            threads: qemu.map(cpu::of_threads).unwrap_or_default(),
            carrier: cpu::of_processes(&repeat.carrier_pids()),
            agent: cpu::of_process(std::process::id()),
            migration_network: interface_bytes(lab::interface(Network::Migration)).ok(),
            management_network: interface_bytes(lab::interface(Network::Management)).ok(),
        }
    }

    async fn collect(&self) -> Readings {
        let mut readings = self.notebook.take();
        if let Some(ports) = self.repeat.lock().await.ports() {
            (readings.heartbeats, readings.reports) = ports.take();
        }
        readings
    }
}

fn value(answer: impl Serialize) -> Result<Value, Failure> {
    serde_json::to_value(answer).map_err(|error| refused(&error.to_string()))
}

fn nanoseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

fn refused(message: &str) -> Failure {
    Failure {
        message: message.to_owned(),
        environment: false,
    }
}

fn failure(error: impl Error) -> Failure {
    Failure {
        message: chain(&error),
        environment: false,
    }
}

fn failure_of(error: &dyn Error, operation: &str) -> Failure {
    Failure {
        message: format!("{operation}: {}", chain(error)),
        environment: false,
    }
}

/// Both carriers have finished their handshake before the descriptor is asked for.
const HANDOVER_WITHIN: Duration = Duration::from_secs(10);
