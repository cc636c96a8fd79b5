//! Simulated guests as a driver, in virtual time, and the migration loop over them.

use std::sync::Arc;
use std::time::Duration;

use lmbench_guest::spec::{Pattern, Rate};
use lmbench_harness::drivers::simulated::World;
use lmbench_harness::hypervisor::{
    Case, EventKind, Guest, GuestError, GuestEvent, Hold, Hypervisor, MigrationStatus, Preparation,
    Reading, RunState, Start, Stream,
};
use lmbench_harness::migration::{self, Ended, Ending, Observer, Plan};
use lmbench_harness::policy::{self, Action, Subject};
use lmbench_harness::role::Role;
use lmbench_harness::spec::{PolicySpec, TimeoutAction};
use lmbench_model::{Carrier, Path};

use super::suite::{self, Rig};

struct Hosts {
    world: World,
    source: Box<dyn Hypervisor>,
    destination: Box<dyn Hypervisor>,
}

impl Hosts {
    fn new() -> Self {
        Hosts::on(Path::new(Carrier::NATIVE_TCP))
    }

    fn on(path: Path) -> Self {
        let world = World::new(path, 1);
        Hosts {
            source: Box::new(world.host("the source")),
            destination: Box::new(world.host("the destination")),
            world,
        }
    }
}

impl Rig for Hosts {
    fn hypervisor(&self, role: Role) -> &dyn Hypervisor {
        match role {
            Role::Source => &*self.source,
            Role::Destination => &*self.destination,
        }
    }

    fn stream(&self) -> Stream {
        Stream::Tcp("127.0.0.1:0".parse().unwrap())
    }
}

#[tokio::test(start_paused = true)]
async fn a_guest_moves_and_nothing_is_lost() {
    suite::a_guest_moves_and_nothing_is_lost(&Hosts::new()).await;
}

#[tokio::test(start_paused = true)]
async fn a_guest_whose_migration_is_cancelled_stays() {
    suite::a_guest_whose_migration_is_cancelled_stays(&Hosts::new()).await;
}

#[tokio::test(start_paused = true)]
async fn a_guest_that_is_ended_is_gone() {
    suite::a_guest_that_is_ended_is_gone(&Hosts::new()).await;
}

#[tokio::test(start_paused = true)]
async fn a_guest_that_dies_says_how() {
    suite::a_guest_that_dies_says_how(&Hosts::new()).await;
}

/// Ends a migration by post-copy in its second pass.
const POST_COPY: PolicySpec = PolicySpec::PostCopy {
    after_passes: Some(1),
    after: None,
};

/// Two guests on 200 Mbit/s that are ready for post-copy, and one of them busier than that.
async fn busy() -> (Hosts, [Arc<dyn Guest>; 2], [Arc<dyn Hold>; 2]) {
    let rig = Hosts::on(Path {
        link_bps: Some(200e6),
        noise: 0.03,
        ..Path::new(Carrier::NATIVE_TCP)
    });
    let (source, hold) = suite::launch(&rig, Start::Boot).await;
    let (destination, other) = suite::launch(&rig, Start::Incoming).await;
    for (guest, role) in [(&source, Role::Source), (&destination, Role::Destination)] {
        let preparation = Preparation {
            role,
            migration: &suite::migration(None),
            policy: &POST_COPY,
            subject: Subject::from(&suite::guest()),
        };
        guest.prepare(preparation).await.unwrap();
    }
    let mut workload = suite::workload();
    workload.spec.memory_bytes = 128 << 20;
    workload.spec.pattern = Pattern::Uniform {
        rate: Rate::Unbounded,
    };
    source
        .start_workload(&workload, suite::PATIENCE)
        .await
        .unwrap();
    (rig, [source, destination], [hold, other])
}

#[derive(Default)]
struct Kept(Vec<(u64, String)>);

impl Observer for Kept {
    fn reading(&mut self, asked_ns: u64, trigger: &'static str, _reading: &Reading) {
        self.0.push((asked_ns, trigger.to_owned()));
    }

    fn event(&mut self, event: GuestEvent) {
        self.0.push((event.at_ns, event.name().to_owned()));
    }
}

/// A migration by the loop of the source's agent; moments since the begin of the world.
async fn run() -> (Ended, Vec<(u64, String)>) {
    let (rig, [source, destination], _holds) = busy().await;
    let _time = rig.world.keep_time();
    let began = lmbench_harness::clock::monotonic_ns();
    assert_eq!(began, rig.world.now_ns());
    let stream = destination.listen(&rig.stream()).await.unwrap();
    let (_sender, orders) = tokio::sync::mpsc::unbounded_channel();
    let plan = Plan {
        stream: &stream,
        policy: policy::from_spec(&POST_COPY, Subject::from(&suite::guest())),
        timeout: suite::PATIENCE,
        timeout_action: TimeoutAction::Cancel,
        sample: Some(Duration::from_millis(100)),
        orders,
        recovery: None,
    };
    let mut kept = Kept::default();
    let mut ended = migration::run(&*source, plan, &mut kept).await.unwrap();
    assert!(destination.verify(suite::PATIENCE).await.unwrap().intact());
    ended.accepted_ns -= began;
    ended.finished_ns -= began;
    for (at_ns, _) in &mut kept.0 {
        *at_ns -= began;
    }
    (ended, kept.0)
}

// 256 MiB, of which 128 are written and 50 more used: pages for 8 s at 200 Mbit/s before post-copy, and less than that after it.
#[tokio::test(start_paused = true)]
async fn the_loop_runs_in_virtual_time_and_by_seed() {
    let (ended, told) = run().await;
    assert_eq!(ended.ending, Ending::Completed, "{ended:?}");
    assert!(told.iter().any(|(_, name)| name == "policy"));
    let stats = ended.last.clone().unwrap().stats;
    assert!(stats.total_time > Some(Duration::from_secs(5)));
    // Stamps of the run and of the guest are of one clock: the run's are at most a timer's millisecond late.
    let between = Duration::from_nanos(ended.finished_ns - ended.accepted_ns);
    let apart = between.abs_diff(stats.total_time.unwrap());
    assert!(apart <= Duration::from_millis(2), "{apart:?}");
    assert_eq!(run().await, (ended, told));
}

#[tokio::test(start_paused = true)]
async fn a_post_copy_that_lost_its_connection_goes_on_over_a_new_one() {
    let (rig, [source, destination], _holds) = busy().await;
    let (mut here, mut there) = (source.events(), destination.events());
    let stream = destination.listen(&rig.stream()).await.unwrap();
    source.migrate(&stream).await.unwrap();
    source.apply(&Action::StartPostCopy).await.unwrap();
    suite::until(&mut *there, |kind| *kind == EventKind::Resume).await;
    rig.world.break_connections();
    let paused = EventKind::Migration(MigrationStatus::PostcopyPaused);
    suite::until(&mut *here, |kind| *kind == paused).await;
    suite::until(&mut *there, |kind| *kind == paused).await;
    // Its pages are missing, so it can't say anything.
    assert!(destination.verify(Duration::from_secs(1)).await.is_err());
    let again = Stream::Unix("/recovered".into());
    assert!(source.resume(&again, suite::PATIENCE).await.is_err());
    destination.recover(&again).await.unwrap();
    source.resume(&again, suite::PATIENCE).await.unwrap();
    let last = suite::until(&mut *here, suite::is_final).await;
    assert_eq!(last.kind, EventKind::Migration(MigrationStatus::Completed));
    assert!(destination.verify(suite::PATIENCE).await.unwrap().intact());
    let reading = destination.reading().await.unwrap();
    assert!(reading.stats.postcopy_blocktime > Some(Duration::ZERO));
}

#[tokio::test(start_paused = true)]
async fn a_pre_copy_whose_connection_breaks_leaves_the_guest_and_ends_the_destination() {
    let (rig, [source, destination], [_hold, other]) = busy().await;
    let mut events = source.events();
    let stream = destination.listen(&rig.stream()).await.unwrap();
    source.migrate(&stream).await.unwrap();
    tokio::time::sleep(Duration::from_secs(1)).await;
    rig.world.cut_link();
    let sent = |reading: Reading| reading.progress().transferred_bytes;
    tokio::time::sleep(Duration::from_secs(1)).await;
    let before = sent(source.reading().await.unwrap());
    tokio::time::sleep(Duration::from_secs(1)).await;
    // What fits into the buffers went there in the first second; 128 KiB are far less than a second of the link.
    assert!(sent(source.reading().await.unwrap()) <= before + (128 << 10));
    rig.world.break_connections();
    let last = suite::until(&mut *events, suite::is_final).await;
    assert_eq!(last.kind, EventKind::Migration(MigrationStatus::Failed));
    assert_eq!(suite::state(&*source).await, RunState::Running);
    assert!(!destination.lives() && other.has_ended().is_some());
    rig.world.restore_link();
    let _ = source.heard();
    tokio::time::sleep(Duration::from_secs(1)).await;
    let heard = source.heard();
    // One each 10 ms, and a report each 100.
    assert!((99..=101).contains(&heard.heartbeats.len()));
    assert!((9..=11).contains(&heard.reports.len()));
    assert!(
        heard
            .reports
            .iter()
            .all(|timed| timed.report.operations > 0)
    );

    // And it can be migrated again.
    let (next, _held) = suite::launch(&rig, Start::Incoming).await;
    let stream = next.listen(&rig.stream()).await.unwrap();
    source.migrate(&stream).await.unwrap();
    tokio::time::sleep(Duration::from_secs(1)).await;
    source.apply(&Action::StartPostCopy).await.unwrap();
    suite::until(&mut *events, suite::is_final).await;
    assert_eq!(suite::state(&*next).await, RunState::Running);
    assert_eq!(suite::state(&*source).await, RunState::PostMigrate);
    let heard = (source.heard().heartbeats, next.heard().heartbeats);
    let (last, first) = (heard.0.last().unwrap(), heard.1.first().unwrap());
    assert_eq!(last.sequence + 1, first.sequence);
}

// What the model lacks is told before a run, for the cells that ask for it, and refused where nobody asked.
#[tokio::test(start_paused = true)]
async fn what_the_model_lacks_is_told_and_refused() {
    let rig = Hosts::new();
    let mut case = Case {
        cell: "with xbzrle".to_owned(),
        guest: suite::guest(),
        migration: suite::migration(None),
        policy: PolicySpec::Static,
        programs: Vec::new(),
    };
    let probe = async |case: &Case| {
        let cases = std::slice::from_ref(case);
        rig.source.probe(cases, Role::Source, false).await.problems
    };
    assert_eq!(probe(&case).await, []);
    case.migration.knobs.xbzrle = true;
    let problems = probe(&case).await;
    let [problem] = problems.as_slice() else {
        panic!("{problems:?}");
    };
    assert!(problem.lacking && !problem.scenario);
    assert_eq!(problem.cell.as_deref(), Some("with xbzrle"));
    assert_eq!(problem.keys[0].0, "migration.xbzrle");

    let (guest, _hold) = suite::launch(&rig, Start::Boot).await;
    let preparation = Preparation {
        role: Role::Source,
        migration: &case.migration,
        policy: &case.policy,
        subject: Subject::from(&case.guest),
    };
    let refused = guest.prepare(preparation).await;
    assert!(matches!(refused, Err(GuestError::Unsupported { .. })));
}
