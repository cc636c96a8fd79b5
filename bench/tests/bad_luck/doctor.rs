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
    for part in [
        "there is no [PLACE]/no-qemu\n         hint: unset LMBENCH_QEMU && ",
        "looked for [PLACE]/no-kernel\n         hint: unset LMBENCH_GUEST_KERNEL && ",
        "not ready: `lmbench run` needs qemu, guest kernel",
    ] {
        assert!(
            said.stdout.contains(part),
            "{part} is not in\n{}",
            said.stdout
        );
    }
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
