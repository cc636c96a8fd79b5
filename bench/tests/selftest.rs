//! `lmbench selftest` as a user meets it. The matrix itself is what CI runs.

use std::process::{Command, Output};

use lmbench_testing::Need;

fn selftest(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_lmbench"))
        .arg("selftest")
        .args(arguments)
        .output()
        .expect("the program runs")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[test]
fn a_list_says_what_must_come_of_each_case_and_what_is_left_out() {
    let output = selftest(&["--list", "--filter", "native-tcp/*"]);
    assert_eq!(output.status.code(), Some(0));
    let list = text(&output.stdout);
    assert!(
        list.contains("native-tcp/pre-copy/ok  # the guest arrives intact  [quick]\n"),
        "{list}"
    );
    assert!(
        list.contains(
            "native-tcp/pre-copy/wrong-identity  # left out: native-tcp knows no identities\n"
        ),
        "{list}"
    );
    let random = selftest(&["--list", "--random", "3", "--seed", "7"]);
    assert_eq!(text(&random.stdout).lines().count(), 3);
}

#[test]
fn what_can_not_be_done_is_said_before_a_guest_boots() {
    for (arguments, words) in [
        (
            &["--filter", "tls/pre-copi/ok"][..],
            "did you mean tls/pre-copy/ok?",
        ),
        (
            &["--list", "--filter", "tls/pre-copi/ok"],
            "did you mean tls/pre-copy/ok?",
        ),
        (
            &["--filter", "quick", "--junit", "/nowhere/at/all.xml"],
            "can't write /nowhere/at/all.xml",
        ),
        (&["--jobs", "0"], "0 is not in 1..=64"),
    ] {
        let output = selftest(arguments);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        let said = text(&output.stderr);
        assert!(said.contains(words), "{said}");
        assert!(output.stdout.is_empty(), "{}", text(&output.stdout));
    }
}

// One that arrives, one that is cancelled, one whose destination dies, and one that this QEMU may refuse, on the same hosts.
#[test]
fn cases_are_told_as_tap_and_as_junit() {
    let Some(_turn) = lmbench_testing::live(&[Need::Namespaces, Need::Userfaultfd]) else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let (junit, out) = (
        folder.path().join("junit.xml"),
        folder.path().join("all.json"),
    );
    let output = selftest(&[
        "--filter",
        "tcp/pre-copy/ok,tls/pre-copy/cancel-active,native-tcp/pre-copy/destination-dies-pass-1",
        "--filter",
        "tcp/multifd-post-copy/ok",
        "--junit",
        junit.to_str().unwrap(),
        "-o",
        out.to_str().unwrap(),
    ]);
    let (tap, said) = (text(&output.stdout), text(&output.stderr));
    assert_eq!(output.status.code(), Some(0), "{tap}\n{said}");
    assert!(tap.starts_with("TAP version 14\n1..4\n"), "{tap}");
    let count = |word: &str| tap.lines().filter(|line| line.starts_with(word)).count();
    assert_eq!((count("ok "), count("not ok ")), (4, 0), "{tap}");
    let xml = std::fs::read_to_string(junit).unwrap();
    assert!(xml.contains("tests=\"4\" failures=\"0\""), "{xml}");
    let all: serde_json::Value =
        serde_json::from_str(&std::fs::read_to_string(out).unwrap()).unwrap();
    let cases = all["cases"].as_array().unwrap();
    let dies = cases
        .iter()
        .find(|case| case["name"] == "native-tcp/pre-copy/destination-dies-pass-1");
    let events = dies.unwrap()["repeat"]["events"].as_array().unwrap();
    assert!(
        events.iter().any(|event| event["name"] == "fault"),
        "{events:?}"
    );
}
