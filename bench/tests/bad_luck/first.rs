//! The first hour: scenarios by name, one of one's own, and runs that are named in short.

use std::collections::BTreeMap;
use std::fs;

use lmbench::record::{Environment, Record, Repeat, ScenarioText};
use lmbench::scenario;
use lmbench::store::Store;
use lmbench_harness::host::HostInfo;

use super::store::begun;
use super::support::{Place, SOUND};

#[test]
fn scenarios_are_in_the_program_and_a_file_wins() {
    let place = Place::new();
    let plan = |name: &str| {
        let mut command = place.command(["run", name, "--dry-run"]);
        // What is here to run it is not asked.
        command.env("LMBENCH_QEMU", "/nowhere/qemu");
        place.said(command)
    };
    assert!(
        plan("quick").stdout.starts_with("quick: 2 cells"),
        "{:?}",
        plan("quick")
    );
    assert_eq!(plan("quick.toml").stdout, plan("quick").stdout);
    assert!(
        plan("guestperf/post-copy-iters")
            .stdout
            .starts_with("post-copy-iters: 4 cells")
    );
    // A folder of the name is no scenario; a file is, whatever it is called.
    fs::create_dir(place.path().join("idle")).expect("ours");
    assert!(
        plan("idle").stdout.starts_with("idle: "),
        "{:?}",
        plan("idle")
    );
    place.file("quick", SOUND);
    assert!(
        plan("quick").stdout.starts_with("luck: 1 cell"),
        "{:?}",
        plan("quick")
    );
    let said = plan("scenarios/quik.toml").refused(2);
    assert!(said.contains("did you mean `quick`?"), "{said}");

    let list = place.run(["scenarios"]);
    assert_eq!((list.code, list.stderr.as_str()), (0, ""));
    assert!(
        list.stdout
            .contains("quick: 17 s on two idle cores\n  does everything work"),
        "{}",
        list.stdout
    );
    assert_eq!(
        list.stdout
            .lines()
            .filter(|line| line.ends_with('?'))
            .count(),
        scenario::BUILTINS.len(),
        "{}",
        list.stdout
    );
    let json = place.run(["scenarios", "--format", "json"]);
    let json: serde_json::Value = serde_json::from_str(&json.stdout).expect("one document");
    let quick = json
        .as_array()
        .expect("a list")
        .iter()
        .find(|one| one["name"] == "quick");
    assert_eq!(quick.expect("it is listed")["migrations"], 2);
    let quick = scenario::builtin("quick").expect("it is built in");
    assert_eq!(place.run(["scenarios", "quick"]).stdout, quick.text);
    assert!(
        place
            .run(["scenarios", "quik"])
            .refused(2)
            .contains("did you mean `quick`?")
    );
}

#[test]
fn a_scenario_of_ones_own_is_made_once() {
    let place = Place::new();
    let said = place.run(["init", "My first.toml"]);
    assert_eq!((said.code, said.stdout.as_str()), (0, ""), "{said:?}");
    let plan = place.run(["run", "My first.toml", "--dry-run"]);
    assert!(plan.stdout.starts_with("my-first: 4 cells"), "{plan:?}");
    place.file("mine.toml", "mine");
    place.run(["init", "mine.toml"]).refused(2);
    assert_eq!(
        fs::read_to_string(place.path().join("mine.toml")).expect("ours"),
        "mine"
    );
    place.run(["init", "no/such/folder.toml"]).refused(2);
    assert_eq!(place.run(["init"]).code, 0);
    assert!(place.path().join("scenario.toml").exists());
    assert!(
        place
            .run(["init", "-"])
            .stdout
            .contains("\nname = \"scenario\"\n")
    );
}

#[test]
fn runs_are_named_in_short_by_every_command() {
    let place = Place::new();
    for id in ["20260301-120000-luck-1f3c", "20260302-120000-luck-2a2a"] {
        begun(&place, id, "luck", SOUND, 2)
            .finish()
            .expect("the lock is ours");
    }
    let id = |name: &str| {
        let said = place.run(["show", name, "--format", "json"]);
        let record: serde_json::Value =
            serde_json::from_str(&said.stdout).unwrap_or_else(|_| panic!("{said:?}"));
        record["run_id"].as_str().expect("a text").to_owned()
    };
    assert_eq!(id("latest"), "20260302-120000-luck-2a2a");
    assert_eq!(id("1f3c"), "20260301-120000-luck-1f3c");
    assert_eq!(id("20260301"), "20260301-120000-luck-1f3c");
    let said = place.run(["ctl", "latest", "status"]).refused(3);
    assert!(said.contains("20260302-120000-luck-2a2a"), "{said}");
    let said = place.run(["compare", "1f3c", "latest:base", "--cell", "base"]);
    assert_eq!(said.code, 0, "{said:?}");
}

const AXES: &str = "\n[matrix]\ncarrier = [\"native-tcp\", \"tcp\"]\n";

/// Whoever goes on with a part of a run goes on with that part, and is not asked for the rest by a gate either.
#[test]
fn resuming_goes_on_with_the_cells_it_was_begun_with() {
    let place = Place::new();
    let text = format!("{SOUND}{AXES}");
    let file = place.file("luck.toml", &text);
    let host = HostInfo::examine();
    let environment = Environment {
        lmbench: "0".to_owned(),
        qemu: "10.0.2".to_owned(),
        kernel: "6".to_owned(),
        accelerator: "tcg".to_owned(),
        accelerator_reason: None,
        cpu: host.cpu,
        cores: host.cores,
        hosts: BTreeMap::new(),
        details: BTreeMap::new(),
    };
    let scenario = scenario::load(&file).expect("it is sound");
    let begin = |id: &str, cells: usize, done: u32| {
        let chosen = scenario.cells.iter().take(cells);
        let chosen = chosen.map(|cell| (cell.id.clone(), cell.parameters.clone()));
        let scenario = ScenarioText::new("luck", &text);
        let mut record = Record::new(scenario, environment.clone(), 1, 2, chosen);
        id.clone_into(&mut record.run_id);
        let store = Store::open(place.path().join("results"));
        let writer = store.create_run(&record).expect("ours");
        for cell in 0..cells {
            for repeat in 1..=done {
                let metrics = BTreeMap::from([("downtime_ms".to_owned(), f64::from(repeat))]);
                record.push(cell, Repeat::completed(repeat, 0.0, metrics));
            }
        }
        writer.save(&record).expect("ours");
        writer.finish().expect("ours");
    };
    begin("20260301-120000-luck-base", 2, 2);
    begin("20260302-120000-luck-half", 1, 1);
    let plan = place.run(["run", "luck.toml", "--resume", "latest", "--dry-run"]);
    assert!(
        plan.stdout.starts_with("luck: 1 cell, 2 migrations"),
        "{plan:?}"
    );
    begin("20260303-120000-luck-part", 1, 2);
    let made = place.run(["baseline", "base", "-o", "base.json"]);
    assert_eq!(made.code, 0, "{made:?}");
    let said = place.run([
        "run",
        "luck.toml",
        "--resume",
        "part",
        "--baseline",
        "base.json",
        "--format",
        "json",
    ]);
    let judged: serde_json::Value =
        serde_json::from_str(&said.stdout).unwrap_or_else(|_| panic!("{said:?}"));
    let text = judged["gate"].to_string();
    assert!(text.contains("carrier=native-tcp"), "{text}");
    assert!(
        !text.contains("carrier=tcp"),
        "a cell that was not asked for is missed: {text}"
    );
    let named = place.run(["run", "luck.toml", "--resume", "part"]).stdout;
    assert!(
        named.contains("20260303-120000-luck-part/record.json"),
        "{named}"
    );
}

/// A hole in the file is as long as samples of hours, and costs nothing.
#[test]
fn large_exports_are_told_before_they_are_written() {
    let place = Place::new();
    let id = "20260301-120000-luck-1f3c";
    begun(&place, id, "luck", SOUND, 1)
        .finish()
        .expect("the lock is ours");
    let sample = "{\"cell\":\"base\",\"repeat\":1,\"at_ms\":1.0,\"host\":\"source\",\"kind\":\"cpu\",\"data\":{\"qemu\":1}}\n";
    let export = |format: &str| {
        place.run([
            "export",
            "latest",
            "--format",
            format,
            "--samples",
            "-o",
            "out.csv",
        ])
    };
    let samples = place.file(&format!("results/{id}/samples.jsonl"), sample.repeat(100));
    assert!(
        !export("csv").stderr.contains("warning"),
        "{:?}",
        export("csv")
    );
    let file = fs::File::options()
        .write(true)
        .open(&samples)
        .expect("ours");
    file.set_len(250_000_000).expect("a file may have holes");
    let said = export("csv").stderr;
    assert!(
        said.starts_with("warning: about ")
            && said.contains(" go to out-samples.csv\nhint: --format parquet takes about "),
        "{said}"
    );
    assert!(
        said.find("samples: out-samples.csv") > said.find("warning: about"),
        "{said}"
    );
}
