//! A simulated guest, as it is asked and told.

use std::net::SocketAddr;
use std::time::Duration;

use async_trait::async_trait;
use lmbench_guest::wire::Verified;
use lmbench_model::{Path, Refused, Side, Status};
use tokio::time::{sleep, timeout};

use super::code::Code;
use super::flight::Flight;
use super::reading::reading;
use super::settings;
use super::world::{Machine, State, World, nanoseconds};
use crate::hypervisor::{
    Filled, Guest, GuestError, GuestEvent, GuestEvents, Heard, Look, MigrationStatus, NO_CODE,
    Preparation, Reading, RunState, Stream, Workload,
};
use crate::policy::Action;
use crate::spec::Boot;

/// One guest on one host.
pub(super) struct SimulatedGuest {
    world: World,
    machine: usize,
}

impl SimulatedGuest {
    pub(super) fn new(world: World, machine: usize) -> SimulatedGuest {
        SimulatedGuest { world, machine }
    }

    /// Tells the model of a flight that this guest is at the source of, or that it has come with.
    fn tell(
        &self,
        operation: &str,
        command: impl FnOnce(&mut Flight) -> Result<(), Refused>,
    ) -> Result<(), GuestError> {
        self.world.command(|state| {
            let Some((flight, side)) = state.flight(self.machine)? else {
                return refuse(operation, "there is no guest here yet");
            };
            if side == Side::Destination && flight.model.home() == Side::Source {
                return refuse(operation, "there is no guest here yet");
            }
            let told = command(flight);
            told.or_else(|refused| refuse(operation, refused.to_string()))
        })
    }

    /// Whether the guest gets on here, so that its own code answers.
    fn answers(&self, state: &mut State) -> Result<Option<Verified>, GuestError> {
        let Some((flight, side)) = state.flight(self.machine)? else {
            return Ok(None);
        };
        let here = flight.model.guest().runs_on == Some(side) && flight.model.speed() > 0.0;
        let code = flight.code.as_ref().filter(|_| here);
        Ok(code.map(|code| code.verified(&flight.model)))
    }
}

#[async_trait]
impl Guest for SimulatedGuest {
    async fn prepare(&self, preparation: Preparation<'_>) -> Result<(), GuestError> {
        let Preparation {
            migration,
            policy,
            subject,
            ..
        } = preparation;
        let settings = settings::settings(migration, policy, subject)?;
        self.world.command(|state| {
            let machine = state.live(self.machine)?;
            machine.settings = settings;
            machine.channels = migration.multifd_channels.max(1);
            Ok(())
        })
    }

    async fn listen(&self, stream: &Stream) -> Result<Stream, GuestError> {
        self.world.command(|state| {
            if state.live(self.machine)?.flight.is_some() {
                return refuse("migrate-incoming", "it has its guest");
            }
            state.listen(self.machine, stream)
        })
    }

    async fn migrate(&self, stream: &Stream) -> Result<(), GuestError> {
        self.world
            .command(|state| state.migrate(self.machine, stream))
    }

    async fn reading(&self) -> Result<Reading, GuestError> {
        self.world.look(|state| {
            let status = state.live(self.machine)?.status.clone();
            Ok(reading(state.flight(self.machine)?, &status))
        })
    }

    fn events(&self) -> Box<dyn GuestEvents> {
        let next = self
            .world
            .look(|state| state.machines[self.machine].events.len());
        Box::new(Events {
            world: self.world.clone(),
            machine: self.machine,
            next,
        })
    }

    async fn apply(&self, action: &Action) -> Result<(), GuestError> {
        match action {
            Action::StartPostCopy => self.tell("migrate-start-postcopy", |flight| {
                flight.model.start_postcopy()
            }),
            Action::Pause => self.tell("stop", |flight| {
                flight.model.stop();
                Ok(())
            }),
            Action::Resume => self.tell("cont", |flight| flight.model.cont()),
            Action::Cancel => self.tell("migrate_cancel", |flight| {
                if flight.is_busy() {
                    flight.model.cancel()
                } else {
                    Ok(())
                }
            }),
            Action::Set(setting) => self.world.command(|state| {
                let machine = state.live(self.machine)?;
                settings::set(&mut machine.settings, setting)?;
                let settings = machine.settings.clone();
                if let Some((flight, Side::Source)) = state.flight(self.machine)? {
                    flight.model.set_settings(settings);
                }
                Ok(())
            }),
        }
    }

    async fn switch_over(&self) -> Result<(), GuestError> {
        self.tell("migrate-continue", |flight| {
            flight.model.continue_switchover()
        })
    }

    async fn run_state(&self) -> Result<RunState, GuestError> {
        self.world.look(|state| state.run_state(self.machine))
    }

    async fn look(&self) -> Result<Look, GuestError> {
        let reading = self.reading().await?;
        let status = reading.stats.status;
        Ok(Look {
            run_state: Some(self.run_state().await?),
            migration: (status != MigrationStatus::None).then_some(status),
            remaining_bytes: reading.stats.ram.and_then(|ram| ram.remaining),
        })
    }

    async fn let_go(&self) -> Result<(), GuestError> {
        self.tell("migrate-pause", |flight| flight.model.pause())
    }

    async fn recover(&self, stream: &Stream) -> Result<(), GuestError> {
        self.world.command(|state| {
            let machine = state.live(self.machine)?;
            if machine.status != MigrationStatus::PostcopyPaused {
                return refuse("migrate-recover", "no post-copy is paused");
            }
            state.listen(self.machine, stream).map(drop)
        })
    }

    async fn resume(&self, stream: &Stream, within: Duration) -> Result<(), GuestError> {
        self.world
            .command(|state| state.resume(self.machine, stream))?;
        let flows = self.world.wait(|state| {
            let flight = match state.flight(self.machine) {
                Ok(flight) => flight.map(|(flight, _)| flight.model.status()),
                Err(gone) => return Some(Err(gone)),
            };
            match flight {
                Some(Status::PostcopyActive | Status::Completed) => Some(Ok(())),
                Some(Status::PostcopyPaused | Status::Failed) | None => Some(failed(
                    "the new connection of the post-copy broke".to_owned(),
                )),
                Some(_) => None,
            }
        });
        let late = || {
            failed(format!(
                "the post-copy does not flow again after {within:?}"
            ))
        };
        timeout(within, flows).await.unwrap_or_else(|_| late())
    }

    async fn start_workload(
        &self,
        workload: &Workload,
        within: Duration,
    ) -> Result<Filled, GuestError> {
        let code = Code::new(workload);
        self.world.look(|state| {
            let spec = state.live(self.machine)?.spec.clone();
            if spec.boot != Boot::Lmbench {
                return GuestError::unsupported("start a workload", NO_CODE);
            }
            if workload.spec.memory_bytes > spec.memory_bytes {
                return failed("the workload does not fit into the guest".to_owned());
            }
            Ok(())
        })?;
        let fill = code.time_of_all_pages();
        sleep(fill.min(within)).await;
        if fill > within {
            return failed(format!("the guest did not fill its memory in {within:?}"));
        }
        let filled = Filled {
            pages: code.pages,
            fill_ns: nanoseconds(fill),
            overhead_ns_per_operation: 0,
        };
        self.world.command(|state| {
            let spec = state.live(self.machine)?.spec.clone();
            let path = state.path.clone();
            match state.flight(self.machine)? {
                Some((flight, side))
                    if !flight.is_busy() && flight.model.guest().runs_on == Some(side) => {}
                _ => return failed("the guest does not run, or is on its way".to_owned()),
            }
            let written = settings::workload(&workload.spec, spec.vcpus);
            state.board(self.machine, |at| {
                Flight::new(&spec, &written, path, Some(code), at)
            });
            Ok(filled)
        })
    }

    async fn verify(&self, within: Duration) -> Result<Verified, GuestError> {
        let late = || failed(format!("the simulated guest did not answer in {within:?}"));
        let compared = async {
            // It answers once it gets on, and then compares.
            let answers = self.world.wait(|state| self.answers(state).transpose());
            let verified = answers.await?;
            sleep(Duration::from_nanos(verified.verify_ns)).await;
            Ok(verified)
        };
        timeout(within, compared).await.unwrap_or_else(|_| late())
    }

    fn heard(&self) -> Heard {
        self.world
            .look(|state| std::mem::take(&mut state.machines[self.machine].heard))
    }

    fn lives(&self) -> bool {
        self.world
            .look(|state| state.machines[self.machine].exit.is_none())
    }

    async fn exit_reason(&self) -> GuestError {
        let machine = self.machine;
        self.world
            .wait(|state| state.machines[machine].gone())
            .await
    }
}

impl State {
    fn listen(&mut self, machine: usize, stream: &Stream) -> Result<Stream, GuestError> {
        let stream = match stream {
            Stream::Tcp(address) if address.port() == 0 => {
                Stream::Tcp(SocketAddr::new(address.ip(), self.port()))
            }
            Stream::Tcp(_) | Stream::Unix(_) => stream.clone(),
            Stream::Handover(_) => {
                return GuestError::unsupported("take a socket", "a simulation has none");
            }
        };
        if self.listener(&stream).is_some() {
            return refuse("migrate-incoming", "Address already in use");
        }
        self.live(machine)?.listens = Some(stream.clone());
        Ok(stream)
    }

    fn migrate(&mut self, machine: usize, stream: &Stream) -> Result<(), GuestError> {
        let Some((flight, side)) = self.flight(machine)? else {
            return refuse("migrate", "Guest is waiting for an incoming migration");
        };
        if flight.is_busy() {
            return refuse("migrate", "There's a migration process in progress");
        }
        if flight.model.home() != side {
            return refuse("migrate", "the guest is not here");
        }
        let used = flight.model.status() != Status::None;
        let Some(there) = self.listener(stream) else {
            return refuse("migrate", "Connection refused");
        };
        if used {
            self.board_again(machine);
        }
        let Some((index, _)) = self.machines[machine].flight else {
            return refuse("migrate", "the guest is not here");
        };
        let Machine {
            settings, channels, ..
        } = &self.machines[machine];
        let flight = &mut self.flights[index];
        flight.ends[1] = Some(there);
        flight.model.set_settings(settings.clone());
        flight.model.set_path(Path {
            channels: *channels,
            ..self.path.clone()
        });
        self.machines[there].listens = None;
        self.machines[there].flight = Some((index, Side::Destination));
        let started = self.flights[index].model.start();
        started.or_else(|refused| refuse("migrate", refused.to_string()))
    }

    fn resume(&mut self, machine: usize, stream: &Stream) -> Result<(), GuestError> {
        let listener = self.listener(stream);
        let Some((flight, Side::Source)) = self.flight(machine)? else {
            return refuse("migrate", "no post-copy is paused");
        };
        match (listener, flight.end(Side::Destination)) {
            (Some(listener), Some(there)) if listener == there => {}
            _ => return refuse("migrate", "Connection refused"),
        }
        let recovered = flight.model.recover();
        recovered.or_else(|refused| refuse("migrate", refused.to_string()))?;
        if let Some(there) = listener {
            self.machines[there].listens = None;
        }
        Ok(())
    }

    fn run_state(&mut self, machine: usize) -> Result<RunState, GuestError> {
        let Some((flight, side)) = self.flight(machine)? else {
            return Ok(RunState::InMigrate);
        };
        let model = &flight.model;
        let leaves = matches!(
            model.status(),
            Status::PreSwitchover | Status::Device | Status::PostcopyActive
        );
        Ok(match (side, model.home()) {
            _ if model.guest().runs_on == Some(side) => RunState::Running,
            (Side::Source, Side::Destination) if model.status().is_final() => RunState::PostMigrate,
            (Side::Source, Side::Destination) => RunState::FinishMigrate,
            (Side::Source, Side::Source) if leaves || model.is_lost() => RunState::FinishMigrate,
            (Side::Destination, Side::Source) => RunState::InMigrate,
            (Side::Source, Side::Source) | (Side::Destination, Side::Destination) => {
                RunState::Paused
            }
        })
    }
}

struct Events {
    world: World,
    machine: usize,
    next: usize,
}

#[async_trait]
impl GuestEvents for Events {
    async fn next(&mut self) -> Option<GuestEvent> {
        let (machine, next) = (self.machine, self.next);
        let event = self.world.wait(|state| {
            let machine = &state.machines[machine];
            match machine.events.get(next) {
                Some(event) => Some(Some(event.clone())),
                None => machine.exit.is_some().then_some(None),
            }
        });
        let event = event.await?;
        self.next += 1;
        Some(event)
    }
}

fn refuse<T>(operation: &str, reason: impl Into<String>) -> Result<T, GuestError> {
    Err(GuestError::Refused {
        operation: operation.to_owned(),
        reason: reason.into(),
    })
}

fn failed<T>(text: String) -> Result<T, GuestError> {
    Err(GuestError::Failed { text, source: None })
}
