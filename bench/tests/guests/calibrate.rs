//! What lmbench's instruments cost and tell, measured on a real guest.

use std::process::Command;

use lmbench::record::{Calibration, Instrument};

use lmbench_testing::Need;

/// What a kernel, a container or a QEMU may refuse, and then says so.
const MAY_BE_REFUSED: &[&str] = &[
    "system-calls",
    "tenant-probe",
    "tcp-info",
    "vcpu-turns",
    "qemu-trace",
];
const WITH_A_GUEST: &[&str] = &[
    "qmp-sample",
    "qmp-event",
    "heartbeat",
    "guest-report",
    "op-latency",
];
/// A whole CPU.
const SHARE_MAX: f64 = 1.0;

#[test]
fn every_instrument_costs_and_tells_something() {
    let Some(_turn) = lmbench_testing::alone(&[Need::Namespaces]) else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_lmbench"))
        .args(["doctor", "--calibrate", "--format", "json", "--out"])
        .arg(folder.path())
        .env("TMPDIR", folder.path())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{said}");
    let calibration: Calibration = serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|error| panic!("no calibration on stdout: {error}\n{said}"));
    assert!(calibration.machine.qemu.is_some(), "{calibration:?}");
    for instrument in &calibration.instruments {
        plausible(instrument, calibration.machine.cores);
    }
    for id in WITH_A_GUEST {
        let found = calibration.instruments.iter().find(|one| one.id == *id);
        assert!(
            found.is_some_and(|one| one.skipped.is_none()),
            "{id}: {found:?}"
        );
    }
    let kept: Vec<_> = std::fs::read_dir(folder.path())
        .unwrap()
        .flatten()
        .collect();
    assert_eq!(kept.len(), 1, "the guest's files are gone: {kept:?}");
    let kept = kept[0].path();
    let kept: Calibration = serde_json::from_slice(&std::fs::read(kept).unwrap()).unwrap();
    assert_eq!(kept, calibration);
}

fn plausible(instrument: &Instrument, cores: u32) {
    if let Some(why) = &instrument.skipped {
        assert!(
            MAY_BE_REFUSED.contains(&instrument.id.as_str()),
            "{instrument:?}"
        );
        assert!(!why.is_empty());
        return;
    }
    let cost = instrument.cost.as_ref();
    // What heartbeats cost is the difference of two seconds, which noise may swallow. Without one that was heard they were skipped.
    let of_heartbeats = instrument.id == "heartbeat";
    let enough = |us: f64| us > 0.0 || (of_heartbeats && us >= 0.0);
    assert!(
        cost.is_some_and(|cost| enough(cost.cpu_us)),
        "{instrument:?}"
    );
    // And their share is that of the second in which they were heard: of that there is no more.
    let most = if of_heartbeats {
        f64::from(cores)
    } else {
        SHARE_MAX
    };
    let share = cost.and_then(|cost| cost.cpu_share).unwrap_or(0.0);
    assert!(share < most, "{instrument:?}");
    let resolution = instrument.resolution.as_ref();
    assert!(
        resolution.is_some_and(|step| step.value > 0.0),
        "{instrument:?}"
    );
}
