//! Single commands against a QEMU that does nothing else.

use std::io::Read as _;
use std::time::Duration;

use lmbench_harness::qmp::{CloseReason, MigrationStatus, QmpError, RunState};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};

use crate::machine::{Machine, soon};

#[tokio::test]
async fn tells_its_version_state_and_threads() {
    let Some(machine) = Machine::paused().await else {
        return;
    };
    let qmp = &machine.qmp;
    // setup.sh installs 10.0 or newer.
    assert!(
        qmp.version().major >= 10,
        "{}: run harness/setup.sh",
        qmp.version()
    );
    assert_eq!(qmp.query_status().await.unwrap(), RunState::Prelaunch);
    assert_eq!(
        qmp.query_migrate().await.unwrap().stats.status,
        MigrationStatus::None
    );
    let cpus = qmp.query_cpus_fast().await.unwrap();
    assert_eq!(cpus.iter().map(|cpu| cpu.index).collect::<Vec<_>>(), [0]);
    let task = format!(
        "/proc/{}/task/{}/stat",
        machine.process_id(),
        cpus[0].thread_id
    );
    assert!(std::fs::exists(&task).unwrap(), "{task}");
    assert_eq!(qmp.query_migrationthreads().await.unwrap(), []);
}

#[tokio::test]
async fn stops_continues_and_quits_with_events() {
    let Some(mut machine) = Machine::paused().await else {
        return;
    };
    let qmp = machine.qmp.clone();
    let mut events = qmp.events();
    qmp.cont().await.unwrap();
    qmp.stop().await.unwrap();
    assert_eq!(qmp.query_status().await.unwrap(), RunState::Paused);
    qmp.quit().await.unwrap();
    assert!(matches!(soon(qmp.closed()).await, CloseReason::EndOfStream));
    let mut names = Vec::new();
    while let Some(event) = soon(events.next()).await {
        assert!(!event.qemu_time.is_zero() && event.received_ns > 0);
        names.push(event.name);
    }
    assert_eq!(names, ["RESUME", "STOP", "SHUTDOWN"]);
    assert!(machine.exited().await.success());
}

#[tokio::test]
async fn a_hung_qemu_times_out_and_is_usable_afterwards() {
    let Some(machine) = Machine::paused().await else {
        return;
    };
    let id = Pid::from_raw(i32::try_from(machine.process_id()).unwrap()).unwrap();
    kill_process(id, Signal::STOP).unwrap();
    let error = machine
        .qmp
        .execute_within("query-status", Value::Null, Duration::from_millis(50))
        .await
        .unwrap_err();
    assert!(matches!(error, QmpError::TimedOut { .. }), "{error:?}");
    kill_process(id, Signal::CONT).unwrap();
    // The late reply is on its way before this one; only an id tells them apart.
    assert_eq!(machine.qmp.query_cpus_fast().await.unwrap().len(), 1);
}

#[tokio::test]
async fn a_killed_qemu_closes_every_pending_command() {
    let Some(mut machine) = Machine::paused().await else {
        return;
    };
    let id = Pid::from_raw(i32::try_from(machine.process_id()).unwrap()).unwrap();
    kill_process(id, Signal::STOP).unwrap();
    let pending = futures::future::join_all((0..20).map(|_| machine.qmp.query_status()));
    let kill = async { kill_process(id, Signal::KILL).unwrap() };
    let (pending, ()) = soon(async { tokio::join!(pending, kill) }).await;
    for outcome in pending {
        assert!(
            matches!(
                outcome,
                Err(QmpError::Closed {
                    reason: CloseReason::EndOfStream,
                    ..
                })
            ),
            "{outcome:?}"
        );
    }
    assert!(!machine.exited().await.success());
}

#[tokio::test]
async fn takes_more_commands_at_once_than_qemu_queues() {
    let Some(machine) = Machine::paused().await else {
        return;
    };
    let calls = (0..100).map(|_| machine.qmp.query_status());
    for outcome in soon(futures::future::join_all(calls)).await {
        assert_eq!(outcome.unwrap(), RunState::Prelaunch);
    }
}

#[tokio::test]
async fn runs_commands_out_of_band() {
    let Some(machine) = Machine::paused().await else {
        return;
    };
    let instances = machine
        .qmp
        .execute_out_of_band("query-yank", Value::Null)
        .await
        .unwrap();
    assert!(instances.is_array(), "{instances}");
    let error = machine
        .qmp
        .execute_out_of_band("query-status", Value::Null)
        .await
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        "QEMU refused `query-status`: The command query-status does not support OOB"
    );
}

// A dump into a pipe that nobody reads holds up QEMU's main loop. Its queue holds eight commands; twenty wait here.
#[tokio::test]
async fn runs_commands_out_of_band_past_a_stuck_main_loop() {
    let Some(machine) = Machine::paused().await else {
        return;
    };
    let qmp = &machine.qmp;
    let (mut reader, writer) = std::io::pipe().unwrap();
    qmp.getfd("dump", writer.into()).await.unwrap();
    let dump = tokio::spawn({
        let qmp = qmp.clone();
        async move {
            qmp.execute(
                "dump-guest-memory",
                json!({"paging": false, "protocol": "fd:dump"}),
            )
            .await
        }
    });
    // Its first byte proves that the dump has begun; it cannot end, since a pipe holds 64 KiB and the dump 128 MiB.
    let begun = tokio::task::spawn_blocking(move || (reader.read_exact(&mut [0]), reader));
    let (read, reader) = soon(begun).await.unwrap();
    read.unwrap();
    // `join!` polls these first, so whatever QEMU may be sent of them is in the socket before the urgent command.
    let waiting = futures::future::join_all((0..20).map(|_| qmp.query_status()));
    let urgent = async {
        qmp.execute_out_of_band("query-yank", Value::Null)
            .await
            .unwrap();
        assert!(!dump.is_finished());
        drop(reader);
    };
    let (waiting, ()) = soon(async { tokio::join!(waiting, urgent) }).await;
    for outcome in waiting {
        assert_eq!(outcome.unwrap(), RunState::Prelaunch);
    }
    assert!(matches!(
        soon(dump).await.unwrap(),
        Err(QmpError::Refused { .. })
    ));
}
