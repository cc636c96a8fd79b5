//! Runs that are compared or judged at once: two QEMUs, two lmbenches, a baseline.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;

use serde_json::{Value, json};

use crate::live::{Place, RUN};

const SCENARIO: &str = "name = \"live\"\nrun.repeats = 1\ncarrier.tcp = {}\n[guest]\nmemory = \"224 MiB\"\n\
                        [workload.uniform]\nmemory = \"32 MiB\"\nrate = \"4 MiB/s\"\n\
                        [migration]\ntimeout = \"30 s\"\nsettle = \"500 ms\"\n";

fn script(place: &Place, name: &str, body: &str) -> PathBuf {
    let path = place.path(name);
    fs::write(&path, format!("#!/bin/sh\n{body}\n")).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    path
}

/// Compares two programs on the scenario, which take turns.
fn in_turns(place: &Place, option: &str, [base, candidate]: [&str; 2]) -> (i32, Value, String) {
    place.lmbench(&[
        "compare",
        "--interleave",
        "scenario.toml",
        option,
        base,
        option,
        candidate,
        "--format",
        "json",
        "--out",
        "results",
    ])
}

/// The only record below `results`.
fn record(place: &Place) -> Value {
    let mut runs = fs::read_dir(place.path("results"))
        .unwrap()
        .map(|entry| entry.unwrap().path().join("record.json"))
        .filter(|path| path.is_file());
    let (first, second) = (runs.next().unwrap(), runs.next());
    assert_eq!(second, None);
    serde_json::from_slice(&fs::read(first).unwrap()).unwrap()
}

fn assert_completed(record: &Value) {
    for (index, variant) in ["base", "candidate"].into_iter().enumerate() {
        let cell = &record["cells"][index];
        assert_eq!(cell["parameters"]["variant"], variant);
        let repeat = &cell["repeats"][0];
        assert_eq!(repeat["outcome"], "completed", "{repeat}");
        assert_eq!(repeat["integrity"]["memory_intact"], true, "{repeat}");
    }
}

#[test]
fn two_qemus_take_turns() {
    let Some(place) = Place::new(SCENARIO) else {
        return;
    };
    // The same QEMU, by two names, each of which writes down that it was used for a guest.
    let trace = |name: &str| place.path(&format!("used-{name}"));
    let qemu = |name: &str| {
        let body = format!(
            "case \"$*\" in *memory-backend-ram*) echo >> {} ;; esac; exec qemu-system-x86_64 \"$@\"",
            trace(name).display()
        );
        script(&place, name, &body);
        format!("./{name}")
    };
    let (old, new) = (qemu("old"), qemu("new"));
    let (code, comparison, said) = in_turns(&place, "--qemu", [&old, &new]);
    assert_eq!(code, 0, "{said}");
    assert_eq!(comparison["environment"], json!([]));
    let record = record(&place);
    assert_completed(&record);
    let variants = &record["environment"]["details"]["variants"];
    for (side, variant, name) in [("base", "base", "old"), ("candidate", "candidate", "new")] {
        // Two hosts, one guest each, and whatever preflight tried.
        let used = fs::read_to_string(trace(name)).unwrap().lines().count();
        assert!(used >= 2, "{name} was used {used} times");
        let qemu = &variants[variant]["qemu"];
        let path = place.path(name);
        assert_eq!(qemu["path"], json!(path), "{variants}");
        assert_eq!(qemu["sha256"].as_str().unwrap().len(), 64);
        let told = comparison[side]["programs"].as_str().unwrap();
        assert!(told.contains(&*path.to_string_lossy()), "{told}");
    }
    // The same version of both is said once.
    let version = record["environment"]["qemu"].as_str().unwrap();
    let told = variants["base"]["qemu"]["version"].as_str().unwrap();
    assert_eq!(version.matches(told).next(), Some(told), "{version}");
    assert!(!version.contains(" and "), "{version}");
}

#[test]
fn two_lmbenches_take_turns() {
    let Some(place) = Place::new(SCENARIO) else {
        return;
    };
    // A link would lead an agent back to the one file, from which it would start its carriers.
    fs::copy(env!("CARGO_BIN_EXE_lmbench"), place.path("new")).unwrap();
    let old = env!("CARGO_BIN_EXE_lmbench");
    let (code, comparison, said) = in_turns(&place, "--binary", [old, "./new"]);
    assert_eq!(code, 0, "{said}");
    assert_eq!(comparison["cells"][0]["base"], "variant=base");
    let record = record(&place);
    assert_completed(&record);
    let variants = &record["environment"]["details"]["variants"];
    let [base, candidate] = ["base", "candidate"].map(|name| &variants[name]["lmbench"]);
    assert_eq!(base["path"], old);
    assert_eq!(candidate["path"], json!(place.path("new")));
    assert_eq!(base["sha256"], candidate["sha256"]);
}

#[test]
fn agents_of_another_protocol_are_refused_before_the_first_guest() {
    let Some(place) = Place::new(SCENARIO) else {
        return;
    };
    let own = env!("CARGO_BIN_EXE_lmbench");
    script(
        &place,
        "stranger",
        // It lives until the controller says its first word.
        "case $1 in --version) echo lmbench 0.0.1 ;; *) head -c 1 >/dev/null; exit 1 ;; esac",
    );
    let (code, _, said) = in_turns(&place, "--binary", [own, "./stranger"]);
    assert_eq!(code, 3, "{said}");
    assert!(
        said.contains("stranger can't work for this lmbench"),
        "{said}"
    );
    assert!(
        said.contains("hint: let each lmbench do a run of its own"),
        "{said}"
    );
    assert!(!place.path("results").exists(), "{said}");
}

#[test]
fn a_run_is_judged_at_once() {
    let Some(place) = Place::new(SCENARIO) else {
        return;
    };
    let (code, first, said) = place.lmbench(&RUN);
    assert_eq!(code, 0, "{said}");
    fs::write(place.path("first.json"), first.to_string()).unwrap();
    let (code, _, said) = place.lmbench(&["baseline", "first.json", "-o", "base.json"]);
    assert_eq!(code, 0, "{said}");
    // A limit that nothing keeps: one repeat is enough to miss it, and no comparison can do better.
    fs::write(
        place.path("scenario.toml"),
        format!("{SCENARIO}[gate]\ntotal_time_ms = \"<= 1 ms\"\n"),
    )
    .unwrap();
    let (code, document, said) = place.lmbench(&[&RUN[..], &["--baseline", "base.json"]].concat());
    assert_eq!(code, 5, "{said}");
    assert_eq!(document["gate"]["verdict"], "regressed");
    assert_eq!(document["gate"]["exit_code"], 5);
    assert_eq!(document["gate"]["baseline"], first["run_id"]);
    // It is still a record, and the gate says the same of it.
    assert_eq!(document["cells"][0]["repeats"][0]["outcome"], "completed");
    fs::write(place.path("second.json"), document.to_string()).unwrap();
    let gate = [
        "gate",
        "second.json",
        "--baseline",
        "base.json",
        "--format",
        "json",
    ];
    let (code, again, said) = place.lmbench(&gate);
    assert_eq!(code, 5, "{said}");
    assert_eq!(again, document["gate"]);
}

#[test]
fn a_cell_is_measured_until_its_interval_is_narrow() {
    // Six values are the fewest that have an interval, and no busy machine spreads these.
    let until = "run.repeats = \"until ram_bytes ci95 < 90 %, at most 9\"";
    let scenario = SCENARIO.replace("run.repeats = 1", until);
    let Some(place) = Place::new(&scenario) else {
        return;
    };
    let (code, document, said) = place.lmbench(&RUN);
    assert_eq!(code, 0, "{said}");
    assert_eq!(document["complete"], true);
    let repeats = document["cells"][0]["repeats"].as_array().unwrap();
    assert_eq!(repeats.len(), 6, "{said}");
    assert!(
        repeats
            .iter()
            .all(|repeat| repeat["outcome"] == "completed")
    );
}
