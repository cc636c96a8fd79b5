//! Whole migrations of a small guest between two QEMUs.

use std::os::unix::net::UnixStream;

use lmbench_harness::hypervisor::MigrationStats;
use lmbench_harness::qmp::{Events, MigrationStatus, RunState};
use serde_json::{Map, json};

use crate::machine::{Machine, soon};

/// Two guests, the source paused, both with `events` on.
async fn pair() -> Option<(Machine, Machine)> {
    let (source, destination) = tokio::join!(Machine::paused(), Machine::incoming());
    let (source, destination) = (source?, destination?);
    for machine in [&source, &destination] {
        machine
            .qmp
            .set_capabilities(&[("events", true)])
            .await
            .unwrap();
    }
    Some((source, destination))
}

/// Every status up to the first final one.
async fn statuses(mut events: Events) -> Vec<MigrationStatus> {
    let mut statuses = Vec::new();
    while let Some(event) = soon(events.next()).await {
        statuses.extend(event.migration_status());
        if statuses.last().is_some_and(MigrationStatus::is_final) {
            break;
        }
    }
    statuses
}

async fn migrate(source: &Machine, destination: &Machine, uri: &str) -> MigrationStats {
    let (sent, received) = (source.qmp.events(), destination.qmp.events());
    destination.qmp.migrate_incoming(uri).await.unwrap();
    source.qmp.migrate(uri).await.unwrap();
    let (sent, received) = tokio::join!(statuses(sent), statuses(received));
    // `device` comes between, from QEMU 10.0 on.
    assert_eq!(
        (&sent[..2], sent.last()),
        (
            &[MigrationStatus::Setup, MigrationStatus::Active][..],
            Some(&MigrationStatus::Completed)
        ),
        "{sent:?}"
    );
    assert_eq!(
        received.last(),
        Some(&MigrationStatus::Completed),
        "{received:?}"
    );
    let stats = source.qmp.query_migrate().await.unwrap().stats;
    assert_eq!(stats.status, MigrationStatus::Completed);
    stats
}

#[tokio::test]
async fn over_a_unix_socket() {
    let Some((source, destination)) = pair().await else {
        return;
    };
    let uri = format!(
        "unix:{}",
        destination.folder.path().join("migration").display()
    );
    let info = migrate(&source, &destination, &uri).await;
    assert!(
        info.total_time.is_some() && info.downtime.is_some() && info.setup_time.is_some(),
        "{info:?}"
    );
    let ram = info.ram.unwrap();
    assert!(
        ram.total >= Some(128 << 20) && ram.remaining == Some(0) && ram.transferred > Some(0),
        "{ram:?}"
    );
    assert!(
        ram.dirty_sync_count >= Some(1) && ram.page_size == Some(4096) && ram.mbps.is_some(),
        "{ram:?}"
    );
    // QEMU reports `completed` a little before the run state follows; the guest stands still in both.
    let state = source.qmp.query_status().await.unwrap();
    assert!(
        matches!(state, RunState::FinishMigrate | RunState::PostMigrate),
        "{state}"
    );
}

#[tokio::test]
async fn over_descriptors_handed_to_both() {
    let Some((source, destination)) = pair().await else {
        return;
    };
    let (here, there) = UnixStream::pair().unwrap();
    source.qmp.getfd("relay", here.into()).await.unwrap();
    destination.qmp.getfd("relay", there.into()).await.unwrap();
    migrate(&source, &destination, "fd:relay").await;
}

#[tokio::test]
async fn cancelled() {
    let Some((source, destination)) = pair().await else {
        return;
    };
    let qmp = &source.qmp;
    // 64 KiB/s cannot move even an empty guest's memory before the cancel comes.
    qmp.set_parameters(Map::from_iter([("max-bandwidth".to_owned(), json!(65536))]))
        .await
        .unwrap();
    let uri = format!(
        "unix:{}",
        destination.folder.path().join("migration").display()
    );
    destination.qmp.migrate_incoming(&uri).await.unwrap();
    let (mut until_active, until_end) = (qmp.events(), qmp.events());
    qmp.migrate(&uri).await.unwrap();
    while soon(until_active.next()).await.unwrap().migration_status()
        != Some(MigrationStatus::Active)
    {}
    assert_eq!(
        qmp.query_migrate().await.unwrap().stats.status,
        MigrationStatus::Active
    );
    assert!(!qmp.query_migrationthreads().await.unwrap().is_empty());
    qmp.migrate_cancel().await.unwrap();
    assert_eq!(
        statuses(until_end).await.last(),
        Some(&MigrationStatus::Cancelled)
    );
    assert_eq!(qmp.query_status().await.unwrap(), RunState::Prelaunch);
}

#[tokio::test]
async fn failed_with_its_reason() {
    let Some(source) = Machine::paused().await else {
        return;
    };
    source
        .qmp
        .set_capabilities(&[("events", true)])
        .await
        .unwrap();
    let (ours, theirs) = UnixStream::pair().unwrap();
    source.qmp.getfd("relay", theirs.into()).await.unwrap();
    let events = source.qmp.events();
    drop(ours);
    source.qmp.migrate("fd:relay").await.unwrap();
    assert_eq!(
        statuses(events).await.last(),
        Some(&MigrationStatus::Failed)
    );
    let stats = source.qmp.query_migrate().await.unwrap().stats;
    assert!(stats.error_desc.is_some_and(|reason| !reason.is_empty()));
}
