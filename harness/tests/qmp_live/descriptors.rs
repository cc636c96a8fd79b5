//! Descriptors handed to a real QEMU.

use std::fs::File;

use lmbench_harness::qmp::{Qmp, QmpError};
use serde_json::json;

use crate::machine::{Machine, soon};

/// Adds `file` to a set of its own and returns what QEMU then has open there.
async fn add(machine: &Machine, qmp: Qmp, set: usize, file: File) -> std::path::PathBuf {
    let added = qmp
        .execute_with_descriptor("add-fd", json!({"fdset-id": set}), file.into())
        .await
        .unwrap();
    machine.opened(added["fd"].as_u64().unwrap())
}

// Sent without waiting for one another, QEMU 10.0.2 mixes these descriptors up; /proc tells what it really got.
#[tokio::test]
async fn every_descriptor_goes_to_its_own_command() {
    let Some(machine) = Machine::paused().await else {
        return;
    };
    let paths: Vec<_> = (0..8)
        .map(|number| machine.folder.path().join(number.to_string()))
        .collect();
    let files = paths.iter().map(|path| File::create(path).unwrap());
    let adding = files
        .enumerate()
        .map(|(set, file)| add(&machine, machine.qmp.clone(), set, file));
    assert_eq!(soon(futures::future::join_all(adding)).await, paths);
}

#[tokio::test]
async fn keeps_a_named_descriptor() {
    let Some(machine) = Machine::paused().await else {
        return;
    };
    machine
        .qmp
        .getfd("relay", File::open("/dev/null").unwrap().into())
        .await
        .unwrap();
    machine
        .qmp
        .execute("closefd", json!({"fdname": "relay"}))
        .await
        .unwrap();
    let error = machine
        .qmp
        .execute("closefd", json!({"fdname": "relay"}))
        .await
        .unwrap_err();
    assert!(matches!(error, QmpError::Refused { .. }), "{error:?}");
}
