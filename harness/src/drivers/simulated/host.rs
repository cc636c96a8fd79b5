//! A simulated host, and the hold on a guest there.

use std::sync::Arc;

use async_trait::async_trait;
use futures::FutureExt as _;
use futures::future::BoxFuture;
use lmbench_model::Settings;

use super::flight::Flight;
use super::guest::SimulatedGuest;
use super::settings;
use super::world::{Machine, World};
use crate::hypervisor::{
    Case, Console, Exit, Guest, GuestError, GuestId, Heard, Hold, Hypervisor, Launch, LaunchError,
    MigrationStatus, ProbeReport, Problem, Resolved, Start,
};
use crate::policy::Subject;
use crate::role::Role;
use crate::spec::Accelerator;

/// The guests of one host of a [`World`].
pub struct Simulated {
    world: World,
    name: String,
}

impl Simulated {
    pub(super) fn new(world: World, name: String) -> Simulated {
        Simulated { world, name }
    }
}

#[async_trait]
impl Hypervisor for Simulated {
    fn name(&self) -> &'static str {
        "simulated"
    }

    async fn probe(&self, cases: &[Case], _role: Role, _prove: bool) -> ProbeReport {
        ProbeReport {
            qemu: String::new(),
            accelerator: Some(Resolved {
                accelerator: Accelerator::Tcg,
                reason: Some("simulated guests are those of a lab without KVM".to_owned()),
            }),
            problems: cases.iter().flat_map(problems).collect(),
        }
    }

    async fn launch(&self, launch: Launch<'_>) -> Result<Arc<dyn Guest>, LaunchError> {
        let spec = launch.spec.clone();
        let machine = self.world.command(|state| {
            let machine = state.machines.len();
            state.machines.push(Machine {
                host: self.name.clone(),
                spec: spec.clone(),
                flight: None,
                settings: Settings::default(),
                channels: 1,
                status: MigrationStatus::None,
                listens: None,
                events: Vec::new(),
                heard: Heard::default(),
                exit: None,
            });
            if launch.start == Start::Boot {
                let path = state.path.clone();
                state.board(machine, |at| Flight::booted(&spec, path, at));
            }
            machine
        });
        let world = self.world.clone();
        (launch.keep)(Arc::new(Held { world, machine }));
        Ok(Arc::new(SimulatedGuest::new(self.world.clone(), machine)))
    }

    fn console(&self, _guest: &GuestId) -> Console {
        Console::default()
    }
}

/// What of a case the model can't show.
fn problems(case: &Case) -> Vec<Problem> {
    let subject = Subject::from(&case.guest);
    let mut lacking = settings::lacking(&case.migration, &case.policy, subject);
    if case.guest.accelerator == Accelerator::Kvm {
        lacking.push(("guest.accelerator", "is KVM"));
    }
    let problem = |(key, what): (&str, &str)| Problem {
        lacking: true,
        keys: vec![(key.to_owned(), what.to_owned())],
        cell: Some(case.cell.clone()),
        ..Problem::of_machine(
            format!("a simulated guest can't be migrated so: {key} {what}"),
            "leave it out, or run with driver qemu",
        )
    };
    lacking.into_iter().map(problem).collect()
}

/// Ends the guest with itself.
struct Held {
    world: World,
    machine: usize,
}

#[async_trait]
impl Hold for Held {
    fn name(&self) -> &'static str {
        "the simulation"
    }

    fn process(&self) -> Option<u32> {
        None
    }

    async fn end(&self) -> Result<(), GuestError> {
        self.world
            .command(|state| state.end(self.machine, Exit::Asked));
        Ok(())
    }

    fn has_ended(&self) -> Option<Exit> {
        let machine = self.machine;
        self.world
            .look(|state| state.machines[machine].exit.clone())
    }

    fn ended(&self) -> BoxFuture<'static, Exit> {
        let (world, machine) = (self.world.clone(), self.machine);
        async move {
            let exit = world.wait(|state| state.machines[machine].exit.clone());
            exit.await
        }
        .boxed()
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.world
            .command(|state| state.end(self.machine, Exit::Asked));
    }
}
