//! `lmbench doctor` on a host that lacks something.

use super::support::Place;

#[test]
fn what_is_missing_is_named_with_its_mend() {
    let place = Place::new();
    let mut command = place.command(["doctor"]);
    command.env("LMBENCH_QEMU", place.path().join("no-qemu"));
    command.env("LMBENCH_GUEST_KERNEL", place.path().join("no-kernel"));
    let said = place.said(command);
    assert_eq!((said.code, said.stderr.as_str()), (3, ""), "{said:?}");
    // Lines are folded, and what this machine has decides how wide the columns are.
    let words: Vec<&str> = said.stdout.split_whitespace().collect();
    let words = words.join(" ");
    for part in [
        "there is no [PLACE]/no-qemu hint: unset LMBENCH_QEMU && ",
        "looked for [PLACE]/no-kernel hint: unset LMBENCH_GUEST_KERNEL && ",
        "not ready: `lmbench run` needs qemu, guest kernel",
    ] {
        assert!(words.contains(part), "{part} is not in\n{}", said.stdout);
    }
}

// No guest can be booted, and whatever needs none is measured all the same.
#[test]
fn without_a_qemu_the_rest_is_calibrated() {
    let place = Place::new();
    let mut command = place.command(["doctor", "--calibrate", "--format", "json", "--out", "out"]);
    command.env("LMBENCH_QEMU", place.path().join("no-qemu"));
    let said = place.said(command);
    assert_eq!(said.code, 0, "{said:?}");
    let answer: serde_json::Value = serde_json::from_str(&said.stdout).expect("one JSON document");
    assert!(answer["machine"].get("qemu").is_none(), "{answer}");
    let instruments = answer["instruments"].as_array().expect("a list");
    let one = |id: &str| {
        let found = instruments.iter().find(|one| one["id"] == id);
        found.unwrap_or_else(|| panic!("no {id} in {answer}"))
    };
    for id in ["heartbeat", "qmp-sample", "op-latency"] {
        let why = one(id)["skipped"].as_str().expect("a reason");
        assert!(why.contains("no-qemu"), "{id}: {why}");
        assert!(one(id).get("cost").is_none(), "{id}");
    }
    for id in ["host-clock", "cpu-process", "carrier-count"] {
        assert!(one(id)["cost"]["cpu_us"].as_f64() > Some(0.0), "{id}");
    }
    assert!(place.path().join("out/calibration.json").is_file());
}

#[test]
fn json_says_whether_the_host_is_ready() {
    let place = Place::new();
    let mut command = place.command(["doctor", "--format", "json", "--out", "/proc/results"]);
    command.env("LMBENCH_QEMU", "/bin/false");
    let said = place.said(command);
    assert_eq!(said.code, 3, "{said:?}");
    let answer: serde_json::Value = serde_json::from_str(&said.stdout).expect("one JSON document");
    assert_eq!(answer["ready"], false);
    let findings = answer["findings"].as_array().expect("a list");
    let disk = findings
        .iter()
        .find(|finding| finding["name"] == "results disk");
    assert_eq!(disk.expect("it is looked at")["status"], "missing");
}
