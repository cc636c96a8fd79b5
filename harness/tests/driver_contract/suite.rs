//! What holds of every driver's guests, whatever runs them. A driver's tests call each of these with a [`Rig`] of its own; nothing here
//! knows a driver.

use std::sync::Arc;
use std::time::Duration;

use lmbench_guest::spec::{Content, Pattern, Rate, WorkloadSpec};
use lmbench_harness::hypervisor::{
    EventKind, Exit, Guest, GuestError, GuestEvent, GuestEvents, GuestId, Hold, Hypervisor, Launch,
    MigrationStatus, Preparation, Reading, RunState, Start, Stream, Workload,
};
use lmbench_harness::policy::{Action, Setting, Subject};
use lmbench_harness::role::Role;
use lmbench_harness::spec::{
    Accelerator, Boot, GuestSpec, MigrationSpec, Placement, PolicySpec, RecoverySpec, TimeoutAction,
};
use tokio::time::timeout;

/// Two hosts of one driver.
pub(crate) trait Rig: Sync {
    /// One of them.
    fn hypervisor(&self, role: Role) -> &dyn Hypervisor;

    /// Where the destination is to listen.
    fn stream(&self) -> Stream;
}

/// A small guest that runs lmbench's code.
pub(crate) fn guest() -> GuestSpec {
    GuestSpec {
        vcpus: 1,
        memory_bytes: 256 << 20,
        accelerator: Accelerator::Tcg,
        prealloc: false,
        huge_pages: false,
        machine: "q35".to_owned(),
        cpu: None,
        boot: Boot::Lmbench,
        boot_timeout: Duration::from_mins(1),
        heartbeat: Duration::from_millis(10),
        placement: Placement::default(),
        tenant: None,
    }
}

/// A whole migration, from two guests that were just started to the proof that one of them has everything.
pub(crate) async fn a_guest_moves_and_nothing_is_lost(rig: &dyn Rig) {
    let (source, _hold) = launch(rig, Start::Boot).await;
    let (destination, _other) = launch(rig, Start::Incoming).await;
    prepare(&*source, &*destination, None).await;
    let workload = workload();
    let filled = source.start_workload(&workload, PATIENCE).await.unwrap();
    assert_eq!(filled.pages, workload.spec.pages());
    assert_eq!(state(&*source).await, RunState::Running);
    assert_eq!(state(&*destination).await, RunState::InMigrate);
    assert_eq!(status(&*source).await, MigrationStatus::None);

    let (mut here, mut there) = (source.events(), destination.events());
    let stream = destination.listen(&rig.stream()).await.unwrap();
    source.migrate(&stream).await.unwrap();
    until(&mut *here, |kind| *kind == ACTIVE).await;
    let progress = source.reading().await.unwrap().progress();
    assert!(progress.total_bytes >= guest().memory_bytes);
    let last = until(&mut *here, is_final).await;
    assert_eq!(last.kind, EventKind::Migration(MigrationStatus::Completed));
    until(&mut *there, |kind| *kind == EventKind::Resume).await;

    assert_eq!(state(&*destination).await, RunState::Running);
    assert!(!state(&*source).await.is_running());
    let reading = source.reading().await.unwrap();
    assert_eq!(reading.stats.status, MigrationStatus::Completed);
    assert!(reading.stats.downtime.is_some() && reading.stats.total_time.is_some());
    // Samples keep a reading as text, and are read back.
    let text = serde_json::to_string(&reading).unwrap();
    assert_eq!(serde_json::from_str::<Reading>(&text).unwrap(), reading);

    let verified = destination.verify(PATIENCE).await.unwrap();
    assert!(verified.intact(), "{verified:?}");
    assert_eq!(verified.pages_checked, filled.pages);
    let (before, after) = (source.heard(), destination.heard());
    let (Some(before), Some(after)) = (before.heartbeats.last(), after.heartbeats.first()) else {
        panic!("a guest beats on both hosts");
    };
    assert!(before.sequence < after.sequence && before.at_ns < after.at_ns);
    // What was heard is told once.
    assert!(source.heard().heartbeats.is_empty());
}

/// What an operator does meanwhile: settings, a pause, what can't be had, and a cancel.
pub(crate) async fn a_guest_whose_migration_is_cancelled_stays(rig: &dyn Rig) {
    let (source, _hold) = launch(rig, Start::Boot).await;
    let (destination, _other) = launch(rig, Start::Incoming).await;
    prepare(&*source, &*destination, Some(SLOW)).await;
    let mut events = source.events();
    let stream = destination.listen(&rig.stream()).await.unwrap();
    source.migrate(&stream).await.unwrap();
    until(&mut *events, |kind| *kind == ACTIVE).await;

    let limit = Action::Set(Setting::DowntimeLimit { ms: 1 });
    source.apply(&limit).await.unwrap();
    // Nobody had permitted post-copy, so there is none to be recovered either.
    is_refused(&source.apply(&Action::StartPostCopy).await);
    is_refused(&source.let_go().await);
    assert_eq!(state(&*source).await, RunState::Running);

    source.apply(&Action::Pause).await.unwrap();
    until(&mut *events, |kind| *kind == EventKind::Stop).await;
    assert!(!state(&*source).await.is_running());
    source.apply(&Action::Resume).await.unwrap();
    until(&mut *events, |kind| *kind == EventKind::Resume).await;

    let look = source.look().await.unwrap();
    assert_eq!(look.run_state, Some(RunState::Running));
    assert_eq!(look.migration, Some(MigrationStatus::Active));
    assert!(look.remaining_bytes > Some(0));
    source.apply(&Action::Cancel).await.unwrap();
    let last = until(&mut *events, is_final).await;
    // QEMU 10 may report the error of the socket that the cancel shut.
    let ends = [MigrationStatus::Cancelled, MigrationStatus::Failed].map(EventKind::Migration);
    assert!(ends.contains(&last.kind), "{last:?}");
    assert_eq!(state(&*source).await, RunState::Running);
    assert!(source.lives());
}

/// Whoever holds a guest ends it, and everybody who asks hears of it.
pub(crate) async fn a_guest_that_is_ended_is_gone(rig: &dyn Rig) {
    let (guest, hold) = launch(rig, Start::Incoming).await;
    let (mut events, ended) = (guest.events(), hold.ended());
    assert!(guest.lives() && hold.has_ended().is_none());
    assert_eq!(guest.process(), hold.process());
    hold.end().await.unwrap();
    assert_eq!(soon(ended).await, Exit::Asked);
    assert_eq!(hold.has_ended(), Some(Exit::Asked));
    while soon(events.next()).await.is_some() {}
    assert!(!guest.lives());
    for gone in [
        guest.reading().await.err(),
        guest.run_state().await.err(),
        guest.look().await.err(),
        guest.apply(&Action::Pause).await.err(),
        Some(guest.exit_reason().await),
    ] {
        assert!(matches!(gone, Some(GuestError::Gone { .. })), "{gone:?}");
    }
}

/// A guest that dies is told from one that was ended; one without a process can't die.
pub(crate) async fn a_guest_that_dies_says_how(rig: &dyn Rig) {
    let (guest, hold) = launch(rig, Start::Incoming).await;
    let Some(process) = hold.process() else {
        return;
    };
    let process = rustix::process::Pid::from_raw(process.cast_signed()).unwrap();
    rustix::process::kill_process(process, rustix::process::Signal::KILL).unwrap();
    let Exit::ByItself { reason, killed } = soon(hold.ended()).await else {
        panic!("nobody had asked");
    };
    assert!(killed && reason.contains("signal 9"), "{reason}");
    let error = guest.exit_reason().await;
    let GuestError::Gone { reason, .. } = error else {
        panic!("{error}");
    };
    assert!(reason.contains("signal 9"), "{reason}");
}

pub(crate) async fn launch(rig: &dyn Rig, start: Start) -> (Arc<dyn Guest>, Arc<dyn Hold>) {
    let mut kept = None;
    let started = rig
        .hypervisor(start.role())
        .launch(Launch {
            id: GuestId::default(),
            spec: &guest(),
            accelerator: Accelerator::Tcg,
            start,
            keep: &mut |hold| kept = Some(hold),
        })
        .await
        .unwrap();
    (started, kept.expect("a guest that started is held"))
}

/// Both sides, with a limit on the stream in bytes per second.
async fn prepare(source: &dyn Guest, destination: &dyn Guest, max_bandwidth: Option<u64>) {
    let (migration, subject) = (migration(max_bandwidth), Subject::from(&guest()));
    for (guest, role) in [(source, Role::Source), (destination, Role::Destination)] {
        let preparation = Preparation {
            role,
            migration: &migration,
            policy: &PolicySpec::Static,
            subject,
        };
        guest.prepare(preparation).await.unwrap();
    }
}

pub(crate) fn migration(max_bandwidth: Option<u64>) -> MigrationSpec {
    MigrationSpec {
        downtime_limit: Duration::from_millis(500),
        max_bandwidth,
        max_postcopy_bandwidth: None,
        multifd_channels: 1,
        preempt: false,
        timeout: PATIENCE,
        timeout_action: TimeoutAction::Cancel,
        recovery: RecoverySpec::default(),
        settle: Duration::ZERO,
        metering: true,
        count_syscalls: false,
        knobs: Box::default(),
        qmp: indexmap::IndexMap::new(),
    }
}

pub(crate) fn workload() -> Workload {
    Workload {
        spec: WorkloadSpec {
            seed: 7,
            threads: 1,
            memory_bytes: 16 << 20,
            content: Content {
                bytes_per_page: 64,
                zero: 0.0,
                compressible: 0.0,
                duplicate: 0.0,
            },
            pattern: Pattern::Uniform {
                rate: Rate::BytesPerSecond(100 * 4096),
            },
        },
        heartbeat: Duration::from_millis(10),
        report: Duration::from_millis(100),
    }
}

pub(crate) async fn state(guest: &dyn Guest) -> RunState {
    guest.run_state().await.unwrap()
}

async fn status(guest: &dyn Guest) -> MigrationStatus {
    guest.reading().await.unwrap().stats.status
}

pub(crate) fn is_final(kind: &EventKind) -> bool {
    kind.migration_status()
        .is_some_and(MigrationStatus::is_final)
}

fn is_refused(result: &Result<(), GuestError>) {
    let refused = matches!(
        result,
        Err(GuestError::Refused { .. } | GuestError::Unsupported { .. })
    );
    assert!(refused, "{result:?}");
}

/// The next event that is wanted.
pub(crate) async fn until(
    events: &mut dyn GuestEvents,
    wanted: impl Fn(&EventKind) -> bool,
) -> GuestEvent {
    loop {
        let event = soon(events.next()).await.expect("the guest lives");
        if wanted(&event.kind) {
            return event;
        }
    }
}

/// Fails instead of hanging.
async fn soon<F: Future>(future: F) -> F::Output {
    timeout(PATIENCE, future)
        .await
        .expect("this happens soon or never")
}

const ACTIVE: EventKind = EventKind::Migration(MigrationStatus::Active);
/// Far above what anything here needs on a loaded machine.
pub(crate) const PATIENCE: Duration = Duration::from_mins(1);
/// Bytes per second: an empty guest's memory takes minutes.
const SLOW: u64 = 64 << 10;
